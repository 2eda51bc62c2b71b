import type { Patch, Remedy } from '../../remedies/remedy.ts';
import type { Candidate, SkippedPlan } from '../../trials/candidates.ts';
import type { Ranking } from '../../trials/judge.ts';
import type { ProposedPlan } from '../../trials/plans.ts';
import type { TrialResult } from '../../trials/trial.ts';
import type { ReportSubject } from '../subject.ts';

export type TreatmentOutcome =
  | Ranking['outcome']
  /** Nothing is wrong with the network: nothing was tried. */
  | 'healthy'
  /** No remedy fits what was found. */
  | 'no-plan'
  /** Without data: chosen by the gradient's health alone, and nothing was trained. */
  | 'gradient-only';

/** What a treatment came to: everything its reports are made of. */
export interface Treatment {
  readonly outcome: TreatmentOutcome;
  /** One or two sentences on why. */
  readonly reason: string;
  readonly before: ReportSubject;
  /** The redesigned network, diagnosed on the same batch before training. */
  readonly after?: ReportSubject;
  readonly plans: readonly ProposedPlan[];
  readonly skipped: readonly SkippedPlan[];
  /** Of the last round that tells something. */
  readonly ranking?: Ranking;
  readonly results: readonly TrialResult[];
  /** How many trained numbers each plan's network has, the baseline's among them. */
  readonly parameters: ReadonlyMap<string, number>;
  readonly winner?: Candidate;
  /** The winner's remedies, in their order. */
  readonly remedies: readonly Remedy[];
  /** The same changes as code to paste, in their order. */
  readonly patches: readonly PatchOf[];
  /** How it was tried. */
  readonly trials: TrialsDescription;
  readonly notes: readonly string[];
  /** Command that gives the same again. */
  readonly command?: string;
  /** Where the redesigned network was written, and the command that trains it. */
  readonly written?: { readonly path: string; readonly train: string };
}

/** A remedy of the winning plan as code. */
export interface PatchOf {
  readonly remedy: string;
  readonly title: string;
  readonly patch: Patch;
}

export interface TrialsDescription {
  readonly executor: string;
  /** Of each trial of the round that plans were judged by. */
  readonly steps: number;
  readonly seeds: number;
  readonly rounds: number;
  readonly done: number;
  readonly seconds: number;
  readonly data: string;
  readonly heldOut: boolean;
  /** False where the budget or a signal ended it early. */
  readonly complete: boolean;
}
