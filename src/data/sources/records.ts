import { arrayOf, type DataType } from '../../graph/data-type.ts';
import { DataError } from '../../graph/errors.ts';
import { sizeOf, type Tensor } from '../../graph/tensor.ts';
import type { RandomAccess } from '../../runtime/file-access.ts';
import type { Column } from './row-source.ts';

/** Where an array's elements lie in a file, row-major. */
export interface RecordLayout {
  readonly type: DataType;
  /** Whether the file's byte order is not this machine's. */
  readonly swap: boolean;
  /** The first axis counts the rows. */
  readonly shape: readonly number[];
  /** Byte at which the elements begin. */
  readonly start: number;
}

/** Rows this close together in the file are read in one piece. */
const GAP = 16 * 1024;
const LARGEST_READ = 8 * 1024 ** 2;

/**
 * The rows of an array in a file, read where they lie: memory is that of the rows asked for.
 * Throws DataError where the file is shorter than its header says.
 */
export function recordColumn(file: RandomAccess, layout: RecordLayout): Column {
  const { type, swap, shape, start } = layout;
  const dims = shape.slice(1);
  const Storage = arrayOf(type);
  const width = sizeOf(dims);
  const bytes = width * Storage.BYTES_PER_ELEMENT;
  const rows = shape[0] ?? 0;
  const needed = start + rows * bytes;
  if (!(needed <= Number.MAX_SAFE_INTEGER) || file.size < needed) {
    const message = `its header promises shape (${shape.join(', ')}) of ${type}, ${needed} bytes in all, but it has ${file.size}: truncated, or the header wrong`;
    throw new DataError(message, { code: 'truncated', where: file.name });
  }
  return {
    rows,
    close: () => file.close(),
    async read(wanted) {
      const out = new Uint8Array(wanted.length * bytes);
      await Promise.all(
        planReads(wanted, bytes).map(async ({ from, to, places }) => {
          const chunk = await file.read(start + from * bytes, (to - from) * bytes);
          for (const place of places) {
            const at = (wanted[place]! - from) * bytes;
            out.set(chunk.subarray(at, at + bytes), place * bytes);
          }
        }),
      );
      if (swap) swapBytes(out, Storage.BYTES_PER_ELEMENT);
      const data = new Storage(out.buffer, 0, wanted.length * width);
      if (type === 'bool') for (let i = 0; i < data.length; i++) data[i] = data[i] ? 1 : 0;
      return { type, dims: [wanted.length, ...dims], data } satisfies Tensor;
    },
  };
}

interface Piece {
  /** Rows from `from` up to, not including, `to`. */
  from: number;
  to: number;
  /** Which of the rows asked for lie in it. */
  places: number[];
}

/** The pieces of a file that hold some rows, in the file's order; neighbours are one piece. */
function planReads(rows: ArrayLike<number>, bytes: number): Piece[] {
  const order = Array.from({ length: rows.length }, (_, i) => i).sort((a, b) => rows[a]! - rows[b]!);
  const pieces: Piece[] = [];
  for (const place of order) {
    const row = rows[place]!;
    const last = pieces.at(-1);
    if (last && (row - last.to) * bytes <= GAP && (row + 1 - last.from) * bytes <= LARGEST_READ) {
      last.to = Math.max(last.to, row + 1);
      last.places.push(place);
    } else pieces.push({ from: row, to: row + 1, places: [place] });
  }
  return pieces;
}

/** Reverses the bytes of each element in place. */
export function swapBytes(bytes: Uint8Array, width: number): void {
  if (width > 1) for (let i = 0; i < bytes.length; i += width) bytes.subarray(i, i + width).reverse();
}

/** Bytes in memory, read like a file. */
export function memoryAccess(name: string, bytes: Uint8Array): RandomAccess {
  return {
    name,
    size: bytes.length,
    close: async () => undefined,
    async read(offset, length) {
      if (offset + length > bytes.length) throw endsEarly(name, bytes.length, offset + length);
      return new Uint8Array(bytes.subarray(offset, offset + length));
    },
  };
}

/** The error of a file that became shorter than it was. */
export function endsEarly(name: string, size: number, needed: number): DataError {
  return new DataError(`ends at byte ${size}, ${needed} are needed`, { code: 'truncated', where: name });
}
