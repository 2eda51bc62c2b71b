import { sizeOf, type Tensor, toFloat64 } from '../graph/tensor.ts';
import { erf, sigmoid, softplus } from './patterns/elementwise.ts';

/** How many of an activation layer's units are dead or saturated for this batch. A unit is a feature or a channel. */
export interface UnitStatistics {
  readonly units: number;
  /** Units whose derivative is zero for every sample and place of the batch. */
  readonly dead: number;
  /** Units of which more than half of the elements are saturated. */
  readonly saturated: number;
  /** Fraction of elements whose derivative is below SATURATION of the function's maximum. */
  readonly saturatedFraction: number;
  /** Fraction of elements with zero derivative. */
  readonly inactiveFraction: number;
  /** Mean of φ′(z)² over elements: the factor one layer contributes to the gradient's mean square. */
  readonly meanSquareDerivative: number;
}

/**
 * A derivative below this part of its maximum counts as saturated: |z| > 5.0 for sigmoid, the limit of DeepDiagnosis
 * (Wardat et al. 2022), and |z| > 2.5 for tanh.
 */
export const SATURATION = 0.027;

type Derivative = { readonly maximum: number; readonly of: (x: number, y: number) => number };

const ROOT_TAU = Math.sqrt(2 * Math.PI);

/** tanh(s) + x σ(x) (1 − tanh²(s)) with s = softplus(x) (Misra 2019). */
function mishDerivative(x: number): number {
  const t = Math.tanh(softplus(x));
  return t + x * sigmoid(x) * (1 - t * t);
}

/** φ′ from the input x and the output y, and its maximum. */
export const derivatives: Record<string, Derivative> = {
  Sigmoid: { maximum: 0.25, of: (_x, y) => y * (1 - y) },
  Tanh: { maximum: 1, of: (_x, y) => 1 - y * y },
  Softsign: { maximum: 1, of: (_x, y) => (1 - Math.abs(y)) ** 2 },
  HardSigmoid: { maximum: 0.2, of: (_x, y) => (y > 0 && y < 1 ? 0.2 : 0) },
  Relu: { maximum: 1, of: (_x, y) => (y > 0 ? 1 : 0) },
  // Φ(x) + x φ(x) with the normal distribution Φ and its density φ; largest at √2.
  Gelu: { maximum: 1.129, of: (x) => 0.5 * (1 + erf(x / Math.SQRT2)) + (x * Math.exp((-x * x) / 2)) / ROOT_TAU },
  Swish: { maximum: 1.0998, of: (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x))) },
  Mish: { maximum: 1.0885, of: mishDerivative },
  HardSwish: { maximum: 1.5, of: (x) => (x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6) },
};

/** Activation functions whose derivative tends to zero on both sides. */
export const saturating: ReadonlySet<string> = new Set(['Sigmoid', 'Tanh', 'Softsign', 'HardSigmoid']);

/**
 * Counts dead and saturated units of an activation's input X and output Y. Without `unitAxis` the units stand on axis 1
 * of images [N, C, …] and matrices [N, F], and on the last of sequences [N, T, F].
 * Undefined for functions without such units.
 */
export function measureUnits(op: string, X: Tensor, Y: Tensor, unitAxis?: number): UnitStatistics | undefined {
  const derivative = derivatives[op];
  if (!derivative || Y.dims.length < 2) return undefined;
  const axis = unitAxis ?? (Y.dims.length === 3 ? 2 : 1);
  const units = Y.dims[axis]!;
  const inner = sizeOf(Y.dims.slice(axis + 1));
  const x = toFloat64(X);
  const y = toFloat64(Y);
  const perUnit = units > 0 ? y.length / units : 0;
  const limit = SATURATION * derivative.maximum;
  const inactive = new Float64Array(units);
  const saturated = new Float64Array(units);
  let squares = 0;
  for (let i = 0; i < y.length; i++) {
    const slope = derivative.of(x[i]!, y[i]!);
    const unit = Math.floor(i / inner) % units;
    if (slope === 0) inactive[unit]!++;
    if (Math.abs(slope) < limit) saturated[unit]!++;
    squares += slope * slope;
  }
  const total = (counts: Float64Array) => counts.reduce((sum, count) => sum + count, 0);
  return {
    units,
    dead: inactive.filter((count) => count === perUnit).length,
    saturated: saturated.filter((count) => count > perUnit / 2).length,
    saturatedFraction: y.length > 0 ? total(saturated) / y.length : 0,
    inactiveFraction: y.length > 0 ? total(inactive) / y.length : 0,
    meanSquareDerivative: y.length > 0 ? squares / y.length : 0,
  };
}
