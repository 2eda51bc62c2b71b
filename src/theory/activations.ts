import { elementwise, erf, sigmoid, softplus } from '../flow/patterns/elementwise.ts';
import { derivatives } from '../flow/units.ts';
import type { Node } from '../graph/graph.ts';

/** An activation function as theory needs it: φ, φ′ and where φ is not smooth. */
export interface Activation {
  /** The ONNX operator. */
  readonly op: string;
  /** Its numbers, as far as the function depends on them. */
  readonly attributes: Readonly<Record<string, number>>;
  readonly of: (x: number) => number;
  readonly slope: (x: number) => number;
  readonly kinks: readonly number[];
  /** φ(x) = right · x for x > 0 and left · x for x < 0: all moments have closed forms. */
  readonly homogeneous?: { readonly left: number; readonly right: number };
}

type Attributes = Readonly<Record<string, number>>;
type Shape = Omit<Activation, 'op' | 'attributes'>;

/** α and γ of self-normalizing networks (Klambauer et al. 2017), as the ONNX specification gives them. */
const SELU_ALPHA = 1.6732632423543772;
const SELU_GAMMA = 1.0507009873554805;

const linear = (left: number, right = 1): Shape => ({
  of: (x) => (x > 0 ? right : left) * x,
  slope: (x) => (x > 0 ? right : left),
  kinks: left === right ? [] : [0],
  homogeneous: { left, right },
});

/** φ as `elementwise` has it, φ′ as units are measured by. */
const known = (op: string, kinks: readonly number[] = [], of = applied(op)): Shape => ({
  of,
  slope: (x) => derivatives[op]!.of(x, of(x)),
  kinks,
});

/** scale · x right of zero, scale · alpha (e^(x / width) − 1) left of it. */
const exponential = (alpha: number, scale = 1, width = 1): Shape => ({
  of: (x) => scale * (x > 0 ? x : alpha * Math.expm1(x / width)),
  slope: (x) => scale * (x > 0 ? 1 : (alpha / width) * Math.exp(x / width)),
  kinks: [0],
});

/** A line of some slope between two bounds of x. */
const clipped = (low: number, high: number, slope: number, of: (x: number) => number): Shape => ({
  of,
  slope: (x) => (x > low && x < high ? slope : 0),
  kinks: [low, high].filter(Number.isFinite),
});

/** Every elementwise function that flow/kinds.ts names an activation; defaults are those of ONNX. */
const table: Record<string, (attributes: Attributes) => Shape> = {
  Identity: () => linear(1),
  Relu: () => linear(0),
  LeakyRelu: ({ alpha = 0.01 }) => linear(alpha),
  PRelu: ({ slope = 0.25 }) => linear(slope),
  Elu: ({ alpha = 1 }) => exponential(alpha),
  Selu: ({ alpha = SELU_ALPHA, gamma = SELU_GAMMA }) => exponential(alpha, gamma),
  Celu: ({ alpha = 1 }) => exponential(alpha, 1, alpha),
  Gelu: () => known('Gelu', [], (x) => 0.5 * x * (1 + erf(x / Math.SQRT2))),
  Sigmoid: () => known('Sigmoid'),
  Tanh: () => known('Tanh'),
  Softplus: () => ({ of: softplus, slope: sigmoid, kinks: [] }),
  Softsign: () => known('Softsign', [0], (x) => x / (1 + Math.abs(x))),
  HardSigmoid({ alpha = 0.2, beta = 0.5 }) {
    if (alpha === 0) return { of: () => Math.min(1, Math.max(0, beta)), slope: () => 0, kinks: [] };
    const [low, high] = [-beta / alpha, (1 - beta) / alpha].sort((a, b) => a - b) as [number, number];
    return clipped(low, high, alpha, (x) => Math.min(1, Math.max(0, alpha * x + beta)));
  },
  HardSwish: () => known('HardSwish', [-3, 3], (x) => (x * Math.min(6, Math.max(0, x + 3))) / 6),
  Mish: () => known('Mish', [], (x) => x * Math.tanh(softplus(x))),
  Swish: ({ alpha = 1 }) => ({
    of: (x) => x * sigmoid(alpha * x),
    slope: (x) => derivatives.Swish!.of(alpha * x, 0),
    kinks: [],
  }),
  ThresholdedRelu: ({ alpha = 1 }) => ({
    of: (x) => (x > alpha ? x : 0),
    slope: (x) => (x > alpha ? 1 : 0),
    kinks: [alpha],
  }),
  Shrink: ({ lambd = 0.5, bias = 0 }) => ({
    of: (x) => (x < -lambd ? x + bias : x > lambd ? x - bias : 0),
    slope: (x) => (Math.abs(x) > lambd ? 1 : 0),
    kinks: [-lambd, lambd],
  }),
  Clip: ({ min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY }) =>
    min === Number.NEGATIVE_INFINITY && max === Number.POSITIVE_INFINITY
      ? linear(1)
      : clipped(min, max, 1, (x) => Math.min(max, Math.max(min, x))),
  Erf: () => ({ of: erf, slope: (x) => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x), kinks: [] }),
};

/** The operators theory knows as activation functions. */
export const activationOps: readonly string[] = Object.keys(table);

/** The activation function of an operator; undefined for one that is not known, or whose numbers are not finite. */
export function activationOf(op: string, attributes: Attributes = {}): Activation | undefined {
  if (!Object.hasOwn(table, op) || Object.values(attributes).some(Number.isNaN)) return undefined;
  return { op, attributes, ...table[op]!(attributes) };
}

function applied(op: string): (x: number) => number {
  const node: Node = { name: '', op, domain: '', inputs: [], outputs: [], attributes: {} };
  const apply = elementwise[op]!;
  return (x) => apply([x], node);
}
