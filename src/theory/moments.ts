import type { Activation } from './activations.ts';
import { gaussHermite, piecewise, type Rule } from './quadrature.ts';

/** Expectations of an activation function φ of a normal x with a mean and a variance. */
export interface Moments {
  /** E[φ(x)]. */
  readonly mean: number;
  /** E[φ(x)²]. */
  readonly square: number;
  /** E[φ′(x)²]: the factor of the gradient's mean square. */
  readonly slopeSquare: number;
  /** E[φ′(x)⁴]. */
  readonly slopeFourth: number;
}

/** Up to this deviation Gauss–Hermite of so many nodes gives a smooth function to ten digits (tanh: poles at ±iπ/2). */
const SMOOTH = 0.75;
const HERMITE_NODES = 96;

/**
 * Moments of φ(μ + σ z). Closed forms where φ is piecewise linear through zero and μ = 0 (He et al. 2015), Gauss–Hermite
 * where φ is smooth and σ ≤ 0.75, else Gauss–Legendre between kinks and bends. NaN in, NaN out.
 */
export function momentsOf(activation: Activation, variance: number, mean = 0): Moments {
  const { homogeneous, of, slope } = activation;
  if (homogeneous && (mean === 0 || homogeneous.left === homogeneous.right)) {
    const { left, right } = homogeneous;
    const slopeSquare = (left * left + right * right) / 2;
    return {
      mean: right * mean + ((right - left) * Math.sqrt(variance)) / Math.sqrt(2 * Math.PI),
      square: slopeSquare * (variance + mean * mean),
      slopeSquare,
      slopeFourth: (left ** 4 + right ** 4) / 2,
    };
  }
  if (!(variance >= 0) || !Number.isFinite(mean)) {
    return { mean: Number.NaN, square: Number.NaN, slopeSquare: Number.NaN, slopeFourth: Number.NaN };
  }
  const deviation = Math.min(Math.sqrt(variance), 1e150);
  const { nodes, weights } = ruleFor(activation, mean, deviation);
  const sums = { mean: 0, square: 0, slopeSquare: 0, slopeFourth: 0 };
  for (let i = 0; i < nodes.length; i++) {
    const x = mean + deviation * nodes[i]!;
    const w = weights[i]!;
    const y = of(x);
    const s = slope(x) ** 2;
    sums.mean += w * y;
    sums.square += w * y * y;
    sums.slopeSquare += w * s;
    sums.slopeFourth += w * s * s;
  }
  return sums;
}

function ruleFor({ kinks }: Activation, mean: number, deviation: number): Rule {
  return kinks.length === 0 && deviation <= SMOOTH ? gaussHermite(HERMITE_NODES) : piecewise(mean, deviation, kinks);
}

/** Terms of a kernel's series. */
const TERMS = 129;

/**
 * Joint expectations of two normals with mean μ, variance σ² and correlation c, by Mehler's formula:
 * E[f(x₁) f(x₂)] = Σ aₙ² cⁿ with the coefficients aₙ = E[f(x) hₙ(z)] in normalized Hermite polynomials.
 */
export class Kernel {
  /** aₙ² of φ and of φ′. */
  private readonly values: Float64Array;
  private readonly slopes: Float64Array;
  /** What the series leaves out at c = 1. */
  private readonly rest: readonly [number, number];
  private readonly homogeneous: Activation['homogeneous'];
  private readonly variance: number;

  constructor(activation: Activation, variance: number, mean = 0) {
    this.variance = variance;
    this.homogeneous = mean === 0 ? activation.homogeneous : undefined;
    this.values = new Float64Array(TERMS);
    this.slopes = new Float64Array(TERMS);
    this.rest = [0, 0];
    if (this.homogeneous || !(variance >= 0)) return;
    const deviation = Math.min(Math.sqrt(variance), 1e150);
    const { nodes, weights } = piecewise(mean, deviation, activation.kinks);
    const [value, slope] = [new Float64Array(TERMS), new Float64Array(TERMS)];
    let [square, slopeSquare] = [0, 0];
    for (let i = 0; i < nodes.length; i++) {
      const z = nodes[i]!;
      const x = mean + deviation * z;
      const [y, s] = [activation.of(x), activation.slope(x)];
      square += weights[i]! * y * y;
      slopeSquare += weights[i]! * s * s;
      let [h, previous] = [1, 0];
      for (let n = 0; n < TERMS; n++) {
        value[n]! += weights[i]! * y * h;
        slope[n]! += weights[i]! * s * h;
        [h, previous] = [(z * h - Math.sqrt(n) * previous) / Math.sqrt(n + 1), h];
      }
    }
    this.values = value.map((a) => a * a);
    this.slopes = slope.map((a) => a * a);
    const sum = (terms: Float64Array) => terms.reduce((total, term) => total + term, 0);
    this.rest = [Math.max(0, square - sum(this.values)), Math.max(0, slopeSquare - sum(this.slopes))];
  }

  /** E[φ(x₁) φ(x₂)]. */
  product(c: number): number {
    if (this.homogeneous) return this.variance * arcCosine(this.homogeneous, c);
    return power(this.values, this.rest[0], c);
  }

  /** E[φ′(x₁) φ′(x₂)]. */
  slopeProduct(c: number): number {
    if (this.homogeneous) return arcCosineSlope(this.homogeneous, c);
    return power(this.slopes, this.rest[1], c);
  }
}

/** Σ aₙ² cⁿ; what lies beyond the last term counts with its power, exactly at c = 1 and for nothing far from it. */
function power(terms: Float64Array, rest: number, c: number): number {
  let sum = rest * c;
  for (let n = terms.length - 1; n >= 0; n--) sum = sum * c + terms[n]!;
  return sum;
}

/**
 * E[φ(z₁) φ(z₂)] of φ = right · max(0, z) − left · max(0, −z): with J = √(1 − c²) + c (π − arccos c), Cho and Saul 2009,
 * eq. 3, equal sides give (left² + right²) J(c) / 2π and opposite ones 2 · left · right · (−J(−c)) / 2π.
 */
function arcCosine({ left, right }: { left: number; right: number }, c: number): number {
  const J = (x: number) => Math.sqrt(Math.max(0, 1 - x * x)) + x * (Math.PI - Math.acos(clampUnit(x)));
  return ((left * left + right * right) * J(c) - 2 * left * right * J(-c)) / (2 * Math.PI);
}

/** E[φ′ φ′] = (left² + right²) (π − θ) / 2π + 2 · left · right · θ / 2π with θ = arccos c. */
function arcCosineSlope({ left, right }: { left: number; right: number }, c: number): number {
  const theta = Math.acos(clampUnit(c));
  return ((left * left + right * right) * (Math.PI - theta) + 2 * left * right * theta) / (2 * Math.PI);
}

function clampUnit(c: number): number {
  return Math.max(-1, Math.min(1, c));
}
