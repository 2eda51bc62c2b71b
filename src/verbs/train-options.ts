import { UsageError } from '../graph/errors.ts';
import type { Model } from '../graph/graph.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Clipping } from '../training/clipping.ts';
import type { LoopOptions, Progress } from '../training/loop.ts';
import type { LossKind } from '../training/losses.ts';
import type { OptimizerChoice } from '../training/optimizers/index.ts';
import type { ScheduleChoice } from '../training/schedule-choice.ts';
import type { TrainingBatch } from '../training/trainer.ts';
import type { TrainingData } from './training-data.ts';

export interface TrainOptions {
  readonly runtime: Runtime;
  readonly data: TrainingData;
  /** Default `auto`: what the model file says, else by looking at output and target. */
  readonly loss?: LossKind | 'auto';
  /** Name of the output to compute the loss from; default the first float output. */
  readonly output?: string;
  /** First weights: `keep` (default), a scheme drawn by seed (`he`, `normal:0.02`), `lsuv` or `fixup`. */
  readonly init?: string;
  /** Rows of a batch; default the model file's own, else 32. */
  readonly batch?: number;
  /** Training ends at whichever comes first; default 10 epochs where neither is given. */
  readonly epochs?: number;
  readonly steps?: number;
  /** Default the model file's own, else Adam, the choice that needs its learning rate tuned least. */
  readonly optimizer?: OptimizerChoice;
  readonly learningRate?: number;
  readonly schedule?: ScheduleChoice;
  readonly clipping?: Clipping;
  /** Batches whose mean gradient makes one update, default 1. */
  readonly microBatches?: number;
  /** Parameters that stay as they are: names, or prefixes that end in `*`. */
  readonly freeze?: readonly string[];
  /** Of shuffling and dropout masks. */
  readonly seed?: number;
  /** Norms of gradients, weights and updates per layer, every step; default true. */
  readonly monitor?: boolean;
  /** Gradients, weights and activations themselves, every so many steps, the first included; default never. */
  readonly inspectEvery?: number;
  readonly checkpointEvery?: LoopOptions['checkpointEvery'];
  /** What a checkpoint event held: training goes on as if it had never stopped. */
  readonly resume?: { readonly progress: Progress; readonly tensors: ReadonlyMap<string, Tensor> };
  readonly signal?: AbortSignal;
}

const BATCH = 32;

/** Throws UsageError for a count or learning rate that makes no sense. */
export function checkOptions(options: TrainOptions): void {
  const counts = [
    ['batch', options.batch],
    ['epochs', options.epochs],
    ['steps', options.steps],
    ['inspectEvery', options.inspectEvery],
  ] as const;
  for (const [name, value] of counts) {
    if (value === undefined || (Number.isInteger(value) && value >= 1)) continue;
    throw new UsageError(`${name} is ${value}`, {
      code: 'option-value',
      hint: 'expected a whole number of at least 1',
    });
  }
  const { learningRate } = options;
  if (learningRate === undefined || (learningRate > 0 && Number.isFinite(learningRate))) return;
  throw new UsageError(`the learning rate is ${learningRate}`, {
    code: 'option-value',
    where: '--lr',
    hint: 'expected a number above 0, such as 0.01',
  });
}

/** Rows of a batch. Throws UsageError where the model fixes another number. */
export function batchSize(
  { batch }: TrainOptions,
  model: Model,
  fixed: number | undefined,
  rows: number | undefined,
): number {
  if (fixed !== undefined && batch !== undefined && batch !== fixed) {
    throw new UsageError(`the model fixes its batch at ${fixed}, not ${batch}`, {
      code: 'batch-size',
      where: '--batch',
      hint: 'leave --batch away, or export the model with a dynamic batch axis',
    });
  }
  const wanted = fixed ?? batch ?? Math.min(model.training?.batch ?? BATCH, rows || BATCH);
  if (rows === undefined || wanted <= rows) return wanted;
  throw new UsageError(`a batch of ${wanted} rows cannot be filled`, {
    code: 'too-few-rows',
    where: '--batch',
    hint: `there are ${rows} rows to train on`,
  });
}

/** Parameters less the frozen ones: names, or prefixes that end in `*`. Throws UsageError for one that is none. */
export function withoutFrozen(all: readonly string[], frozen: readonly string[]): string[] {
  const matches = (pattern: string, name: string) =>
    pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
  for (const pattern of frozen) {
    if (all.some((name) => matches(pattern, name))) continue;
    throw new UsageError(`no parameter is called "${pattern}"`, {
      code: 'unknown-parameter',
      where: '--freeze',
      hint: `the model's parameters: ${all.slice(0, 8).join(', ')}${all.length > 8 ? ', …' : ''}`,
    });
  }
  return all.filter((name) => !frozen.some((pattern) => matches(pattern, name)));
}

/** The batch that everything is built for. Throws UsageError where there are too few rows. */
export async function firstBatch(data: TrainingData, batch: number): Promise<TrainingBatch> {
  for await (const first of data.batches({ batch })) return first;
  throw new UsageError(`a batch of ${batch} rows cannot be filled`, {
    code: 'too-few-rows',
    where: '--batch',
    hint: `there are ${data.size === undefined ? 'fewer' : data.count('training')} rows to train on`,
  });
}
