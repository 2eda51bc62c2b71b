import type { DataType } from '../graph/data-type.ts';
import { DataError } from '../graph/errors.ts';
import type { ValueInfo } from '../graph/graph.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Batch } from './batch.ts';
import { fixedBatchOf } from './dims.ts';
import { fitTensors } from './given.ts';
import { type Missing, refuseMissing, usableRows } from './missing.ts';
import { allRows, permuted, type Rows, splitRows } from './order.ts';
import type { FittedRows, RowSource } from './sources/row-source.ts';

/** One example's part for one input, or its target. */
export interface ExampleInfo {
  readonly name: string;
  readonly type: DataType;
  /** Without the batch. */
  readonly dims: readonly number[];
}

/** Batches of one model's inputs, as often as they are asked for: the same question gives the same batches. */
export interface DataSet {
  /** Rows; undefined where they do not end. */
  readonly size: number | undefined;
  readonly name: string;
  /** Whether the rows are someone's data, as against made up. */
  readonly real: boolean;
  readonly inputs: readonly ExampleInfo[];
  readonly target: ExampleInfo | undefined;
  /** What was assumed on the way, in sentences. */
  readonly notes: readonly string[];
  /** Rows of a part. */
  count(split: Part): number;
  /** Rows of every batch, where the model fixes it or there are fewer than asked. */
  batchSize(asked: number, split?: Part): number;
  batches(options: BatchesOptions): AsyncIterable<Batch>;
  close(): Promise<void>;
}

export type Part = 'training' | 'validation';

export interface BatchesOptions {
  readonly batch: number;
  /** Of the order; default the data set's own. */
  readonly seed?: number;
  /** Counted from 0: each has an order of its own. Default 0. */
  readonly epoch?: number;
  /** Default: training is shuffled, validation is not. */
  readonly shuffle?: boolean;
  /** Default training. */
  readonly split?: Part;
  /** Batches to pass over without reading them, for going on in the middle of an epoch. */
  readonly skip?: number;
  /** What becomes of a last incomplete batch; default: training drops it, validation keeps it. */
  readonly remainder?: 'drop' | 'keep';
}

export interface DataSetOptions {
  readonly seed?: number;
  /** Fraction of the rows set aside for validation, default 0. */
  readonly validation?: number;
  /** Sets that fraction of each class aside. */
  readonly stratify?: boolean;
  /** Rows with NaN; default error. `keep` takes them as they are, for whoever looks for their trace. */
  readonly missing?: Missing | 'keep';
  /** Rows taken in all: the first so many in an order drawn from the seed; default every row. */
  readonly samples?: number;
}

/**
 * A data set for a model from rows that someone has. One row is read and fitted at once, so that what does not fit is
 * told before training. Throws DataError.
 */
export async function dataSetOf(
  source: RowSource,
  modelInputs: readonly ValueInfo[],
  options: DataSetOptions = {},
): Promise<DataSet> {
  const { missing = 'error', samples, seed = 0 } = options;
  const usable = await usableRows(source, missing === 'keep' ? undefined : missing);
  const { rows: chosen, notes: choice } = firstRows(usable.rows, samples, seed);
  const given = await source.read([chosen.at(0)]);
  const probe = fitTensors(given, unfixed(modelInputs), 1);
  const notes = [...(source.notes ?? []), ...probe.notes, ...usable.notes, ...choice];
  if (!given.target) notes.push('no target was given');
  return fittedDataSet(
    {
      ...source,
      notes,
      async read(rows) {
        const tensors = await source.read(rows);
        if (missing !== 'keep') refuseMissing(tensors, rows, source);
        return fitTensors(tensors, modelInputs, rows.length, rows);
      },
    },
    modelInputs,
    { inputs: probe.inputs, target: probe.target },
    chosen,
    options,
  );
}

/** The first `count` rows in an order drawn from the seed. */
function firstRows(rows: Rows, count: number | undefined, seed: number): { rows: Rows; notes: string[] } {
  if (count === undefined || count === rows.count) return { rows, notes: [] };
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new DataError(`${count} rows are not possible`, { code: 'samples', where: '--samples' });
  }
  if (count > rows.count) return { rows, notes: [`there are ${rows.count} rows, not the ${count} asked for`] };
  const order = permuted(rows.count, seed, 'samples');
  return {
    rows: { count, at: (i) => rows.at(order.at(i)) },
    notes: [`${count} of ${rows.count} rows, drawn with seed ${seed}`],
  };
}

/** A data set from rows that are already in the model's form; `example` is one of them. */
export async function fittedDataSet(
  source: FittedRows,
  modelInputs: readonly ValueInfo[],
  example: { inputs: ReadonlyMap<string, Tensor>; target?: Tensor },
  rows: Rows = allRows(source.rows),
  { seed = 0, validation = 0, stratify = false }: DataSetOptions = {},
): Promise<DataSet> {
  if (stratify && !source.labels) {
    throw new DataError('a split by class needs class labels', { code: 'split', where: source.name });
  }
  const labels = stratify && validation > 0 ? await source.labels!() : undefined;
  const parts = splitRows(rows, validation, seed, labels);
  const fixed = fixedBatchOf(modelInputs);
  if (fixed !== undefined && fixed > parts.training.count) {
    throw new DataError(`has ${parts.training.count} rows to train on, the model's batch is fixed at ${fixed}`, {
      code: 'too-few-rows',
      where: source.name,
    });
  }
  const notes = [...(source.notes ?? [])];
  const rest = fixed === undefined ? 0 : parts.validation.count % fixed;
  if (rest > 0) notes.push(`the model fixes its batch at ${fixed}: the last ${rest} rows of validation are left out`);
  const batchSize = (asked: number, split: Part = 'training') => fixed ?? Math.min(asked, parts[split].count);
  return {
    size: rows.count,
    name: source.name,
    real: source.real,
    inputs: [...example.inputs].map(([name, tensor]) =>
      describe(name, tensor, source.axisOf ? source.axisOf(name) : 0),
    ),
    target: example.target && describe('target', example.target, 0),
    notes,
    count: (split) => parts[split].count,
    batchSize,
    batches(asked) {
      const { split = 'training', epoch = 0, skip = 0 } = asked;
      if (!Number.isSafeInteger(asked.batch) || asked.batch < 1) {
        throw new DataError(`a batch of ${asked.batch} rows is not possible`, { code: 'batch-size', where: '--batch' });
      }
      const part = parts[split];
      const size = batchSize(asked.batch, split);
      const keep = fixed === undefined && (asked.remainder ?? (split === 'training' ? 'drop' : 'keep')) === 'keep';
      const count = size === 0 ? 0 : keep ? Math.ceil(part.count / size) : Math.floor(part.count / size);
      const own = asked.seed ?? seed;
      const shuffle = asked.shuffle ?? split === 'training';
      const read = async (order: Rows, b: number): Promise<Batch> => {
        const from = b * size;
        const length = Math.min(size, part.count - from);
        const numbers = Float64Array.from({ length }, (_, i) => part.at(order.at(from + i)));
        const { inputs, target } = await source.read(numbers);
        const detail = `batch ${b + 1} of ${count}, epoch ${epoch + 1} of ${source.name}`;
        const { name, real } = source;
        return { inputs, target, description: { name, real, size: length, seed: own, detail, notes: [] } };
      };
      return {
        [Symbol.asyncIterator]: () =>
          ahead(shuffle ? permuted(part.count, own, `epoch ${epoch}`) : allRows(part.count), read, skip, count),
      };
    },
    close: () => source.close(),
  };
}

/** Batches from `skip` to `count`; the next one is read while the last is used. */
async function* ahead(
  order: Rows,
  read: (order: Rows, b: number) => Promise<Batch>,
  skip: number,
  count: number,
): AsyncGenerator<Batch> {
  const start = (b: number) => {
    if (b >= count) return undefined;
    const promise = read(order, b);
    // Whoever stops early never awaits it.
    promise.catch(() => undefined);
    return promise;
  };
  let next = start(skip);
  try {
    for (let b = skip; b < count; b++) {
      const batch = await next!;
      next = start(b + 1);
      yield batch;
    }
  } finally {
    // A file must not be closed under a read.
    await next?.catch(() => undefined);
  }
}

/** The inputs with a batch of any size: one row is enough to see whether the rest fits. */
function unfixed(modelInputs: readonly ValueInfo[]): ValueInfo[] {
  const fixed = fixedBatchOf(modelInputs);
  return modelInputs.map((info) =>
    fixed === undefined || info.shape?.[0] !== fixed ? info : { ...info, shape: ['batch', ...info.shape.slice(1)] },
  );
}

function describe(name: string, { type, dims }: Tensor, axis: number | undefined): ExampleInfo {
  return { name, type, dims: dims.filter((_, i) => i !== axis) };
}
