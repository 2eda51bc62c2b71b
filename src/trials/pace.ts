import type { Rung } from './halving.ts';
import { BASELINE } from './plans.ts';
import type { TrialResult } from './trial.ts';

/** Seconds of a worker for a trial of n steps: `fixed + n · perStep`. */
interface Cost {
  fixed: number;
  perStep: number;
}

/** A candidate's step against the baseline's, as long as none was timed: batch normalization and recurrent cells are slower. */
const SLOWER = 1.3;

/** How long trials take, by plan, learnt from those that ended. */
export class Pace {
  readonly #costs = new Map<string, Cost>();

  /**
   * Learns from a trial. The slower start counts (the first trial of a worker measures the candidate, later ones need
   * not), and the faster step: what disturbs a step makes it slower. A trial of one step is known as a whole only.
   */
  add({ plan, steps, seconds, secondsPerStep, status }: TrialResult): void {
    if (status !== 'done' || steps < 1) return;
    const perStep = Math.min(secondsPerStep ?? seconds / steps, seconds / steps);
    const fixed = Math.max(0, seconds - steps * perStep);
    const known = this.#costs.get(plan);
    this.#costs.set(plan, {
      fixed: Math.max(fixed, known?.fixed ?? 0),
      perStep: Math.min(perStep, known?.perStep ?? Number.POSITIVE_INFINITY),
    });
  }

  /** Seconds of one worker for a schedule of the baseline and plans; NaN where nothing was timed. */
  secondsFor(rungs: readonly Rung[], plans: readonly string[]): number {
    const base = this.#of(BASELINE.id);
    const each = plans.map((plan) => this.#of(plan));
    const mean = (of: (cost: Cost) => number) =>
      each.reduce((sum, cost) => sum + of(cost), 0) / Math.max(1, each.length);
    const [fixed, perStep] = [mean((cost) => cost.fixed), mean((cost) => cost.perStep)];
    let [left, total] = [plans.length, 0];
    for (const { steps, seeds, keep } of rungs) {
      total += seeds * (base.fixed + steps * base.perStep + left * (fixed + steps * perStep));
      left = Math.min(left, keep);
    }
    return total;
  }

  #of(plan: string): Cost {
    const own = this.#costs.get(plan);
    if (own) return own;
    const base = this.#costs.get(BASELINE.id);
    return base ? { fixed: base.fixed, perStep: SLOWER * base.perStep } : { fixed: Number.NaN, perStep: Number.NaN };
  }
}
