import type { Rung } from './halving.ts';
import { BASELINE } from './plans.ts';
import type { TrialResult } from './trial.ts';

/** Seconds of a worker for a trial of n steps: `fixed + n · perStep`. */
interface Cost {
  readonly fixed: number;
  /** Infinity where no step was timed. */
  readonly perStep: number;
}

/** A candidate's step against the baseline's, as long as none was timed: batch normalization and recurrent cells are slower. */
const SLOWER = 1.3;
/** A step is timed by so many at least. */
const FEWEST_STEPS = 5;

/** How long trials take, by plan, learnt from those that ended. */
export class Pace {
  readonly #costs = new Map<string, Cost>();

  /**
   * Learns from a trial. The latest of each plan counts: the first one of a worker starts slower than those that follow,
   * and what else the machine does changes. Of a training that broke down within a few steps only the start is known.
   */
  add({ plan, steps, seconds, secondsPerStep, status, fault }: TrialResult): void {
    if (status === 'failed') return;
    const ran = fault ? Math.min(fault.step, steps) : steps;
    const perStep =
      ran < FEWEST_STEPS ? Number.POSITIVE_INFINITY : Math.min(secondsPerStep ?? seconds / ran, seconds / ran);
    const fixed = Math.max(0, seconds - (Number.isFinite(perStep) ? ran * perStep : 0));
    const known = this.#costs.get(plan)?.perStep ?? perStep;
    this.#costs.set(plan, { fixed, perStep: Number.isFinite(perStep) ? perStep : known });
  }

  /** Seconds of one worker for a schedule of the baseline and plans; NaN where no step was timed. */
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
    if (own && Number.isFinite(own.perStep)) return own;
    const base = this.#costs.get(BASELINE.id);
    const timed = [...this.#costs.values()].map(({ perStep }) => perStep).filter(Number.isFinite);
    const perStep = base && Number.isFinite(base.perStep) ? SLOWER * base.perStep : Math.max(...timed);
    return {
      fixed: own?.fixed ?? base?.fixed ?? Number.NaN,
      perStep: Number.isFinite(perStep) ? perStep : Number.NaN,
    };
  }
}
