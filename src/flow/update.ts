import type { TensorStatistics } from './statistics.ts';

/** The optimizer whose first step is judged against the weights. */
export interface UpdateRule {
  readonly optimizer: string;
  readonly learningRate: number;
}

/** Optimizers whose first step has about the learning rate's size per element, whatever the gradient's, and its factor. */
const adaptive: Record<string, { factor: number; epsilon: number }> = {
  adam: { factor: 1, epsilon: 1e-8 },
  adamw: { factor: 1, epsilon: 1e-8 },
  adagrad: { factor: 1, epsilon: 1e-10 },
  // RMSprop's average starts at (1 − α) g² with α = 0.99: the first step is ten times the learning rate.
  rmsprop: { factor: 10, epsilon: 1e-8 },
  lion: { factor: 1, epsilon: 0 },
};

/**
 * ‖Δw‖ of an optimizer's first step: lr · ‖g‖ for the SGD family; for adaptive ones Σ (lr · g / (|g| + ε))² with |g|
 * taken from its log₂ histogram, which is exact but for ε within a factor of two of |g|.
 */
export function firstStep({ optimizer, learningRate }: UpdateRule, gradient: TensorStatistics): number {
  const rule = adaptive[optimizer];
  if (!rule) return learningRate * gradient.l2;
  const { from, counts } = gradient.log2Histogram;
  let squares = 0;
  counts.forEach((count, i) => {
    const magnitude = 1.5 * 2 ** (from + i) * rule.factor;
    const step = rule.epsilon === 0 ? 1 : (rule.factor * magnitude) / (magnitude + rule.epsilon);
    squares += count * step * step;
  });
  return learningRate * Math.sqrt(squares);
}

/** ‖Δw‖ / ‖w‖ of the first step; undefined for weights that are all zero. */
export function updateRatio(rule: UpdateRule, gradient: TensorStatistics, value: TensorStatistics): number | undefined {
  return value.l2 > 0 ? firstStep(rule, gradient) / value.l2 : undefined;
}
