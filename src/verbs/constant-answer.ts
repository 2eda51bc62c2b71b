import { drawTarget } from '../data/index.ts';
import { sizeOf, type Tensor, toFloat64 } from '../graph/tensor.ts';
import type { LossPlan } from '../training/losses.ts';
import { targetKind } from '../training/targets.ts';
import type { TrainingData } from './training-data.ts';

/** Rows that are enough to know how often each answer is right. */
const MOST_ROWS = 4096;

/**
 * Loss of the best answer that does not look at its input, on the rows that are trained on: the entropy of the classes,
 * the variance of the numbers, each output by itself. Undefined where the loss takes no target or that loss is 0.
 */
export async function constantAnswerLoss(
  plan: LossPlan,
  data: TrainingData,
  { batch, seed }: { batch: number; seed: number },
): Promise<number | undefined> {
  if (!plan.target) return undefined;
  const targets: Tensor[] = [];
  let rows = 0;
  for await (const { target } of data.batches({ batch, seed, epoch: 0 })) {
    targets.push(target ?? drawTarget(targetKind(plan), seed));
    rows += batch;
    if (!target || rows >= MOST_ROWS) break;
  }
  const loss = lossOfConstant(plan, targets);
  return Number.isFinite(loss) && loss > 0 ? loss : undefined;
}

/** The same from targets at hand. */
export function lossOfConstant(plan: LossPlan, targets: readonly Tensor[]): number {
  const { kind, classes } = plan.target!;
  if (kind === 'classes') {
    const counts = new Float64Array(classes);
    for (const target of targets) for (const label of toFloat64(target)) counts[label]! += 1;
    return entropy(counts);
  }
  if (kind === 'one-hot') return entropy(sumsAlong(targets, plan.axis, classes));
  return kind === 'binary' ? meanOverOutputs(targets, binaryEntropy) : meanOverOutputs(targets, variance);
}

/** −Σ p ln p. */
function entropy(counts: Float64Array): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.reduce((sum, count) => sum - (count > 0 ? (count / total) * Math.log(count / total) : 0), 0);
}

function sumsAlong(targets: readonly Tensor[], axis: number, classes: number): Float64Array {
  const sums = new Float64Array(classes);
  for (const target of targets) {
    const inner = sizeOf(target.dims.slice(axis + 1));
    toFloat64(target).forEach((value, i) => {
      sums[Math.floor(i / inner) % classes]! += value;
    });
  }
  return sums;
}

function binaryEntropy(values: readonly number[]): number {
  const p = values.reduce((sum, x) => sum + x, 0) / values.length;
  return entropy(Float64Array.of(p, 1 - p));
}

function variance(values: readonly number[]): number {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  return values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
}

/** A network answers with a number for each output: each has its own constant. */
function meanOverOutputs(targets: readonly Tensor[], of: (values: readonly number[]) => number): number {
  const width = sizeOf(targets[0]!.dims.slice(1));
  const columns = Array.from({ length: width }, (): number[] => []);
  for (const target of targets) {
    toFloat64(target).forEach((value, i) => {
      columns[i % width]!.push(value);
    });
  }
  return columns.reduce((sum, values) => sum + of(values), 0) / width;
}
