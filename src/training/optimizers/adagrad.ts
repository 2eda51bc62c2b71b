import { nonNegative, type OptimizerRule, positive } from './rule.ts';

/** torch.optim.Adagrad (Duchi et al. 2011): s ← s + g², p ← p − η / (1 + (t − 1) d) · g / (√s + ε). */
export const adagrad: OptimizerRule = {
  learningRate: 0.01,
  decay: 'l2',
  options: {
    lrDecay: nonNegative(0),
    initialAccumulator: nonNegative(0),
    epsilon: positive(1e-10),
    weightDecay: nonNegative(0),
  },
  update: (context) => {
    const { g, P, G, learningRate } = context;
    const squares = g.plus(context.slot('squares', context.number('initialAccumulator')), g.mul(G, G));
    context.keep('squares', squares);
    const decay = context.number('lrDecay');
    let rate = learningRate;
    if (decay > 0) {
      const divisor = g.shift(g.scale(g.shift(context.step(), -1), decay), 1);
      rate = g.cast(g.div(g.cast(learningRate, 'float64'), divisor), P.type);
    }
    return g.sub(P, g.mul(g.div(G, g.shift(g.sqrt(squares), context.number('epsilon'))), rate));
  },
};
