import { type BatchOptions, type BatchRequest, dataSetOf, fixedBatchOf, makeBatch } from '../data/index.ts';
import { DataError, UsageError } from '../graph/errors.ts';
import type { Dim, ValueInfo } from '../graph/graph.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { createRandom } from '../random/random.ts';
import type { TrainingBatch } from '../training/trainer.ts';

/** Which rows: those trained on, or those kept apart to score on. */
export type Split = 'training' | 'validation';

/** Rows to train on, a `DataSet` for one: the same question gives the same batches. */
export interface TrainingData {
  readonly name: string;
  /** Whether the rows are someone's data, as against made up. */
  readonly real: boolean;
  readonly notes: readonly string[];
  /** Rows in all; undefined where they do not end. */
  readonly size: number | undefined;
  /** Rows of a part. */
  count(split: Split): number;
  /**
   * Batches of `batch` rows, less the first `skip`. Training rows are shuffled anew in each epoch and an incomplete last
   * batch is dropped; validation rows come in their order and keep it, unless the model fixes its batch.
   */
  batches(options: {
    batch: number;
    split?: Split;
    seed?: number;
    epoch?: number;
    skip?: number;
  }): AsyncIterable<TrainingBatch>;
  close(): Promise<void>;
}

export interface TrainingDataOptions extends Omit<BatchOptions, 'size'> {
  /** Rows taken in all; default what there is. */
  readonly samples?: number;
  /** Part of the rows that is kept apart. */
  readonly validation?: number;
}

/** Rows where the request does not say: all digits, or as many points. */
const NAMED_ROWS: Readonly<Record<string, number>> = { mnist: 10_000 };
const POINTS = 2_000;

/**
 * The rows of a batch request as training data: those of files as a stream, whose source the caller closes; others are
 * held in memory. Without data a single made-up batch is learnt by heart.
 * Throws DataError where there are too few.
 */
export async function openTrainingData(
  request: BatchRequest,
  modelInputs: readonly ValueInfo[],
  { samples, validation = 0, ...options }: TrainingDataOptions,
): Promise<TrainingData> {
  if (!(validation >= 0 && validation < 1)) {
    throw new UsageError(`a validation fraction of ${validation}`, {
      code: 'option-value',
      where: '--validation',
      hint: 'expected a number from 0 up to, not including, 1',
    });
  }
  if (request.kind === 'rows') {
    const { source, missing = 'keep' } = request;
    const rows = await dataSetOf(source, modelInputs, { seed: options.seed, validation, samples, missing });
    return { ...rows, close: async () => {} };
  }
  const most = request.kind === 'named' ? (NAMED_ROWS[request.name] ?? POINTS) : 1_000_000;
  const size = samples ?? (request.kind === 'none' ? undefined : most);
  const whole = await makeBatch(request, openBatch(modelInputs), { ...options, size });
  const rows = whole.description.size;
  const order = Int32Array.from({ length: rows }, (_, i) => i);
  const seed = options.seed ?? 0;
  if (validation > 0) createRandom(seed).fork('split').shuffle(order);
  const kept = Math.round(validation * rows);
  const parts = { training: order.slice(0, rows - kept), validation: order.slice(rows - kept) };
  const fixed = fixedBatchOf(modelInputs) !== undefined;
  return {
    name: whole.description.name,
    real: whole.description.real,
    notes: whole.description.notes,
    size: rows,
    count: (split) => parts[split].length,
    async *batches({ batch, split = 'training', epoch = 0, skip = 0 }) {
      const chosen = parts[split].slice();
      // Without a target labels are made up by position: rows that kept no place would change theirs every epoch.
      if (split === 'training' && whole.target) createRandom(seed).fork(`epoch ${epoch}`).shuffle(chosen);
      for (let at = skip * batch; at < chosen.length; at += batch) {
        const some = chosen.subarray(at, at + batch);
        if (some.length < batch && (fixed || split === 'training')) return;
        yield {
          inputs: new Map([...whole.inputs].map(([input, tensor]) => [input, takeRows(tensor, some, rows)])),
          ...(whole.target && { target: takeRows(whole.target, some, rows) }),
        };
      }
    },
    close: async () => {},
  };
}

/** The inputs with their batch left open: a model that fixes its batch still has many. */
function openBatch(inputs: readonly ValueInfo[]): ValueInfo[] {
  return inputs.map((info) => {
    if (typeof info.shape?.[0] !== 'number') return info;
    const shape: Dim[] = ['batch', ...info.shape.slice(1)];
    return { ...info, shape };
  });
}

function takeRows(tensor: Tensor, rows: Int32Array, all: number): Tensor {
  const { type, dims, data } = tensor;
  // What is not counted by rows (positions, masks by convention) goes in as it is.
  if (dims[0] !== all) {
    if (dims.length > 0 && dims.includes(all)) {
      throw new DataError('its rows are not along the first axis', { code: 'data-shape', where: 'training data' });
    }
    return tensor;
  }
  const width = sizeOf(dims.slice(1));
  const shape = [rows.length, ...dims.slice(1)];
  if (Array.isArray(data)) {
    return { type, dims: shape, data: Array.from(rows, (row) => data.slice(row * width, (row + 1) * width)).flat() };
  }
  const chosen = data.slice(0, rows.length * width);
  rows.forEach((row, i) => {
    chosen.set(data.subarray(row * width, (row + 1) * width) as never, i * width);
  });
  return { type, dims: shape, data: chosen };
}
