import type { Value } from '../../../graph/graph.ts';
import { type Rule, rule } from '../../rule.ts';
import { sweepBack } from './backward.ts';
import {
  affine,
  type CellGradient,
  type Direction,
  directionsOf,
  joinDirections,
  maskSteps,
  once,
  plusOptional,
  type Recurrent,
  rows,
} from './sequence.ts';

/**
 * h_t = (1 − z) ⊙ n + z ⊙ h_{t−1} with gates z, r = f(W x_t + R h_{t−1} + b) and the candidate n = g(a_n), where
 * a_n = W x_t + R (r ⊙ h_{t−1}) + b, or with linear_before_reset W x_t + r ⊙ (R h_{t−1} + b_R) + b_W.
 * Backwards, with δ = ∂L/∂h_t: da_z = δ ⊙ (h_{t−1} − n) z′ and da_n = δ ⊙ (1 − z) n′; da_r follows from da_n.
 */
export const GRU: Rule = rule('X W R B? sequence_lens? initial_h? -> Y? Y_h?', (context) => {
  const backward = context.attributes.number('linear_before_reset', 0) !== 0 ? resetAfterProduct : resetBeforeProduct;
  const cells = directionsOf(context, ['Sigmoid', 'Tanh']).map((direction) => backward(context, direction));
  return joinDirections(context, cells);
});

/** The weights and biases of the two gates (z and r in one) and of the candidate. */
function gatesOf({ g }: Recurrent, { W, R, Wb, Rb, sizes }: Direction) {
  const { H } = sizes;
  const parts = (value: Value | undefined) => (value ? g.split(value, [2 * H, H], 0) : [undefined, undefined]);
  const [WGates, WCandidate] = parts(W) as [Value, Value];
  const [RGates, RCandidate] = parts(R) as [Value, Value];
  const [WbGates, WbCandidate] = parts(Wb);
  const [RbGates, RbCandidate] = parts(Rb);
  return { WGates, WCandidate, RGates, RCandidate, WbGates, WbCandidate, RbGates, RbCandidate };
}

/** z and r of every step as rows [T·N, H], with the derivatives there. */
function gateValues(node: Recurrent, direction: Direction) {
  const { g, exactTails } = node;
  const { X, before, functions, sizes } = direction;
  const { WGates, RGates, WbGates, RbGates } = gatesOf(node, direction);
  const [f] = functions as [(typeof functions)[0]];
  const both = affine(g, g.concat([X, before], 1), g.concat([WGates, RGates], 1), plusOptional(g, WbGates, RbGates));
  const [az, ar] = g.split(both, [sizes.H, sizes.H], 1) as [Value, Value];
  const [z, r] = [f.apply(g, az), f.apply(g, ar)];
  return { z, r, zSlope: f.derivative(g, () => az, z, exactTails), rSlope: f.derivative(g, () => ar, r, exactTails) };
}

// With p = R h_{t−1} + b_R: da_r = da_n ⊙ p r′, and what reaches p is da_n ⊙ r. All are δ times a known factor.
function resetAfterProduct(node: Recurrent, direction: Direction): CellGradient {
  const { g, exactTails } = node;
  const { X, R, W, before, sizes, functions } = direction;
  const { H } = sizes;
  const swept = once(() => {
    const { z, r, zSlope, rSlope } = gateValues(node, direction);
    const { WCandidate, RCandidate, WbCandidate, RbCandidate } = gatesOf(node, direction);
    const p = affine(g, before, RCandidate, RbCandidate);
    const an = g.plus(affine(g, X, WCandidate, WbCandidate), g.mul(r, p));
    const candidate = functions[1]!;
    const n = candidate.apply(g, an);
    const nFactor = g.mul(
      g.sub(g.scalar(1, z.type), z),
      candidate.derivative(g, () => an, n, exactTails),
    );
    const factors = [g.mul(g.sub(before, n), zSlope), g.mul(nFactor, g.mul(p, rSlope)), g.mul(nFactor, r)];
    const parts = stepParts(node, direction, z, g.concat(factors, 1));
    const { states, outputs } = sweepBack(node, direction, { parts, passes: true }, (s, delta, _, [factor, keep]) => {
      const dp = s.mul(s.concat([delta, delta, delta], 1), factor!);
      const earlier = s.add('Gemm', [dp, R, s.mul(delta, keep!)], [[delta.type, delta.shape]])[0]!;
      return { states: [earlier], outputs: [dp, delta] };
    });
    const dp = rows(g, outputs[0]!);
    const dn = g.mul(rows(g, outputs[1]!), maskedRows(node, direction, nFactor));
    const da = g.concat([g.slice(dp, [1], [0], [2 * H]), dn], 1);
    return { initialH: states[0]!, dp, da };
  });
  return {
    X: () => g.gemm(swept().da, W),
    W: () => g.gemm(swept().da, X, { transA: true }),
    R: () => g.gemm(swept().dp, before, { transA: true }),
    B: () => g.concat([g.reduceSum(swept().da, [0], false), g.reduceSum(swept().dp, [0], false)], 0),
    initialH: () => swept().initialH,
  };
}

// With q = Rᵀ da_n, the gradient of r ⊙ h_{t−1}: da_r = q ⊙ h_{t−1} r′, and h_{t−1} receives q ⊙ r.
function resetBeforeProduct(node: Recurrent, direction: Direction): CellGradient {
  const { g, exactTails } = node;
  const { X, W, before, sizes, functions } = direction;
  const { H } = sizes;
  const gates = once(() => gateValues(node, direction));
  const gated = () => g.mul(gates().r, before);
  const swept = once(() => {
    const { z, r, zSlope, rSlope } = gates();
    const { WCandidate, RCandidate, RGates, WbCandidate, RbCandidate } = gatesOf(node, direction);
    const weights = g.concat([WCandidate, RCandidate], 1);
    const an = affine(g, g.concat([X, gated()], 1), weights, plusOptional(g, WbCandidate, RbCandidate));
    const candidate = functions[1]!;
    const n = candidate.apply(g, an);
    const nFactor = g.mul(
      g.sub(g.scalar(1, z.type), z),
      candidate.derivative(g, () => an, n, exactTails),
    );
    const zFactor = g.mul(g.sub(before, n), zSlope);
    const own = g.concat([zFactor, nFactor], 1);
    const reset = g.reshape(g.concat([g.mul(before, rSlope), r], 1), [sizes.T, sizes.N, 2 * H]);
    const parts = [...stepParts(node, direction, z, own), reset];
    const { states, outputs } = sweepBack(node, direction, { parts, passes: true }, (s, delta, _, given) => {
      const [factor, keep, rest] = given as [Value, Value, Value];
      const [dz, dn] = s.split(s.mul(s.concat([delta, delta], 1), factor), [H, H], 1) as [Value, Value];
      const q = s.matmul(dn, RCandidate);
      const [dr, past] = s.split(s.mul(s.concat([q, q], 1), rest), [H, H], 1) as [Value, Value];
      const dGates = s.concat([dz, dr], 1);
      const kept = s.plus(s.mul(delta, keep), past);
      const earlier = s.add('Gemm', [dGates, RGates, kept], [[delta.type, delta.shape]])[0]!;
      return { states: [earlier], outputs: [dGates, dn] };
    });
    const [dGates, dn] = [rows(g, outputs[0]!), rows(g, outputs[1]!)];
    return { initialH: states[0]!, dGates, dn, da: g.concat([dGates, dn], 1) };
  });
  return {
    X: () => g.gemm(swept().da, W),
    W: () => g.gemm(swept().da, X, { transA: true }),
    R: () => {
      const { dGates, dn } = swept();
      return g.concat([g.gemm(dGates, before, { transA: true }), g.gemm(dn, gated(), { transA: true })], 0);
    },
    B: () => {
      const db = g.reduceSum(swept().da, [0], false);
      return g.concat([db, db], 0);
    },
    initialH: () => swept().initialH,
  };
}

/** What every step reads: the factors of δ (0 where the step does not exist) and z (1 there: δ passes). */
function stepParts({ g }: Recurrent, { sizes, valid }: Direction, z: Value, factors: Value): Value[] {
  const { T, N } = sizes;
  const inSteps = (value: Value) => g.reshape(value, [T, N, value.shape[1]!]);
  return [maskSteps(g, valid, inSteps(factors)), maskSteps(g, valid, inSteps(z), 1)];
}

function maskedRows({ g }: Recurrent, { sizes, valid }: Direction, X: Value): Value {
  return valid ? rows(g, maskSteps(g, valid, g.reshape(X, [sizes.T, sizes.N, sizes.H]))) : X;
}
