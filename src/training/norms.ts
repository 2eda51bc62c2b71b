import { GraphBuilder } from '../graph/builder.ts';
import type { DataType } from '../graph/data-type.ts';
import type { Graph, Value } from '../graph/graph.ts';
import { range } from '../graph/shapes.ts';
import { sizeOf } from '../graph/tensor.ts';

/**
 * Sums of squares between which nothing is lost to the range of the type: below, squares underflow one by one (a sum
 * over 10⁷ elements misses at most 10⁷ · 1.2e-38); above, they may overflow.
 */
const safe: Partial<Record<DataType, readonly [number, number]>> = {
  float32: [1e-24, 1e37],
  float64: [1e-290, 1e300],
};

/**
 * ‖X‖₂ of each value, as one vector. Every value takes one ReduceSumSquare; only where a sum leaves the safe range does
 * the graph take the other branch and scale each value by its maximum first.
 */
export function l2Norms(g: GraphBuilder, values: readonly Value[]): Value {
  const type = values[0]!.type;
  const [low, high] = safe[type] ?? [0, Number.POSITIVE_INFINITY];
  const squares = sumsOfSquares(g, values);
  const outside = g.or(
    g.less(g.reduce('ReduceMin', squares, [0], false), g.scalar(low, type)),
    g.greater(g.reduceMax(squares, [0], false), g.scalar(high, type)),
  );
  const branch = (write: (b: GraphBuilder) => Value): Graph => {
    const b = new GraphBuilder(undefined, [], g);
    b.scope = g.scope;
    b.output(write(b));
    return b.graph;
  };
  const branches = {
    then_branch: branch((b) =>
      b.concat(
        values.map((X) => b.reshape(scaledNorm(b, X, range(X.shape.length)), [1])),
        0,
      ),
    ),
    else_branch: branch((b) => b.sqrt(squares)),
  };
  return g.add('If', [outside], [[type, [values.length]]], branches)[0]!;
}

/** Values of at most this many elements cost more to start a node for than to copy. */
const SMALL = 4096;

/**
 * Σ x² of each value, as one vector. Where a step takes less than a millisecond it is the number of nodes that counts:
 * small values of one shape are stacked and reduced at once, sums of values of one rank joined before they are reshaped.
 */
function sumsOfSquares(g: GraphBuilder, values: readonly Value[]): Value {
  const places = range(values.length);
  const groups = new Map<string, number[]>();
  for (const i of places) {
    const { shape } = values[i]!;
    const key = shape.length > 0 && sizeOf(shape) <= SMALL ? shape.join() : `rank ${shape.length}`;
    groups.set(key, [...(groups.get(key) ?? []), i]);
  }
  const square = (X: Value) =>
    X.shape.length === 0 ? g.mul(X, X) : g.reduce('ReduceSumSquare', X, range(X.shape.length));
  const joined = [...groups.values()].map((members) => {
    const own = members.map((i) => values[i]!);
    const { shape } = own[0]!;
    if (members.length > 1 && shape.length > 0 && sizeOf(shape) <= SMALL) {
      const stacked = g.reshape(g.concat(own, 0), [members.length, sizeOf(shape)]);
      return g.reduce('ReduceSumSquare', stacked, [1], false);
    }
    const squares = own.map(square);
    return g.reshape(g.concat(shape.length === 0 ? squares.map((X) => g.reshape(X, [1])) : squares, 0), [
      members.length,
    ]);
  });
  const order = [...groups.values()].flat();
  if (order.every((value, i) => value === i)) return g.concat(joined, 0);
  return g.gather(g.concat(joined, 0), g.ints(places.map((i) => order.indexOf(i))), 0);
}

/** ‖X‖₂ over axes, which stay with size 1: m √(Σ (X/m)²) with m = max |X|, so that no square under- or overflows. */
export function scaledNorm(g: GraphBuilder, X: Value, axes: readonly number[]): Value {
  const zero = g.scalar(0, X.type);
  const infinity = g.scalar(Number.POSITIVE_INFINITY, X.type);
  const maximum = g.reduceMax(g.abs(X), axes);
  const usable = g.and(g.greater(maximum, zero), g.less(maximum, infinity));
  const divisor = g.where(usable, maximum, g.scalar(1, X.type));
  const ratio = g.div(X, divisor);
  const norm = g.mul(
    g.sqrt(axes.length === 0 ? g.mul(ratio, ratio) : g.reduce('ReduceSumSquare', ratio, axes)),
    divisor,
  );
  return g.where(g.equal(maximum, infinity), infinity, norm);
}
