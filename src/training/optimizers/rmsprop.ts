import { flag, fraction, nonNegative, type OptimizerRule, positive } from './rule.ts';

/**
 * torch.optim.RMSprop: v ← ρ v + (1 − ρ) g², p ← p − η g / (√v + ε); centered: v less the square of the mean gradient
 * (Graves 2013); with momentum b ← μ b + g / (√v + ε), p ← p − η b. The slots hold v/(1 − ρ) and mean/(1 − ρ).
 */
export const rmsprop: OptimizerRule = {
  learningRate: 0.01,
  decay: 'l2',
  options: {
    rho: fraction(0.99),
    epsilon: positive(1e-8),
    centered: flag(false),
    momentum: fraction(0),
    weightDecay: nonNegative(0),
  },
  update: (context) => {
    const { g, P, G, learningRate } = context;
    const rho = context.number('rho');
    const V = g.plus(g.scale(context.slot('second_moment'), rho), g.mul(G, G));
    context.keep('second_moment', V);
    let spread = V;
    if (context.flag('centered')) {
      const mean = g.plus(g.scale(context.slot('mean'), rho), G);
      context.keep('mean', mean);
      // A variance: rounding may take it below zero, and its root would be NaN.
      spread = g.relu(g.sub(V, g.scale(g.mul(mean, mean), 1 - rho)));
    }
    // √v + ε = c (√V + ε/c) with c = √(1 − ρ)
    const c = Math.sqrt(1 - rho);
    let step = g.div(G, g.shift(g.sqrt(spread), context.number('epsilon') / c));
    const momentum = context.number('momentum');
    if (momentum > 0) {
      step = g.plus(g.scale(context.slot('momentum'), momentum), step);
      context.keep('momentum', step);
    }
    return g.sub(P, g.mul(step, g.scale(learningRate, 1 / c)));
  },
};
