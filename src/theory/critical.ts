import type { Activation } from './activations.ts';
import { momentsOf } from './moments.ts';
import { expectation, piecewise } from './quadrature.ts';

/** An initialization with χ = 1 at its fixed point q. */
export interface Critical {
  readonly sigmaW2: number;
  readonly sigmaB2: number;
  /** 0: the limit to which small signals tend; NaN: any variance is a fixed point. */
  readonly q: number;
}

/** Variances searched: beyond them an activation function looks linear, or like its limit at infinity. */
const [SMALLEST, LARGEST, POINTS] = [1e-4, 1e4, 96];
const grid = Array.from({ length: POINTS + 1 }, (_, i) => SMALLEST * (LARGEST / SMALLEST) ** (i / POINTS));

/**
 * The initialization with χ = 1 for an activation function, at this bias variance where there is one. Without biases:
 * (2 / (1 + a²), 0) for the ReLU family; (1 / φ′(0)², 0) where signals then stay bounded (tanh; Pennington et al. 2017);
 * else the point at which neither gradients nor variances drift, χ = χ∥ = 1 (Roberts, Yaida and Hanin 2022, section 5.3:
 * GELU, SiLU), else the edge of chaos itself. Undefined where χ = 1 is nowhere a fixed point (softplus).
 */
export function criticalInitialization(activation: Activation, sigmaB2 = 0): Critical | undefined {
  const key = JSON.stringify([activation.op, activation.attributes, sigmaB2]);
  if (!known.has(key)) {
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(key, findCritical(activation, sigmaB2));
  }
  return known.get(key);
}

const MOST_KNOWN = 1000;
const known = new Map<string, Critical | undefined>();

function findCritical(activation: Activation, sigmaB2: number): Critical | undefined {
  const { homogeneous } = activation;
  if (homogeneous) {
    const { slopeSquare } = momentsOf(activation, 1);
    return slopeSquare > 0 ? { sigmaW2: 1 / slopeSquare, sigmaB2: 0, q: Number.NaN } : undefined;
  }
  const edge = edgeOf(activation);
  if (sigmaB2 > 0) {
    const given = crossing(
      edge,
      ({ sigmaB2: b }) => b - sigmaB2,
      (q) => edgeAt(activation, q).sigmaB2 - sigmaB2,
    );
    if (given !== undefined) return { sigmaW2: edgeAt(activation, given).sigmaW2, sigmaB2, q: given };
  }
  const small = smallSignals(activation);
  if (small) return small;
  const still = crossing(
    edge,
    ({ drift, sigmaB2: b }) => (b >= 0 ? drift : Number.NaN),
    (q) => edgeAt(activation, q).drift,
  );
  if (still !== undefined) {
    const { sigmaW2, sigmaB2: b } = edgeAt(activation, still);
    return { sigmaW2, sigmaB2: b, q: still };
  }
  const unbiased = crossing(
    edge,
    ({ sigmaB2: b }) => b,
    (q) => edgeAt(activation, q).sigmaB2,
  );
  if (unbiased === undefined) return undefined;
  return { sigmaW2: edgeAt(activation, unbiased).sigmaW2, sigmaB2: 0, q: unbiased };
}

interface EdgePoint extends Critical {
  readonly drift: number;
}

const edges = new Map<string, readonly EdgePoint[]>();

/** The edge of chaos on the grid. */
function edgeOf(activation: Activation): readonly EdgePoint[] {
  const key = JSON.stringify([activation.op, activation.attributes]);
  const edge = edges.get(key) ?? grid.map((q) => ({ q, ...edgeAt(activation, q) }));
  if (edges.size >= MOST_KNOWN) edges.clear();
  edges.set(key, edge);
  return edge;
}

/** The point of the edge of chaos whose fixed point is q, and χ∥ − 1, by which variances drift from it. */
function edgeAt(activation: Activation, q: number): { sigmaW2: number; sigmaB2: number; drift: number } {
  const { square, slopeSquare } = momentsOf(activation, q);
  const sigmaW2 = 1 / slopeSquare;
  const deviation = Math.sqrt(q);
  // d/dq E[φ(√q z)²] = E[φ φ′ x] / q.
  const rule = piecewise(0, deviation, activation.kinks);
  const growth = expectation(
    rule,
    (z) => activation.of(deviation * z) * activation.slope(deviation * z) * deviation * z,
  );
  return { sigmaW2, sigmaB2: q - sigmaW2 * square, drift: (sigmaW2 * growth) / q - 1 };
}

/** (1 / φ′(0)², 0), if φ(0) = 0 and small signals do not grow there. A kink at zero counts with both its slopes. */
function smallSignals(activation: Activation): Critical | undefined {
  const [left, right] = [activation.slope(-Number.MIN_VALUE), activation.slope(Number.MIN_VALUE)];
  const slopeSquare = (left * left + right * right) / 2;
  if (activation.of(0) !== 0 || !(slopeSquare > 0)) return undefined;
  const sigmaW2 = 1 / slopeSquare;
  const bounded = [1e-3, 1e-2, 1e-1].every((q) => sigmaW2 * momentsOf(activation, q).square <= q);
  return bounded ? { sigmaW2, sigmaB2: 0, q: 0 } : undefined;
}

/** The first q at which a quantity of the edge, known on the grid, changes its sign. */
function crossing<T extends { readonly q: number }>(
  edge: readonly T[],
  of: (point: T) => number,
  at: (q: number) => number,
): number | undefined {
  for (let i = 0; i + 1 < edge.length; i++) {
    const [a, b] = [of(edge[i]!), of(edge[i + 1]!)];
    if (!(a * b <= 0)) continue;
    let [low, high] = [edge[i]!.q, edge[i + 1]!.q];
    for (let step = 0; step < 60; step++) {
      const middle = (low + high) / 2;
      if (at(middle) * a > 0) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  }
  return undefined;
}
