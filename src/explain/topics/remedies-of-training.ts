import type { RemedyText } from './remedy-text.ts';

/** Remedies that change how a network is trained, or how much of it. */
export const remediesOfTraining = {
  'clip-gradient-norm': {
    title: 'Gradient clipping',
    aliases: ['gradient-clipping', 'clipping', 'clip-norm', 'clip-value'],
    what: [
      'Where the norm of all gradients together exceeds a limit τ they are scaled down to it: the direction stays, the step cannot be larger than η τ. One steep place of the loss no longer throws the weights away. Clipping each element into [−τ, τ] instead changes the direction.',
      'It treats the step, not the cause: a gradient that has vanished in the first layers stays where it is.',
    ],
    formulas: [
      {
        text: 'g ← g · min(1, τ / ‖g‖)',
        symbols: { g: 'all gradients as one vector', τ: 'the largest norm allowed, often 1', '‖g‖': 'their norm' },
      },
    ],
    price: 'one more number to choose; where it is always active it is a smaller learning rate.',
    references: [
      'Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks (ICML), algorithm 1',
      'Brock, De, Smith & Simonyan 2021 (ICML): clipping per unit, against the size of its weights',
    ],
    see: ['exploding-gradient', 'exploding-through-time', 'overlarge-update'],
  },
  'reduce-learning-rate': {
    title: 'A smaller learning rate',
    what: [
      'On a quadratic with largest curvature λ, gradient descent converges for η < 2 / λ and diverges above: between, the loss oscillates. The healthy size of an update is about a thousandth of the weights.',
    ],
    formulas: [{ text: 'η < 2 / λ', symbols: { η: 'the learning rate', λ: 'the largest curvature of the loss' } }],
    price: 'slower; where the gradient vanishes it makes things worse.',
    references: [
      'LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 5.1',
      'Cohen, Kaur, Li, Kolter & Talwalkar 2021, Gradient descent on neural networks typically occurs at the edge of stability (ICLR)',
    ],
    see: ['learning-rate', 'loss-divergence', 'loss-oscillation', 'overlarge-update'],
  },
  'increase-learning-rate': {
    title: 'A larger learning rate',
    what: [
      'Where updates are below a hundred-thousandth of the weights and the loss falls steadily but slowly, the steps are too short. About a thousandth of the weights per step is healthy. It is no remedy for a vanished gradient: the last layers would be thrown about long before the first ones move.',
    ],
    formulas: [
      {
        text: 'r = ‖Δw‖ / ‖w‖',
        symbols: { r: 'update ratio, about 1e-3 in healthy training', Δw: 'one update', w: 'the weights' },
      },
    ],
    price: 'above 2/λ, with λ the largest curvature, it diverges.',
    references: ['LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 4.7'],
    see: ['learning-rate', 'slow-convergence', 'stalled-layer'],
  },
  'use-adam': {
    title: 'Adam',
    aliases: ['adaptive-optimizer'],
    what: [
      'Adam divides every gradient by its own typical size, so that layers whose gradients differ by decades move at similar speed. RMSprop and Adagrad do so in their ways. It evens sizes out; a direction that is lost in noise, or a gradient that is exactly 0, it cannot bring back.',
    ],
    formulas: [{ text: '|Δw| ≈ η', symbols: { Δw: 'one update of a weight', η: 'the learning rate' } }],
    price: 'two buffers of the size of the parameters; a learning rate of its own (0.001).',
    references: ['Kingma & Ba 2015, Adam (ICLR), section 2.1'],
    see: ['adam', 'rmsprop', 'adagrad', 'stalled-layer'],
  },
  'larger-batch': {
    title: 'A larger batch',
    what: [
      'The gradient of a batch is a mean over its samples: its noise falls as 1/√B. Where the loss goes up and down from batch to batch without falling, more samples per step, or a smaller learning rate, quieten it.',
    ],
    formulas: [
      {
        text: 'std(g) = s / √B',
        symbols: {
          g: 'the gradient of a batch',
          std: 'its standard deviation',
          s: 'that of one sample’s gradient',
          B: 'samples in the batch',
        },
      },
    ],
    price: 'time and memory; beyond a critical size it saves no steps.',
    references: [
      'McCandlish, Kaplan, Amodei & OpenAI Dota Team 2018, An empirical model of large-batch training (arXiv:1812.06162)',
    ],
    see: ['loss-oscillation', 'reduce-learning-rate'],
  },
  'standardize-inputs': {
    title: 'Standardized inputs',
    what: [
      'Inputs of large size saturate the first layer or make its gradient large; inputs with a large mean stretch the loss into a ravine along that mean. Mean 0 and variance 1 is what initializations assume.',
    ],
    formulas: [
      {
        text: 'x′ = (x − μ) / s',
        symbols: {
          'x′': 'the input that is fed',
          x: 'the raw feature',
          μ: 'its mean over the training data',
          s: 'its standard deviation',
        },
      },
    ],
    price: 'the same numbers must be kept for use.',
    references: ['LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 4.3'],
    see: ['saturated-units', 'check-data'],
  },
  'check-data': {
    title: 'A look at the data',
    what: [
      'One NaN in one row makes the loss NaN, and the next update every weight. Count what is not finite, and look at the smallest and largest value of each feature and of the targets.',
    ],
    formulas: [{ text: 'NaN + x = NaN,   NaN · 0 = NaN', symbols: { x: 'any number' } }],
    price: 'a minute.',
    references: ['IEEE 754-2019, section 6.2'],
    see: ['non-finite', 'standardize-inputs'],
  },
  'guard-operator': {
    title: 'A guard at the operator',
    what: [
      'Roots, logarithms and divisions have a derivative that is infinite at 0, and infinity times 0 is NaN. A small ε under the root, in the logarithm or the divisor keeps both value and derivative finite.',
    ],
    formulas: [
      {
        text: 'd√(x + ε)/dx = 1 / (2 · √(x + ε))',
        symbols: {
          x: 'what is under the root, 0 or more',
          ε: 'the guard, 1e-8',
          'd√(x + ε)/dx': 'the derivative, at most 1 / (2√ε)',
        },
      },
    ],
    price: 'a small error in the value.',
    references: ['Higham 2002, Accuracy and stability of numerical algorithms, section 1.7'],
    see: ['non-finite'],
  },
  'train-some-steps': {
    title: 'A few training steps',
    what: [
      'A last layer of zeros or of very small weights passes no gradient, but receives one itself: it opens with the first steps. `diagnose --steps 10` shows whether it does.',
    ],
    formulas: [
      {
        text: '∂L/∂W = δ · aᵀ ≠ 0  although  Wᵀδ = 0',
        symbols: {
          '∂L/∂W': 'the layer’s own gradient',
          δ: 'the gradient of its output',
          a: 'its input',
          aᵀ: 'its transpose',
          W: 'its weights, zero',
          Wᵀδ: 'what it passes back',
        },
      },
    ],
    price: 'some seconds.',
    references: ['Zhang, Dauphin & Ma 2019, Fixup initialization (ICLR)'],
    see: ['vanishing-gradient', 'zeros'],
  },
  'remove-layers': {
    title: 'Fewer layers',
    what: [
      'Layers that can be taken out, or put back to where they started, without the loss noticing have learned nothing: the network behaves like a shallower one. A network without them trains faster and does the same.',
    ],
    formulas: [
      {
        text: 'ΔL = L(without) − L(with)',
        symbols: {
          ΔL: 'what the layer is worth',
          L: 'the loss',
          without: 'the network without the layer',
          with: 'the network as it is',
        },
      },
    ],
    price: 'if the depth is needed, mend the gradient instead.',
    references: [
      'Veit, Wilber & Belongie 2016, Residual networks behave like ensembles of relatively shallow networks (NeurIPS)',
      'Zhang, Bengio & Singer 2022, Are all layers created equal? (JMLR 23)',
    ],
    see: ['effectively-shallow', 'add-residual'],
  },
  'freeze-layers': {
    title: 'Frozen layers',
    what: [
      'Layers that do as well at their first weights need not be trained: random features are enough there. Without their gradients a step is cheaper.',
    ],
    formulas: [{ text: 'w ← w', symbols: { w: 'the weights of a frozen layer' } }],
    price: 'what they could have learned.',
    references: ['Zhang, Bengio & Singer 2022, Are all layers created equal? (JMLR 23)'],
    see: ['effectively-shallow', 'remove-layers'],
  },
  'connect-parameter': {
    title: 'A parameter in use, or none',
    what: [
      'No path leads from the loss to the parameter: it is unused, feeds only another output, or lies behind an operator whose derivative is zero everywhere (a rounding, an arg-max, a comparison).',
    ],
    formulas: [{ text: '∂L/∂w = 0  for every input', symbols: { '∂L/∂w': 'the parameter’s gradient' } }],
    price: 'nothing.',
    references: ['Griewank & Walther 2008, Evaluating derivatives, section 3.2'],
    see: ['disconnected-parameter'],
  },
} satisfies Readonly<Record<string, RemedyText>>;
