import { gunzipSync } from 'fflate';
import type { DataType } from '../../graph/data-type.ts';
import { DataError } from '../../graph/errors.ts';
import { sizeOf, type Tensor } from '../../graph/tensor.ts';
import type { RandomAccess } from '../../runtime/file-access.ts';
import { ARCHIVE_LIMIT } from '../npz.ts';
import { memoryAccess, recordColumn } from './records.ts';
import type { Column } from './row-source.ts';

// The format, big-endian: two zero bytes, the type, the rank, one 32-bit size per axis, the elements
// (LeCun, Cortes, Burges: the MNIST database, "the IDX file format").
const types: Record<number, DataType> = {
  8: 'uint8',
  9: 'int8',
  11: 'int16',
  12: 'int32',
  13: 'float32',
  14: 'float64',
};
const MOST_DIMENSIONS = 8;
const littleEndianMachine = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Whether bytes begin like an idx file. */
export function isIdx(bytes: Uint8Array): boolean {
  return (
    bytes[0] === 0 &&
    bytes[1] === 0 &&
    Object.hasOwn(types, bytes[2] ?? 0) &&
    bytes[3]! > 0 &&
    bytes[3]! <= MOST_DIMENSIONS
  );
}

/** Whether bytes begin like a gzip file. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * The rows of an idx file, packed by gzip or not. Images (unsigned bytes of rank 3 and more) become float32 in [0, 1];
 * all else stays what it is. Throws DataError.
 */
export async function openIdx(given: RandomAccess): Promise<Column> {
  const packed = isGzip(await given.read(0, Math.min(2, given.size)));
  const file = packed ? memoryAccess(given.name, unpack(await given.read(0, given.size), given.name)) : given;
  if (packed) await given.close();
  const head = await file.read(0, Math.min(file.size, 4 + 4 * MOST_DIMENSIONS));
  if (!isIdx(head)) {
    const start = Array.from(head.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw broken(
      file.name,
      `not an idx file: it begins with ${start || 'nothing'}`,
      'idx begins 00 00, a type, a rank',
    );
  }
  const type = types[head[2]!]!;
  const rank = head[3]!;
  const start = 4 + 4 * rank;
  if (head.length < start) throw broken(file.name, 'truncated in its header');
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const column = recordColumn(file, { type, swap: littleEndianMachine, shape, start });
  if (type !== 'uint8' || rank < 3) return column;
  return {
    ...column,
    notes: [`${file.name}: pixels from 0 to 255 were scaled to [0, 1]`],
    read: async (rows) => scalePixels(await column.read(rows)),
  };
}

/** float32 = byte / 255. */
export function scalePixels({ dims, data }: Tensor): Tensor {
  const out = new Float32Array(sizeOf(dims));
  for (let i = 0; i < out.length; i++) out[i] = Number(data[i]) / 255;
  return { type: 'float32', dims, data: out };
}

function unpack(bytes: Uint8Array, name: string): Uint8Array {
  if (bytes.length < 18) throw broken(name, `a gzip file of ${bytes.length} bytes is truncated`);
  // RFC 1952: the last four bytes are the size, modulo 2^32. A deflate stream expands at most 1032 times.
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(bytes.length - 4, true);
  if (size > Math.min(ARCHIVE_LIMIT, 1032 * bytes.length)) {
    throw broken(name, `claims to unpack to ${size} bytes, more than ${bytes.length} packed bytes can hold`);
  }
  try {
    return gunzipSync(bytes, { out: new Uint8Array(size) });
  } catch (error) {
    throw broken(name, `cannot be unpacked: ${(error as Error).message}`);
  }
}

function broken(where: string, message: string, hint?: string): DataError {
  return new DataError(message, { code: 'idx', where, hint });
}
