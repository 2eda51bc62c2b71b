import type { OutputSpec } from '../graph/assembler.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import type { DataType } from '../graph/data-type.ts';
import type { Graph, Node, Value } from '../graph/graph.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { AttributeReader } from './attributes.ts';
import type { Body } from './body.ts';

/**
 * Operators and their gradients are written with the letters of the ONNX specification. A signature such as
 * `'X W B? -> Y'` names inputs and outputs in order; `?` marks an optional one, `*` a variadic one (always last), `*?`
 * variadic outputs whose gradients may each be absent.
 * The rule receives X, W, B, Y as values and dY, the gradient of the loss with respect to Y.
 */
export interface Rule {
  readonly inputs: readonly Formal[];
  readonly outputs: readonly Formal[];
  /** Untyped entry point of the engine; rules themselves are typed by `rule`. */
  readonly gradient: (context: never) => Thunks;
}

export interface Formal {
  readonly name: string;
  readonly optional: boolean;
  readonly variadic: boolean;
}

/** What one input's gradient is: a value that broadcasting may have made larger than the input, or null for zero. */
export type Thunk = () => Value | null;
/**
 * Per input, how to write its gradient; only those that are needed are called. An absent input has gradient zero.
 * `captured` holds the same for `Tools.captured`, in its order.
 */
export type Thunks = Partial<Record<string, Thunk | Thunk[]>>;

/** What every rule may use besides its tensors. */
export interface Tools {
  readonly g: GraphBuilder;
  readonly node: Node;
  readonly attributes: AttributeReader;
  /** Whether saturated derivatives shall keep their size (for measuring) rather than be cheap (for training). */
  readonly exactTails: boolean;
  /** The content of an integer input (axes, starts, a shape). Throws GradientError when it depends on the data. */
  integers(value: Value): number[];
  /** The content of a value, where it is known before running; what is differentiated is never known. */
  content(value: Value): Tensor | undefined;
  /** Whether the gradient of an input is wanted. */
  isWanted(value: Value): boolean;
  /** The values around this node that its subgraphs read and whose gradient is wanted. */
  readonly captured: readonly Value[];
  /** Copies a subgraph of this node into a new graph, where its gradient can be written. */
  open(subgraph: Graph, inputs: readonly OutputSpec[]): Body;
  /** An optional output of this node (indices, saved statistics), which the forward pass then computes as well. */
  extraOutput(index: number, type: DataType, shape: readonly number[]): Value;
  /**
   * Keeps an inner gradient for measurement: the gradient at each step of a recurrence. Absent unless measuring.
   * `index` tells apart what a node has several of: directions. Slice t of `value` is to be multiplied by
   * 2^exponents[t].
   */
  readonly expose?: (label: string, index: number, value: Value, exponents: Value) => void;
  /** Refuses this node's gradient with a reason. */
  refuse(reason: string, hint?: string): never;
}

type Words<S extends string> = S extends `${infer Head} ${infer Tail}` ? Head | Words<Tail> : S;
type Bare<W extends string> = W extends `${infer N}*?`
  ? N
  : W extends `${infer N}?`
    ? N
    : W extends `${infer N}*`
      ? N
      : W;
type Held<W extends string> = W extends `${string}*` | `${string}*?`
  ? Value[]
  : W extends `${string}?`
    ? Value | undefined
    : Value;
type Upstream<W extends string> = W extends `${string}*?`
  ? (Value | undefined)[]
  : W extends `${string}*`
    ? Value[]
    : W extends `${string}?`
      ? Value | undefined
      : Value;
type InputsOf<S extends string> = S extends `${infer Inputs} -> ${string}` ? Words<Inputs> : never;
type OutputsOf<S extends string> = S extends `${string} -> ${infer Outputs}` ? Words<Outputs> : never;

/** The typed context of a rule with signature S. */
export type Context<S extends string> = Tools & { readonly [W in InputsOf<S> | OutputsOf<S> as Bare<W>]: Held<W> } & {
  readonly [W in OutputsOf<S> as `d${Bare<W>}`]: Upstream<W>;
};

type ThunksOf<S extends string> = {
  [W in InputsOf<S> as Bare<W>]?: W extends `${string}*` ? Thunk[] : Thunk;
} & { captured?: Thunk[] };

/**
 * A gradient rule. The gradient of a required output that nothing uses is given as zeros; of an optional one, as
 * undefined; a variadic output's gradients are all given.
 */
export function rule<const S extends string>(signature: S, gradient: (context: Context<S>) => ThunksOf<S>): Rule {
  const [inputs = '', outputs = ''] = signature.split(' -> ');
  return { inputs: inputs.split(' ').map(formal), outputs: outputs.split(' ').map(formal), gradient };
}

/** A rule for Y = f(X) elementwise, given the derivative f′: dX = dY · f′(X). */
export function elementwise(derivative: (context: Context<'X -> Y'>) => Value): Rule {
  return rule('X -> Y', (context) => ({ X: () => context.g.mul(context.dY, derivative(context)) }));
}

function formal(word: string): Formal {
  return {
    name: word.replace(/[?*]+$/, ''),
    optional: word.endsWith('?'),
    variadic: word.includes('*'),
  };
}
