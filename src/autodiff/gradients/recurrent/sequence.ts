import type { GraphBuilder } from '../../../graph/builder.ts';
import type { Value } from '../../../graph/graph.ts';
import { range } from '../../../graph/shapes.ts';
import { sizeOf, tensorOf } from '../../../graph/tensor.ts';
import type { Thunk, Tools } from '../../rule.ts';
import { type CellFunction, cellFunctions } from './functions.ts';

/** The inputs that RNN, LSTM and GRU share, and what arrived from the loss. */
export interface Recurrent extends Tools {
  readonly X: Value;
  readonly W: Value;
  readonly R: Value;
  readonly B: Value | undefined;
  readonly sequence_lens: Value | undefined;
  readonly initial_h: Value | undefined;
  readonly Y: Value | undefined;
  readonly dY: Value | undefined;
  readonly dY_h: Value | undefined;
}

/**
 * One direction of a recurrent node as its backward pass sees it: T steps, N samples, I inputs, H units, G rows of
 * gates. Everything is indexed by time, whichever way the sequence is read.
 */
export interface Direction {
  readonly index: number;
  /** Reads from the last step to the first. */
  readonly reverse: boolean;
  readonly functions: readonly CellFunction[];
  readonly sizes: { readonly T: number; readonly N: number; readonly I: number; readonly H: number };
  /** [G, I] and [G, H]. */
  readonly W: Value;
  readonly R: Value;
  /** Biases [G] beside W and beside R. */
  readonly Wb: Value | undefined;
  readonly Rb: Value | undefined;
  /** X as rows [T·N, I]. */
  readonly X: Value;
  /** The state each step started from, as rows [T·N, H]: known from Y, so that gates need no recurrence. */
  readonly before: Value;
  /** Y of this direction, [T, N, H]. */
  readonly after: Value;
  /** [T, N, H], zero where a sequence has ended; undefined when the loss reads no step directly. */
  readonly dY: Value | undefined;
  /** [N, H]. */
  readonly dYh: Value;
  /** Whether step t of sample n exists, [T, N, 1]; undefined when all do. */
  readonly valid: Value | undefined;
}

/** Gradients of one direction, each computed when asked for. Matrices are without the axis of directions. */
export interface CellGradient {
  /** [T·N, I]. */
  readonly X: () => Value;
  readonly W: () => Value;
  readonly R: () => Value;
  /** [2G]. */
  readonly B: () => Value;
  readonly initialH: () => Value;
}

/** Splits a recurrent node into its directions. Refuses forms without a gradient here. */
export function directionsOf(node: Recurrent, defaults: readonly string[]): Direction[] {
  const { g, attributes, X, W, R, B, Y, refuse } = node;
  if (attributes.number('layout', 0) !== 0) refuse('its layout is batch first (1)', 'export it with layout 0');
  if (attributes.has('clip')) refuse('it clips its pre-activations');
  const direction = attributes.string('direction', 'forward');
  const count = direction === 'bidirectional' ? 2 : 1;
  const functions = cellFunctions(node, defaults, count);
  const [T, N, I] = X.shape as [number, number, number];
  const H = R.shape[2]!;
  const type = X.type;
  const hidden = Y ?? node.extraOutput(0, type, [T, count, N, H]);
  const valid = node.sequence_lens && validSteps(g, node.sequence_lens, T, N, 0);
  const zeros = () => g.full([N, H], 0, type);
  return range(count).map((index) => {
    const reverse = direction === 'reverse' || index === 1;
    const of = (value: Value, axis = 0) => takeDirection(g, value, index, axis);
    const initialH = node.initial_h ? of(node.initial_h) : zeros();
    const biases = B && g.split(of(B), [W.shape[1]!, W.shape[1]!], 0);
    const dY = node.dY && of(node.dY, 1);
    const after = of(hidden, 1);
    return {
      index,
      reverse,
      functions: functions[index]!,
      sizes: { T, N, I, H },
      W: of(W),
      R: of(R),
      Wb: biases?.[0],
      Rb: biases?.[1],
      X: g.reshape(X, [T * N, I]),
      before: rows(g, stateBefore(g, after, initialH, { reverse, lengths: node.sequence_lens })),
      after,
      dY: dY && maskSteps(g, valid, dY),
      dYh: gradientAtEnd(node, node.dY_h, index),
      valid,
    };
  });
}

/** Puts the directions' gradients together as the node's inputs have them. */
export function joinDirections(
  node: Recurrent,
  cells: readonly CellGradient[],
): Record<'X' | 'W' | 'R' | 'B' | 'initial_h', Thunk> {
  const { g, X } = node;
  const joined = (part: (cell: CellGradient) => Value) => () => stackDirections(g, cells.map(part));
  return {
    X: () => g.reshape(g.sum(cells.map((cell) => cell.X())), X.shape),
    W: joined((cell) => cell.W()),
    R: joined((cell) => cell.R()),
    B: joined((cell) => cell.B()),
    initial_h: joined((cell) => cell.initialH()),
  };
}

/** The gradient of a last state, [N, H]; zeros when the loss does not read it. */
export function gradientAtEnd(node: Recurrent, gradient: Value | undefined, index: number): Value {
  const { g, X, R, sequence_lens } = node;
  const [N, H] = [X.shape[1]!, R.shape[2]!];
  if (!gradient) return g.full([N, H], 0, X.type);
  const own = takeDirection(g, gradient, index);
  // The last state of an empty sequence is zero, not the initial one (onnxruntime 1.30).
  return sequence_lens ? maskSteps(g, g.reshape(validSteps(g, sequence_lens, 1, N, 0), [N, 1]), own) : own;
}

/** Values of each direction stacked along a new first axis. */
export function stackDirections(g: GraphBuilder, values: readonly Value[]): Value {
  return g.concat(
    values.map((value) => g.unsqueeze(value, [0])),
    0,
  );
}

/** A direction's part of a value, without the axis of directions. */
export function takeDirection(g: GraphBuilder, value: Value, index: number, axis = 0): Value {
  const part = g.slice(value, [axis], [index], [index + 1]);
  return g.reshape(
    part,
    value.shape.filter((_, i) => i !== axis),
  );
}

/** X [T, N, …] with zeros (or `other`) where a step does not exist: put there, since 0 · ∞ would be NaN. */
export function maskSteps(g: GraphBuilder, valid: Value | undefined, X: Value, other = 0): Value {
  return valid ? g.where(valid, X, g.scalar(other, X.type)) : X;
}

/** The value each step of [T, N, H] started from: that of the step read before it, or the initial one. */
export function stateBefore(
  g: GraphBuilder,
  states: Value,
  initial: Value,
  { reverse, lengths }: { reverse: boolean; lengths: Value | undefined },
): Value {
  const [T, N] = states.shape as [number, number];
  const first = g.unsqueeze(initial, [0]);
  if (!reverse) return g.concat([first, g.slice(states, [0], [0], [T - 1])], 0);
  const shifted = g.concat([g.slice(states, [0], [1], [T]), first], 0);
  // Read backwards, a sequence starts at its own last step.
  return lengths ? g.where(validSteps(g, lengths, T, N, 1), shifted, first) : shifted;
}

/** Whether step t + ahead is within each sequence, [T, N, 1]. */
export function validSteps(g: GraphBuilder, lengths: Value, T: number, N: number, ahead: number): Value {
  const steps = g.constant(tensorOf(lengths.type, [T, 1, 1], range(ahead, T + ahead)));
  return g.less(steps, g.reshape(lengths, [1, N, 1]));
}

/** A value [T, N, K] as rows [T·N, K]. */
export function rows(g: GraphBuilder, X: Value): Value {
  return g.reshape(X, [sizeOf(X.shape.slice(0, -1)), X.shape.at(-1)!]);
}

/** A·Bᵀ + c. */
export function affine(g: GraphBuilder, A: Value, B: Value, c: Value | undefined): Value {
  return g.add('Gemm', [A, B, c], [[A.type, [A.shape[0]!, B.shape[0]!]]], { transB: 1 })[0]!;
}

/** The sum of two optional values. */
export function plusOptional(g: GraphBuilder, a: Value | undefined, b: Value | undefined): Value | undefined {
  return a && b ? g.plus(a, b) : (a ?? b);
}

/** Computes once. */
export function once<T>(compute: () => T): () => T {
  let result: { value: T } | undefined;
  return () => {
    result ??= { value: compute() };
    return result.value;
  };
}
