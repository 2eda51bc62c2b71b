import type { Initialization } from '../../random/initializers.ts';
import type { TopicText } from './topic-text.ts';

/** An initialization in words. */
export interface InitializerText extends TopicText {
  readonly summary: string;
  readonly options?: string;
}

const VAR = { 'Var(w)': 'the variance each weight is drawn with' };
const FAN_IN = { fan_in: 'connections into one unit: inputs of a matrix, inputs / groups · kernel of a convolution' };
const FAN_OUT = { fan_out: 'connections out of one unit' };
const GAIN = { gain: 'a factor on the deviation, 1' };
const GLOROT =
  'Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks (AISTATS)';
const HE = 'He, Zhang, Ren & Sun 2015, Delving deep into rectifiers (ICCV)';
const LECUN = 'LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 4.6';

const glorot = [
  'Keeps the variance of the signal forward and of the gradient backward as nearly constant as one number can: fan-in would be right for the one, fan-out for the other, so the paper takes their mean. Derived for a function that is linear near 0, such as tanh.',
  'Many texts write the variance as 1 / (fan_in + fan_out). The paper (eq. 12 and 16) has 2 / (fan_in + fan_out), which is what is drawn here.',
];
const he = [
  'A ReLU sets half of its inputs to 0, which halves the mean square of the signal in every layer; twice the variance makes up for it. With leaky slope a the factor is 2 / (1 + a²) (eq. 15).',
  'With fan_in the forward signal keeps its size, with fan_out the gradient does; where layers are equally wide the two agree.',
];
const lecun = [
  'Keeps the variance of the forward signal where the activation is linear near 0, and is what SELU was made for.',
];

/** The initialization schemes of a network spec, by their name there. */
export const initializerTexts: Readonly<Record<Initialization['scheme'] | 'lsuv' | 'fixup', InitializerText>> = {
  'glorot-uniform': {
    title: 'Glorot (Xavier) initialization, uniform',
    aliases: ['glorot', 'xavier', 'xavier-uniform'],
    summary: 'variance 2 / (fan_in + fan_out), for tanh and linear layers',
    what: glorot,
    formulas: [
      { text: 'Var(w) = gain² · 2 / (fan_in + fan_out)', symbols: { ...VAR, ...GAIN, ...FAN_IN, ...FAN_OUT } },
      {
        text: 'w ~ U(−b, b),   b = gain · √(6 / (fan_in + fan_out))',
        symbols: {
          w: 'a weight',
          U: 'the uniform distribution',
          b: 'its limit, √3 deviations',
          ...GAIN,
          ...FAN_IN,
          ...FAN_OUT,
        },
      },
    ],
    options: 'gain 1, mode fan-avg',
    references: [`${GLOROT}, eq. 12 and 16`],
    see: ['he-normal', 'tanh', 'use-glorot-init'],
  },
  'glorot-normal': {
    title: 'Glorot (Xavier) initialization, normal',
    aliases: ['xavier-normal'],
    summary: 'variance 2 / (fan_in + fan_out), drawn normally',
    what: glorot,
    formulas: [
      { text: 'Var(w) = gain² · 2 / (fan_in + fan_out)', symbols: { ...VAR, ...GAIN, ...FAN_IN, ...FAN_OUT } },
    ],
    options: 'gain 1, mode fan-avg; not truncated (Keras truncates at two deviations)',
    references: [`${GLOROT}, eq. 12`],
    see: ['glorot-uniform', 'he-normal'],
  },
  'he-normal': {
    title: 'He (Kaiming) initialization, normal',
    aliases: ['he', 'kaiming', 'kaiming-normal'],
    summary: 'variance 2 / fan_in, for ReLU and its kin',
    what: he,
    formulas: [{ text: 'Var(w) = gain² · 2 / fan_in', symbols: { ...VAR, ...GAIN, ...FAN_IN } }],
    options: 'gain 1, mode fan-in',
    references: [`${HE}, eq. 10; eq. 15 for leaky slopes`],
    see: ['relu', 'glorot-uniform', 'use-he-init'],
  },
  'he-uniform': {
    title: 'He (Kaiming) initialization, uniform',
    aliases: ['kaiming-uniform'],
    summary: 'variance 2 / fan_in, drawn uniformly',
    what: he,
    formulas: [
      {
        text: 'w ~ U(−b, b),   b = gain · √(6 / fan_in)',
        symbols: { w: 'a weight', U: 'the uniform distribution', b: 'its limit, √3 deviations', ...GAIN, ...FAN_IN },
      },
    ],
    options: 'gain 1, mode fan-in',
    references: [`${HE}, eq. 10`],
    see: ['he-normal', 'relu'],
  },
  'lecun-normal': {
    title: 'LeCun initialization, normal',
    aliases: ['lecun'],
    summary: 'variance 1 / fan_in, for SELU and layers that are linear near 0',
    what: lecun,
    formulas: [{ text: 'Var(w) = gain² / fan_in', symbols: { ...VAR, ...GAIN, ...FAN_IN } }],
    options: 'gain 1, mode fan-in',
    references: [LECUN, 'Klambauer et al. 2017, Self-normalizing neural networks (NeurIPS)'],
    see: ['selu', 'he-normal'],
  },
  'lecun-uniform': {
    title: 'LeCun initialization, uniform',
    summary: 'variance 1 / fan_in, drawn uniformly',
    what: lecun,
    formulas: [
      {
        text: 'w ~ U(−b, b),   b = gain · √(3 / fan_in)',
        symbols: { w: 'a weight', U: 'the uniform distribution', b: 'its limit, √3 deviations', ...GAIN, ...FAN_IN },
      },
    ],
    options: 'gain 1, mode fan-in',
    references: [LECUN],
    see: ['lecun-normal'],
  },
  'pytorch-default': {
    title: 'PyTorch’s default',
    aliases: ['pytorch', 'torch-default'],
    summary: 'variance 1 / (3 fan_in): what torch.nn.Linear and Conv2d start with; small for ReLU',
    what: [
      'kaiming_uniform with a = √5, which comes to U(±1/√fan_in): a sixth of He’s variance. A deep ReLU network that starts with it loses log₁₀ √6 = 0.39 decades of signal and of gradient per layer. Biases are drawn from the same range.',
    ],
    formulas: [
      { text: 'Var(w) = 1 / (3 · fan_in)', symbols: { ...VAR, ...FAN_IN } },
      {
        text: 'w ~ U(−b, b),   b = 1 / √fan_in',
        symbols: { w: 'a weight or bias', U: 'the uniform distribution', b: 'its limit', ...FAN_IN },
      },
    ],
    references: ['PyTorch, torch.nn.Linear and torch.nn.Conv2d: reset_parameters'],
    see: ['he-normal', 'poor-initialization'],
  },
  orthogonal: {
    title: 'Orthogonal initialization',
    summary: 'a random rotation: every singular value is the gain',
    what: [
      'Rows or columns are orthonormal, so that a square matrix keeps the norm of every vector, not only of the average one: in a linear network of any depth no direction grows or shrinks (dynamical isometry). The first choice for recurrent weights.',
    ],
    formulas: [
      {
        text: 'Wᵀ · W = gain² · I',
        symbols: {
          W: 'the weight matrix, columns no more than rows',
          Wᵀ: 'its transpose',
          I: 'the identity matrix',
          ...GAIN,
        },
      },
    ],
    options: 'gain 1 (for ReLU √2)',
    references: [
      'Saxe, McClelland & Ganguli 2014, Exact solutions to the nonlinear dynamics of learning in deep linear neural networks (ICLR)',
      'Pennington, Schoenholz & Ganguli 2017, Resurrecting the sigmoid in deep learning through dynamical isometry (NeurIPS)',
    ],
    see: ['identity', 'delta-orthogonal', 'use-orthogonal-recurrence'],
  },
  'delta-orthogonal': {
    title: 'Delta-orthogonal initialization',
    summary: 'an orthogonal matrix at a kernel’s centre, zeros around it: for very deep convolutions',
    what: [
      'A convolution that starts as a rotation of channels at each place: norms are kept exactly, and 10 000 layers have been trained with it. Of a dense layer it is the orthogonal initialization.',
    ],
    formulas: [
      {
        text: 'K[c] = gain · Q,   K[x] = 0 for x ≠ c',
        symbols: {
          K: 'the kernel: a matrix of channels at each place',
          c: 'the centre',
          x: 'any other place',
          Q: 'a random matrix with orthonormal columns',
          ...GAIN,
        },
      },
    ],
    options: 'gain 1',
    references: [
      'Xiao, Bahri, Sohl-Dickstein, Schoenholz & Pennington 2018, Dynamical isometry and a mean field theory of CNNs (ICML), algorithm 2',
    ],
    see: ['orthogonal'],
  },
  identity: {
    title: 'Identity initialization',
    summary: 'gain on the diagonal: with ReLU a recurrent network that remembers',
    what: [
      'Every layer starts by passing its input on. A ReLU network with identity recurrent weights (IRNN) keeps long memories; with gain 2 each layer doubles the gradient: the textbooks’ W = 2I.',
    ],
    formulas: [{ text: 'W = gain · I', symbols: { W: 'the weight matrix', I: 'the identity matrix', ...GAIN } }],
    options: 'gain 1',
    references: [
      'Le, Jaitly & Hinton 2015, A simple way to initialize recurrent networks of rectified linear units (arXiv:1504.00941)',
    ],
    see: ['orthogonal', 'repeated-matrix'],
  },
  normal: {
    title: 'Normal with a fixed deviation',
    aliases: ['gaussian'],
    summary: 'the same deviation whatever the width: vanishes or explodes with depth',
    what: [
      'The deviation does not know the layer’s width. What fits one width is wrong for another: the gain per layer is std · √fan_in times what the activation does, and only one width makes it 1.',
    ],
    formulas: [{ text: 'Var(w) = std²', symbols: { ...VAR, std: 'the deviation, 0.05' } }],
    options: 'std 0.05, mean 0 (Keras)',
    references: [`${GLOROT}, section 4.2`],
    see: ['he-normal', 'poor-initialization'],
  },
  'truncated-normal': {
    title: 'Truncated normal',
    summary: 'a normal without its tails beyond two deviations: 0.774 of the variance is left',
    what: [
      'Draws beyond two deviations are drawn again. What is left has the deviation 0.880 std, which is easily forgotten.',
    ],
    formulas: [{ text: 'Var(w) = 0.774 · std²', symbols: { ...VAR, std: 'the deviation before truncation, 0.05' } }],
    options: 'std 0.05, mean 0 (Keras)',
    references: ['Keras, TruncatedNormal'],
    see: ['normal', 'he-normal'],
  },
  uniform: {
    title: 'Uniform with fixed limits',
    summary: 'the same limits whatever the width',
    what: ['As the normal with a fixed deviation: the limits do not know the layer’s width.'],
    formulas: [
      {
        text: 'Var(w) = (high − low)² / 12',
        symbols: { ...VAR, high: 'the upper limit, 0.05', low: 'the lower limit, −0.05' },
      },
    ],
    options: 'limit 0.05, or low and high',
    references: [`${GLOROT}, eq. 1 (the heuristic it replaces)`],
    see: ['glorot-uniform', 'normal'],
  },
  constant: {
    title: 'A constant',
    summary: 'all weights equal: every unit of a layer learns the same',
    what: [
      'Units with equal weights compute the same, receive the same gradient, and stay equal for ever: a layer of any width does the work of one unit.',
    ],
    formulas: [{ text: 'w = c', symbols: { w: 'every weight', c: 'the constant' } }],
    options: 'value',
    references: ['Goodfellow, Bengio & Courville 2016, Deep learning, section 8.4'],
    see: ['symmetric-initialization', 'zeros', 'randomize-init'],
  },
  zeros: {
    title: 'Zeros',
    summary: 'right for biases; weights of zero pass no gradient',
    what: [
      'The usual start of biases. A weight matrix of zeros passes neither signal nor gradient: before a ReLU or behind another zero matrix it never moves. A single zero last layer, or a zero last layer of each residual branch, is a trick that opens with the first step.',
    ],
    formulas: [{ text: 'w = 0', symbols: { w: 'every weight' } }],
    references: [
      'Goyal et al. 2017, Accurate, large minibatch SGD (arXiv:1706.02677), section 5.1: the last scale of each residual branch',
    ],
    see: ['symmetric-initialization', 'constant', 'dead-units'],
  },
  ones: {
    title: 'Ones',
    summary: 'for scales of normalizations; weights of one are symmetric and large',
    what: [
      'The usual start of the scale of a normalization. As a weight matrix it is a constant: all units equal, and the signal grows by fan_in in each layer.',
    ],
    formulas: [{ text: 'w = 1', symbols: { w: 'every weight' } }],
    references: ['Ioffe & Szegedy 2015, Batch normalization (ICML)'],
    see: ['constant', 'symmetric-initialization'],
  },
  lsuv: {
    title: 'Layer-sequential unit variance',
    summary: 'orthogonal weights, then each layer scaled until its output has variance 1 on real data',
    what: [
      'Measures instead of assuming: layer by layer, from the input on, the output on a batch is measured and the weights are divided by its deviation. It suits any activation, also where no formula is known. Of a whole model, on a batch: `--init lsuv`.',
    ],
    formulas: [
      {
        text: 'W ← W / √Var(W · x)',
        symbols: {
          W: 'the weights, orthogonal at first',
          x: 'what the layer reads on a batch',
          Var: 'the variance over batch and units',
        },
      },
    ],
    references: ['Mishkin & Matas 2016, All you need is a good init (ICLR), algorithm 1'],
    see: ['orthogonal', 'use-critical-init'],
  },
  fixup: {
    title: 'Fixup',
    summary: 'residual networks without normalization: each branch starts at zero, its layers scaled down by depth',
    what: [
      'In a residual network without normalization the signal grows with every branch that is added. Fixup starts the last layer of each branch at zero, scales the others by L^(−1/(2m−2)), and starts the classifier at zero: the first updates are then as large as they should be whatever the depth. Of a whole model: `--init fixup`.',
    ],
    formulas: [
      {
        text: 'std(w) = L^(−1/(2m−2)) · √(2 / fan_in)',
        symbols: {
          'std(w)': 'deviation of a weight in a branch, its last layer excepted',
          L: 'number of residual branches',
          m: 'layers in a branch',
          ...FAN_IN,
        },
      },
    ],
    references: ['Zhang, Dauphin & Ma 2019, Fixup initialization (ICLR), section 3'],
    see: ['add-residual', 'he-normal', 'zeros'],
  },
};
