import type { Random } from '../random/random.ts';

/** A mean with its bootstrap interval. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  /** Part of resampled means that lies inside. */
  readonly level: number;
}

/** Efron & Tibshirani 1993, section 14.3: two thousand resamples for an interval. */
const RESAMPLES = 2000;
const LEVEL = 0.95;

/**
 * The mean of paired differences with its bootstrap percentile interval. `differences` holds one list per seed, of one
 * number for each held-out batch: seeds are resampled first, then the batches within each, because batches of one
 * training are no independent evidence of another.
 */
export function bootstrapMean(differences: readonly (readonly number[])[], random: Random): Interval {
  const seeds = differences.filter((list) => list.length > 0);
  if (seeds.length === 0) return { mean: Number.NaN, low: Number.NaN, high: Number.NaN, level: LEVEL };
  const meanOf = (list: readonly number[]) => list.reduce((sum, x) => sum + x, 0) / list.length;
  const mean = meanOf(seeds.map(meanOf));
  const means = Array.from({ length: RESAMPLES }, () => {
    let total = 0;
    for (let i = 0; i < seeds.length; i++) {
      const list = seeds[random.below(seeds.length)]!;
      let sum = 0;
      for (let j = 0; j < list.length; j++) sum += list[random.below(list.length)]!;
      total += sum / list.length;
    }
    return total / seeds.length;
  }).sort((a, b) => a - b);
  const at = (part: number) => means[Math.min(means.length - 1, Math.max(0, Math.round(part * (means.length - 1))))]!;
  return { mean, low: at((1 - LEVEL) / 2), high: at((1 + LEVEL) / 2), level: LEVEL };
}

/** 1.96: what 95 % of a normal deviate lies within. */
const DEVIATIONS = 1.959964;

/**
 * Wilson's interval of a part of `count` (Wilson 1927): (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n). It stays
 * within 0 and 1, and says something of a part that is 0 or 1, where p ± z √(p(1 − p)/n) would be a point.
 */
export function wilsonInterval(part: number, count: number): Interval {
  const z2 = DEVIATIONS ** 2 / count;
  const middle = (part + z2 / 2) / (1 + z2);
  const half = (DEVIATIONS * Math.sqrt((part * (1 - part)) / count + z2 / (4 * count))) / (1 + z2);
  return { mean: part, low: Math.max(0, middle - half), high: Math.min(1, middle + half), level: LEVEL };
}
