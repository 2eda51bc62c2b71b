import { sizeOf } from '../graph/tensor.ts';
import { orthogonalMatrix } from './orthogonal.ts';
import type { Random } from './random.ts';

/** Which count of connections a scaled scheme divides the variance by; fan-avg is their mean. */
export type FanMode = 'fan-in' | 'fan-out' | 'fan-avg';

/** Schemes whose variance is gain² · k / fan. */
export type ScaledScheme =
  | 'glorot-uniform'
  | 'glorot-normal'
  | 'he-uniform'
  | 'he-normal'
  | 'lecun-uniform'
  | 'lecun-normal';

/** How a parameter gets its first values. */
export type Initialization =
  | { readonly scheme: 'zeros' | 'ones' | 'pytorch-default' }
  | { readonly scheme: 'constant'; readonly value: number }
  | { readonly scheme: 'uniform'; readonly low: number; readonly high: number }
  | { readonly scheme: 'normal' | 'truncated-normal'; readonly mean: number; readonly std: number }
  | { readonly scheme: ScaledScheme; readonly gain?: number; readonly mode?: FanMode }
  | { readonly scheme: 'orthogonal' | 'delta-orthogonal' | 'identity'; readonly gain?: number };

/** Connections into and out of one unit. */
export interface Fans {
  readonly fanIn: number;
  readonly fanOut: number;
}

interface Scaling {
  /** Variance · fan at gain 1. */
  readonly k: number;
  readonly mode: FanMode;
  readonly uniform: boolean;
}

/**
 * Glorot & Bengio 2010, eq. 12 and 16: Var W = 2 / (fan_in + fan_out), in the paper uniform.
 * He et al. 2015, eq. 10: Var W = 2 / fan_in, in the paper normal.
 * LeCun et al. 1998, eq. 16: Var W = 1 / fan_in.
 * None of them is truncated (Keras truncates its normal forms at two deviations).
 */
const scalings: Record<ScaledScheme, Scaling> = {
  'glorot-uniform': { k: 1, mode: 'fan-avg', uniform: true },
  'glorot-normal': { k: 1, mode: 'fan-avg', uniform: false },
  'he-uniform': { k: 2, mode: 'fan-in', uniform: true },
  'he-normal': { k: 2, mode: 'fan-in', uniform: false },
  'lecun-uniform': { k: 1, mode: 'fan-in', uniform: true },
  'lecun-normal': { k: 1, mode: 'fan-in', uniform: false },
};

/** Other names of schemes: the plain name is the distribution of the original paper. */
export const schemeAliases: Readonly<Record<string, Initialization['scheme']>> = {
  glorot: 'glorot-uniform',
  xavier: 'glorot-uniform',
  'xavier-uniform': 'glorot-uniform',
  'xavier-normal': 'glorot-normal',
  he: 'he-normal',
  kaiming: 'he-normal',
  'kaiming-uniform': 'he-uniform',
  'kaiming-normal': 'he-normal',
  lecun: 'lecun-normal',
};

/** The initialization behind a scheme's plain name or alias, with its default options; undefined when unknown. */
export function initializationNamed(name: string): Initialization | undefined {
  return Object.hasOwn(defaults, name) ? defaults[name] : undefined;
}

const plain: Initialization[] = [
  { scheme: 'zeros' },
  { scheme: 'ones' },
  { scheme: 'pytorch-default' },
  // Deviations of Keras' RandomNormal, RandomUniform and TruncatedNormal.
  { scheme: 'normal', mean: 0, std: 0.05 },
  { scheme: 'truncated-normal', mean: 0, std: 0.05 },
  { scheme: 'uniform', low: -0.05, high: 0.05 },
  { scheme: 'orthogonal' },
  { scheme: 'delta-orthogonal' },
  { scheme: 'identity' },
  ...(Object.keys(scalings) as ScaledScheme[]).map((scheme) => ({ scheme })),
];
const defaults: Record<string, Initialization> = Object.fromEntries(plain.map((entry) => [entry.scheme, entry]));
for (const [alias, scheme] of Object.entries(schemeAliases)) defaults[alias] = defaults[scheme]!;

/** Every name `initializationNamed` knows. */
export const initializationNames: readonly string[] = Object.keys(defaults);

/**
 * Fans of a weight laid out [out, in] or [out, in / groups, ...kernel]: fan_in = in / groups · |kernel|,
 * fan_out = out / groups · |kernel|.
 */
export function fansOf(dims: readonly number[], groups = 1): Fans {
  const kernel = sizeOf(dims.slice(2));
  return { fanIn: (dims[1] ?? 1) * kernel, fanOut: ((dims[0] ?? 1) / groups) * kernel };
}

/**
 * Draws a parameter laid out [out, in, ...kernel], row-major. `layout` gives the fans and groups where the shape does
 * not (a bias has its weight's fans).
 */
export function initialize(
  initialization: Initialization,
  dims: readonly number[],
  random: Random,
  layout: { readonly fans?: Fans; readonly groups?: number } = {},
): Float64Array {
  const { groups = 1, fans = fansOf(dims, groups) } = layout;
  const values = new Float64Array(sizeOf(dims));
  const draw = (next: () => number) => {
    for (let i = 0; i < values.length; i++) values[i] = next();
    return values;
  };
  const uniform = (limit: number) => draw(() => limit * (2 * random.uniform() - 1));

  switch (initialization.scheme) {
    case 'zeros':
      return values;
    case 'ones':
      return values.fill(1);
    case 'constant':
      return values.fill(initialization.value);
    case 'uniform': {
      const { low, high } = initialization;
      return draw(() => low + (high - low) * random.uniform());
    }
    case 'normal': {
      const { mean, std } = initialization;
      return draw(() => mean + std * random.normal());
    }
    case 'truncated-normal': {
      const { mean, std } = initialization;
      return draw(() => mean + std * random.truncatedNormal());
    }
    case 'pytorch-default':
      // torch.nn.Linear and Conv: kaiming_uniform with a = √5, √(6 / ((1 + a²) fan_in)) = 1 / √fan_in.
      return uniform(1 / Math.sqrt(fans.fanIn));
    case 'orthogonal': {
      const { gain = 1 } = initialization;
      const rows = dims[0] ?? 1;
      return orthogonalMatrix(rows, values.length / rows, random).map((x) => gain * x);
    }
    case 'delta-orthogonal':
      return deltaOrthogonal(values, dims, groups, random, initialization.gain ?? 1);
    case 'identity':
      return identity(values, dims, groups, initialization.gain ?? 1);
    default: {
      const { k, mode, uniform: flat } = scalings[initialization.scheme];
      const variance = k / fanOf(fans, initialization.mode ?? mode);
      const std = (initialization.gain ?? 1) * Math.sqrt(variance);
      return flat ? uniform(Math.sqrt(3) * std) : draw(() => std * random.normal());
    }
  }
}

function fanOf({ fanIn, fanOut }: Fans, mode: FanMode): number {
  return mode === 'fan-in' ? fanIn : mode === 'fan-out' ? fanOut : (fanIn + fanOut) / 2;
}

/**
 * Xiao et al. 2018, algorithm 2: an orthogonal matrix at the kernel's centre, zeros elsewhere. Where a group has at least
 * as many channels out as in, a convolution of stride 1 keeps every input's norm. A matrix is just orthogonal.
 */
function deltaOrthogonal(
  values: Float64Array,
  dims: readonly number[],
  groups: number,
  random: Random,
  gain: number,
): Float64Array {
  const [out = 1, into = 1, ...kernel] = dims;
  const taps = sizeOf(kernel);
  const centre = centreOf(kernel);
  for (let o = 0; o < out; o += out / groups) {
    const matrix = orthogonalMatrix(out / groups, into, random);
    for (let i = 0; i < matrix.length; i++) values[(o * into + i) * taps + centre] = gain * matrix[i]!;
  }
  return values;
}

/** Offset of a kernel's middle tap. */
function centreOf(kernel: readonly number[]): number {
  return kernel.reduce((offset, size) => offset * size + Math.floor(size / 2), 0);
}

/** Ones on the diagonal; in a kernel, at its centre, so that each channel of a group passes unchanged. */
function identity(values: Float64Array, dims: readonly number[], groups: number, gain: number): Float64Array {
  const [out = 1, into = 1, ...kernel] = dims;
  const taps = sizeOf(kernel);
  const centre = centreOf(kernel);
  const perGroup = out / groups;
  for (let o = 0; o < out; o++) {
    const i = o % perGroup;
    if (i < into) values[(o * into + i) * taps + centre] = gain;
  }
  return values;
}
