import type { Tensor } from '../../graph/tensor.ts';
import { filledTensor } from '../../graph/tensor.ts';
import type { GraphEditor } from '../rewrite/editor.ts';

/** How one activation function is put in, and what is said of it. */
export interface Swap {
  readonly id: string;
  readonly name: string;
  /** The ONNX operator that theory knows it by, and its numbers. */
  readonly op: string;
  readonly attributes: Readonly<Record<string, number>>;
  /** Functions it takes the place of. */
  readonly instead: 'flat on both sides' | 'flat on any side' | 'sigmoid';
  /** How weights before it are drawn: as is usual, or at χ = 1, for GELU and its like with biases. */
  readonly init: 'usual' | 'critical';
  readonly why: string;
  readonly references: readonly string[];
  write(editor: GraphEditor, X: string, name: string, ask: WriteOptions): string;
  readonly torch: string;
  /** What Keras has for it: a function, or an expression in x. */
  readonly keras?: string;
  /** TensorFlow.js' name for it, or the layer where it has no such function. */
  readonly tfjs?: string;
  readonly tfjsLayer?: string;
}

export interface WriteOptions {
  readonly type: Tensor['type'];
  /** What PReLU's slopes are called: as in PyTorch where the function has a module of its own. */
  readonly slope?: string | undefined;
  /** Shape of PReLU's slopes: one per channel, [1] where the channels are not known. */
  readonly slopes: readonly number[];
}

/** PReLU's first slope (He et al. 2015, section 2.1). */
export const FIRST_SLOPE = 0.25;
/** Leaky ReLU's fixed slope (Maas et al. 2013; ONNX' default). */
const LEAK = 0.01;

const one =
  (op: string, attributes: Record<string, number> = {}): Swap['write'] =>
  (editor, X, name) =>
    editor.add(op, [X], name, attributes)[0]!;

/** The activation functions that can be put in place of another. */
export const swaps: readonly Swap[] = [
  {
    id: 'use-relu',
    name: 'ReLU',
    op: 'Relu',
    attributes: {},
    instead: 'flat on both sides',
    init: 'usual',
    why: "ReLU's derivative is exactly 1 for every active unit, so that the product over the layers has no factor of σ' ≤ 1/4 left; half of the units are active, which He's variance 2 / fan-in makes up for.",
    references: ['Nair & Hinton 2010', 'Glorot, Bordes & Bengio 2011', 'He et al. 2015'],
    write: one('Relu'),
    torch: 'nn.ReLU()',
    keras: 'keras.activations.relu',
    tfjs: 'relu',
  },
  {
    id: 'use-leaky-relu',
    name: 'Leaky ReLU',
    op: 'LeakyRelu',
    attributes: { alpha: LEAK },
    instead: 'flat on any side',
    init: 'usual',
    why: 'Its derivative is 1 right of zero and 0.01 left of it: no unit is ever without a gradient.',
    references: ['Maas, Hannun & Ng 2013', 'He et al. 2015'],
    write: one('LeakyRelu', { alpha: LEAK }),
    torch: `nn.LeakyReLU(${LEAK})`,
    keras: `keras.activations.leaky_relu(x, negative_slope=${LEAK})`,
    tfjsLayer: `tf.layers.leakyReLU({ alpha: ${LEAK} })`,
  },
  {
    id: 'use-prelu',
    name: 'PReLU',
    op: 'PRelu',
    attributes: { slope: FIRST_SLOPE },
    instead: 'flat on any side',
    init: 'usual',
    why: 'Its derivative left of zero is a parameter per channel, 0.25 at first: no unit is ever without a gradient, and the network learns how linear it wants to be.',
    references: ['He et al. 2015, Delving Deep into Rectifiers'],
    write(editor, X, name, { type, slopes, slope: own = `${name}.slope` }) {
      const slope = editor.parameter(own, filledTensor(type, slopes, FIRST_SLOPE));
      return editor.add('PRelu', [X, slope], name)[0]!;
    },
    torch: 'nn.PReLU',
  },
  {
    id: 'use-elu',
    name: 'ELU',
    op: 'Elu',
    attributes: { alpha: 1 },
    instead: 'flat on any side',
    init: 'usual',
    why: 'Its derivative is 1 right of zero and e^x left of it, so that small signals pass unchanged, and its mean is nearer to zero than that of ReLU.',
    references: ['Clevert, Unterthiner & Hochreiter 2016'],
    write: one('Elu', { alpha: 1 }),
    torch: 'nn.ELU()',
    keras: 'keras.activations.elu',
    tfjs: 'elu',
  },
  {
    id: 'use-selu',
    name: 'SELU',
    op: 'Selu',
    attributes: {},
    instead: 'flat on any side',
    init: 'usual',
    why: 'With weights of variance 1 / fan-in, mean 0 and variance 1 are an attracting fixed point of every layer: signals neither vanish nor explode with depth.',
    references: ['Klambauer et al. 2017, Self-Normalizing Neural Networks'],
    write: one('Selu'),
    torch: 'nn.SELU()',
    keras: 'keras.activations.selu',
    tfjs: 'selu',
  },
  {
    id: 'use-gelu',
    name: 'GELU',
    op: 'Gelu',
    attributes: {},
    instead: 'flat on any side',
    init: 'critical',
    why: 'Its derivative goes to 1 for active units and is zero at a single point: smooth, and like ReLU without its dead half. Weights and biases are drawn at χ = 1.',
    references: ['Hendrycks & Gimpel 2016', 'Roberts, Yaida & Hanin 2022, section 5.3'],
    write: one('Gelu'),
    torch: 'nn.GELU()',
    keras: 'keras.activations.gelu',
    tfjs: 'gelu',
  },
  {
    id: 'use-silu',
    name: 'SiLU',
    op: 'Swish',
    attributes: {},
    instead: 'flat on any side',
    init: 'critical',
    why: 'x σ(x): its derivative goes to 1 for active units and is zero at a single point. Weights and biases are drawn at χ = 1.',
    references: ['Elfwing, Uchibe & Doya 2018', 'Ramachandran, Zoph & Le 2017', 'Roberts, Yaida & Hanin 2022'],
    // Swish is an operator from opset 24 on only.
    write: (editor, X, name) => editor.add('Mul', [X, editor.add('Sigmoid', [X], `${name}.gate`)[0]!], name)[0]!,
    torch: 'nn.SiLU()',
    keras: 'keras.activations.silu',
    tfjs: 'swish',
  },
  {
    id: 'use-mish',
    name: 'Mish',
    op: 'Mish',
    attributes: {},
    instead: 'flat on any side',
    init: 'critical',
    why: 'x tanh(softplus(x)): its derivative goes to 1 for active units and is zero at a single point. Weights and biases are drawn at χ = 1.',
    references: ['Misra 2019', 'Roberts, Yaida & Hanin 2022'],
    write: one('Mish'),
    torch: 'nn.Mish()',
    keras: 'keras.activations.mish',
    tfjs: 'mish',
  },
  {
    id: 'use-tanh',
    name: 'tanh',
    op: 'Tanh',
    attributes: {},
    instead: 'sigmoid',
    init: 'usual',
    why: "tanh has derivative 1 at zero where the sigmoid has 1/4, and its mean is zero: a layer at Glorot's variance passes small signals unchanged.",
    references: ['LeCun et al. 1998, Efficient BackProp', 'Glorot & Bengio 2010'],
    write: one('Tanh'),
    torch: 'nn.Tanh()',
    keras: 'keras.activations.tanh',
    tfjs: 'tanh',
  },
];

const sigmoids = ['Sigmoid', 'HardSigmoid'];
const bounded = [...sigmoids, 'Tanh', 'Softsign'];
const rectifiers = ['Relu', 'ThresholdedRelu'];

/** The operators a swap may take the place of: those flat on both sides, and those flat on one. */
export function replacedBy({ instead }: Swap): {
  readonly bounded: readonly string[];
  readonly rectifiers: readonly string[];
} {
  if (instead === 'sigmoid') return { bounded: sigmoids, rectifiers: [] };
  return { bounded, rectifiers: instead === 'flat on any side' ? rectifiers : [] };
}
