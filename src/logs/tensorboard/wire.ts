import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

export { type BinaryReader, BinaryWriter, WireType };

/**
 * Calls `visit` for each field of a protobuf message; a field it does not take (returns false, nothing read) is
 * skipped. Throws Error or RangeError where the bytes are no message.
 */
export function readFields(
  bytes: Uint8Array,
  visit: (field: number, wire: WireType, reader: BinaryReader) => boolean,
): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (!visit(field, wire, reader)) reader.skip(wire, field);
  }
  // A varint may end behind the message without having been noticed.
  if (reader.pos > reader.len) throw new RangeError('premature end of message');
}

/** Reads a repeated number field, packed or not, into `out`; false for another wire type. */
export function readNumbers(
  reader: BinaryReader,
  wire: WireType,
  single: WireType,
  read: (reader: BinaryReader) => number,
  out: number[],
): boolean {
  if (wire === single) {
    out.push(read(reader));
    return true;
  }
  if (wire !== WireType.LengthDelimited) return false;
  const packed = new BinaryReader(reader.bytes());
  while (packed.pos < packed.len) out.push(read(packed));
  return true;
}

/** Writes a message field. */
export function writeMessage(writer: BinaryWriter, field: number, write: (writer: BinaryWriter) => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write(writer);
  writer.join();
}

/** Writes a packed repeated double. */
export function writeDoubles(writer: BinaryWriter, field: number, values: readonly number[]): void {
  writer.tag(field, WireType.LengthDelimited).bytes(new Uint8Array(littleEndian64(values)));
}

function littleEndian64(values: readonly number[]): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(8 * values.length));
  for (let i = 0; i < values.length; i++) view.setFloat64(8 * i, values[i]!, true);
  return view.buffer;
}
