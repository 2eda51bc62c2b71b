import type { TopicText } from './topic-text.ts';

/** An idea in words. */
export interface ConceptText extends TopicText {
  readonly summary: string;
}

/** What rules, remedies and reports speak of, by id. */
export const conceptTexts: Readonly<Record<string, ConceptText>> = {
  'chain-rule': {
    title: 'The chain rule, term by term',
    aliases: ['backpropagation', 'product', '0.25^n', 'chain', 'depth'],
    summary: 'why depth multiplies: the gradient of the first layer is a product with two factors per layer',
    what: [
      'Backpropagation multiplies the loss’s gradient by one activation derivative and one weight per layer on its way to the first. Factors below 1 make it vanish exponentially with depth, factors above 1 make it explode.',
      'With σ′ at most 0.25 and weights of 1, 4 layers leave at most 0.0039, 10 layers 9.5e-7, 20 layers 9.1e-13. With ReLU’s 1.0 everything is left.',
    ],
    formulas: [
      {
        text: '∂L/∂w₁ = ∂L/∂aₙ · φ′(zₙ) · wₙ · φ′(zₙ₋₁) · … · w₂ · φ′(z₁) · x',
        symbols: {
          '∂L/∂w₁': 'the gradient of the first weight',
          '∂L/∂aₙ': 'the loss’s gradient at the output',
          'φ′': 'the derivative of the activation',
          zₙ: 'the last pre-activation, z = w · a + b',
          'zₙ₋₁': 'the one before it',
          wₙ: 'the last weight',
          'w₂': 'the second weight',
          'z₁': 'the first pre-activation',
          x: 'the input',
        },
      },
    ],
    references: [
      'Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors (Nature 323)',
      'Hochreiter 1991 (diploma thesis, TU München)',
      'Bengio, Simard & Frasconi 1994, Learning long-term dependencies with gradient descent is difficult (IEEE TNN 5)',
    ],
    see: ['sigmoid', 'relu', 'vanishing-gradient', 'exploding-gradient', 'repeated-matrix', 'gain'],
  },
  gain: {
    title: 'Gain, decades, attribution',
    aliases: ['decades', 'attribution', 'gains'],
    summary: 'how reports measure: what each operator does to the gradient’s norm, in powers of ten',
    what: [
      'The gain of a step of the backward pass is the norm that comes out of it over the norm that went in. Gains multiply, so their logarithms add: one decade is a factor of ten. Sums over operators, grouped by kind and by layer, say exactly which factor took how much; they add up to the total.',
    ],
    formulas: [
      {
        text: 'log₁₀ ‖δ₁‖ − log₁₀ ‖δₙ‖ = Σ log₁₀ gain',
        symbols: {
          'δ₁': 'the gradient at the first layer’s output',
          δₙ: 'the gradient at the network’s output',
          gain: '‖out‖ / ‖in‖ of each operator between',
          Σ: 'sum over the operators between',
        },
      },
    ],
    references: ['Balduzzi et al. 2017, The shattered gradients problem (ICML), for norms of gradients by depth'],
    see: ['chain-rule', 'learning-speed'],
  },
  'learning-speed': {
    title: 'Learning speed of each layer',
    aliases: ['delta', 'error-signal', 'layer-speed', 'weight-gradient'],
    summary: 'a layer learns as fast as ∂C/∂w and ∂C/∂b are large: late layers fast, early ones slowly',
    what: [
      'A weight and a bias change by the learning rate times ∂C/∂w and ∂C/∂b. Both contain the layer’s δ, the gradient of its pre-activation; the weight’s also what came forward. Layers near the loss have a large δ and learn fast, early layers of a network that shrinks it learn next to nothing, and the whole behaves like a shallow network.',
    ],
    formulas: [
      {
        text: 'δₗ = (Wₗ₊₁ᵀ δₗ₊₁) ⊙ φ′(zₗ)',
        symbols: {
          δₗ: 'the gradient of layer l’s pre-activation',
          'δₗ₊₁': 'that of the layer after',
          'Wₗ₊₁ᵀ': 'its weights, transposed',
          '⊙': 'elementwise product',
          'φ′': 'the activation’s derivative',
          zₗ: 'the pre-activation',
        },
      },
      {
        text: '∂C/∂W = δₗ aₗ₋₁ᵀ,   ∂C/∂b = δₗ',
        symbols: {
          '∂C/∂W': 'the weights’ gradient',
          '∂C/∂b': 'the bias’s gradient',
          δₗ: 'as above',
          'aₗ₋₁ᵀ': 'the layer’s input, transposed',
        },
      },
    ],
    references: ['Nielsen 2015, Neural networks and deep learning, chapters 2 and 5'],
    see: ['gain', 'stalled-layer', 'effectively-shallow', 'slow-convergence'],
  },
  'repeated-matrix': {
    title: 'The same matrix again and again: W = 2I',
    aliases: ['W=2I', '2I', 'weight-matrix', 'weight-matrices'],
    summary: 'n layers of W = 2I multiply the gradient by 2ⁿ; of W = I/2 by 2⁻ⁿ',
    what: [
      'A gradient passes a layer by its transposed weights. Repeated, the largest singular value decides: above 1 it explodes exponentially with depth, below 1 it vanishes.',
    ],
    formulas: [
      {
        text: '‖(Wᵀ)ⁿ · δ‖ ≤ sⁿ · ‖δ‖',
        symbols: {
          W: 'the weight matrix',
          Wᵀ: 'its transpose',
          n: 'the number of layers',
          δ: 'the gradient at the output',
          s: 'the largest singular value',
        },
      },
    ],
    references: ['Pascanu, Mikolov & Bengio 2013 (ICML), section 2.1'],
    see: ['exploding-gradient', 'identity', 'orthogonal', 'chain-rule'],
  },
  'mean-field': {
    title: 'Mean-field theory: χ, depth scale, the critical initialization',
    aliases: ['chi', 'χ', 'depth-scale', 'xi', 'edge-of-chaos', 'critical-initialization', 'theory'],
    summary: 'from the weights’ variance alone: how far a gradient reaches, before any data',
    what: [
      'In a wide layer with random weights each pre-activation is a sum of many terms, hence nearly normal. Its variance q follows a recursion from layer to layer, and the gradient’s mean square is multiplied by χ. Below 1 gradients vanish with depth scale ξ, above 1 they explode; at χ = 1 they keep their size: the critical initialization.',
      'Networks deeper than about 6 ξ do not train.',
    ],
    formulas: [
      {
        text: 'q ← σ_w² · E[φ(√q · u)²] + σ_b²',
        symbols: {
          q: 'variance of the pre-activations',
          'σ_w²': 'fan_in · Var(w)',
          'σ_b²': 'variance of the biases',
          φ: 'the activation',
          u: 'a standard normal number',
          E: 'expectation over u',
        },
      },
      {
        text: 'χ = σ_w² · E[φ′(√q · u)²],   ξ = −1 / ln χ',
        symbols: {
          χ: 'factor on the gradient’s mean square per layer',
          ξ: 'depth scale, in layers',
          'σ_w²': 'as above',
          'φ′': 'the activation’s derivative',
          q: 'as above',
          u: 'a standard normal number',
          E: 'expectation over u',
        },
      },
    ],
    references: [
      'Poole, Lahiri, Raghu, Sohl-Dickstein & Ganguli 2016, Exponential expressivity in deep neural networks through transient chaos (NeurIPS)',
      'Schoenholz, Gilmer, Ganguli & Sohl-Dickstein 2017, Deep information propagation (ICLR)',
    ],
    see: ['he-normal', 'orthogonal', 'poor-initialization', 'vanishing-gradient'],
  },
  'long-term-dependencies': {
    title: 'Long-term dependencies',
    aliases: ['bptt', 'backpropagation-through-time', 'rnn', 'recurrence'],
    summary: 'backpropagation through time multiplies once per step: a plain recurrence forgets',
    what: [
      'A recurrent layer is a deep network with the same weights in every layer, as deep as the sequence is long. What happened many steps ago reaches the loss by a product of as many factors, and is lost where they are below 1.',
    ],
    formulas: [
      {
        text: '∂hₜ/∂hₖ = Π diag(φ′(aᵢ)) · R',
        symbols: {
          hₜ: 'the state after step t',
          hₖ: 'the state at an earlier step k',
          '∂hₜ/∂hₖ': 'what the one depends on the other',
          Π: 'product over the steps i between',
          diag: 'the diagonal matrix',
          'φ′': 'the activation’s derivative',
          aᵢ: 'the pre-activation of step i',
          R: 'the recurrent weights',
        },
      },
    ],
    references: ['Bengio, Simard & Frasconi 1994 (IEEE TNN 5)', 'Pascanu, Mikolov & Bengio 2013 (ICML)'],
    see: ['vanishing-through-time', 'exploding-through-time', 'use-lstm', 'open-forget-gate'],
  },
  'learning-rate': {
    title: 'The learning rate, and what is too much of it',
    aliases: ['lr', 'step-size', 'edge-of-stability'],
    summary: 'below 2/λ it converges, above it diverges: computed on a valley of known curvature',
    what: [
      'On a quadratic each step multiplies the error along a direction of curvature λ by 1 − η λ. Its size is below 1 for η < 2 / λ: between 1 / λ and 2 / λ the error changes sign in every step, the loss oscillates, and beyond it grows.',
    ],
    formulas: [
      {
        text: 'e ← (1 − η · λ) · e',
        symbols: {
          e: 'the distance from the minimum along one direction',
          η: 'the learning rate',
          λ: 'the curvature along it',
        },
      },
    ],
    references: ['LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 5.1', 'Cohen et al. 2021 (ICLR)'],
    see: ['sgd', 'reduce-learning-rate', 'loss-oscillation', 'loss-divergence', 'overlarge-update'],
  },
  'weight-decay': {
    title: 'L2 regularization, weight decay',
    aliases: ['l2', 'regularization', 'l2-regularization'],
    summary: 'a pull on all weights towards 0: keeps them from growing, and gradients with them',
    what: [
      'An L2 penalty adds λ w to each gradient (the penalty is λ/2 ‖w‖²; written with λ‖w‖² its gradient is 2 λ w). Large weights are what makes gradients explode; the pull keeps their size down. In plain gradient descent it is the same as shrinking the weights by 1 − η λ; in Adam the two differ.',
    ],
    formulas: [
      {
        text: 'L = L₀ + λ/2 · ‖w‖²,   w ← (1 − η · λ) · w − η · g',
        symbols: {
          L: 'the loss that is minimized',
          'L₀': 'the loss without the penalty',
          λ: 'the weight decay',
          '‖w‖': 'the norm of all weights',
          w: 'a weight',
          η: 'the learning rate',
          g: 'the gradient of L₀',
        },
      },
    ],
    references: [
      'Krogh & Hertz 1991, A simple weight decay can improve generalization (NeurIPS)',
      'Loshchilov & Hutter 2019 (ICLR)',
    ],
    see: ['adamw', 'exploding-gradient', 'sgd'],
  },
  detection: {
    title: 'Detecting vanishing gradients before training completes',
    aliases: ['red-flags', 'monitoring', 'detect'],
    summary: 'norms per layer before and after the first steps: what is a red flag, and what is not',
    what: [
      'Compare the gradient of each layer’s output with that of the last: a steep, steady decay over the layers is the sign, and three decades or more an error. `diagnose` shows it before the first step, `diagnose --steps 10` after some, `train` while it runs.',
      'Absolute sizes mislead: gradients scale with loss, batch and width, and those of a network that has converged are small everywhere. What persists is the factor per layer.',
    ],
    formulas: [
      {
        text: 'decades = log₁₀ (‖δ₁‖ / ‖δₙ‖)',
        symbols: {
          decades: 'what reports show',
          'δ₁': 'the gradient of the first layer’s output',
          δₙ: 'that of the network’s output',
        },
      },
    ],
    references: [
      'Zhang, Zhai, Ma & Shen 2021, AutoTrainer (ICSE): first over last layer below 1e-3',
      'Wardat, Cruz, Le & Rajan 2022, DeepDiagnosis (ICSE)',
    ],
    see: ['vanishing-gradient', 'gradient-distribution', 'learning-speed', 'tensorboard'],
  },
  tensorboard: {
    title: 'Gradients in TensorBoard and elsewhere',
    aliases: ['histogram', 'histograms', 'wandb', 'weights-and-biases', 'matplotlib'],
    summary: 'a training run logs norms and histograms that TensorBoard opens; JSON lines for everything else',
    what: [
      '`train --out runs/first` writes TensorBoard’s event files with loss and the norms of gradients, weights and updates of every layer and step, and histograms of them every 50 steps: `tensorboard --logdir runs` opens them. Weights & Biases syncs the same files. metrics.jsonl holds one JSON object per step for Matplotlib and the like.',
      'In a histogram look for a narrow peak at 0 (vanished) and for one side only (all gradients of one sign: a layer that can only shift).',
    ],
    formulas: [
      { text: 'bin(g) = ⌊log₂ |g|⌋', symbols: { bin: 'where an element is counted', g: 'an element of the gradient' } },
    ],
    references: ['TensorFlow, tensorboard/compat/proto/event.proto and summary.proto'],
    see: ['detection', 'gradient-distribution'],
  },
  transformer: {
    title: 'ResNets and Transformers: designs with stable gradients',
    aliases: ['transformers', 'attention', 'pre-norm', 'stable-designs'],
    summary: 'a residual stream with normalized branches: the gradient always has a way past',
    what: [
      'Both add each block’s output to a stream that runs from input to output. In a ResNet a block is convolutions with batch normalization, in a Transformer attention or two dense layers with layer normalization. With the normalization inside the branch (pre-norm) the stream itself is never rescaled, and gradients neither vanish nor explode with depth.',
    ],
    formulas: [
      {
        text: 'xₗ₊₁ = xₗ + f(norm(xₗ))',
        symbols: {
          xₗ: 'the stream before block l',
          'xₗ₊₁': 'the stream after it',
          f: 'attention, or two dense layers',
          norm: 'layer normalization',
        },
      },
    ],
    references: [
      'Vaswani et al. 2017, Attention is all you need (NeurIPS)',
      'Xiong et al. 2020, On layer normalization in the Transformer architecture (ICML)',
    ],
    see: ['add-residual', 'add-layer-norm', 'gelu', 'softmax'],
  },
};
