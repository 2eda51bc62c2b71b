import type { Value } from '../../graph/graph.ts';
import { flag, fraction, nonNegative, type OptimizerRule, type UpdateContext } from './rule.ts';

/** torch.optim.SGD: b ← μ b + (1 − τ) g, the first time b ← g; p ← p − η b, with Nesterov p ← p − η (g + μ b). */
function sgd(defaults: { momentum: number; nesterov: boolean }): OptimizerRule {
  return {
    learningRate: 0.01,
    decay: 'l2',
    options: {
      momentum: fraction(defaults.momentum),
      dampening: nonNegative(0),
      nesterov: flag(defaults.nesterov),
      weightDecay: nonNegative(0),
    },
    update: (context) => {
      const { g, P, learningRate } = context;
      return g.sub(P, g.mul(direction(context), learningRate));
    },
  };
}

function direction(context: UpdateContext): Value {
  const { g, G } = context;
  const momentum = context.number('momentum');
  if (momentum === 0) return G;
  const buffer = g.plus(g.scale(context.slot('momentum'), momentum), dampened(context));
  context.keep('momentum', buffer);
  return context.flag('nesterov') ? g.plus(G, g.scale(buffer, momentum)) : buffer;
}

function dampened(context: UpdateContext): Value {
  const { g, G } = context;
  const dampening = context.number('dampening');
  if (dampening === 0) return G;
  const isFirst = g.equal(context.step(), g.scalar(1, 'float64'));
  return g.mul(G, g.where(isFirst, g.scalar(1, G.type), g.scalar(1 - dampening, G.type)));
}

export const plain = sgd({ momentum: 0, nesterov: false });
export const momentum = sgd({ momentum: 0.9, nesterov: false });
export const nesterov = sgd({ momentum: 0.9, nesterov: true });
