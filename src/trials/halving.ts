import { median } from '../flow/quantiles.ts';
import { byLoss, lossOf } from './loss.ts';
import { BASELINE } from './plans.ts';
import type { TrialResult } from './trial.ts';

/** One round: so many steps for each plan that is left, and how many plans go on. */
export interface Rung {
  readonly steps: number;
  readonly seeds: number;
  readonly keep: number;
}

/** Li et al. 2018 (Hyperband): a third goes on, with three times the steps. */
const RATIO = 3;
/** Fewer steps than this tell nothing of a training. */
const FEWEST_STEPS = 20;

/**
 * Successive halving (Jamieson & Talwalkar 2016) over `plans` candidates beside the baseline: few steps with one seed for
 * all, then three times the steps for the best third, until `steps` with all seeds for the last.
 */
export function planRungs(plans: number, steps: number, seeds: number, finalists = 3): Rung[] {
  const rungs: Rung[] = [{ steps, seeds, keep: Math.min(plans, finalists) }];
  let [left, length] = [Math.min(plans, finalists), steps];
  while (left < plans) {
    const entering = Math.min(plans, left * RATIO);
    length = Math.max(Math.min(FEWEST_STEPS, steps), Math.round(length / RATIO));
    rungs.unshift({ steps: length, seeds: 1, keep: left });
    left = entering;
  }
  const merged: Rung[] = [];
  for (const rung of rungs) {
    const before = merged.at(-1);
    // A second round of the same length would tell nothing that the first did not.
    if (before?.steps === rung.steps && before.seeds === rung.seeds)
      merged[merged.length - 1] = { ...before, keep: rung.keep };
    else merged.push(rung);
  }
  return merged;
}

/** Trials of a schedule, the baseline's with them. */
export function trialsOf(rungs: readonly Rung[], plans: number): number {
  let [left, total] = [plans, 0];
  for (const { seeds, keep } of rungs) {
    total += (left + 1) * seeds;
    left = Math.min(left, keep);
  }
  return total;
}

/** Plans by the median of their held-out loss over seeds, the best first; the baseline is not among them. */
export function rankPlans(results: readonly TrialResult[]): string[] {
  const byPlan = new Map<string, number[]>();
  for (const result of results) {
    if (result.plan === BASELINE.id) continue;
    byPlan.set(result.plan, [...(byPlan.get(result.plan) ?? []), lossOf(result)]);
  }
  return [...byPlan].sort((a, b) => byLoss(median(a[1]), median(b[1]))).map(([plan]) => plan);
}
