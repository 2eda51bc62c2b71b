import type { Value } from '../../graph/graph.ts';
import { flag, fraction, nonNegative, type OptimizerRule, positive, type UpdateContext } from './rule.ts';

/**
 * torch.optim.Adam (Kingma & Ba 2015): p ← p − η m̂ / (√v̂ + ε) with m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ).
 * The slots hold M = m/(1 − β₁) and V = v/(1 − β₂), which take one pass less each: M ← β₁ M + g, V ← β₂ V + g². With
 * c² = (1 − β₂)/(1 − β₂ᵗ) the update is η (1 − β₁)/(1 − β₁ᵗ)/c · M / (√V + ε/c); the scalars are taken in float64,
 * because 1 − β₂ᵗ loses four digits in float32.
 */
function update(context: UpdateContext): Value {
  const { g, P, G, learningRate } = context;
  const [beta1, beta2] = [context.number('beta1'), context.number('beta2')];
  const M = g.plus(g.scale(context.slot('first_moment'), beta1), G);
  const V = g.plus(g.scale(context.slot('second_moment'), beta2), g.mul(G, G));
  context.keep('first_moment', M);
  context.keep('second_moment', V);
  let spread = V;
  if (context.flag('amsgrad')) {
    spread = g.max(context.slot('largest_second_moment'), V);
    context.keep('largest_second_moment', spread);
  }
  const c = g.sqrt(g.div(number(context, 1 - beta2), correction(context, beta2)));
  const rate = g.div(
    g.div(g.mul(g.cast(learningRate, 'float64'), number(context, 1 - beta1)), correction(context, beta1)),
    c,
  );
  const epsilon = g.div(number(context, context.number('epsilon')), c);
  const step = g.div(M, g.plus(g.sqrt(spread), g.cast(epsilon, P.type)));
  return g.sub(P, g.mul(step, g.cast(rate, P.type)));
}

const number = ({ g }: UpdateContext, value: number): Value => g.scalar(value, 'float64');

/** 1 − βᵗ. */
function correction(context: UpdateContext, beta: number): Value {
  const { g } = context;
  return g.sub(number(context, 1), g.pow(number(context, beta), context.step()));
}

const options = { beta1: fraction(0.9), beta2: fraction(0.999), epsilon: positive(1e-8), amsgrad: flag(false) };

export const adam: OptimizerRule = {
  learningRate: 0.001,
  decay: 'l2',
  options: { ...options, weightDecay: nonNegative(0) },
  update,
};

/** torch.optim.AdamW (Loshchilov & Hutter 2019). */
export const adamw: OptimizerRule = {
  learningRate: 0.001,
  decay: 'decoupled',
  options: { ...options, weightDecay: nonNegative(0.01) },
  update,
};
