import type { Attribution } from '../flow/attribution.ts';
import type { FactorKind } from '../flow/kinds.ts';
import type { FlowProfile } from '../flow/profile.ts';

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
  | 'disconnected-parameter';

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
  /** What to try, most promising first. */
  readonly remedies: readonly RemedyHint[];
}

export interface Cause {
  readonly kind: FactorKind;
  readonly decades: number;
  /** Part of the total decades of the same sign, 0 to 1. */
  readonly share: number;
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
}

export interface DiagnosisRule {
  readonly id: RuleId;
  /** What the rule looks for, in one sentence. */
  readonly summary: string;
  check(subject: Case): Finding[];
}

export type Verdict = 'healthy' | 'vanishing' | 'exploding' | 'non-finite' | 'dead' | 'problem';

/** What diagnosis concludes from a profile. */
export interface Diagnosis {
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
  readonly attribution: Attribution | undefined;
}
