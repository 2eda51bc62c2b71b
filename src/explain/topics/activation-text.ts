import type { TopicText } from './topic-text.ts';

/** An activation in words, and how it is measured. */
export interface ActivationText extends TopicText {
  readonly summary: string;
  readonly options?: string;
  /** The layer of a network spec; default the id. */
  readonly layer?: unknown;
  /** The initialization it is usually trained with. */
  readonly init: string;
  /** Whether it acts on each element alone: softmax does not. */
  readonly elementwise: boolean;
}

/** The symbol that every activation is a function of. */
export const Z = { z: 'the pre-activation: what the layer before it puts out' };
