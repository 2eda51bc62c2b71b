import { float16ToNumber } from '../../graph/tensor.ts';
import { type BinaryReader, type BinaryWriter, readFields, readNumbers, WireType, writeMessage } from './wire.ts';

/** A tensor in an event: numbers, or the bytes of strings. */
export interface EventTensor {
  readonly dims: readonly number[];
  readonly values: readonly number[];
  readonly strings: readonly Uint8Array[];
}

/** The most elements a tensor of few stored values is repeated to. */
const MOST_ELEMENTS = 2 ** 24;

/** tensorflow/core/framework/types.proto. */
const DT = { float: 1, double: 2, int32: 3, uint8: 4, int16: 5, int8: 6, string: 7, int64: 9, bool: 10, half: 19 };

/** Element size and reader of `tensor_content`, by DataType. */
const contents: Record<number, [size: number, read: (view: DataView, offset: number) => number]> = {
  [DT.float]: [4, (view, at) => view.getFloat32(at, true)],
  [DT.double]: [8, (view, at) => view.getFloat64(at, true)],
  [DT.int32]: [4, (view, at) => view.getInt32(at, true)],
  [DT.uint8]: [1, (view, at) => view.getUint8(at)],
  [DT.int16]: [2, (view, at) => view.getInt16(at, true)],
  [DT.int8]: [1, (view, at) => view.getInt8(at)],
  [DT.int64]: [8, (view, at) => Number(view.getBigInt64(at, true))],
  [DT.bool]: [1, (view, at) => view.getUint8(at)],
  [DT.half]: [2, (view, at) => float16ToNumber(view.getUint16(at, true))],
};

/** Writes a TensorProto. */
export function writeTensor(
  writer: BinaryWriter,
  type: 'float' | 'double',
  dims: readonly number[],
  values: readonly number[],
): void {
  const size = type === 'float' ? 4 : 8;
  const content = new DataView(new ArrayBuffer(size * values.length));
  values.forEach((value, i) => {
    if (type === 'float') content.setFloat32(size * i, value, true);
    else content.setFloat64(size * i, value, true);
  });
  writer.tag(1, WireType.Varint).int32(DT[type]);
  writeMessage(writer, 2, (shape) => {
    for (const dim of dims) writeMessage(shape, 2, (size) => size.tag(1, WireType.Varint).int64(dim));
  });
  writer.tag(4, WireType.LengthDelimited).bytes(new Uint8Array(content.buffer));
}

/**
 * A TensorProto; undefined for an element type that no scalar or histogram has. As in TensorFlow, fewer stored values
 * than the shape needs mean that the last one repeats. Throws RangeError where size and shape disagree.
 */
export function readTensor(bytes: Uint8Array): EventTensor | undefined {
  let type = 0;
  const dims: number[] = [];
  let content: Uint8Array | undefined;
  const listed: number[] = [];
  const strings: Uint8Array[] = [];
  const take = (wire: WireType, single: WireType, read: (reader: BinaryReader) => number, reader: BinaryReader) =>
    readNumbers(reader, wire, single, read, listed);
  readFields(bytes, (field, wire, reader) => {
    switch (field) {
      case 1:
        if (wire !== WireType.Varint) return false;
        type = reader.int32();
        return true;
      case 2:
        if (wire !== WireType.LengthDelimited) return false;
        readShape(reader.bytes(), dims);
        return true;
      case 4:
        if (wire !== WireType.LengthDelimited) return false;
        content = reader.bytes();
        return true;
      case 5:
        return take(wire, WireType.Bit32, (r) => r.float(), reader);
      case 6:
        return take(wire, WireType.Bit64, (r) => r.double(), reader);
      case 7:
      case 11:
        return take(wire, WireType.Varint, (r) => r.int32(), reader);
      case 8:
        if (wire !== WireType.LengthDelimited) return false;
        strings.push(reader.bytes());
        return true;
      case 10:
        return take(wire, WireType.Varint, (r) => Number(r.int64()), reader);
      case 13:
        return take(wire, WireType.Varint, (r) => float16ToNumber(r.int32()), reader);
      default:
        return false;
    }
  });
  if (type === DT.string) return { dims, values: [], strings };
  const format = contents[type];
  if (!format) return undefined;
  const size = dims.reduce((product, dim) => product * dim, 1);
  if (!(size >= 0 && size <= MOST_ELEMENTS)) throw new RangeError(`a tensor of shape [${dims.join(', ')}]`);
  const values = content?.length ? readContent(content, format) : listed;
  if (values.length > size || (values.length < size && content?.length)) {
    throw new RangeError(`a tensor of shape [${dims.join(', ')}] with ${values.length} values`);
  }
  const last = values.at(-1) ?? 0;
  while (values.length < size) values.push(last);
  return { dims, values, strings };
}

function readShape(bytes: Uint8Array, dims: number[]): void {
  readFields(bytes, (field, wire, reader) => {
    if (field !== 2 || wire !== WireType.LengthDelimited) return false;
    let size = 0;
    readFields(reader.bytes(), (inner, innerWire, dim) => {
      if (inner !== 1 || innerWire !== WireType.Varint) return false;
      size = Number(dim.int64());
      return true;
    });
    if (size < 0) throw new RangeError(`a tensor dimension of ${size}`);
    dims.push(size);
    return true;
  });
}

function readContent(
  content: Uint8Array,
  [size, read]: [number, (view: DataView, offset: number) => number],
): number[] {
  if (content.length % size !== 0) throw new RangeError(`${content.length} bytes for elements of ${size}`);
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  return Array.from({ length: content.length / size }, (_, i) => read(view, i * size));
}
