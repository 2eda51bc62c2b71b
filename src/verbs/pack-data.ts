import { zipSync } from 'fflate';
import { encodeNpy } from '../data/index.ts';
import { type Missing, refuseMissing, usableRows } from '../data/missing.ts';
import { permuted } from '../data/order.ts';
import type { RowSource } from '../data/sources/row-source.ts';
import { arrayOf } from '../graph/data-type.ts';
import { DataError } from '../graph/errors.ts';
import type { ValueInfo } from '../graph/graph.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { contentHash } from '../trials/identify.ts';

/** Bytes that travel to every worker. */
const LARGEST = 256 * 1024 ** 2;
const AT_ONCE = 4096;
/** Names under which a target is found in an archive, in the order of `requestFromArrays`. */
const targetNames = ['y', 'label', 'target', 'targets'] as const;

export interface PackOptions {
  /** Draws the rows, where not all fit. */
  readonly seed: number;
  /** Rows at most; default as many as fit. */
  readonly samples?: number;
  readonly missing?: Missing;
  /** Bytes at most, default 256 MiB. */
  readonly largest?: number;
}

/** Rows of files as one archive, so that every worker trains on the same ones. */
export interface PackedData {
  /** An uncompressed .npz with the model's input names as keys, and its SHA-256. */
  readonly bytes: Uint8Array;
  readonly hash: string;
  readonly rows: number;
  readonly notes: readonly string[];
}

/**
 * Packs rows of a source as an .npz: all that fit, else as many in an order drawn from the seed, and a note says how many.
 * The same rows give the same bytes. Throws DataError for rows that cannot be read, and where not one fits.
 */
export async function packData(
  source: RowSource,
  modelInputs: readonly ValueInfo[],
  { seed, samples, missing, largest = LARGEST }: PackOptions,
): Promise<PackedData> {
  const { rows, notes } = await usableRows(source, missing);
  const first = await source.read([rows.at(0)]);
  const only = modelInputs.length === 1 ? modelInputs[0]!.name : '';
  const taken = new Set([...first.inputs.keys()].map((name) => name || only));
  const target = targetNames.find((name) => !taken.has(name))!;
  const axisOf = (name: string) => (source.axisOf ? source.axisOf(name) : 0);
  const each = [...first.inputs].filter(([name]) => axisOf(name) !== undefined).map(([, tensor]) => tensor);
  const perRow = [...each, ...(first.target ? [first.target] : [])].reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  const fit = Math.floor(largest / Math.max(1, perRow));
  const count = Math.min(rows.count, samples ?? rows.count, fit);
  if (count < 1) {
    throw new DataError(`one row takes ${perRow} bytes, at most ${largest} travel with a trial`, {
      code: 'too-large',
      where: source.name,
    });
  }
  const order = permuted(rows.count, seed, 'samples');
  const chosen = (i: number) => rows.at(count < rows.count ? order.at(i) : i);
  const parts = new Map<string, Tensor[]>();
  for (let from = 0; from < count; from += AT_ONCE) {
    const numbers = Float64Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, i) => chosen(from + i));
    const read = await source.read(numbers);
    refuseMissing(read, numbers, source);
    for (const [name, tensor] of [...read.inputs, ...(read.target ? [['\0', read.target] as const] : [])]) {
      parts.set(name, [...(parts.get(name) ?? []), tensor]);
    }
  }
  const arrays = [...parts].map(([name, tensors]): [string, Tensor] => {
    if (name === '\0') return [target, joined(tensors, 0)];
    const axis = axisOf(name);
    return [name || only, axis === undefined ? tensors[0]! : joined(tensors, axis)];
  });
  const bytes = zipSync(
    Object.fromEntries(arrays.map(([name, tensor]) => [`${name}.npy`, encodeNpy(tensor)])),
    // Stored, not deflated, and of one moment: the same rows are the same bytes.
    { level: 0, mtime: new Date(1980, 0, 1) },
  );
  const all = [...(source.notes ?? []), ...notes];
  if (count < rows.count) {
    const why = count === samples ? '' : `, as many as fit into ${Math.round(largest / 1024 ** 2)} MiB`;
    all.push(`trained on ${count} of ${rows.count} rows${why}, drawn with seed ${seed}`);
  }
  return { bytes, hash: await contentHash(bytes), rows: count, notes: all };
}

function bytesOf({ type, dims }: Tensor): number {
  if (type === 'string') throw new DataError('texts cannot be trained on', { code: 'npy-type' });
  return sizeOf(dims) * arrayOf(type).BYTES_PER_ELEMENT;
}

/** Tensors one after the other along an axis. */
function joined(tensors: readonly Tensor[], axis: number): Tensor {
  const [{ type, dims }] = tensors as [Tensor, ...Tensor[]];
  if (tensors.length === 1) return tensors[0]!;
  const inner = sizeOf(dims.slice(axis + 1));
  const outer = sizeOf(dims.slice(0, axis));
  const length = tensors.reduce((sum, tensor) => sum + tensor.dims[axis]!, 0);
  const out = new (arrayOf(type))(outer * length * inner);
  let at = 0;
  for (const tensor of tensors) {
    const width = tensor.dims[axis]! * inner;
    for (let o = 0; o < outer; o++) {
      const part = (tensor.data as typeof out).subarray(o * width, (o + 1) * width);
      out.set(part as never, o * length * inner + at);
    }
    at += width;
  }
  return { type, dims: dims.map((dim, i) => (i === axis ? length : dim)), data: out };
}
