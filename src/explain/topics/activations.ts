import type { Formula } from '../../report/explanation.ts';

/** An activation in words, and how it is measured. */
export interface ActivationText {
  readonly title: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly what: readonly string[];
  readonly formulas: readonly Formula[];
  readonly options?: string;
  readonly references: readonly string[];
  readonly see?: readonly string[];
  /** The layer of a network spec; default the id. */
  readonly layer?: unknown;
  /** The initialization it is usually trained with. */
  readonly init: string;
  /** Whether it acts on each element alone: softmax does not. */
  readonly elementwise: boolean;
}

const Z = { z: 'the pre-activation: what the layer before it puts out' };

/** The activation functions of a network spec, by their name there. */
export const activationTexts: Readonly<Record<string, ActivationText>> = {
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
  relu: {
    title: 'Rectified linear unit',
    aliases: ['rectifier'],
    summary: 'max(0, z): derivative 1 where active, 0 elsewhere; units can die',
    what: [
      'Where a unit is active its derivative is exactly 1, whatever the depth: nothing shrinks. Where it is inactive the derivative is exactly 0: about half of the units pass nothing for a given sample, which is why He’s initialization doubles the variance.',
      'A unit that is inactive for every sample receives no gradient and stays dead.',
    ],
    formulas: [
      { text: 'φ(z) = max(0, z)', symbols: { φ: 'the activation', ...Z } },
      { text: 'φ′(z) = 1 if z > 0, else 0', symbols: { 'φ′': 'its derivative; 0 is taken at the kink', ...Z } },
    ],
    references: [
      'Nair & Hinton 2010, Rectified linear units improve restricted Boltzmann machines (ICML)',
      'Glorot, Bordes & Bengio 2011, Deep sparse rectifier neural networks (AISTATS)',
    ],
    see: ['leaky-relu', 'he-normal', 'dead-units', 'use-relu'],
    init: 'he',
    elementwise: true,
  },
  'leaky-relu': {
    title: 'Leaky ReLU',
    aliases: ['leakyrelu', 'lrelu'],
    summary: 'a ReLU with a small slope below 0: no unit can die',
    what: [
      'Below 0 the derivative is a small α instead of 0: a unit that is inactive everywhere still receives a gradient and can come back.',
    ],
    formulas: [
      { text: 'φ(z) = z if z > 0, else α · z', symbols: { φ: 'the activation', α: 'the slope below 0, 0.01', ...Z } },
      { text: 'φ′(z) = 1 if z > 0, else α', symbols: { 'φ′': 'its derivative', α: 'the slope below 0', ...Z } },
    ],
    options: 'slope α, default 0.01 (PyTorch; Keras 0.3)',
    references: [
      'Maas, Hannun & Ng 2013, Rectifier nonlinearities improve neural network acoustic models (ICML workshop)',
    ],
    see: ['relu', 'prelu', 'use-leaky-relu'],
    init: 'he',
    elementwise: true,
  },
  prelu: {
    title: 'Parametric ReLU',
    aliases: ['parametric-relu'],
    summary: 'a Leaky ReLU whose slope is learned',
    what: ['The slope below 0 is a parameter of the layer, 0.25 at first, and trained with the weights.'],
    formulas: [
      { text: 'φ(z) = z if z > 0, else a · z', symbols: { φ: 'the activation', a: 'the learned slope', ...Z } },
      {
        text: 'φ′(z) = 1 if z > 0, else a;   ∂φ/∂a = min(0, z)',
        symbols: { 'φ′': 'its derivative', '∂φ/∂a': 'what the slope learns from', a: 'the learned slope', ...Z },
      },
    ],
    options: 'slope, its first value, default 0.25',
    references: ['He, Zhang, Ren & Sun 2015, Delving deep into rectifiers (ICCV), section 2.1'],
    see: ['leaky-relu', 'he-normal'],
    init: 'he',
    elementwise: true,
  },
  elu: {
    title: 'Exponential linear unit',
    summary: 'linear above 0, falls smoothly to −α below: mean near 0, saturates on the left only',
    what: [
      'Negative values bring the mean of a layer’s output near 0, so that the next layer needs less bias correction. On the left the derivative tends to 0, on the right it is 1.',
    ],
    formulas: [
      {
        text: 'φ(z) = z if z > 0, else α · (exp(z) − 1)',
        symbols: { φ: 'the activation', α: 'where it ends on the left, 1', ...Z },
      },
      { text: 'φ′(z) = 1 if z > 0, else α · exp(z)', symbols: { 'φ′': 'its derivative', α: 'as above', ...Z } },
    ],
    options: 'alpha α, default 1',
    references: [
      'Clevert, Unterthiner & Hochreiter 2016, Fast and accurate deep network learning by exponential linear units (ICLR)',
    ],
    see: ['celu', 'selu', 'relu'],
    init: 'he',
    elementwise: true,
  },
  celu: {
    title: 'Continuously differentiable ELU',
    summary: 'an ELU whose derivative is continuous at 0 for every α',
    what: [
      'ELU with z divided by α in the exponent: the slope at 0 is 1 from both sides whatever α is. With α = 1 the two are the same.',
    ],
    formulas: [
      {
        text: 'φ(z) = max(0, z) + min(0, α · (exp(z/α) − 1))',
        symbols: { φ: 'the activation', α: 'where it ends on the left, 1', ...Z },
      },
      { text: 'φ′(z) = 1 if z > 0, else exp(z/α)', symbols: { 'φ′': 'its derivative', α: 'as above', ...Z } },
    ],
    options: 'alpha α, default 1',
    references: ['Barron 2017, Continuously differentiable exponential linear units (arXiv:1704.07483)'],
    see: ['elu'],
    init: 'he',
    elementwise: true,
  },
  selu: {
    title: 'Scaled ELU',
    aliases: ['self-normalizing'],
    summary: 'an ELU scaled so that mean 0 and variance 1 are kept from layer to layer',
    what: [
      'γ and α are chosen so that with LeCun’s normal initialization (variance 1 / fan-in, no bias) mean 0 and variance 1 of the activations are an attracting fixed point: the network normalizes itself.',
    ],
    formulas: [
      {
        text: 'φ(z) = γ · z if z > 0, else γ · α · (exp(z) − 1)',
        symbols: { φ: 'the activation', γ: '1.0507', α: '1.6733', ...Z },
      },
      {
        text: 'φ′(z) = γ if z > 0, else γ · α · exp(z)',
        symbols: { 'φ′': 'its derivative', γ: '1.0507', α: '1.6733', ...Z },
      },
    ],
    references: ['Klambauer, Unterthiner, Mayr & Hochreiter 2017, Self-normalizing neural networks (NeurIPS)'],
    see: ['elu', 'lecun-normal', 'mean-field'],
    init: 'lecun',
    elementwise: true,
  },
  gelu: {
    title: 'Gaussian error linear unit',
    summary: 'z · Φ(z): a smooth ReLU, usual in Transformers',
    what: [
      'Weighs z by the chance that a standard normal number is below it. Near a ReLU for large |z|, but smooth, and with a small negative dip, so that no unit is exactly dead; its derivative reaches 1.13 at z = √2.',
    ],
    formulas: [
      {
        text: 'φ(z) = z · Φ(z)',
        symbols: { φ: 'the activation', Φ: 'the distribution function of the standard normal', ...Z },
      },
      {
        text: 'φ′(z) = Φ(z) + z · p(z)',
        symbols: { 'φ′': 'its derivative', Φ: 'as above', p: 'the standard normal density, exp(−z²/2) / √(2π)', ...Z },
      },
    ],
    options: 'approximate: none (default) or tanh',
    references: ['Hendrycks & Gimpel 2016, Gaussian error linear units (arXiv:1606.08415)'],
    see: ['silu', 'relu', 'mish'],
    init: 'he',
    elementwise: true,
  },
  silu: {
    title: 'Sigmoid linear unit, Swish',
    aliases: ['swish', 'sil'],
    summary: 'z · σ(z): smooth, dips below 0, derivative up to 1.10',
    what: [
      'A ReLU with a soft gate: z times its own sigmoid. Smooth everywhere, slightly negative left of 0, never exactly dead.',
    ],
    formulas: [
      { text: 'φ(z) = z · σ(z)', symbols: { φ: 'the activation', σ: 'the sigmoid, 1 / (1 + exp(−z))', ...Z } },
      { text: 'φ′(z) = σ(z) · (1 + z · (1 − σ(z)))', symbols: { 'φ′': 'its derivative', σ: 'the sigmoid', ...Z } },
    ],
    references: [
      'Elfwing, Uchibe & Doya 2018, Sigmoid-weighted linear units (Neural Networks 107)',
      'Ramachandran, Zoph & Le 2017, Searching for activation functions (arXiv:1710.05941)',
    ],
    see: ['gelu', 'mish', 'hard-swish'],
    init: 'he',
    elementwise: true,
  },
  mish: {
    title: 'Mish',
    summary: 'z · tanh(softplus(z)): much like SiLU',
    what: ['Smooth, with a dip below 0, unbounded above: in effect a SiLU with another gate.'],
    formulas: [
      { text: 'φ(z) = z · tanh(ln(1 + exp(z)))', symbols: { φ: 'the activation', ...Z } },
      {
        text: 'φ′(z) = t + z · σ(z) · (1 − t²),   t = tanh(ln(1 + exp(z)))',
        symbols: { 'φ′': 'its derivative', t: 'the gate', σ: 'the sigmoid', ...Z },
      },
    ],
    references: ['Misra 2019, Mish: a self regularized non-monotonic activation function (arXiv:1908.08681)'],
    see: ['silu', 'gelu'],
    init: 'he',
    elementwise: true,
  },
  softplus: {
    title: 'Softplus',
    summary: 'ln(1 + eᶻ): a smooth ReLU whose derivative is the sigmoid',
    what: [
      'Always positive, tends to z on the right and to 0 on the left. Its derivative is a sigmoid: 0.5 at 0, so that a layer near 0 halves the gradient.',
    ],
    formulas: [
      { text: 'φ(z) = ln(1 + exp(z))', symbols: { φ: 'the activation', ...Z } },
      { text: 'φ′(z) = 1 / (1 + exp(−z))', symbols: { 'φ′': 'its derivative, the sigmoid', ...Z } },
    ],
    references: [
      'Dugas, Bengio, Bélisle, Nadeau & Garcia 2001, Incorporating second-order functional knowledge (NeurIPS)',
    ],
    see: ['relu', 'sigmoid'],
    init: 'he',
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
  'hard-swish': {
    title: 'Hard swish',
    aliases: ['hard-silu'],
    summary: 'z times a hard sigmoid: SiLU made cheap',
    what: [
      'SiLU with the hard sigmoid as its gate: exactly 0 left of −3, exactly z right of 3. Its derivative reaches 1.5 at z = 3 and is negative below −1.5.',
    ],
    formulas: [
      { text: 'φ(z) = z · max(0, min(1, z/6 + 1/2))', symbols: { φ: 'the activation', ...Z } },
      { text: 'φ′(z) = 0 if z < −3, 1 if z > 3, else z/3 + 1/2', symbols: { 'φ′': 'its derivative', ...Z } },
    ],
    references: ['Howard et al. 2019, Searching for MobileNetV3 (ICCV), section 5.2'],
    see: ['silu', 'hard-sigmoid'],
    init: 'he',
    elementwise: true,
  },
  relu6: {
    title: 'ReLU6',
    summary: 'a ReLU cut off at 6: for networks of few bits',
    what: [
      'A ReLU that is held below 6, so that low-precision numbers suffice. It is flat on both sides: dead below 0, saturated above 6.',
    ],
    formulas: [
      { text: 'φ(z) = min(max(0, z), 6)', symbols: { φ: 'the activation', ...Z } },
      { text: 'φ′(z) = 1 if 0 < z < 6, else 0', symbols: { 'φ′': 'its derivative', ...Z } },
    ],
    references: [
      'Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10',
      'Howard et al. 2017, MobileNets (arXiv:1704.04861)',
    ],
    see: ['relu', 'clip'],
    init: 'he',
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
