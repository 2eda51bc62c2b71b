import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import { elementwise, type Rule, rule } from '../rule.ts';

/** α and γ of self-normalizing networks (Klambauer et al. 2017), as the ONNX specification gives them. */
const SELU_ALPHA = 1.6732632423543772;
const SELU_GAMMA = 1.0507009873554805;
/** Coefficients of the tanh form of Gelu (Hendrycks & Gimpel 2016): √(2/π) and the cubic term. */
const GELU_SCALE = Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

/**
 * Activation functions. Where a derivative is 0 the gradient is masked, not multiplied: 0 · ∞ is NaN.
 * A comparison is written so that NaN fails it into the branch that passes dY: a NaN activation is never hidden.
 */
export const activations: Record<string, Rule> = {
  // dX = dY · Y (1 − Y); 1 − Y is 0 in float32 from X = 17 on, where σ′ is 4e-8
  Sigmoid: elementwise(({ X, Y, g, exactTails }) => (exactTails ? bell(g, X, 1) : g.mul(Y, oneMinus(g, Y)))),
  // dX = dY · (1 − Y²); 1 − Y² is 0 in float32 from |X| = 9 on, where it should be 6e-8
  Tanh: elementwise(({ X, Y, g, exactTails }) => (exactTails ? g.scale(bell(g, X, 2), 4) : oneMinus(g, g.mul(Y, Y)))),
  // dX = dY where Y > 0, else 0; at the kink 0, as in PyTorch
  Relu: rule('X -> Y', ({ Y, dY, g }) => ({ X: () => zeroWhere(g, g.lessOrEqual(Y, g.scalar(0, Y.type)), dY) })),
  // dX = dY where X > 0, else α · dY; at the kink α, as in PyTorch
  LeakyRelu: rule('X -> Y', ({ X, dY, g, attributes }) => ({
    X: () => {
      const alpha = attributes.number('alpha', 0.01);
      const zero = g.scalar(0, X.type);
      return g.where(g.greater(X, zero), dY, alpha === 0 ? zero : g.scale(dY, alpha));
    },
  })),
  // dX = dY where X > 0, else slope · dY; dslope = X · dY where X ≤ 0, else 0
  PRelu: rule('X slope -> Y', ({ X, slope, dY, g }) => {
    const positive = () => g.greater(X, g.scalar(0, X.type));
    return {
      X: () => g.where(positive(), dY, g.mul(dY, slope)),
      slope: () => zeroWhere(g, positive(), g.mul(dY, X)),
    };
  }),
  // dX = dY · (X > 0 ? 1 : α eˣ); Y + α would be the same, but cancels as X falls
  Elu: elementwise(({ X, g, attributes }) => {
    return besideOf(g, X, 1, g.scale(g.exp(X), attributes.number('alpha', 1)));
  }),
  // dX = dY · (X > 0 ? γ : γα eˣ)
  Selu: elementwise(({ X, g, attributes }) => {
    const gamma = attributes.number('gamma', SELU_GAMMA);
    return besideOf(g, X, gamma, g.scale(g.exp(X), gamma * attributes.number('alpha', SELU_ALPHA)));
  }),
  // dX = dY · (X > 0 ? 1 : exp(X / α))
  Celu: elementwise(({ X, g, attributes }) => {
    return besideOf(g, X, 1, g.exp(g.scale(X, 1 / attributes.number('alpha', 1))));
  }),
  // none: dX = dY · (Φ(X) + X φ(X));  tanh: with s = σ(2u(X)), dX = dY · (s + Y (1 − s) 2u′(X))
  Gelu: elementwise(({ X, Y, g, attributes }) =>
    attributes.string('approximate', 'none') === 'tanh' ? geluTanhDerivative(g, X, Y) : geluDerivative(g, X),
  ),
  // dX = dY · σ(X)
  Softplus: elementwise(({ X, g }) => g.sigmoid(X)),
  // dX = dY / (1 + |X|)²; divided twice, since the square overflows first
  Softsign: rule('X -> Y', ({ X, dY, g }) => ({
    X: () => {
      const denominator = g.shift(g.abs(X), 1);
      return g.div(g.div(dY, denominator), denominator);
    },
  })),
  // dX = α · dY where 0 < Y < 1, else 0; at both kinks 0, as in PyTorch
  HardSigmoid: rule('X -> Y', ({ Y, dY, g, attributes }) => ({
    X: () => {
      const inside = g.and(g.greater(Y, g.scalar(0, Y.type)), g.less(Y, g.scalar(1, Y.type)));
      return g.where(inside, g.scale(dY, attributes.number('alpha', 0.2)), g.scalar(0, Y.type));
    },
  })),
  // dX = 0 where X < −3, dY · (X/3 + ½) where −3 ≤ X ≤ 3, dY where X > 3: the middle piece has its ends, as in PyTorch
  HardSwish: rule('X -> Y', ({ X, dY, g }) => ({
    X: () => {
      const middle = g.mul(dY, g.shift(g.scale(X, 1 / 3), 0.5));
      const below = g.less(X, g.scalar(-3, X.type));
      return zeroWhere(g, below, g.where(g.greater(X, g.scalar(3, X.type)), dY, middle));
    },
  })),
  // with t = tanh(softplus X), s = σ(X): dX = dY · (t + X s (1 − t²)); t = w / (2 − w), w = s (2 − s), cancels nowhere
  Mish: elementwise(({ X, g }) => {
    const two = g.scalar(2, X.type);
    const s = g.sigmoid(X);
    const w = g.mul(s, g.sub(two, s));
    const t = g.div(w, g.sub(two, w));
    return g.plus(t, g.mul(g.mul(X, s), oneMinus(g, g.mul(t, t))));
  }),
  // dX = dY where X > α, else 0
  ThresholdedRelu: rule('X -> Y', ({ X, dY, g, attributes }) => ({
    X: () => zeroWhere(g, g.lessOrEqual(X, g.scalar(attributes.number('alpha', 1), X.type)), dY),
  })),
  // with s = σ(αX): dX = dY · (s + αY (1 − s))
  Swish: elementwise(({ X, Y, g, attributes }) => {
    const alpha = attributes.number('alpha', 1);
    const s = g.sigmoid(g.scale(X, alpha));
    return g.plus(s, g.mul(g.scale(Y, alpha), oneMinus(g, s)));
  }),
  // dX = dY where |X| > λ, else 0; the bias moves Y, not its slope
  Shrink: rule('X -> Y', ({ X, dY, g, attributes }) => ({
    X: () => zeroWhere(g, g.lessOrEqual(g.abs(X), g.scalar(attributes.number('lambd', 0.5), X.type)), dY),
  })),
};

/** σ′(cX) = E / (1 + E)², E = e^(−c|X|): full relative precision in both tails, where onnxruntime's Sigmoid is clamped. */
export function bell(g: GraphBuilder, X: Value, c: number): Value {
  const E = g.exp(g.scale(g.abs(X), -c));
  const denominator = g.shift(E, 1);
  return g.div(g.div(E, denominator), denominator);
}

/** `slope` right of 0, `left` elsewhere (0 included): the exponential may overflow on the right, where it is not taken. */
function besideOf(g: GraphBuilder, X: Value, slope: number, left: Value): Value {
  return g.where(g.greater(X, g.scalar(0, X.type)), g.scalar(slope, X.type), left);
}

// Φ + Xφ = ½ (1 + erf z) + z e^(−z²) / √π, z = X/√2
function geluDerivative(g: GraphBuilder, X: Value): Value {
  const z = g.scale(X, Math.SQRT1_2);
  const Phi = g.scale(g.shift(g.erf(z), 1), 0.5);
  const density = g.exp(g.neg(g.mul(z, z)));
  return g.plus(Phi, g.scale(g.mul(z, density), 1 / Math.sqrt(Math.PI)));
}

// ½ (1 + tanh u) = σ(2u), so Y = X σ(2u) with 2u = X (a + bX²)
function geluTanhDerivative(g: GraphBuilder, X: Value, Y: Value): Value {
  const [a, b] = [2 * GELU_SCALE, 2 * GELU_SCALE * GELU_CUBIC];
  const square = g.mul(X, X);
  const s = g.sigmoid(g.mul(X, g.shift(g.scale(square, b), a)));
  const slope = g.shift(g.scale(square, 3 * b), a);
  return g.plus(s, g.mul(g.mul(Y, slope), oneMinus(g, s)));
}

function oneMinus(g: GraphBuilder, X: Value): Value {
  return g.sub(g.scalar(1, X.type), X);
}

function zeroWhere(g: GraphBuilder, condition: Value, X: Value): Value {
  return g.where(condition, g.scalar(0, X.type), X);
}
