import type { TopicText } from './topic-text.ts';

/** An optimizer in words. */
export interface OptimizerText extends TopicText {
  readonly summary: string;
}

const STEP = { w: 'a weight', g: 'its gradient', η: 'the learning rate' };
const EPSILON = { ε: 'a small number against division by 0' };

/** The optimizers of training, by their name there; formulas and defaults are PyTorch's. */
export const optimizerTexts: Readonly<Record<string, OptimizerText>> = {
  sgd: {
    title: 'Gradient descent',
    aliases: ['gradient-descent', 'stochastic-gradient-descent'],
    summary: 'a step against the gradient: a layer with a tiny gradient hardly moves',
    what: [
      'The step is proportional to the gradient, layer by layer: where the gradient has vanished, learning has stopped; where it explodes, the weights are thrown about.',
      'On a quadratic it converges for η below 2 / λ, with λ the largest curvature, and along the flattest direction it needs about as many steps as the ratio of the two curvatures.',
    ],
    formulas: [{ text: 'w ← w − η · g', symbols: STEP }],
    references: ['Robbins & Monro 1951, A stochastic approximation method (Annals of Mathematical Statistics 22)'],
    see: ['momentum', 'adam', 'reduce-learning-rate'],
  },
  momentum: {
    title: 'Momentum',
    aliases: ['heavy-ball', 'polyak'],
    summary: 'a running sum of gradients: faster along flat valleys',
    what: [
      'Gradients that agree add up to 1 / (1 − μ) times one of them; those that alternate cancel. The number of steps grows with the square root of the ratio of curvatures instead of the ratio.',
    ],
    formulas: [
      { text: 'b ← μ · b + g,   w ← w − η · b', symbols: { b: 'the running sum', μ: 'the momentum, 0.9', ...STEP } },
    ],
    references: [
      'Polyak 1964, Some methods of speeding up the convergence of iteration methods',
      'Sutskever, Martens, Dahl & Hinton 2013 (ICML)',
    ],
    see: ['sgd', 'nesterov'],
  },
  nesterov: {
    title: 'Nesterov momentum',
    aliases: ['nag'],
    summary: 'momentum that looks ahead: less overshooting',
    what: [
      'The gradient counts once more on top of the running sum, which is as if it were taken where the momentum is about to lead.',
    ],
    formulas: [
      {
        text: 'b ← μ · b + g,   w ← w − η · (g + μ · b)',
        symbols: { b: 'the running sum', μ: 'the momentum, 0.9', ...STEP },
      },
    ],
    references: [
      'Nesterov 1983, A method of solving a convex programming problem with convergence rate O(1/k²)',
      'Sutskever, Martens, Dahl & Hinton 2013 (ICML)',
    ],
    see: ['momentum'],
  },
  adam: {
    title: 'Adam',
    summary: 'divides each gradient by its own typical size: the scale of a layer’s gradient drops out',
    what: [
      'Every weight moves by about η per step, whether its gradient is 1 or 1e-6: against gradients of unequal size between layers this helps, and it hides that they have vanished. What it cannot give back is the direction: a gradient below ε, or lost in noise, leads nowhere.',
    ],
    formulas: [
      {
        text: 'm ← β₁ · m + (1 − β₁) · g,   v ← β₂ · v + (1 − β₂) · g²',
        symbols: {
          m: 'the running mean of gradients',
          v: 'the running mean of their squares',
          'β₁': '0.9',
          'β₂': '0.999',
          g: 'the gradient',
        },
      },
      {
        text: 'w ← w − η · m̂ / (√v̂ + ε),   m̂ = m / (1 − β₁ᵗ),   v̂ = v / (1 − β₂ᵗ)',
        symbols: {
          w: 'a weight',
          η: 'the learning rate',
          m̂: 'm without its bias towards 0',
          v̂: 'v without its bias towards 0',
          t: 'the number of the step, from 1',
          m: 'as above',
          v: 'as above',
          'β₁': '0.9',
          'β₂': '0.999',
          ...EPSILON,
        },
      },
    ],
    references: ['Kingma & Ba 2015, Adam: a method for stochastic optimization (ICLR), algorithm 1'],
    see: ['adamw', 'rmsprop', 'sgd'],
  },
  adamw: {
    title: 'AdamW',
    summary: 'Adam with weight decay apart from the gradient',
    what: [
      'In Adam an L2 penalty is divided by √v like every gradient, so that weights with large gradients decay less. AdamW shrinks all weights alike, apart from the step.',
    ],
    formulas: [
      {
        text: 'w ← (1 − η · λ) · w − η · m̂ / (√v̂ + ε)',
        symbols: {
          w: 'a weight',
          η: 'the learning rate',
          λ: 'the weight decay, 0.01',
          m̂: 'Adam’s mean of gradients',
          v̂: 'Adam’s mean of squares',
          ...EPSILON,
        },
      },
    ],
    references: ['Loshchilov & Hutter 2019, Decoupled weight decay regularization (ICLR), algorithm 2'],
    see: ['adam', 'weight-decay'],
  },
  rmsprop: {
    title: 'RMSprop',
    summary: 'divides by a running root mean square of the gradient',
    what: [
      'Steps of about η whatever the size of the gradient, with a memory of about 1 / (1 − ρ) steps. The first steps are larger, for v starts at 0: by 1 / √(1 − ρ) = 10.',
    ],
    formulas: [
      {
        text: 'v ← ρ · v + (1 − ρ) · g²,   w ← w − η · g / (√v + ε)',
        symbols: { v: 'the running mean of squares', ρ: 'how much of it is kept, 0.99', ...STEP, ...EPSILON },
      },
    ],
    references: ['Tieleman & Hinton 2012, Lecture 6.5: rmsprop (Coursera: Neural networks for machine learning)'],
    see: ['adam', 'adagrad'],
  },
  adagrad: {
    title: 'Adagrad',
    summary: 'divides by the root of all squares so far: steps shrink as 1/√t',
    what: [
      'Weights with rare gradients get large steps, those with frequent ones small steps. The sum only grows, so that learning slows down for ever.',
    ],
    formulas: [
      { text: 's ← s + g²,   w ← w − η · g / (√s + ε)', symbols: { s: 'the sum of squares', ...STEP, ...EPSILON } },
    ],
    references: ['Duchi, Hazan & Singer 2011, Adaptive subgradient methods (JMLR 12)'],
    see: ['rmsprop', 'adam'],
  },
  lion: {
    title: 'Lion',
    summary: 'only the sign of a momentum: every weight moves by exactly η',
    what: [
      'All weights move by the same amount in every step, so that the learning rate has to be 3 to 10 times smaller than Adam’s. One buffer instead of two.',
    ],
    formulas: [
      {
        text: 'w ← w − η · sign(β₁ · m + (1 − β₁) · g),   m ← β₂ · m + (1 − β₂) · g',
        symbols: { m: 'the running mean of gradients', 'β₁': '0.9', 'β₂': '0.99', ...STEP },
      },
    ],
    references: ['Chen et al. 2023, Symbolic discovery of optimization algorithms (NeurIPS), algorithm 2'],
    see: ['adam'],
  },
};
