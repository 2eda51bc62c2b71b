import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';

/** What an update rule of one parameter reads and writes. Equal scalars of several parameters are shared by the builder. */
export interface UpdateContext {
  readonly g: GraphBuilder;
  /** The parameter; decoupled weight decay is already taken off. */
  readonly P: Value;
  /** Its gradient, clipped, with the L2 penalty's part. */
  readonly G: Value;
  /** The learning rate in P's type. */
  readonly learningRate: Value;
  /** The number of this update, 1 for the first, as a float64 scalar. */
  step(): Value;
  /** A state tensor of P's shape, filled with `initial` before the first update. */
  slot(name: string, initial?: number): Value;
  /** The value of a state tensor after this update. */
  keep(name: string, next: Value): void;
  number(option: string): number;
  flag(option: string): boolean;
}

/** What values an option of an optimizer may have. */
export interface OptionRule {
  readonly default: number | boolean;
  /** `fraction`: 0 ≤ x < 1. Flags have none. */
  readonly range?: 'fraction' | 'positive' | 'non-negative';
}

export interface OptimizerRule {
  /** PyTorch's default, where it has one. */
  readonly learningRate: number;
  readonly options: Readonly<Record<string, OptionRule>>;
  /** Whether `weightDecay` is an L2 penalty (added to the gradient) or decoupled (Loshchilov & Hutter 2019). */
  readonly decay: 'l2' | 'decoupled';
  /** The parameter after the update. */
  readonly update: (context: UpdateContext) => Value;
}

export const fraction = (value: number): OptionRule => ({ default: value, range: 'fraction' });
export const positive = (value: number): OptionRule => ({ default: value, range: 'positive' });
export const nonNegative = (value: number): OptionRule => ({ default: value, range: 'non-negative' });
export const flag = (value: boolean): OptionRule => ({ default: value });
