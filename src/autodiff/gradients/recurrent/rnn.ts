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
 * h_t = f(a_t), a_t = W x_t + R h_{t−1} + b. Backwards, with δ_t = ∂L/∂h_t: da_t = δ_t ⊙ f′(a_t),
 * δ_{t−1} = dY_{t−1} + Rᵀ da_t; only this runs step by step. dX, dW, dR are products over all steps at once.
 */
export const RNN: Rule = rule('X W R B? sequence_lens? initial_h? -> Y? Y_h?', (context) => {
  const cells = directionsOf(context, ['Tanh']).map((direction) => backward(context, direction));
  return joinDirections(context, cells);
});

function backward(node: Recurrent, direction: Direction): CellGradient {
  const { g, exactTails } = node;
  const { W, R, X, before, after, valid, functions } = direction;
  const f = functions[0]!;
  const preactivation = () => {
    const bias = plusOptional(g, direction.Wb, direction.Rb);
    return g.reshape(affine(g, g.concat([X, before], 1), g.concat([W, R], 1), bias), after.shape);
  };
  const swept = once(() => {
    const slope = maskSteps(g, valid, f.derivative(g, preactivation, after, exactTails));
    const { states, outputs } = sweepBack(node, direction, { parts: [slope] }, (s, delta, _, [fSlope]) => {
      const da = s.mul(delta, fSlope!);
      return { states: [s.matmul(da, R)], outputs: [da], inner: { preactivation: da } };
    });
    return { initialH: states[0]!, da: rows(g, outputs[0]!) };
  });
  return {
    X: () => g.gemm(swept().da, W),
    W: () => g.gemm(swept().da, X, { transA: true }),
    R: () => g.gemm(swept().da, before, { transA: true }),
    B: () => {
      const db = g.reduceSum(swept().da, [0], false);
      return g.concat([db, db], 0);
    },
    initialH: () => swept().initialH,
  };
}
