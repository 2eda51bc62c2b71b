import { type TensorProto, TensorProtoSchema } from 'onnx-buf';
import { arrayOf, codeOf, type DataType, type TypedArray, typeOfCode } from '../data-type.ts';
import { ReaderError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { clearFields, copyMessage, isExotic } from './proto.ts';

/** The messages tensors were read from: doc strings, metadata and unknown fields return on writing. */
const sources = new WeakMap<Tensor, TensorProto>();

const utf8 = new TextDecoder();

/** The TensorProto fields that hold elements. */
const dataFields = [
  'rawData',
  'floatData',
  'int32Data',
  'int64Data',
  'doubleData',
  'uint64Data',
  'stringData',
] as const;

/**
 * A TensorProto as a tensor: a view of the file's bytes where they are aligned, a copy otherwise.
 * Undefined for element types that are carried unread. Throws ReaderError when shape and content disagree.
 */
export function decodeTensor(proto: TensorProto, file: string): Tensor | undefined {
  const where = `${file}, tensor "${proto.name}"`;
  const dims = decodeDims(proto, where);
  const type = typeOfCode(proto.dataType);
  if (type === undefined) {
    if (isExotic(proto.dataType)) return undefined;
    throw new ReaderError(`element type ${proto.dataType} is not a TensorProto.DataType of ONNX`, {
      code: 'onnx-tensor-type',
      where,
      hint: 'accepted: 1 (float) to 26 (int2)',
    });
  }
  if (proto.segment !== undefined) {
    throw new ReaderError('the tensor is stored in segments, which no ONNX exporter writes', {
      code: 'onnx-tensor-segment',
      where,
      hint: 'save the model again with onnx.save',
    });
  }
  // The product stays a float64: a hostile shape such as [2^40, 2^40] must compare, not overflow.
  const size = dims.reduce((product, dim) => product * dim, 1);
  const data = proto.rawData.length > 0 ? fromRaw(type, proto.rawData, dims, size, where) : fromTyped(type, proto);
  if (data.length !== size) throw mismatch(dims, size, 'values', data.length, where);
  const tensor = { type, dims, data };
  sources.set(tensor, proto);
  return tensor;
}

function decodeDims(proto: TensorProto, where: string): number[] {
  const dims = proto.dims.map(Number);
  for (const dim of dims) {
    if (dim < 0 || !Number.isSafeInteger(dim)) {
      throw new ReaderError(`the shape [${proto.dims.join(', ')}] has the size ${dim}`, {
        code: 'onnx-tensor-shape',
        where,
        hint: 'accepted: sizes of 0 or more',
      });
    }
  }
  return dims;
}

function fromRaw(type: DataType, bytes: Uint8Array, dims: number[], size: number, where: string): TypedArray {
  if (type === 'string') {
    throw new ReaderError('strings are stored as raw bytes, expected string_data', { code: 'onnx-tensor-data', where });
  }
  const array = arrayOf(type);
  const width = array.BYTES_PER_ELEMENT;
  if (bytes.length !== size * width) throw mismatch(dims, size * width, 'bytes', bytes.length, where);
  if (bytes.byteOffset % width === 0) return new array(bytes.buffer, bytes.byteOffset, size);
  return new array(new Uint8Array(bytes).buffer, 0, size);
}

function fromTyped(type: DataType, proto: TensorProto): TypedArray | string[] {
  switch (type) {
    case 'float32':
      return Float32Array.from(proto.floatData);
    case 'float64':
      return Float64Array.from(proto.doubleData);
    case 'int64':
      return BigInt64Array.from(proto.int64Data);
    case 'uint64':
      return BigUint64Array.from(proto.uint64Data);
    case 'uint32':
      return Uint32Array.from(proto.uint64Data, Number);
    case 'string':
      return proto.stringData.map((bytes) => utf8.decode(bytes));
    default: {
      // bool, 8- and 16-bit integers and the bits of float16 and bfloat16 share int32_data; int32 is itself.
      const data = new (arrayOf(type))(proto.int32Data.length);
      data.set(proto.int32Data as never);
      return data;
    }
  }
}

function mismatch(dims: number[], expected: number, unit: string, found: number, where: string): ReaderError {
  return new ReaderError(`the shape [${dims.join(', ')}] needs ${expected} ${unit}, the file holds ${found}`, {
    code: 'onnx-tensor-size',
    where,
    hint: 'the file is damaged or was cut; export or download it again',
  });
}

/** The elements as little-endian bytes, without a copy. Throws TypeError for strings. */
export function bytesOf(tensor: Tensor): Uint8Array {
  const { data } = tensor;
  if (Array.isArray(data)) throw new TypeError('a string tensor has no bytes');
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** A tensor as a TensorProto named `name`; `fallback` supplies what the project does not understand. */
export function encodeTensor(tensor: Tensor, name: string, fallback?: TensorProto): TensorProto {
  const source = sources.get(tensor) ?? fallback;
  const proto = copyMessage(TensorProtoSchema, source);
  clearFields(TensorProtoSchema, proto, ...dataFields, 'externalData', 'dataLocation', 'segment');
  if (name !== '' || source === undefined) proto.name = name;
  proto.dims = tensor.dims.map(BigInt);
  proto.dataType = codeOf(tensor.type);
  if (Array.isArray(tensor.data)) proto.stringData = encodeStrings(tensor.data, source?.stringData ?? []);
  else proto.rawData = bytesOf(tensor) as Uint8Array<ArrayBuffer>;
  return proto;
}

/** Strings that were not UTF-8 in the file keep their bytes. */
function encodeStrings(strings: string[], source: Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer>[] {
  const encoder = new TextEncoder();
  return strings.map((text, i) => {
    const bytes = source[i];
    return bytes !== undefined && utf8.decode(bytes) === text ? bytes : encoder.encode(text);
  });
}
