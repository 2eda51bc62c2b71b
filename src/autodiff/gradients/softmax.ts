import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import { normalizeAxis } from '../../graph/shapes.ts';
import { type Rule, rule } from '../rule.ts';

/** Softmax and its logarithm, written in the forward output. */
export const softmax: Record<string, Rule> = {
  // dX = Y ⊙ (dY − Σ dY ⊙ Y)
  Softmax: rule('X -> Y', ({ Y, dY, g, attributes }) => ({
    X: () => g.mul(Y, g.sub(dY, sumAlong(g, g.mul(dY, Y), attributes.number('axis', -1)))),
  })),
  // dX = dY − exp(Y)·Σ dY: exact for confident outputs too, as exp(Y) never divides.
  LogSoftmax: rule('X -> Y', ({ Y, dY, g, attributes }) => ({
    X: () => g.sub(dY, g.mul(g.exp(Y), sumAlong(g, dY, attributes.number('axis', -1)))),
  })),
};

function sumAlong(g: GraphBuilder, X: Value, axis: number): Value {
  return g.reduceSum(X, [normalizeAxis(axis, X.shape.length)]);
}
