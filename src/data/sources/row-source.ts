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
  /** The class of every row, where there are classes: four bytes for each. */
  labels?(): Promise<ArrayLike<number>>;
  close(): Promise<void>;
}

/** Rows that can be read in any order, as their file has them: axis 0 counts them. */
export interface RowSource extends Source {
  read(rows: ArrayLike<number>): Promise<GivenTensors>;
}

/** Rows as one model wants them. */
export interface FittedRows extends Source {
  read(rows: ArrayLike<number>): Promise<{ inputs: Map<string, Tensor>; target?: Tensor }>;
}

/** One array by row: out[i, …] = array[rows[i], …]. */
export interface Column {
  readonly rows: number;
  readonly notes?: readonly string[];
  read(rows: ArrayLike<number>): Promise<Tensor>;
  close(): Promise<void>;
}

/** A column in memory. */
export function columnOf(tensor: Tensor): Column {
  return {
    rows: tensor.dims[0] ?? 0,
    read: async (rows) => takeRows(tensor, rows),
    close: async () => undefined,
  };
}

/** out[i, …] = tensor[rows[i], …]. */
export function takeRows(tensor: Tensor, rows: ArrayLike<number>): Tensor {
  const { type, dims, data } = tensor;
  const width = sizeOf(dims.slice(1));
  const kept = [rows.length, ...dims.slice(1)];
  if (Array.isArray(data)) {
    return { type, dims: kept, data: Array.from(rows).flatMap((row) => data.slice(row * width, (row + 1) * width)) };
  }
  const out = new (arrayOf(type))(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    out.set(data.subarray(rows[i]! * width, (rows[i]! + 1) * width) as never, i * width);
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
  const [first] = all;
  if (!first) throw new DataError('no data for any input', { code: 'no-data', where: name });
  for (const [key, column] of all) {
    if (column.rows === first[1].rows) continue;
    throw new DataError(
      `${key || 'the input'} has ${column.rows} rows, but ${first[0] || 'the input'} has ${first[1].rows}`,
      { code: 'data-shape', where: name },
    );
  }
  return {
    name,
    real: true,
    rows: first[1].rows,
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
  const labels = new Int32Array(column.rows);
  for (let from = 0; from < column.rows; from += AT_ONCE) {
    const rows = Float64Array.from({ length: Math.min(AT_ONCE, column.rows - from) }, (_, i) => from + i);
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
