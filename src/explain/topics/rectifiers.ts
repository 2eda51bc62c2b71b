import { type ActivationText, Z } from './activation-text.ts';

/** ReLU and what came of it: functions that are linear, or nearly so, on the right. */
export const rectifiers: Readonly<Record<string, ActivationText>> = {
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
};
