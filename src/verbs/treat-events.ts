import type { Remedy } from '../remedies/remedy.ts';
import type { ReportSubject } from '../report/subject.ts';
import type { Ranking } from '../trials/judge.ts';
import type { ProposedPlan } from '../trials/plans.ts';
import type { TrialResult } from '../trials/trial.ts';
import type { Candidate, SkippedPlan } from './candidates.ts';

export type TreatmentOutcome =
  | Ranking['outcome']
  /** Nothing is wrong with the network: nothing was tried. */
  | 'healthy'
  /** No remedy fits what was found. */
  | 'no-plan'
  /** Without data: chosen by the gradient's health alone, and nothing was trained. */
  | 'gradient-only';

/** What a treatment came to. */
export interface Treatment {
  readonly outcome: TreatmentOutcome;
  /** One or two sentences on why. */
  readonly reason: string;
  readonly before: ReportSubject;
  /** The redesigned network, diagnosed on the same batch before training. */
  readonly after?: ReportSubject;
  readonly plans: readonly ProposedPlan[];
  readonly skipped: readonly SkippedPlan[];
  /** Of the last round. */
  readonly ranking?: Ranking;
  readonly results: readonly TrialResult[];
  readonly winner?: Candidate;
  /** The winner's remedies, in their order. */
  readonly remedies: readonly Remedy[];
  /** How it was tried. */
  readonly trials: {
    readonly executor: string;
    readonly steps: number;
    readonly seeds: number;
    readonly rounds: number;
    readonly done: number;
    readonly seconds: number;
    readonly data: string;
    readonly heldOut: boolean;
    /** Whether the budget or a signal ended it early. */
    readonly complete: boolean;
  };
  readonly notes: readonly string[];
}

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
