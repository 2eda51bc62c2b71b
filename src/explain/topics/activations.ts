import { type ActivationText, Z } from './activation-text.ts';
import { rectifiers } from './rectifiers.ts';

/** Functions that are bounded on both sides. */
const bounded: Readonly<Record<string, ActivationText>> = {
  sigmoid: {
    title: 'Sigmoid',
    aliases: ['logistic', 'sigma', 'σ'],
    summary: 'squashes to (0, 1); its derivative is at most 0.25, so depth alone makes gradients vanish',
    what: [
      'Maps every number into (0, 1). Its derivative is 0.25 at z = 0 and falls off on both sides: n layers multiply the gradient by at most 0.25ⁿ times their weights, 0.00098 for 5 layers, 9.5e-7 for 10, 9.1e-13 for 20.',
      'Its output is never negative: the mean of a layer’s output drifts away from 0 and pushes the next layer towards its flat ends. As an output for probabilities, or as a gate, it is the right function; between layers it is not.',
    ],
    formulas: [
      { text: 'φ(z) = 1 / (1 + exp(−z))', symbols: { φ: 'the activation', ...Z } },
      {
        text: 'φ′(z) = φ(z) · (1 − φ(z))',
        symbols: { 'φ′': 'its derivative, at most 1/4', φ: 'the activation', ...Z },
      },
    ],
    references: [
      'Hochreiter 1991, Untersuchungen zu dynamischen neuronalen Netzen (diploma thesis, TU München)',
      'Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks (AISTATS), section 3.1',
    ],
    see: ['tanh', 'relu', 'chain-rule', 'vanishing-gradient', 'use-relu'],
    init: 'glorot',
    elementwise: true,
  },
  tanh: {
    title: 'Hyperbolic tangent',
    summary: 'squashes to (−1, 1); derivative 1 at 0, vanishing where it saturates',
    what: [
      'A sigmoid stretched to (−1, 1) and centred at 0: tanh(z) = 2σ(2z) − 1. Its derivative reaches 1, but only at z = 0; everywhere else it is less, and beyond |z| = 2.5 next to nothing.',
      'With the variance of its weights at the critical value the gradient keeps its size for many layers; any larger or smaller and it grows or shrinks exponentially.',
    ],
    formulas: [
      { text: 'φ(z) = (exp(z) − exp(−z)) / (exp(z) + exp(−z))', symbols: { φ: 'the activation, tanh', ...Z } },
      { text: 'φ′(z) = 1 − φ(z)²', symbols: { 'φ′': 'its derivative, at most 1', φ: 'the activation', ...Z } },
    ],
    references: [
      'LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 4.4',
      'Glorot & Bengio 2010 (AISTATS), section 3.2',
    ],
    see: ['sigmoid', 'glorot-uniform', 'mean-field'],
    init: 'glorot',
    elementwise: true,
  },
  softsign: {
    title: 'Softsign',
    summary: 'z / (1 + |z|): a tanh that saturates slowly',
    what: ['Bounded like tanh, but its tails fall as 1/z² instead of exponentially: far from 0 some gradient is left.'],
    formulas: [
      { text: 'φ(z) = z / (1 + |z|)', symbols: { φ: 'the activation', ...Z } },
      { text: 'φ′(z) = 1 / (1 + |z|)²', symbols: { 'φ′': 'its derivative, 1 at 0', ...Z } },
    ],
    references: [
      'Bergstra, Desjardins, Lamblin & Bengio 2009, Quadratic polynomials learn better image features (technical report 1337, Montréal)',
      'Glorot & Bengio 2010 (AISTATS), section 3.3',
    ],
    see: ['tanh', 'sigmoid'],
    init: 'glorot',
    elementwise: true,
  },
  'hard-sigmoid': {
    title: 'Hard sigmoid',
    summary: 'a sigmoid of three straight lines: derivative 1/6 inside, 0 outside',
    what: [
      'Cheap to compute. Beyond |z| = 3 the derivative is exactly 0: what has saturated cannot come back. Inside it is 1/6, even less than the sigmoid’s maximum.',
    ],
    formulas: [
      { text: 'φ(z) = max(0, min(1, z/6 + 1/2))', symbols: { φ: 'the activation', ...Z } },
      { text: 'φ′(z) = 1/6 if |z| < 3, else 0', symbols: { 'φ′': 'its derivative', ...Z } },
    ],
    options: 'the slope is PyTorch’s and Keras 3’s 1/6; ONNX’s own default is 0.2',
    references: [
      'Courbariaux, Bengio & David 2015, BinaryConnect (NeurIPS)',
      'Howard et al. 2019, Searching for MobileNetV3 (ICCV)',
    ],
    see: ['sigmoid', 'hard-swish'],
    init: 'glorot',
    elementwise: true,
  },
  clip: {
    title: 'Clip, hard tanh',
    aliases: ['hard-tanh', 'hardtanh'],
    summary: 'z held between two limits; with −1 and 1 the hard tanh',
    what: [
      'The identity between its limits and constant outside: derivative 1 inside, exactly 0 outside. Shown with the limits −1 and 1.',
    ],
    formulas: [
      {
        text: 'φ(z) = min(max(z, m), M)',
        symbols: { φ: 'the activation', m: 'the lower limit', M: 'the upper limit', ...Z },
      },
      {
        text: 'φ′(z) = 1 if m < z < M, else 0',
        symbols: { 'φ′': 'its derivative', m: 'the lower limit', M: 'the upper limit', ...Z },
      },
    ],
    options: 'min, max',
    references: ['Collobert 2004, Large scale machine learning (PhD thesis, Université Paris VI)'],
    see: ['tanh', 'relu6'],
    layer: { clip: { min: -1, max: 1 } },
    init: 'glorot',
    elementwise: true,
  },
  softmax: {
    title: 'Softmax',
    summary: 'turns scores into probabilities; its derivatives are at most 1/4',
    what: [
      'The outputs are positive and add up to 1. Every entry of the Jacobian is at most 1/4, and all of them tend to 0 as one probability tends to 1: a sharp attention row passes hardly any gradient to its scores.',
      'At the end of a classifier it belongs together with the cross-entropy, whose gradient p − y does not saturate.',
    ],
    formulas: [
      {
        text: 'pᵢ = exp(zᵢ) / Σⱼ exp(zⱼ)',
        symbols: { pᵢ: 'the i-th probability', zᵢ: 'the i-th score', zⱼ: 'every score in turn', Σⱼ: 'sum over all j' },
      },
      {
        text: '∂pᵢ/∂zⱼ = pᵢ · ([i = j] − pⱼ)',
        symbols: {
          '∂pᵢ/∂zⱼ': 'an entry of the Jacobian',
          pᵢ: 'the i-th probability',
          pⱼ: 'the j-th',
          '[i = j]': '1 where i = j, else 0',
        },
      },
    ],
    options: 'axis, default −1',
    references: [
      'Bridle 1990, Probabilistic interpretation of feedforward classification network outputs',
      'Vaswani et al. 2017, Attention is all you need (NeurIPS), section 3.2.1',
    ],
    see: ['log-softmax', 'transformer'],
    init: 'glorot',
    elementwise: false,
  },
  'log-softmax': {
    title: 'Log-softmax',
    summary: 'the logarithm of softmax, without its underflow',
    what: [
      'Computed by subtracting the largest score, so that nothing overflows. With the negative log-likelihood it is the cross-entropy; the gradient of the scores is p − y and does not saturate.',
    ],
    formulas: [
      {
        text: 'ℓᵢ = zᵢ − ln Σⱼ exp(zⱼ)',
        symbols: {
          ℓᵢ: 'the i-th log-probability',
          zᵢ: 'the i-th score',
          zⱼ: 'every score in turn',
          Σⱼ: 'sum over all j',
        },
      },
      {
        text: '∂ℓᵢ/∂zⱼ = [i = j] − pⱼ',
        symbols: {
          '∂ℓᵢ/∂zⱼ': 'an entry of the Jacobian',
          pⱼ: 'the j-th probability, exp(ℓⱼ)',
          '[i = j]': '1 where i = j, else 0',
        },
      },
    ],
    options: 'axis, default −1',
    references: ['Goodfellow, Bengio & Courville 2016, Deep learning, section 6.2.2.3'],
    see: ['softmax'],
    init: 'glorot',
    elementwise: false,
  },
};

/** The activation functions of a network spec, by their name there. */
export const activationTexts: Readonly<Record<string, ActivationText>> = { ...bounded, ...rectifiers };
