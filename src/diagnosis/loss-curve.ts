import type { StepHistory } from '../flow/history.ts';
import { median } from '../flow/quantiles.ts';

/** How the loss fares over the second half of the steps, when the first fall is over. Steps are those recorded. */
export interface LossCurve {
  /** Steps with a finite loss. */
  readonly steps: number;
  /** Median loss of the second half, and of the first tenth. */
  readonly level: number;
  readonly start: number;
  /** Part of the level by which the loss falls per step; negative where it rises. */
  readonly rate: number;
  /** What the noise leaves possible: the rate ± two standard errors. */
  readonly slowest: number;
  readonly fastest: number;
  /** Median of |L_t − L_{t−1}|. */
  readonly swing: number;
  /** Loss of the best constant answer, where known and above 0. */
  readonly constant?: number;
}

/** Averages of this many blocks are compared: neighbouring losses are not independent, blocks nearly are. */
const BLOCKS = 12;

/**
 * Fits a line through block means of the second half; undefined for fewer than `fewest` finite losses, or a loss of 0,
 * which nothing is wrong with.
 */
export function lossCurve({ steps, loss, constantLoss }: StepHistory, fewest: number): LossCurve | undefined {
  const points = steps.flatMap((step, i) => (Number.isFinite(loss[i]) ? [[step, loss[i]!] as const] : []));
  if (points.length < fewest) return undefined;
  const tail = points.slice(Math.floor(points.length / 2));
  const level = median(tail.map(([, y]) => y));
  if (!(level > 0)) return undefined;
  const { slope, error } = lineThrough(blocksOf(tail));
  const swings = tail.slice(1).map(([, y], i) => Math.abs(y - tail[i]![1]));
  return {
    steps: points.length,
    level,
    start: median(points.slice(0, Math.max(1, Math.floor(points.length / 10))).map(([, y]) => y)),
    rate: -slope / level,
    slowest: (-slope - 2 * error) / level,
    fastest: (-slope + 2 * error) / level,
    swing: median(swings),
    ...(constantLoss !== undefined && constantLoss > 0 && { constant: constantLoss }),
  };
}

/** Steps in which a loss that goes on at this rate falls to half; Infinity where it does not fall. */
export function stepsToHalve(rate: number): number {
  return rate > 0 ? 0.5 / rate : Number.POSITIVE_INFINITY;
}

function blocksOf(points: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const count = Math.min(BLOCKS, points.length);
  return Array.from({ length: count }, (_, i) => {
    const block = points.slice(Math.round((i * points.length) / count), Math.round(((i + 1) * points.length) / count));
    return [mean(block.map(([x]) => x)), mean(block.map(([, y]) => y))] as const;
  });
}

/** Least squares: the slope and its standard error √(Σ r² / ((n − 2) Σ (x − x̄)²)). */
function lineThrough(points: readonly (readonly [number, number])[]): { slope: number; error: number } {
  const x0 = mean(points.map(([x]) => x));
  const y0 = mean(points.map(([, y]) => y));
  let [xx, xy] = [0, 0];
  for (const [x, y] of points) {
    xx += (x - x0) ** 2;
    xy += (x - x0) * (y - y0);
  }
  const slope = xx > 0 ? xy / xx : 0;
  const rest = points.reduce((sum, [x, y]) => sum + (y - y0 - slope * (x - x0)) ** 2, 0);
  return { slope, error: xx > 0 ? Math.sqrt(rest / Math.max(1, points.length - 2) / xx) : 0 };
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
}
