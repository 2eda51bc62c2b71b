import type { Value } from '../../graph/graph.ts';
import { normalizeAxis, range, reducedShape } from '../../graph/shapes.ts';
import { sizeOf, tensorOf } from '../../graph/tensor.ts';
import { type Context, type Rule, rule } from '../rule.ts';

type ReductionContext = Context<'X axes? -> Y'>;

/** What a reduction's rule works with: Y and dY with the reduced axes kept as 1, so that they broadcast against X. */
interface Kept extends ReductionContext {
  readonly reducedAxes: readonly number[];
  /** Number of elements behind each element of Y. */
  readonly count: number;
}

/** More elements than this and the gradient of a running product, quadratic in them, is refused. */
const LONGEST_PRODUCT = 2048;

/** Reductions, and running sums and products. */
export const reductions: Record<string, Rule> = {
  // dX = dY
  ReduceSum: reduction(({ X, dY, g }) => g.expand(dY, X.shape)),
  // dX = dY / n
  ReduceMean: reduction(({ X, dY, g, count }) => g.expand(g.scale(dY, 1 / count), X.shape)),
  // dX = dY where X is the maximum, else 0; k equal maxima get dY / k each, as in PyTorch's amax
  ReduceMax: reduction((kept) => extremum(kept, kept.g.less(kept.X, kept.Y))),
  // dX = dY where X is the minimum, else 0; k equal minima get dY / k each, as in PyTorch's amin
  ReduceMin: reduction((kept) => extremum(kept, kept.g.greater(kept.X, kept.Y))),
  // dX = dY · sign X
  ReduceL1: reduction(({ X, dY, g }) => g.mul(dY, g.sign(X))),
  // dX = dY · X / Y, 0 where Y = 0, as in PyTorch
  ReduceL2: reduction(({ X, Y, dY, g }) => {
    const zero = g.scalar(0, Y.type);
    return g.mul(X, g.where(g.equal(Y, zero), zero, g.div(dY, Y)));
  }),
  // dX = dY · 2X
  ReduceSumSquare: reduction(({ X, dY, g }) => g.mul(X, g.scale(dY, 2))),
  // dX = dY / ΣX = dY · e^(−Y)
  ReduceLogSum: reduction(({ X, Y, dY, g }) => g.expand(g.mul(dY, g.exp(g.neg(Y))), X.shape)),
  // dX = dY · exp(X − Y)
  ReduceLogSumExp: reduction(({ X, Y, dY, g }) => g.mul(dY, g.exp(g.sub(X, Y)))),
  // dXᵢ = dY · ∏_{j≠i} Xⱼ: Y / Xᵢ without zeros, only at the zero with one, nowhere with two or more
  ReduceProd: reduction(({ X, dY, g, reducedAxes }) => {
    const isZero = g.equal(X, g.scalar(0, X.type));
    const ownZeros = g.mask(isZero, X.type);
    const nonZero = g.where(isZero, g.scalar(1, X.type), X);
    const product = g.reduce('ReduceProd', nonZero, reducedAxes);
    const noOtherZero = g.equal(g.reduceSum(ownZeros, reducedAxes), ownZeros);
    return g.where(noOtherZero, g.div(g.mul(dY, product), nonZero), g.scalar(0, X.type));
  }),
  // dXⱼ = Σᵢ dYᵢ · ∏ₖ Xₖ over the k ≠ j that Yᵢ multiplies: written out for every j, so that zeros do no harm
  CumProd: rule('X axis -> Y', (context) => ({ X: () => throughRunningProduct(context) })),
  // dX = the running sum of dY from the other end, exclusive if the forward one is
  CumSum: rule('X axis -> Y', ({ X, axis, dY, g, attributes }) => ({
    X: () => {
      const exclusive = attributes.number('exclusive', 0);
      const reverse = 1 - attributes.number('reverse', 0);
      return g.add('CumSum', [dY, axis], [[X.type, X.shape]], { exclusive, reverse })[0]!;
    },
  })),
};

/** With X's axis last, [rest, 1, n]: row j of [rest, n, n] has 1 in place of Xⱼ, and of its products those Xⱼ is in count. */
function throughRunningProduct({ X, axis, dY, g, attributes, integers, refuse }: Context<'X axis -> Y'>): Value {
  const rank = X.shape.length;
  const along = normalizeAxis(integers(axis)[0]!, rank);
  const n = X.shape[along]!;
  if (n > LONGEST_PRODUCT) refuse(`the running product over ${n} elements needs ${n}² numbers for each`);
  const order = [...range(rank).filter((i) => i !== along), along];
  const moved = order.map((i) => X.shape[i]!);
  const rows = (value: Value) => g.reshape(g.transpose(value, order), [sizeOf(moved) / Math.max(1, n), 1, n]);
  const exclusive = attributes.number('exclusive', 0);
  const reverse = attributes.number('reverse', 0);
  const flags = (holds: (j: number, i: number) => boolean) =>
    g.cast(
      g.constant(
        tensorOf(
          'uint8',
          [n, n],
          range(n * n).map((k) => +holds(Math.floor(k / n), k % n)),
        ),
      ),
      'bool',
    );
  const without = g.where(
    flags((j, i) => i === j),
    g.scalar(1, X.type),
    rows(X),
  );
  const spec = [X.type, without.shape] as const;
  const products = g.add('CumProd', [without, g.scalar(2, 'int64')], [spec], { exclusive, reverse })[0]!;
  const within = flags((j, i) => (reverse ? j - i : i - j) >= exclusive);
  const terms = g.where(within, g.mul(products, rows(dY)), g.scalar(0, X.type));
  const gradient = g.reshape(g.reduceSum(terms, [2]), moved);
  return g.transpose(
    gradient,
    range(rank).map((i) => order.indexOf(i)),
  );
}

// Shares of k = n − (number that lose to Y). NaN loses to nothing: where Y is NaN, every element hears of it.
function extremum({ X, dY, g, reducedAxes, count }: Kept, loses: Value): Value {
  const losers = g.reduceSum(g.mask(loses, dY.type), reducedAxes);
  const share = g.div(dY, g.sub(g.scalar(count, dY.type), losers));
  return g.where(loses, g.scalar(0, X.type), share);
}

/**
 * A rule for a reduction. Without axes it reduces all of them; with noop_with_empty_axes none, each element by itself
 * (its square, its absolute value), as onnxruntime does.
 */
function reduction(gradient: (context: Kept) => Value): Rule {
  return rule('X axes? -> Y', (context) => ({
    X: () => {
      const { X, axes, Y, dY, g, attributes, integers } = context;
      const given = axes ? integers(axes) : [];
      const rank = X.shape.length;
      const byDefault = attributes.number('noop_with_empty_axes', 0) !== 0 ? [] : range(rank);
      const reducedAxes = given.length > 0 ? given.map((axis) => normalizeAxis(axis, rank)) : byDefault;
      const shape = reducedShape(X.shape, reducedAxes, true);
      const count = sizeOf(reducedAxes.map((axis) => X.shape[axis]!));
      return gradient({ ...context, Y: g.reshape(Y, shape), dY: g.reshape(dY, shape), reducedAxes, count });
    },
  }));
}
