import type { Graph } from '../graph/graph.ts';
import { theoryOf } from './describe.ts';
import { type Signal, standardInput } from './network.ts';
import { readNetwork } from './read-network.ts';
import type { Theory } from './theory.ts';
import type { ShapeOf } from './windows.ts';

export { type Change, type DrawnVariance, heVariance, predictChange, type Redesign, usualScheme } from './change.ts';

export interface PredictOptions {
  /** Moments of the inputs' elements, as measured; default standardized and independent. */
  readonly input?: Partial<Signal>;
  /** The value the loss reads; default the first output, before a final softmax or sigmoid. */
  readonly output?: string;
  /** Shapes of values beyond those the graph declares. */
  readonly shapeOf?: ShapeOf;
}

/**
 * What mean-field theory says of a network with these weights: variances forward, gradients back, fixed points and
 * depth scales. Never throws: what it does not cover is said in `reasons`.
 */
export function predictTheory(graph: Graph, parameters: readonly string[], options: PredictOptions = {}): Theory {
  const declared: ShapeOf = (name) =>
    options.shapeOf?.(name) ??
    graph.initializers.get(name)?.dims ??
    graph.values.get(name)?.shape ??
    [...graph.inputs, ...graph.outputs].find((value) => value.name === name)?.shape;
  const input = { ...standardInput, ...options.input };
  const network = readNetwork(graph, new Set(parameters), { input, output: options.output, shapeOf: declared });
  if (!network) {
    return {
      applies: 'not',
      reasons: ['No layer with a weight matrix lies on the way from the input to the output.'],
      layers: [],
      predictedDecades: Number.NaN,
    };
  }
  return theoryOf(network);
}
