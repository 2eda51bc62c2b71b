import { fraction, nonNegative, type OptimizerRule } from './rule.ts';

/** Lion (Chen et al. 2023, 'Symbolic Discovery of Optimization Algorithms', algorithm 2): p ← p − η sign(β₁ m + (1 − β₁) g), m ← β₂ m + (1 − β₂) g. */
export const lion: OptimizerRule = {
  learningRate: 0.0001,
  decay: 'decoupled',
  options: { beta1: fraction(0.9), beta2: fraction(0.99), weightDecay: nonNegative(0) },
  update: (context) => {
    const { g, P, G, learningRate } = context;
    const m = context.slot('momentum');
    const mix = (beta: number) => g.plus(g.scale(m, beta), g.scale(G, 1 - beta));
    context.keep('momentum', mix(context.number('beta2')));
    return g.sub(P, g.mul(g.sign(mix(context.number('beta1'))), learningRate));
  },
};
