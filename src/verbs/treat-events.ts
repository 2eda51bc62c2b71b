import type { ReportSubject } from '../report/subject.ts';
import type { Treatment } from '../report/treatment/treatment.ts';
import type { SkippedPlan } from '../trials/candidates.ts';
import type { ProposedPlan } from '../trials/plans.ts';
import type { TrialResult } from '../trials/trial.ts';

export type { Treatment, TreatmentOutcome } from '../report/treatment/treatment.ts';

export type TreatEvent =
  | { readonly kind: 'diagnosed'; readonly report: ReportSubject }
  | { readonly kind: 'plans'; readonly plans: readonly ProposedPlan[]; readonly skipped: readonly SkippedPlan[] }
  | {
      /** How long the last round's trials are. Given again as `steps`, a run that was broken off finds its results. */
      readonly kind: 'schedule';
      readonly steps: number;
      readonly seeds: number;
      readonly rounds: number;
      readonly trials: number;
    }
  | {
      readonly kind: 'round';
      readonly round: number;
      readonly of: number;
      readonly plans: readonly string[];
      readonly steps: number;
      readonly trials: number;
    }
  | {
      readonly kind: 'trial';
      readonly result: TrialResult;
      readonly done: number;
      readonly of: number;
      /** Until all rounds are done, by the pace so far. */
      readonly secondsLeft: number;
      /** Whether it was in the store already. */
      readonly known: boolean;
    }
  | { readonly kind: 'end'; readonly treatment: Treatment };
