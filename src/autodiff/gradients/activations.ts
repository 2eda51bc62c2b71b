import { type Rule, rule } from '../rule.ts';

/** Activation functions. Each derivative is written in the forward output where the formula allows. */
export const activations: Record<string, Rule> = {
  // dX = dY · Y (1 − Y)
  Sigmoid: rule('X -> Y', ({ Y, dY, g }) => ({ X: () => g.mul(dY, g.mul(Y, g.sub(g.scalar(1, Y.type), Y))) })),
  // dX = dY · (1 − Y²)
  Tanh: rule('X -> Y', ({ Y, dY, g }) => ({ X: () => g.mul(dY, g.sub(g.scalar(1, Y.type), g.mul(Y, Y))) })),
  // dX = dY where X > 0; at the kink the derivative is 0, as in PyTorch. A mask, not a product: 0 · ∞ is NaN.
  Relu: rule('X -> Y', ({ Y, dY, g }) => {
    const zero = g.scalar(0, Y.type);
    return { X: () => g.where(g.greater(Y, zero), dY, zero) };
  }),
};
