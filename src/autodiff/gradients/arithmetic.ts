import type { Value } from '../../graph/graph.ts';
import { normalizeAxis, range } from '../../graph/shapes.ts';
import { toNumbers } from '../../graph/tensor.ts';
import { type Context, type Rule, rule, type Tools } from '../rule.ts';

/** Arithmetic, selection and copies. Sums over broadcast axes are the engine's business. */
export const arithmetic: Record<string, Rule> = {
  // dA = dY, dB = dY
  Add: rule('A B -> C', ({ dC }) => ({ A: () => dC, B: () => dC })),
  // dA = dY, dB = −dY
  Sub: rule('A B -> C', ({ dC, g }) => ({ A: () => dC, B: () => g.neg(dC) })),
  // dA = dY · B, dB = dY · A
  Mul: rule('A B -> C', ({ A, B, dC, g }) => ({ A: () => g.mul(dC, B), B: () => g.mul(dC, A) })),
  // dA = dY / B, dB = −(dY / B) · Y; B² would overflow
  Div: rule('A B -> C', ({ B, C, dC, g }) => ({
    A: () => g.div(dC, B),
    B: () => g.neg(g.mul(g.div(dC, B), C)),
  })),
  // dX = dY · B X^(B−1), 0 where B = 0;  dB = dY · Y ln X where X > 0, else 0
  Pow: rule('X B -> Y', (context) => ({ X: () => powBase(context), B: () => powExponent(context) })),
  // A = B·n + Y with whole n: dA = dY, dB = −dY · n
  Mod: rule('A B -> C', ({ A, B, C, dC, g }) => ({
    A: () => dC,
    B: () => g.neg(g.mul(dC, g.unary('Round', g.div(g.sub(A, C), B)))),
  })),
  // dX = −dY
  Neg: rule('X -> Y', ({ dY, g }) => ({ X: () => g.neg(dY) })),

  // dXᵢ = dY
  Sum: rule('X* -> Y', ({ X, dY }) => ({ X: X.map(() => () => dY) })),
  // dXᵢ = dY / n
  Mean: rule('X* -> Y', ({ X, dY, g }) => ({ X: X.map(() => () => g.scale(dY, 1 / X.length)) })),
  // dXᵢ = dY where Xᵢ is the maximum, else 0; k equal maxima get dY / k each
  Max: rule('X* -> Y', (context) => extremum(context, (a, b) => context.g.less(a, b))),
  // dXᵢ = dY where Xᵢ is the minimum, else 0; k equal minima get dY / k each
  Min: rule('X* -> Y', (context) => extremum(context, (a, b) => context.g.greater(a, b))),

  // dX = dY where the condition holds, dY = dZ where it does not
  Where: rule('condition X Y -> Z', ({ condition, dZ, g }) => {
    const zero = g.scalar(0, dZ.type);
    return { X: () => g.where(condition, dZ, zero), Y: () => g.where(condition, zero, dZ) };
  }),
  // dX = dY where X passed unchanged, bounds included (as in PyTorch); a bound gets dY where it was taken
  Clip: rule('X min? max? -> Y', ({ X, min, max, Y, dY, g }) => {
    const zero = g.scalar(0, dY.type);
    return {
      X: () => g.where(g.equal(X, Y), dY, zero),
      // Where min > max every element is max.
      min: () => {
        const raised = g.less(X, min!);
        return g.where(max ? g.and(raised, g.lessOrEqual(min!, max)) : raised, dY, zero);
      },
      max: () => {
        const lowered = g.greater(X, max!);
        return g.where(min ? g.or(lowered, g.greater(min, max!)) : lowered, dY, zero);
      },
    };
  }),

  // dX = dY
  Identity: rule('X -> Y', ({ dY }) => ({ X: () => dY })),
  // dX = dY in X's type; a cast through integers has no gradient, and the engine does not come here
  Cast: rule('X -> Y', ({ X, dY, g }) => ({ X: () => g.cast(dY, X.type) })),
  CastLike: rule('X target -> Y', ({ X, dY, g }) => ({ X: () => g.cast(dY, X.type), target: () => null })),
  // Y = (x − zero point) · scale: dscale = dY · (x − zero point), summed over the elements that share a scale
  DequantizeLinear: rule('x x_scale x_zero_point? -> y', (context) => ({ x_scale: () => dequantizedScale(context) })),
  // dX = dY · mask / (1 − ratio) in training, dY otherwise
  Dropout: rule('X ratio? training_mode? -> Y mask?', (context) => ({
    X: () => dropout(context),
    ratio: () => context.refuse('dropout’s ratio is not a parameter: its gradient is not written'),
  })),
};

function dequantizedScale(context: Context<'x x_scale x_zero_point? -> y'>): Value {
  const { x, x_scale, x_zero_point, y, dy, g, node, attributes } = context;
  const axis = normalizeAxis(attributes.number('axis', 1), Math.max(2, y.shape.length));
  const { block_size = 0 } = node.attributes as { block_size?: number };
  const settings = { axis: attributes.number('axis', 1), ...(block_size ? { block_size } : {}) };
  // x − zero point is what the operator gives for scale 1.
  const ones = g.full(x_scale.shape, 1, x_scale.type);
  const centred = g.add('DequantizeLinear', [x, ones, x_zero_point], [[dy.type, dy.shape]], settings)[0]!;
  const slope = g.mul(dy, centred);
  const rank = y.shape.length;
  if (block_size === 0) {
    const perAxis = x_scale.shape.length === 1 && rank > 0 && x_scale.shape[0] === y.shape[axis];
    const axes = range(rank).filter((i) => !perAxis || i !== axis);
    return g.reshape(g.reduceSum(slope, axes), x_scale.shape);
  }
  const blocks = x_scale.shape[axis]!;
  const missing = y.shape.map((dim, i) => (i === axis ? blocks * block_size - dim : 0));
  const padded = g.pad(slope, new Array<number>(rank).fill(0), missing);
  const split = padded.shape.flatMap((dim, i) => (i === axis ? [blocks, block_size] : [dim]));
  return g.reshape(g.reduceSum(g.reshape(padded, split), [axis + 1]), x_scale.shape);
}

function powBase({ X, B, Y, dY, g, content }: Context<'X B -> Y'>): Value | null {
  const exponents = content(B);
  const b = exponents && new Set(toNumbers(exponents)).size === 1 ? toNumbers(exponents)[0]! : undefined;
  if (b === 0) return null;
  if (b === 1) return dY;
  if (b === 2) return g.mul(dY, g.scale(X, 2));
  if (b === 0.5) return g.div(dY, g.scale(Y, 2));
  if (b !== undefined) return g.mul(dY, g.scale(g.pow(X, g.scalar(b - 1, X.type)), b));
  // 0 · X⁻¹ is NaN at X = 0, where X⁰ has slope 0.
  const exponent = g.cast(B, X.type);
  const slope = g.mul(exponent, g.pow(X, g.shift(exponent, -1)));
  const zero = g.scalar(0, X.type);
  return g.mul(dY, g.where(g.equal(exponent, zero), zero, slope));
}

// ln X does not exist for X ≤ 0: the exponent gets nothing from there, as in TensorFlow (PyTorch: NaN where X < 0)
function powExponent({ X, B, Y, dY, g }: Context<'X B -> Y'>): Value {
  const zero = g.scalar(0, X.type);
  const slope = g.mul(g.mul(dY, Y), g.log(X));
  return g.cast(g.where(g.greater(X, zero), slope, zero), B.type);
}

/**
 * `loses(a, b)`: a is not the extremum b. Written so that NaN loses to nothing, since NaN is then the result.
 */
function extremum({ X, Y, dY, g }: Context<'X* -> Y'>, loses: (a: Value, b: Value) => Value) {
  const zero = g.scalar(0, dY.type);
  if (X.length === 1) return { X: [() => dY] };
  if (X.length === 2) {
    const [A, B] = X as [Value, Value];
    const share = () => g.where(g.equal(A, B), g.scale(dY, 0.5), dY);
    return { X: [() => g.where(loses(A, B), zero, share()), () => g.where(loses(B, A), zero, share())] };
  }
  const losers = () => g.sum(X.map((Xi) => g.mask(loses(Xi, Y), dY.type)));
  const share = () => g.div(dY, g.sub(g.scalar(X.length, dY.type), losers()));
  return { X: X.map((Xi) => () => g.where(loses(Xi, Y), zero, share())) };
}

// The mask is an optional output of the forward node: the forward pass gives it as well.
function dropout({ X, ratio, training_mode, mask, dY, g, content, extraOutput }: Context<DropoutSignature>): Value {
  const training = training_mode && constantNumber(training_mode, content);
  const rate = ratio ? constantNumber(ratio, content) : 0.5;
  if (!training_mode || training === 0 || rate === 0) return dY;

  const one = g.scalar(1, dY.type);
  let scaled: Value;
  if (rate !== undefined && training !== undefined) scaled = g.scale(dY, 1 / (1 - rate));
  else {
    const keep = g.sub(one, ratio ? g.cast(ratio, dY.type) : g.scalar(0.5, dY.type));
    scaled = g.div(dY, training === undefined ? g.where(training_mode, keep, one) : keep);
  }
  return g.where(mask ?? extraOutput(1, 'bool', X.shape), scaled, g.scalar(0, dY.type));
}

type DropoutSignature = 'X ratio? training_mode? -> Y mask?';

function constantNumber(value: Value, content: Tools['content']): number | undefined {
  const tensor = content(value);
  return tensor && tensor.data.length === 1 ? toNumbers(tensor)[0] : undefined;
}
