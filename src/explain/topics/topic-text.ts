import type { Formula } from '../../report/explanation.ts';

/** What every topic has in words. */
export interface TopicText {
  readonly title: string;
  readonly aliases?: readonly string[];
  readonly what: readonly string[];
  readonly formulas: readonly Formula[];
  readonly references: readonly string[];
  readonly see?: readonly string[];
}
