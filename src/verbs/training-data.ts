import { type BatchOptions, type BatchRequest, makeBatch } from '../data/index.ts';
import { DataError, UsageError } from '../graph/errors.ts';
import type { Dim, ValueInfo } from '../graph/graph.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { createRandom } from '../random/random.ts';
import type { TrainingBatch } from '../training/trainer.ts';

/** Which rows: those trained on, or those kept apart to score on. */
export type Split = 'train' | 'validation';

/** Rows to train on. The same seed and epoch give the same batches in the same order. */
export interface TrainingData {
  /** One phrase, such as `8 000 real digits (mnist, seed 0)`. */
  readonly detail: string;
  readonly name: string;
  /** Whether the rows are someone's data, as against made up. */
  readonly real: boolean;
  readonly notes: readonly string[];
  /** Rows of a split; undefined where nobody has counted them. */
  readonly rows: Readonly<Record<Split, number | undefined>>;
  /**
   * Batches of exactly `batch` rows, less the first `skip`; the rest of the rows comes last where `partial` allows.
   * Training rows are shuffled anew in each epoch.
   */
  batches(
    split: Split,
    options: { batch: number; epoch?: number; skip?: number; partial?: boolean },
  ): AsyncIterable<TrainingBatch>;
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
 * The rows of a batch request as training data, held in memory. Without data a single made-up batch is learnt by heart.
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
  const most = request.kind === 'named' ? (NAMED_ROWS[request.name] ?? POINTS) : 1_000_000;
  const size = samples ?? (request.kind === 'none' ? undefined : most);
  const whole = await makeBatch(request, openBatch(modelInputs), { ...options, size });
  const rows = whole.description.size;
  const order = Int32Array.from({ length: rows }, (_, i) => i);
  const seed = options.seed ?? 0;
  if (validation > 0) createRandom(seed).fork('split').shuffle(order);
  const kept = Math.round(validation * rows);
  const parts = { train: order.slice(0, rows - kept), validation: order.slice(rows - kept) };
  const { name, real, detail, notes } = whole.description;
  return {
    name,
    real,
    detail: kept > 0 ? `${detail}, ${kept} of them kept for validation` : detail,
    notes,
    rows: { train: rows - kept, validation: kept },
    async *batches(split, { batch, epoch = 0, skip = 0, partial = false }) {
      const rowsOfSplit = parts[split].slice();
      if (split === 'train') createRandom(seed).fork(`epoch ${epoch}`).shuffle(rowsOfSplit);
      for (let at = skip * batch; at < rowsOfSplit.length; at += batch) {
        const chosen = rowsOfSplit.subarray(at, at + batch);
        if (chosen.length < batch && !partial) return;
        yield {
          inputs: new Map([...whole.inputs].map(([input, tensor]) => [input, takeRows(tensor, chosen, rows)])),
          ...(whole.target && { target: takeRows(whole.target, chosen, rows) }),
        };
      }
    },
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
