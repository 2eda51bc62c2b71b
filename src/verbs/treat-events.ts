import type { ReportSubject } from '../report/subject.ts';
import type { Treatment } from '../report/treatment/treatment.ts';
import type { SkippedPlan } from '../trials/candidates.ts';
import type { Rung } from '../trials/halving.ts';
import type { ProposedPlan } from '../trials/plans.ts';
import type { TrialResult } from '../trials/trial.ts';

export type { Treatment, TreatmentOutcome } from '../report/treatment/treatment.ts';

export type TreatEvent =
  | { readonly kind: 'diagnosed'; readonly report: ReportSubject }
  | { readonly kind: 'plans'; readonly plans: readonly ProposedPlan[]; readonly skipped: readonly SkippedPlan[] }
  | {
      readonly kind: 'round';
      readonly round: number;
      readonly of: number;
      readonly plans: readonly string[];
      readonly steps: number;
      readonly trials: number;
      /** Until all rounds are done; undefined where no step was timed yet. */
      readonly secondsLeft?: number;
      /** This round's, then those of the rounds to come: kept, they let a run that is broken off go on as it was. */
      readonly rungs: readonly Rung[];
    }
  | {
      readonly kind: 'trial';
      readonly result: TrialResult;
      readonly done: number;
      readonly of: number;
      /** Until all rounds are done, by the pace so far; undefined where nothing is known of it. */
      readonly secondsLeft?: number;
      /** Whether it was in the store already. */
      readonly known: boolean;
    }
  | { readonly kind: 'end'; readonly treatment: Treatment };
