import type { GraphBuilder } from '../../../graph/builder.ts';
import type { Value } from '../../../graph/graph.ts';
import type { Tools } from '../../rule.ts';
import { bell } from '../activations.ts';

/** An activation function of a recurrent operator. */
export interface CellFunction {
  readonly name: string;
  apply(g: GraphBuilder, X: Value): Value;
  /** f′(X) in X's shape, given Y = f(X). With `exact`, saturated derivatives keep their size. */
  derivative(g: GraphBuilder, X: () => Value, Y: Value, exact: boolean): Value;
}

type Make = (alpha: number, beta: number) => Omit<CellFunction, 'name'>;

interface Entry {
  /** Default α and β; undefined for functions without: those take no number from the attributes' lists. */
  readonly alpha?: number;
  readonly beta?: number;
  readonly make: Make;
}

const one = (g: GraphBuilder, X: Value) => g.scalar(1, X.type);
const zero = (g: GraphBuilder, X: Value) => g.scalar(0, X.type);

/** Functions by lower-case name, with the defaults of the operators of the same name. */
const table: Record<string, Entry> = {
  sigmoid: {
    make: () => ({
      apply: (g, X) => g.sigmoid(X),
      // Y(1 − Y); 1 − Y cancels from X = 17 on
      derivative: (g, X, Y, exact) => (exact ? bell(g, X(), 1) : g.mul(Y, g.sub(one(g, Y), Y))),
    }),
  },
  tanh: {
    make: () => ({
      apply: (g, X) => g.tanh(X),
      // 1 − Y²; it cancels from |X| = 9 on
      derivative: (g, X, Y, exact) => (exact ? g.scale(bell(g, X(), 2), 4) : g.sub(one(g, Y), g.mul(Y, Y))),
    }),
  },
  relu: {
    make: () => ({
      apply: (g, X) => g.relu(X),
      derivative: (g, _X, Y) => g.mask(g.greater(Y, zero(g, Y)), Y.type),
    }),
  },
  leakyrelu: {
    alpha: 0.01,
    make: (alpha) => ({
      apply: (g, X) => g.unary('LeakyRelu', X, { alpha }),
      derivative: (g, X, Y) => g.where(g.greater(X(), zero(g, Y)), one(g, Y), g.scalar(alpha, Y.type)),
    }),
  },
  thresholdedrelu: {
    alpha: 1,
    make: (alpha) => ({
      apply: (g, X) => g.unary('ThresholdedRelu', X, { alpha }),
      derivative: (g, X, Y) => g.mask(g.greater(X(), g.scalar(alpha, Y.type)), Y.type),
    }),
  },
  elu: {
    alpha: 1,
    make: (alpha) => ({
      apply: (g, X) => g.unary('Elu', X, { alpha }),
      derivative: (g, X, Y) => g.where(g.greater(X(), zero(g, Y)), one(g, Y), g.scale(g.exp(X()), alpha)),
    }),
  },
  hardsigmoid: {
    alpha: 0.2,
    beta: 0.5,
    make: (alpha, beta) => ({
      apply: (g, X) => g.unary('HardSigmoid', X, { alpha, beta }),
      derivative: (g, _X, Y) => {
        const inside = g.and(g.greater(Y, zero(g, Y)), g.less(Y, one(g, Y)));
        return g.scale(g.mask(inside, Y.type), alpha);
      },
    }),
  },
  affine: {
    alpha: 1,
    beta: 0,
    make: (alpha, beta) => ({
      apply: (g, X) => g.shift(g.scale(X, alpha), beta),
      derivative: (g, _X, Y) => g.full(Y.shape, alpha, Y.type),
    }),
  },
  scaledtanh: {
    alpha: 1,
    beta: 1,
    make: (alpha, beta) => ({
      apply: (g, X) => g.scale(g.tanh(g.scale(X, beta)), alpha),
      derivative: (g, X) => g.scale(bell(g, X(), 2 * beta), 4 * alpha * beta),
    }),
  },
  softsign: {
    make: () => ({
      apply: (g, X) => g.unary('Softsign', X),
      derivative: (g, X) => {
        const slope = g.reciprocal(g.shift(g.abs(X()), 1));
        return g.mul(slope, slope);
      },
    }),
  },
  softplus: {
    make: () => ({
      apply: (g, X) => g.softplus(X),
      derivative: (g, X) => g.sigmoid(X()),
    }),
  },
};

/**
 * k · f′(X) for Y = f(X), where kY = k · Y is at hand: one pass over all steps less, for k σ′ = kY (1 − Y) and
 * k tanh′ = k − kY · Y. What is saturated keeps its size when `exact`.
 */
export function slopeTimes(
  g: GraphBuilder,
  f: CellFunction,
  { X, Y, k, kY }: Record<'X' | 'Y' | 'k' | 'kY', Value>,
  exact: boolean,
): Value {
  if (!exact && f.name === 'sigmoid') return g.mul(kY, g.sub(one(g, Y), Y));
  if (!exact && f.name === 'tanh') return g.sub(k, g.mul(kY, Y));
  return g.mul(
    k,
    f.derivative(g, () => X, Y, exact),
  );
}

/**
 * The activation functions of a recurrent node, `perDirection.length` for each direction. Numbers of activation_alpha
 * and activation_beta are used up in order by the functions that take them. Refuses functions it does not know.
 */
export function cellFunctions(
  { attributes, node, refuse }: Tools,
  perDirection: readonly string[],
  directions: number,
): CellFunction[][] {
  const given = node.attributes.activations as string[] | undefined;
  const names = given ?? Array.from({ length: directions }, () => perDirection).flat();
  if (names.length !== perDirection.length * directions) {
    const wanted = perDirection.length * directions;
    refuse(`it has ${names.length} activation functions instead of ${wanted}`);
  }
  const alphas = [...(attributes.numbers('activation_alpha') ?? [])];
  const betas = [...(attributes.numbers('activation_beta') ?? [])];
  const functions = names.map((name): CellFunction => {
    const key = name.toLowerCase();
    if (!Object.hasOwn(table, key)) {
      refuse(`its activation function ${JSON.stringify(name)} is not known`, `known: ${Object.keys(table).join(', ')}`);
    }
    const { alpha, beta, make } = table[key]!;
    const a = alpha === undefined ? 0 : (alphas.shift() ?? alpha);
    const b = beta === undefined ? 0 : (betas.shift() ?? beta);
    return { name: key, ...make(a, b) };
  });
  return Array.from({ length: directions }, (_, d) =>
    functions.slice(d * perDirection.length, (d + 1) * perDirection.length),
  );
}
