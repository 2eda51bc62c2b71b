/** Nodes x and weights w of a rule: ∫ f ≈ Σ wᵢ f(xᵢ). */
export interface Rule {
  readonly nodes: Float64Array;
  readonly weights: Float64Array;
}

const ROOT_TAU = Math.sqrt(2 * Math.PI);
/** Beyond this many deviations the density, 1e-22 of its maximum, adds nothing to a float64. */
const END = 10;
/** Widest piece: between its ends the density and a Hermite polynomial of degree 128 are smooth to 16 nodes. */
const STEP = 1.25;
/** Where an activation function bends, in its own units: saturation lies within ±40 for all of them. */
const FEATURES = [0, 0.7, 1.7, 3.5, 7, 14, 40];

const hermiteRules = new Map<number, Rule>();
const legendreRules = new Map<number, Rule>();

/**
 * Gauss–Hermite: E[f(z)] of a standard normal z, exact for polynomials of degree 2n − 1. Newton's method on the
 * orthonormal polynomials h_k of the recursion √(k+1) h_{k+1} = z h_k − √k h_{k−1}, which does not overflow.
 * Throws RangeError beyond 1 to 128 nodes.
 */
export function gaussHermite(n: number): Rule {
  if (!Number.isInteger(n) || n < 1 || n > 128) throw new RangeError(`a Gauss–Hermite rule of ${n} nodes`);
  return remember(hermiteRules, n, () => {
    const nodes = new Float64Array(n);
    const weights = new Float64Array(n);
    let z = 0;
    for (let i = 0; i < Math.ceil(n / 2); i++) {
      // First guesses from the largest root down: Abramowitz and Stegun 22.16, as in Press et al. 2007, section 4.6.
      if (i === 0) z = Math.SQRT2 * (Math.sqrt(2 * n + 1) - 1.85575 * (2 * n + 1) ** (-1 / 6));
      else if (i === 1) z -= (Math.SQRT2 * 1.14 * n ** 0.426) / (z / Math.SQRT2);
      else if (i === 2) z = 1.86 * z - 0.86 * nodes[n - 1]!;
      else if (i === 3) z = 1.91 * z - 0.91 * nodes[n - 2]!;
      else z = 2 * z - nodes[n + 1 - i]!;
      let slope = 1;
      for (let step = 0; step < 100; step++) {
        let [h, previous] = [1, 0];
        for (let k = 0; k < n; k++) [h, previous] = [(z * h - Math.sqrt(k) * previous) / Math.sqrt(k + 1), h];
        slope = Math.sqrt(n) * previous;
        const change = h / slope;
        z -= change;
        if (Math.abs(change) < 1e-14 * Math.max(1, Math.abs(z))) break;
      }
      if (2 * i + 1 === n) z = 0;
      nodes[n - 1 - i] = z;
      nodes[i] = -z;
      // w = 1 / (n h_{n−1}²), and h_n′ = √n h_{n−1}.
      weights[i] = weights[n - 1 - i] = 1 / (slope * slope);
    }
    return { nodes, weights };
  });
}

/** Gauss–Legendre on [−1, 1], exact for polynomials of degree 2n − 1; Newton's method. */
export function gaussLegendre(n: number): Rule {
  return remember(legendreRules, n, () => {
    const nodes = new Float64Array(n);
    const weights = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      let x = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5));
      let slope = 1;
      for (let step = 0; step < 100; step++) {
        let [p, previous] = [1, 0];
        for (let k = 0; k < n; k++) [p, previous] = [((2 * k + 1) * x * p - k * previous) / (k + 1), p];
        slope = (n * (x * p - previous)) / (x * x - 1);
        const change = p / slope;
        x -= change;
        if (Math.abs(change) < 1e-15) break;
      }
      nodes[n - 1 - i] = x;
      weights[n - 1 - i] = 2 / ((1 - x * x) * slope * slope);
    }
    return { nodes, weights };
  });
}

/**
 * A rule for E[f(μ + σ z)] of a function that is smooth but at `kinks`, and bends at the scale of 1: Gauss–Legendre on
 * pieces that end at the kinks, near μ and wherever a saturating function turns. A kink inside a Gauss–Hermite rule
 * would cost all but two digits, and so would σ of 10 in tanh.
 */
export function piecewise(mean: number, deviation: number, kinks: readonly number[] = []): Rule {
  const ends = new Set<number>();
  for (let z = -END; z <= END; z += STEP) ends.add(z);
  if (deviation > 0) {
    const bends = [...kinks, ...[0, ...kinks].flatMap((x) => FEATURES.flatMap((d) => [x - d, x + d]))];
    for (const x of bends) {
      const z = (x - mean) / deviation;
      if (Math.abs(z) < END) ends.add(z);
    }
  }
  const cuts = [...ends].sort((a, b) => a - b);
  const base = gaussLegendre(16);
  const nodes = new Float64Array(16 * (cuts.length - 1));
  const weights = new Float64Array(nodes.length);
  for (let i = 0, at = 0; i + 1 < cuts.length; i++) {
    const middle = (cuts[i]! + cuts[i + 1]!) / 2;
    const half = (cuts[i + 1]! - cuts[i]!) / 2;
    for (let k = 0; k < 16; k++, at++) {
      const z = middle + half * base.nodes[k]!;
      nodes[at] = z;
      weights[at] = (half * base.weights[k]! * Math.exp((-z * z) / 2)) / ROOT_TAU;
    }
  }
  return { nodes, weights };
}

/** E[f(z)] by a rule. */
export function expectation({ nodes, weights }: Rule, f: (z: number) => number): number {
  let sum = 0;
  for (let i = 0; i < nodes.length; i++) sum += weights[i]! * f(nodes[i]!);
  return sum;
}

function remember(rules: Map<number, Rule>, n: number, make: () => Rule): Rule {
  const rule = rules.get(n) ?? make();
  rules.set(n, rule);
  return rule;
}
