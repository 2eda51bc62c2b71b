import { DataError } from '../graph/errors.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import type { GivenTensors } from './given.ts';
import { type Rows, without } from './order.ts';
import type { RowSource } from './sources/row-source.ts';

/** What becomes of rows that lack a value: an error when they are met, or left out after everything was read once. */
export type Missing = 'error' | 'leave-out';

/** Places among the rows where an input or the target holds NaN, sorted; inputs that are no rows are not looked at. */
export function badRowsIn({ inputs, target }: GivenTensors, axisOf: RowSource['axisOf'] = () => 0): number[] {
  const bad = new Set<number>();
  for (const [name, tensor] of inputs) {
    const axis = axisOf(name);
    if (axis !== undefined) collect(tensor, axis, bad);
  }
  if (target) collect(target, 0, bad);
  return [...bad].sort((a, b) => a - b);
}

function collect({ type, dims, data }: Tensor, axis: number, bad: Set<number>): void {
  const isMissing = tests[type];
  if (!isMissing) return;
  const width = sizeOf(dims.slice(axis + 1));
  for (let i = 0; i < data.length; i++) {
    if (isMissing(data[i] as number)) bad.add(Math.floor(i / width) % (dims[axis] ?? 1));
  }
}

/** The rows of a source that may be used, and what to say of the others. Throws DataError where there are none. */
export async function usableRows(source: RowSource, missing?: Missing): Promise<{ rows: Rows; notes: string[] }> {
  if (source.rows === 0) throw new DataError('has no rows', { code: 'too-few-rows', where: source.name });
  const bad = missing === 'leave-out' && !source.whole ? await findBadRows(source) : [];
  if (bad.length === source.rows) throw everyRowBad(source.name);
  return { rows: without(source.rows, bad), notes: bad.length > 0 ? [sayLeftOut(bad, source.rows)] : [] };
}

/** `3 of 103 rows lack a value and were left out: 4, 50, 51`. */
export function sayLeftOut(bad: readonly number[], rows: number): string {
  const [verb, was] = bad.length === 1 ? ['lacks', 'was'] : ['lack', 'were'];
  return `${bad.length} of ${rows} rows ${verb} a value and ${was} left out: ${listRows(bad)}`;
}

/** The error of data of which nothing is left. */
export function everyRowBad(where: string): DataError {
  return new DataError('every row lacks a value', { code: 'missing-values', where });
}

/** Throws DataError naming the rows that hold NaN; `rows` are their numbers. */
export function refuseMissing(given: GivenTensors, rows: ArrayLike<number>, source: RowSource): void {
  const broken = badRowsIn(given, source.axisOf).map((i) => rows[i]!);
  if (broken.length === 0) return;
  throw new DataError(`NaN in ${sayRows(broken)}`, {
    code: 'missing-values',
    where: source.name,
    hint: 'fill such rows, or leave them out: --missing leave-out',
  });
}

const SCANNED = 1024;
const found = new WeakMap<RowSource, Promise<number[]>>();

/** The rows with NaN, sorted: reads everything, once for each source. */
function findBadRows(source: RowSource): Promise<number[]> {
  const search = async () => {
    const bad: number[] = [];
    for (let from = 0; from < source.rows; from += SCANNED) {
      const rows = Float64Array.from({ length: Math.min(SCANNED, source.rows - from) }, (_, i) => from + i);
      for (const i of badRowsIn(await source.read(rows), source.axisOf)) bad.push(from + i);
    }
    return bad;
  };
  const known = found.get(source) ?? search();
  found.set(source, known);
  return known;
}

// IEEE 754: all exponent bits set and a fraction; half formats are kept as their bits.
const tests: Partial<Record<Tensor['type'], (x: number) => boolean>> = {
  float32: Number.isNaN,
  float64: Number.isNaN,
  float16: (bits) => (bits & 0x7fff) > 0x7c00,
  bfloat16: (bits) => (bits & 0x7fff) > 0x7f80,
};

/** `row 3`, `rows 3, 17`, `rows 1, 2, 3, 4, 5, 6, 7, 8 and 40 more`; rows count from 0 as arrays do. */
export function sayRows(rows: readonly number[]): string {
  return `row${rows.length === 1 ? '' : 's'} ${listRows(rows)}`;
}

function listRows(rows: readonly number[]): string {
  return `${rows.slice(0, 8).join(', ')}${rows.length > 8 ? ` and ${rows.length - 8} more` : ''}`;
}
