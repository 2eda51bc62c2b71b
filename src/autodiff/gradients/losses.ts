import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import { range } from '../../graph/shapes.ts';
import { type Rule, rule, type Tools } from '../rule.ts';

/** Losses over classes: axis 1 holds the classes, the target their indices. */
export const losses: Record<string, Rule> = {
  // Y = −Σ w[t]·X[t] (or each by itself, or over Σ w[t]): dX = −w·dY at the target, 0 elsewhere.
  NegativeLogLikelihoodLoss: rule('input target weight? -> loss', (context) => {
    const { input, target, weight, loss, dloss } = context;
    const parts = () => likelihoodParts(context, { X: input, target, weight, Y: loss, dY: dloss });
    return { input: () => parts().dX, weight: () => parts().dWeight() };
  }),

  // The same of log_prob = log softmax X, whose gradient is d − softmax(X)·Σ d over the classes.
  SoftmaxCrossEntropyLoss: rule('scores labels weights? -> output log_prob?', (context) => {
    const { scores, labels, weights, output, log_prob, doutput, dlog_prob, g } = context;
    const logits = log_prob ?? g.logSoftmax(scores, 1);
    const parts = () =>
      likelihoodParts(context, { X: logits, target: labels, weight: weights, Y: output, dY: doutput });
    return {
      scores: () => {
        const dX = dlog_prob ? g.plus(parts().dX, dlog_prob) : parts().dX;
        return g.sub(dX, g.mul(g.exp(logits), g.reduceSum(dX, [1])));
      },
      weights: () => parts().dWeight(),
    };
  }),
};

interface Likelihood {
  readonly X: Value;
  readonly target: Value;
  readonly weight: Value | undefined;
  readonly Y: Value;
  readonly dY: Value;
}

function likelihoodParts({ g, attributes }: Tools, { X, target, weight, Y, dY }: Likelihood) {
  const zero = g.scalar(0, X.type);
  const [batch, classes, ...space] = X.shape as [number, number, ...number[]];
  const column = [batch, 1, ...space];
  const places = g.reshape(g.cast(target, 'int64'), column);
  const labels = g.reshape(g.ints(range(classes)), [classes, ...space.map(() => 1)]);
  const ignored = attributes.has('ignore_index') ? attributes.number('ignore_index', -1) : undefined;
  const hit = g.equal(labels, places);
  const counts = ignored === undefined ? undefined : g.not(g.equal(places, g.scalar(ignored, 'int64')));
  const chosen = counts ? g.and(hit, counts) : hit;
  const perClass = weight && g.reshape(weight, [classes, ...space.map(() => 1)]);
  const w = g.where(chosen, perClass ?? g.scalar(1, X.type), zero);

  const reduction = attributes.string('reduction', 'mean');
  const all = range(X.shape.length);
  let upstream = reduction === 'none' ? g.reshape(dY, column) : g.reshape(dY, []);
  if (reduction === 'mean') upstream = g.div(upstream, g.reshape(g.reduceSum(w, all), []));
  return {
    dX: g.neg(g.mul(w, upstream)),
    // The weights stand in the mean's divisor too: Y leaves once more.
    dWeight: () => {
      const lost = reduction === 'mean' ? g.plus(X, g.reshape(Y, [])) : X;
      return negatedOver(g, g.where(chosen, g.mul(lost, upstream), zero), classes);
    },
  };
}

function negatedOver(g: GraphBuilder, X: Value, classes: number): Value {
  const axes = range(X.shape.length).filter((axis) => axis !== 1);
  return g.reshape(g.neg(g.reduceSum(X, axes)), [classes]);
}
