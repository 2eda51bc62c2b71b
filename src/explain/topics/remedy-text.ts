import type { TopicText } from './topic-text.ts';

/** A remedy in words; what it does in a few words and what it changes stands in its hint. */
export interface RemedyText extends TopicText {
  /** What it costs, and when it does not help. */
  readonly price: string;
}
