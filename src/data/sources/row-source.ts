import { arrayOf } from '../../graph/data-type.ts';
import { DataError } from '../../graph/errors.ts';
import { sizeOf, type Tensor } from '../../graph/tensor.ts';
import type { GivenTensors } from '../given.ts';

interface Source {
  /** The data set's or the file's name. */
  readonly name: string;
  /** Whether the rows are someone's data. */
  readonly real: boolean;
  readonly rows: number;
  readonly notes?: readonly string[];
  /** Whether rows stand by class: the first ones are no sample of all. */
  readonly sorted?: boolean;
  /** Whether no row can hold NaN. */
  readonly whole?: boolean;
  /** The axis that counts an input's rows; undefined where it is the same for every row. Default 0 for all. */
  axisOf?(input: string): number | undefined;
  /** The class of every row, where there are classes: four bytes for each. */
  labels?(): Promise<ArrayLike<number>>;
  close(): Promise<void>;
}

/** Rows that can be read in any order, as their file has them. */
export interface RowSource extends Source {
  read(rows: ArrayLike<number>): Promise<GivenTensors>;
}

/** Rows as one model wants them. */
export interface FittedRows extends Source {
  read(rows: ArrayLike<number>): Promise<{ inputs: Map<string, Tensor>; target?: Tensor }>;
}

/** One array by row: out[…, i, …] = array[…, rows[i], …] along an axis, by default the first. */
export interface Column {
  /** Undefined where the array goes in as it is whatever the rows: positions, shared masks. */
  readonly rows: number | undefined;
  readonly axis?: number;
  readonly notes?: readonly string[];
  read(rows: ArrayLike<number>): Promise<Tensor>;
  close(): Promise<void>;
}

/** A column in memory; without an axis (undefined, not left out) the tensor itself for any rows. */
export function columnOf(tensor: Tensor, ...along: [axis?: number | undefined]): Column {
  const axis = along.length === 0 ? 0 : along[0];
  const close = async () => undefined;
  if (axis === undefined) return { rows: undefined, read: async () => tensor, close };
  return { rows: tensor.dims[axis] ?? 0, axis, read: async (rows) => takeRows(tensor, rows, axis), close };
}

/** out[…, i, …] = tensor[…, rows[i], …] along an axis. */
export function takeRows(tensor: Tensor, rows: ArrayLike<number>, axis = 0): Tensor {
  const { type, dims, data } = tensor;
  const width = sizeOf(dims.slice(axis + 1));
  const outer = sizeOf(dims.slice(0, axis));
  const kept = dims.map((dim, i) => (i === axis ? rows.length : dim));
  const from = (o: number, i: number) => (o * dims[axis]! + rows[i]!) * width;
  if (Array.isArray(data)) {
    const places = Array.from({ length: outer * rows.length }, (_, k) =>
      from(Math.floor(k / rows.length), k % rows.length),
    );
    return { type, dims: kept, data: places.flatMap((at) => data.slice(at, at + width)) };
  }
  const out = new (arrayOf(type))(outer * rows.length * width);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < rows.length; i++) {
      out.set(data.subarray(from(o, i), from(o, i) + width) as never, (o * rows.length + i) * width);
    }
  }
  return { type, dims: kept, data: out };
}

/** Columns side by side; '' stands for the model's only input. Throws DataError where they differ in rows. */
export function columnsSource(
  name: string,
  inputs: ReadonlyMap<string, Column>,
  target?: Column,
  notes: readonly string[] = [],
): RowSource {
  const all = [...inputs, ...(target ? [['target', target] as const] : [])];
  if (all.length === 0) throw new DataError('no data for any input', { code: 'no-data', where: name });
  const counted = all.filter(([, column]) => column.rows !== undefined);
  const first = counted[0];
  for (const [key, column] of counted) {
    if (column.rows === first![1].rows) continue;
    throw new DataError(
      `${key || 'the input'} has ${column.rows} rows, but ${first![0] || 'the input'} has ${first![1].rows}`,
      { code: 'data-shape', where: name },
    );
  }
  return {
    name,
    real: true,
    rows: first?.[1].rows ?? 1,
    axisOf(input) {
      const column = inputs.get(input) ?? inputs.get('');
      return column && column.rows === undefined ? undefined : (column?.axis ?? 0);
    },
    notes: [...notes, ...all.flatMap(([, column]) => column.notes ?? [])],
    async read(rows) {
      const [tensors, goal] = await Promise.all([
        Promise.all([...inputs].map(async ([key, column]) => [key, await column.read(rows)] as const)),
        target?.read(rows),
      ]);
      return { inputs: new Map(tensors), target: goal };
    },
    ...(target && { labels: () => labelsOf(target) }),
    async close() {
      await Promise.all(all.map(([, column]) => column.close()));
    },
  };
}

const AT_ONCE = 65_536;

/** Every row's class from a column of labels. Throws DataError where a row holds more than one number. */
async function labelsOf(column: Column): Promise<Int32Array> {
  const count = column.rows ?? 0;
  const labels = new Int32Array(count);
  for (let from = 0; from < count; from += AT_ONCE) {
    const rows = Float64Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, i) => from + i);
    const { data, dims } = await column.read(rows);
    if (data.length !== rows.length) {
      throw new DataError(`a split by class needs one label per row, found [${dims.slice(1).join(', ')}]`, {
        code: 'split',
      });
    }
    for (let i = 0; i < data.length; i++) {
      const label = Number(data[i]);
      if (!Number.isInteger(label)) {
        throw new DataError(`a split by class needs whole labels, found ${label} in row ${from + i}`, {
          code: 'split',
        });
      }
      labels[from + i] = label;
    }
  }
  return labels;
}
