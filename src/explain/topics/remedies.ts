import type { RemedyId } from '../../diagnosis/remedy-hints.ts';
import { remediesOfTraining } from './remedies-of-training.ts';
import type { RemedyText } from './remedy-text.ts';

const HE = 'He, Zhang, Ren & Sun 2015, Delving deep into rectifiers (ICCV)';

/** Remedies that change the network or its first weights. */
const remediesOfDesign = {
  'use-relu': {
    title: 'ReLU in place of a saturating activation',
    what: [
      'σ′ is at most 0.25 and tanh′ at most 1, and only at z = 0. ReLU’s derivative is exactly 1 wherever a unit is active: the product over the layers no longer shrinks by itself. Its weights must be drawn for it: with Glorot’s variance a ReLU network loses half of the mean square in every layer.',
    ],
    formulas: [{ text: 'max φ′ = 0.25 (sigmoid) → 1 (ReLU)', symbols: { 'φ′': 'the activation’s derivative' } }],
    price:
      'changes what the network computes: it must be trained again. Units can die; unbounded activations can grow.',
    references: ['Glorot, Bordes & Bengio 2011, Deep sparse rectifier neural networks (AISTATS)', `${HE}, section 2.2`],
    see: ['relu', 'sigmoid', 'he-normal', 'vanishing-gradient'],
  },
  'use-he-init': {
    title: 'He initialization',
    what: [
      'The variance of the weights decides whether signal and gradient grow or shrink from layer to layer. For ReLU the factor per layer is fan_in · Var(w) / 2, and 2 / fan_in makes it 1.',
    ],
    formulas: [
      {
        text: 'Var(w) = 2 / fan_in',
        symbols: { 'Var(w)': 'the variance of a weight', fan_in: 'connections into one unit' },
      },
    ],
    price: 'nothing, before training. Of a trained model the weights are lost.',
    references: [`${HE}, eq. 10`],
    see: ['he-normal', 'relu', 'poor-initialization'],
  },
  'use-glorot-init': {
    title: 'Glorot initialization',
    what: [
      'Keeps sigmoids and tanh near the middle of their range, where their derivative is largest, and the variance of signal and gradient nearly constant.',
    ],
    formulas: [
      {
        text: 'Var(w) = 2 / (fan_in + fan_out)',
        symbols: {
          'Var(w)': 'the variance of a weight',
          fan_in: 'connections into one unit',
          fan_out: 'connections out of one unit',
        },
      },
    ],
    price: 'nothing, before training. Too small for deep ReLU networks.',
    references: ['Glorot & Bengio 2010 (AISTATS), eq. 12 and 16'],
    see: ['glorot-uniform', 'tanh', 'saturated-units'],
  },
  'randomize-init': {
    title: 'Random weights instead of equal ones',
    what: [
      'Units that start equal stay equal: they compute the same and receive the same gradient. Random weights break the symmetry.',
    ],
    formulas: [
      {
        text: 'wᵢ = wⱼ  ⇒  ∂L/∂wᵢ = ∂L/∂wⱼ',
        symbols: {
          wᵢ: 'weights of one unit',
          wⱼ: 'weights of another in the same layer',
          '∂L/∂wᵢ': 'the gradient of one',
          '∂L/∂wⱼ': 'the gradient of the other',
        },
      },
    ],
    price: 'nothing.',
    references: ['Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors (Nature 323)'],
    see: ['symmetric-initialization', 'zeros', 'constant'],
  },
  'use-leaky-relu': {
    title: 'Leaky ReLU',
    what: ['A slope of α instead of 0 below 0: no unit is ever without a gradient, and dead ones can come back.'],
    formulas: [
      {
        text: 'φ′(z) = 1 if z > 0, else α',
        symbols: { 'φ′': 'the derivative', z: 'the pre-activation', α: 'the slope below 0, 0.01' },
      },
    ],
    price: 'hardly anything; activations are no longer sparse.',
    references: ['Maas, Hannun & Ng 2013 (ICML workshop)'],
    see: ['leaky-relu', 'dead-units'],
  },
  'use-critical-init': {
    title: 'The critical initialization',
    aliases: ['critical-init'],
    what: [
      'For every activation there is a variance of the weights at which the factor χ on the gradient’s mean square per layer is 1. It changes nothing but the numbers that training starts from. For ReLU it is He’s variance; for tanh and other smooth functions it depends on the bias variance as well. A sigmoid has none that is of use: its derivatives are too small.',
    ],
    formulas: [
      {
        text: 'χ = σ_w² · E[φ′(z)²] = 1',
        symbols: {
          χ: 'the factor per layer',
          'σ_w²': 'fan_in · Var(w)',
          E: 'expectation over the pre-activations',
          'φ′': 'the activation’s derivative',
          z: 'a pre-activation',
        },
      },
    ],
    price: 'nothing, before training.',
    references: [
      'Poole et al. 2016 (NeurIPS)',
      'Schoenholz, Gilmer, Ganguli & Sohl-Dickstein 2017, Deep information propagation (ICLR)',
    ],
    see: ['mean-field', 'he-normal', 'orthogonal'],
  },
  'zero-biases': {
    title: 'Biases at zero',
    what: [
      'A large negative bias keeps a ReLU inactive for every sample; a large bias of either sign drives a sigmoid to its flat end. At zero the weights decide.',
    ],
    formulas: [
      {
        text: 'z = W · x + b,   b = 0',
        symbols: { z: 'the pre-activation', W: 'the weight matrix', x: 'the layer’s input', b: 'the bias' },
      },
    ],
    price: 'nothing, before training.',
    references: ['Glorot & Bengio 2010 (AISTATS), section 2.3'],
    see: ['dead-units', 'saturated-units'],
  },
  'add-batch-norm': {
    title: 'Batch normalization',
    aliases: ['batch-norm', 'batchnorm', 'batch-normalization'],
    what: [
      'Every unit’s pre-activations are brought to mean 0 and variance 1 over the batch: activations stay in the range where their derivative is large, and the scale of the weights before it drops out of signal and gradient.',
      'It does not remove a derivative below 1: a sigmoid network with batch normalization still shrinks, but its weights can no longer make it worse. At initialization alone, batch normalization makes gradients of very deep networks grow (by about 1.21 per ReLU layer).',
    ],
    formulas: [
      {
        text: 'y = γ · (x − μ) / √(σ² + ε) + β',
        symbols: {
          y: 'the output',
          x: 'the input',
          μ: 'mean over the batch',
          'σ²': 'variance over the batch',
          ε: '1e-5',
          γ: 'a learned scale',
          β: 'a learned shift',
        },
      },
    ],
    price: 'needs batches of some size; training and use differ.',
    references: [
      'Ioffe & Szegedy 2015, Batch normalization (ICML)',
      'Yang, Pennington, Rao, Sohl-Dickstein & Schoenholz 2019, A mean field theory of batch normalization (ICLR)',
    ],
    see: ['add-layer-norm', 'saturated-units', 'vanishing-gradient'],
  },
  'add-layer-norm': {
    title: 'Layer normalization',
    aliases: ['layer-norm', 'layernorm', 'layer-normalization'],
    what: [
      'As batch normalization, but over the units of one sample: independent of the batch, the same in training and use, and fit for sequences.',
    ],
    formulas: [
      {
        text: 'y = γ · (x − μ) / √(σ² + ε) + β',
        symbols: {
          y: 'the output',
          x: 'the input',
          μ: 'mean over the units',
          'σ²': 'variance over the units',
          ε: '1e-5',
          γ: 'a learned scale',
          β: 'a learned shift',
        },
      },
    ],
    price: 'a little time.',
    references: ['Ba, Kiros & Hinton 2016, Layer normalization (arXiv:1607.06450)'],
    see: ['add-batch-norm', 'transformer'],
  },
  'add-residual': {
    title: 'Skip connections',
    aliases: ['skip-connection', 'skip-connections', 'residual', 'resnet', 'shortcut'],
    what: [
      'y = x + f(x) instead of y = f(x): the derivative of every block contains the identity. Whatever f does, the gradient arrives by the skip connection, added to what came through f; the product over the blocks becomes a sum over all paths.',
    ],
    formulas: [
      {
        text: '∂y/∂x = I + ∂f/∂x',
        symbols: {
          y: 'the block’s output',
          x: 'its input',
          I: 'the identity matrix',
          f: 'what the block computes beside the skip',
          '∂y/∂x': 'the block’s Jacobian',
          '∂f/∂x': 'the branch’s Jacobian',
        },
      },
    ],
    price: 'shapes must fit (else a projection); without normalization the signal grows with depth.',
    references: [
      'He, Zhang, Ren & Sun 2016, Deep residual learning for image recognition (CVPR)',
      'He, Zhang, Ren & Sun 2016, Identity mappings in deep residual networks (ECCV)',
    ],
    see: ['vanishing-gradient', 'effectively-shallow', 'transformer'],
  },
  'use-lstm': {
    title: 'LSTM or GRU in place of a plain recurrence',
    aliases: ['lstm', 'gru', 'long-short-term-memory'],
    what: [
      'A plain recurrent layer multiplies the gradient by the same matrix and an activation derivative in every step. An LSTM’s cell is carried on by addition and one factor, its forget gate: where the gate is open, the gradient passes unchanged for as long as it stays open. A GRU does the same with one gate less.',
    ],
    formulas: [
      {
        text: 'cₜ = fₜ ⊙ cₜ₋₁ + iₜ ⊙ c̃ₜ,   ∂cₜ/∂cₜ₋₁ = fₜ',
        symbols: {
          cₜ: 'the cell after step t',
          'cₜ₋₁': 'the cell before it',
          fₜ: 'the forget gate, in (0, 1)',
          iₜ: 'the input gate',
          c̃ₜ: 'the candidate',
          '⊙': 'elementwise product',
          '∂cₜ/∂cₜ₋₁': 'the derivative along the cell, apart from what the gates pass',
        },
      },
    ],
    price: 'four (LSTM) or three (GRU) times the parameters.',
    references: [
      'Hochreiter & Schmidhuber 1997, Long short-term memory (Neural Computation 9)',
      'Cho et al. 2014, Learning phrase representations using RNN encoder–decoder (EMNLP)',
    ],
    see: ['vanishing-through-time', 'open-forget-gate', 'long-term-dependencies'],
  },
  'open-forget-gate': {
    title: 'An open forget gate',
    aliases: ['forget-gate'],
    what: [
      'With its bias at 0 the forget gate starts at σ(0) = 0.5: half of the cell’s gradient is lost in every step, 0.3 decades. With its bias at 1 it starts at 0.73, and the network learns the rest.',
    ],
    formulas: [
      {
        text: 'fₜ = σ(W·xₜ + R·hₜ₋₁ + b),   b = 1',
        symbols: {
          fₜ: 'the forget gate',
          σ: 'the sigmoid',
          W: 'its input weights',
          xₜ: 'the input of step t',
          R: 'its recurrent weights',
          'hₜ₋₁': 'the state before',
          b: 'its bias',
        },
      },
    ],
    price: 'nothing.',
    references: [
      'Gers, Schmidhuber & Cummins 2000, Learning to forget (Neural Computation 12)',
      'Jozefowicz, Zaremba & Sutskever 2015, An empirical exploration of recurrent network architectures (ICML)',
    ],
    see: ['use-lstm', 'vanishing-through-time'],
  },
  'use-orthogonal-recurrence': {
    title: 'Orthogonal or identity recurrent weights',
    what: [
      'The recurrent matrix is applied in every step; only if its singular values are near 1 does a product of a hundred of them neither vanish nor explode. An orthogonal matrix has all of them at 1.',
    ],
    formulas: [
      {
        text: '‖Rᵀ · δ‖ = ‖δ‖  for every δ',
        symbols: { R: 'the recurrent weights', Rᵀ: 'their transpose', δ: 'a gradient' },
      },
    ],
    price: 'nothing, at the start; training moves the weights away from it.',
    references: [
      'Saxe, McClelland & Ganguli 2014 (ICLR)',
      'Le, Jaitly & Hinton 2015 (arXiv:1504.00941)',
      'Arjovsky, Shah & Bengio 2016, Unitary evolution recurrent neural networks (ICML)',
    ],
    see: ['orthogonal', 'identity', 'vanishing-through-time', 'exploding-through-time'],
  },
} satisfies Readonly<Record<string, RemedyText>>;

/** The remedies, by id. */
export const remedyTexts: Readonly<Record<RemedyId, RemedyText>> = { ...remediesOfDesign, ...remediesOfTraining };
