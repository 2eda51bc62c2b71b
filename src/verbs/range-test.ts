import { toFloat64 } from '../graph/tensor.ts';
import type { Design } from '../remedies/remedy.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { FaultWatch, RISE } from '../training/fault.ts';
import { trainLoop } from '../training/loop.ts';
import { constantLoss } from '../training/metrics.ts';
import { separateStatistics } from '../training/running-statistics.ts';
import { Trainer } from '../training/trainer.ts';
import { fittedBatches } from './fitted-batches.ts';
import { prepareForTraining } from './prepare.ts';
import { assembleTraining } from './train.ts';
import type { TrainingData } from './training-data.ts';

export interface RangeTestOptions {
  readonly runtime: Runtime;
  readonly data: TrainingData;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** One step of a range test. */
export interface RangePoint {
  readonly learningRate: number;
  readonly loss: number;
  /** Mean of the losses so far, the last ten weighing most. */
  readonly smoothed: number;
}

/** Smith 2017 and fastai: from far too small to far too large, a tenth of a decade a step. */
const LOWEST = 1e-7;
const HIGHEST = 10;
const STEPS = 80;
/** Of the mean over steps: about ten of them, one decade; fastai's 0.98 would lag by four. */
const SMOOTHING = 0.9;
/** Steps at the beginning that change nothing, by which the batches' own noise is known. */
const STILL = 20;
/** An exponential mean of n independent losses has √((1 − β) / (1 + β)) of their deviation. */
const SMOOTHED_NOISE = Math.sqrt((1 - SMOOTHING) / (1 + SMOOTHING));
/** A fall below this many deviations is chance among 80 steps, one below this part of the loss is nothing. */
const CHANCE = 4;
const NOTHING = 1e-3;
/** Steps of one decade: fastai's `minimum` is that far below the rate of the lowest loss, where it still falls. */
const DECADE = 10;

/**
 * The learning rate of a range test (Smith 2017, section 3.3): the loss while the rate rises from 1e-7 to 10, and of it
 * the rate one decade below the lowest smoothed value, or where that falls most if it is smaller. Undefined where no rate lowers the loss beyond chance. The design's own
 * rate and schedule play no part. Throws UserError for a network that cannot be trained on the data.
 */
export async function findLearningRate(design: Design, options: RangeTestOptions): Promise<number | undefined> {
  const points: RangePoint[] = [];
  for await (const point of rangeTest(design, options)) points.push(point);
  return suggestLearningRate(points);
}

/** The steps of a range test; it ends where the smoothed loss is 4 times its lowest, or not finite. */
export async function* rangeTest(design: Design, options: RangeTestOptions): AsyncGenerator<RangePoint> {
  const { runtime, data, seed, signal } = options;
  const { optimizer, clipping, loss, output } = design.training;
  const rows = data.size === undefined ? Number.POSITIVE_INFINITY : data.count('training');
  const batch = Math.max(1, Math.min(design.training.batch, rows));
  const { model } = prepareForTraining(design.model);
  separateStatistics(model.graph);
  const parts = await assembleTraining(model, {
    runtime,
    data,
    batch,
    seed,
    optimizer,
    clipping,
    output,
    loss: loss === 'model-output' ? 'auto' : loss,
    monitor: false,
  });
  const { step, plan, first } = parts;
  const ratio = (HIGHEST / LOWEST) ** (1 / (STEPS - 1));
  const trainer = new Trainer(runtime, model, step, seed);
  try {
    const events = trainLoop({
      trainer,
      plan,
      batches: fittedBatches(data, { ...parts, batch, seed }),
      epochs: Number.POSITIVE_INFINITY,
      steps: STEPS,
      learningRate: LOWEST,
      schedule: (t) => ratio ** t,
      watch: new FaultWatch(step.parameters, constantLoss(plan, first.target && toFloat64(first.target))),
      signal,
    });
    let mean = 0;
    let count = 0;
    let lowest = Number.POSITIVE_INFINITY;
    for await (const event of events) {
      if (event.kind !== 'step') continue;
      if (!Number.isFinite(event.loss)) return;
      mean = SMOOTHING * mean + (1 - SMOOTHING) * event.loss;
      const smoothed = mean / (1 - SMOOTHING ** ++count);
      lowest = Math.min(lowest, smoothed);
      yield { learningRate: event.learningRate, loss: event.loss, smoothed };
      if (smoothed > RISE * lowest) return;
    }
  } finally {
    await trainer.release();
  }
}

/** What the steps of a range test suggest; undefined where the loss does not fall beyond the noise of its first steps. */
export function suggestLearningRate(points: readonly RangePoint[]): number | undefined {
  const still = points.slice(0, STILL).map(({ loss }) => loss);
  // The first rates were too large already: nothing is known of smaller ones.
  if (still.length < STILL) return undefined;
  const start = still.reduce((sum, loss) => sum + loss, 0) / still.length;
  const noise = Math.sqrt(still.reduce((sum, loss) => sum + (loss - start) ** 2, 0) / (still.length - 1));
  let best = STILL;
  let steepest = STILL;
  const fallAt = (i: number) => points[i - DECADE]!.smoothed - points[i]!.smoothed;
  for (let i = STILL; i < points.length; i++) {
    if (points[i]!.smoothed < points[best]!.smoothed) best = i;
    if (fallAt(i) > fallAt(steepest)) steepest = i;
  }
  if (points.length <= STILL) return undefined;
  const chance = CHANCE * SMOOTHED_NOISE * noise + NOTHING * Math.abs(start);
  if (!(start - points[best]!.smoothed > chance)) return undefined;
  // The largest fall over a decade has its middle half a decade before its end.
  const chosen = Math.min(best - DECADE, steepest - DECADE / 2);
  return Number(points[chosen]!.learningRate.toPrecision(2));
}
