import type { Activation } from './activations.ts';
import { Kernel, type Moments, momentsOf } from './moments.ts';

/** The variances of a layer: σ_w² = fan-in · E[w²], σ_b² = E[b²]. */
export interface Variances {
  readonly sigmaW2: number;
  readonly sigmaB2: number;
}

/** Where the recursion of one repeated layer ends, and how fast it gets there. */
export interface FixedPoint {
  /** Variance of the pre-activations; Infinity where they grow without bound. */
  readonly qStar: number;
  /** χ₁ = σ_w² E[φ′(√q* z)²]: the factor of the gradient's mean square per layer; above 1 in the chaotic phase. */
  readonly chiStar: number;
  /** Correlation to which two inputs tend; 1 where χ₁ ≤ 1. */
  readonly cStar: number;
  /**
   * ξ in layers: −1 / ln χ at c*, the depth over which inputs can be told apart (Schoenholz et al. 2017, eq. 9);
   * 1 / ln χ₁, the scale of the explosion, where the pre-activations grow without bound. Infinity where χ = 1.
   */
  readonly depthScale: number;
}

/** About 6ξ: deeper networks do not train (Schoenholz et al. 2017, section 5). */
export const TRAINABLE_SCALES = 6;
/** χ this near to 1 is 1: rounding of the quadrature and of a float32's variance. */
const CRITICAL = 1e-9;
/** Where the search for a fixed point ends: below, the signal is gone; above, it grows without bound. */
const SMALLEST = 1e-12;
const LARGEST = 1e12;

/** q ↦ σ_w² E[φ(√q z)²] + σ_b² (Poole et al. 2016, eq. 3). */
export function nextVariance(activation: Activation, { sigmaW2, sigmaB2 }: Variances, q: number): number {
  return sigmaW2 * momentsOf(activation, q).square + sigmaB2;
}

/** χ = σ_w² E[φ′(√q z)²] (Schoenholz et al. 2017, eq. 6). */
export function chiOf(activation: Activation, { sigmaW2 }: Variances, q: number): number {
  return sigmaW2 * momentsOf(activation, q).slopeSquare;
}

/** q*, χ*, c* and ξ of layers with these variances, repeated from a signal of variance `start` on. */
export function fixedPointOf(activation: Activation, variances: Variances, start = 1): FixedPoint {
  return fixedPointOfMap(
    (q) => momentsOf(activation, q),
    (q) => new Kernel(activation, q),
    variances,
    start,
    activation.homogeneous !== undefined,
  );
}

type Correlated = Pick<Kernel, 'product' | 'slopeProduct'>;

function fixedPointOfMap(
  moments: (q: number) => Moments,
  kernel: (q: number) => Correlated,
  { sigmaW2, sigmaB2 }: Variances,
  start: number,
  homogeneous: boolean,
): FixedPoint {
  const map = (q: number) => sigmaW2 * moments(q).square + sigmaB2;
  const qStar = homogeneous ? linearFixedPoint(map, sigmaB2, start) : findFixedPoint(map, start);
  const chiStar = sigmaW2 * moments(Math.min(qStar, LARGEST)).slopeSquare;
  if (!(chiStar > 1 + CRITICAL) || homogeneous || !Number.isFinite(qStar) || qStar === 0) {
    return { qStar, chiStar, cStar: Number.isNaN(chiStar) ? Number.NaN : 1, depthScale: scaleOf(chiStar) };
  }
  const joint = kernel(qStar);
  const correlation = (c: number) => (sigmaW2 * joint.product(c) + sigmaB2) / qStar;
  // Convex, 1 at 1 and steeper than 1 there: it crosses the diagonal once on the way from 0.
  let [low, high] = [0, 1 - 1e-9];
  for (let i = 0; i < 60; i++) {
    const c = (low + high) / 2;
    if (correlation(c) > c) low = c;
    else high = c;
  }
  const cStar = (low + high) / 2;
  return { qStar, chiStar, cStar, depthScale: scaleOf(sigmaW2 * joint.slopeProduct(cStar)) };
}

/** |1 / ln χ|, Infinity at χ = 1 and 0 at χ = 0. */
export function scaleOf(chi: number): number {
  return Math.abs(chi - 1) <= CRITICAL ? Number.POSITIVE_INFINITY : Math.abs(1 / Math.log(chi));
}

/** q = s q + σ_b², with the slope s read off at 1. */
function linearFixedPoint(map: (q: number) => number, sigmaB2: number, start: number): number {
  const slope = map(1) - sigmaB2;
  if (Number.isNaN(slope)) return Number.NaN;
  if (Math.abs(slope - 1) <= CRITICAL && sigmaB2 === 0) return start;
  return slope < 1 ? sigmaB2 / (1 - slope) : Number.POSITIVE_INFINITY;
}

/** The fixed point that iterating the map from `start` tends to: the next one up where the map rises there, else down. */
function findFixedPoint(map: (q: number) => number, start: number): number {
  let q = Math.min(Math.max(start, SMALLEST), LARGEST);
  if (Number.isNaN(q)) q = 1;
  const rising = map(q) > q;
  if (Number.isNaN(map(q))) return Number.NaN;
  // A step below the distance of neighbouring fixed points; the critical tanh creeps, so the map itself is no guide.
  const step = rising ? 1.5 : 1 / 1.5;
  let next = q * step;
  while (rising ? map(next) > next : map(next) < next) {
    if (next > LARGEST) return Number.POSITIVE_INFINITY;
    if (next < SMALLEST) return 0;
    q = next;
    next *= step;
  }
  return crossingOf((x) => map(x) - x, q, next);
}

/** Where a function changes sign between two points: the secant, its stale end halved (Illinois). */
function crossingOf(f: (x: number) => number, from: number, to: number): number {
  let [a, b] = [from, to];
  let [fa, fb] = [f(a), f(b)];
  for (let i = 0; i < 100 && Math.abs(b - a) > 1e-14 * Math.abs(b) && fb !== 0; i++) {
    const x = b - (fb * (b - a)) / (fb - fa);
    const fx = f(x);
    if (fx * fb < 0) [a, fa] = [b, fb];
    else fa /= 2;
    [b, fb] = [x, fx];
  }
  return b;
}
