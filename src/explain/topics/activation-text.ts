import type { Formula } from '../../report/explanation.ts';

/** An activation in words, and how it is measured. */
export interface ActivationText {
  readonly title: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly what: readonly string[];
  readonly formulas: readonly Formula[];
  readonly options?: string;
  readonly references: readonly string[];
  readonly see?: readonly string[];
  /** The layer of a network spec; default the id. */
  readonly layer?: unknown;
  /** The initialization it is usually trained with. */
  readonly init: string;
  /** Whether it acts on each element alone: softmax does not. */
  readonly elementwise: boolean;
}

/** The symbol that every activation is a function of. */
export const Z = { z: 'the pre-activation: what the layer before it puts out' };
