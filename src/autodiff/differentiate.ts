import { GraphBuilder } from '../graph/builder.ts';
import { GradientError } from '../graph/errors.ts';
import { type Binding, cloneGraph, type Graph, type Value } from '../graph/graph.ts';
import { gradientTables } from './gradients/index.ts';
import { findPath } from './path.ts';
import { RescalePlan } from './rescale.ts';
import { type BackwardEdge, type ExposedGradient, ReverseSweep } from './sweep.ts';
import type { GradientTables } from './tables.ts';

export type { BackwardEdge, ExposedGradient } from './sweep.ts';

/** A graph with its backward pass. */
export interface BackwardGraph {
  /** Forward, loss and backward nodes in topological order. */
  readonly graph: Graph;
  /** Every value of it, with type and shape. */
  readonly values: ReadonlyMap<string, Value>;
  readonly loss: string;
  /** Graph input that seeds the backward pass, dL/dL: backpropagation is linear in it. */
  readonly seed: string;
  /** Graph inputs (scalars, 1 when nothing is to be rescaled) that multiply the gradient at a value. */
  readonly rescale: ReadonlyMap<string, string>;
  /** Of each value on the path, the rescaled values between it and the loss (itself included). */
  readonly rescaledBy: ReadonlyMap<string, readonly string[]>;
  /** Value → the value that holds its gradient. */
  readonly gradients: ReadonlyMap<string, string>;
  readonly edges: readonly BackwardEdge[];
  /** Gradients within recurrent nodes, when asked for. */
  readonly exposed: readonly ExposedGradient[];
}

export interface DifferentiateOptions {
  /** The scalar to differentiate. */
  readonly loss: string;
  /** The values whose gradients are wanted; gradients of the values between come with them. */
  readonly wrt: Iterable<string>;
  /** Opset of the model, for messages. */
  readonly opset: number;
  /** Values at which the gradient is multiplied by a graph input; every path to the loss must pass through each. */
  readonly rescaleAt?: readonly string[];
  readonly tables?: GradientTables;
  /** Keep the size of derivatives far in a saturating function's tails, at the price of a few more nodes. */
  readonly exactTails?: boolean;
  /** Keep gradients within recurrent nodes for measurement. */
  readonly expose?: boolean;
}

/**
 * Appends the backward pass to a graph: reverse-mode differentiation written in standard ONNX operators.
 * `binding` gives every value's type and concrete shape. The input graph is not changed.
 * Throws GradientError when an operator on the path has no gradient or the loss is not a scalar.
 */
export function differentiate(graph: Graph, binding: Binding, options: DifferentiateOptions): BackwardGraph {
  const tables = options.tables ?? gradientTables;
  const builder = new GraphBuilder(cloneGraph(graph), binding.values());
  const loss = builder.value(options.loss);
  if (loss.shape.some((dim) => dim !== 1)) {
    throw new GradientError(`the loss must be one number, "${loss.name}" has shape [${loss.shape.join(', ')}]`, {
      code: 'loss-not-scalar',
    });
  }
  const path = findPath(builder.graph, binding, [loss.name], options.wrt, tables, options.opset);
  const rescale = new RescalePlan(builder, path, options.rescaleAt ?? []);
  const sweep = new ReverseSweep(builder, binding, path, rescale, { ...options, tables });

  const seed = builder.input(builder.uniqueName('gradient_seed'), loss.type, []);
  builder.scope = 'loss/grad/';
  sweep.run([[loss, builder.reshape(seed, loss.shape)]]);
  const gradients = sweep.finish();

  return {
    graph: builder.graph,
    values: builder.values,
    loss: loss.name,
    seed: seed.name,
    rescale: rescale.inputs,
    rescaledBy: rescale.passedBy,
    gradients,
    edges: sweep.edges,
    exposed: sweep.exposed,
  };
}
