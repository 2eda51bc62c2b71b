import type { Ablation } from '../flow/ablation.ts';
import type { Attribution } from '../flow/attribution.ts';
import type { StepHistory } from '../flow/history.ts';
import { type FactorKind, factorKinds } from '../flow/kinds.ts';
import type { FlowProfile } from '../flow/profile.ts';
import type { Theory } from '../theory/theory.ts';
import type { RemedyId } from './remedy-hints.ts';

export type Severity = 'error' | 'warning' | 'info';

/** Ids are the symptom, a noun phrase; they are stable, like lint rules. */
export type RuleId =
  | 'vanishing-gradient'
  | 'vanishing-through-time'
  | 'exploding-gradient'
  | 'exploding-through-time'
  | 'non-finite'
  | 'dead-units'
  | 'saturated-units'
  | 'poor-initialization'
  | 'symmetric-initialization'
  | 'disconnected-parameter'
  | 'stalled-layer'
  | 'overlarge-update'
  | 'loss-plateau'
  | 'loss-oscillation'
  | 'loss-divergence'
  | 'slow-convergence'
  | 'effectively-shallow'
  | 'gradient-distribution';

/** A rule's verdict with its evidence, place and causes. */
export interface Finding {
  readonly rule: RuleId;
  readonly severity: Severity;
  /** One line: what is wrong, with its number. */
  readonly title: string;
  /** Why it matters, or why it happens: one or two sentences with the mathematics. */
  readonly explanation: string;
  /** Layers, values or parameters, nearest the cause first. */
  readonly where: readonly string[];
  /** What the finding rests on, in words: the deciding numbers, the threshold and where it comes from. */
  readonly basis: string;
  /** Every number the finding rests on, thresholds included. */
  readonly evidence: Readonly<Record<string, number | string>>;
  readonly causes: readonly Cause[];
  /** The one change that would remove most of it. */
  readonly relief?: Relief;
  /** What to try, most promising first. */
  readonly remedies: readonly RemedyHint[];
}

/** Factors of the chain rule, and what no single factor shows: how a signal fares over the whole depth, and at the loss. */
export type CauseKind = FactorKind | 'depth' | 'forward-signal' | 'loss-saturation';

/** Causes as sentences name them. */
export const causeNames: Readonly<Record<CauseKind, string>> = {
  ...factorKinds,
  depth: 'depth',
  'forward-signal': 'the collapse of the forward signal',
  'loss-saturation': 'saturation of the loss',
};

export interface Cause {
  readonly kind: CauseKind;
  readonly decades: number;
  /** Part of the total decades of the same sign, 0 to 1. */
  readonly share: number;
}

/** What one change is predicted to do. */
export interface Relief {
  readonly remedy: RemedyId;
  /** One sentence: the change, what it removes, and the decades after it. */
  readonly sentence: string;
  /** Decades between output and first layer after the change, as theory or the remaining factors predict. */
  readonly predictedDecades: number;
}

export interface RemedyHint {
  readonly id: string;
  /** What to do, in a few words. */
  readonly action: string;
  readonly changes: 'nothing else' | 'training' | 'the model';
}

/** What a rule looks at. */
export interface Case {
  readonly profile: FlowProfile;
  readonly attribution: Attribution | undefined;
  /** What mean-field theory says of the network's weights; absent where the weights are not at hand. */
  readonly theory?: Theory;
  /** What several training steps showed; absent at step 0. */
  readonly history?: StepHistory;
  /** Losses measured with layers taken out or put back to where they started. */
  readonly ablation?: Ablation;
}

/** A limit a rule judges by. */
export interface Threshold {
  readonly name: string;
  readonly value: number;
  /** Paper, tool or calibration the value comes from. */
  readonly source: string;
}

/** A rule in words and symbols. */
export interface RuleAbout {
  /** What it means for training, in a few sentences. */
  readonly meaning: string;
  /** The quantity that is judged, as a formula in plain characters. */
  readonly formula: string;
  /** Every symbol of the formula → what it stands for. */
  readonly symbols: Readonly<Record<string, string>>;
  /** What must have been seen. */
  readonly needs: 'one batch' | 'several steps';
  readonly thresholds: readonly Threshold[];
  /** When it is an error, a warning, a note. */
  readonly severity: string;
  readonly remedies: readonly RemedyId[];
  readonly references: readonly string[];
}

export interface DiagnosisRule {
  readonly id: RuleId;
  /** What the rule looks for, in one sentence. */
  readonly summary: string;
  /** For `explain` and the documentation. */
  readonly about: RuleAbout;
  check(subject: Case): Finding[];
}

export type Verdict = 'healthy' | 'vanishing' | 'exploding' | 'non-finite' | 'dead' | 'problem';

/** What diagnosis concludes from a profile. */
export interface Diagnosis {
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
  readonly attribution: Attribution | undefined;
}
