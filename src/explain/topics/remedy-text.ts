import type { Formula } from '../../report/explanation.ts';

/** A remedy in words; what it does in a few words and what it changes stands in its hint. */
export interface RemedyText {
  readonly title: string;
  readonly aliases?: readonly string[];
  readonly what: readonly string[];
  readonly formulas: readonly Formula[];
  /** What it costs, and when it does not help. */
  readonly price: string;
  readonly references: readonly string[];
  readonly see?: readonly string[];
}
