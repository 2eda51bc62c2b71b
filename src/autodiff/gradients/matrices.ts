import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import { range } from '../../graph/shapes.ts';
import { sizeOf, tensorOf } from '../../graph/tensor.ts';
import { type Rule, rule } from '../rule.ts';

/** Matrix products and determinants. */
export const matrices: Record<string, Rule> = {
  // Y = α·op(A)·op(B) + β·C: dA = α·dY·op(B)ᵀ, dB = α·op(A)ᵀ·dY (each transposed back), dC = β·dY.
  Gemm: rule('A B C? -> Y', ({ A, B, C, dY, g, attributes }) => {
    const transA = attributes.number('transA', 0) !== 0;
    const transB = attributes.number('transB', 0) !== 0;
    const alpha = attributes.number('alpha', 1);
    const beta = attributes.number('beta', 1);
    return {
      A: () =>
        transA ? g.gemm(B, dY, { transA: transB, transB: true, alpha }) : g.gemm(dY, B, { transB: !transB, alpha }),
      B: () =>
        transB ? g.gemm(dY, A, { transA: true, transB: transA, alpha }) : g.gemm(A, dY, { transA: !transA, alpha }),
      // Summed before scaled: C is the smaller.
      C: () => (C ? g.scale(g.sumToShape(dY, C.shape), beta) : null),
    };
  }),

  // dX = dY · cofactors(X)
  Det: rule('X -> Y', ({ X, dY, g, refuse }) => ({
    X: () => {
      const n = X.shape.at(-1)!;
      if (n > LARGEST_DETERMINANT) refuse(`the determinant of ${n} rows has too many minors`);
      const scaled = g.reshape(dY, [...X.shape.slice(0, -2), 1, 1]);
      return n === 1 ? g.reshape(dY, X.shape) : g.mul(scaled, cofactors(g, X, n));
    },
  })),

  // Y = A·B: dA = dY·Bᵀ, dB = Aᵀ·dY. A vector counts as a row (A) or a column (B), as in NumPy.
  MatMul: rule('A B -> Y', ({ A, B, dY, g }) => {
    const a = A.shape.length === 1 ? g.reshape(A, [1, ...A.shape]) : A;
    const b = B.shape.length === 1 ? g.reshape(B, [...B.shape, 1]) : B;
    const rows = A.shape.length === 1 ? [1] : [a.shape.at(-2)!];
    const batch = dY.shape.slice(0, dY.shape.length - (A.shape.length > 1 ? 1 : 0) - (B.shape.length > 1 ? 1 : 0));
    const dy = g.reshape(dY, [...batch, ...rows, b.shape.at(-1)!]);
    if (isOneMatrix(b)) return throughOneMatrix(g, { A, B, a, b, dy });
    return {
      A: () => backTo(g, g.matmul(dy, g.transposeMatrix(b)), a, A),
      B: () => backTo(g, g.matmul(g.transposeMatrix(a), dy), b, B),
    };
  }),
};

/** A determinant's gradient takes n² minors: beyond this size they are too many. */
const LARGEST_DETERMINANT = 16;

/** The cofactors (−1)^(i+j)·det of X without row i and column j: Xᵀ's inverse times det X, and finite where that is 0. */
function cofactors(g: GraphBuilder, X: Value, n: number): Value {
  const minors = range(n * n).flatMap((at) => {
    const [row, column] = [Math.floor(at / n), at % n];
    return range(n * n).filter((k) => Math.floor(k / n) !== row && k % n !== column);
  });
  const batch = X.shape.slice(0, -2);
  const flat = g.reshape(X, [...batch, n * n]);
  const places = g.constant(tensorOf('int64', [n * n, n - 1, n - 1], minors));
  const determinants = g.add('Det', [g.gather(flat, places, batch.length)], [[X.type, [...batch, n * n]]])[0]!;
  const signs = range(n * n).map((at) => ((Math.floor(at / n) + (at % n)) % 2 === 0 ? 1 : -1));
  return g.reshape(g.mul(determinants, g.constant(tensorOf(X.type, [n * n], signs))), X.shape);
}

/** B is one matrix for the whole batch: flattening the batch into rows makes each gradient one Gemm, with no sum after. */
function throughOneMatrix(
  g: GraphBuilder,
  { A, B, a, b, dy }: Record<'A' | 'B' | 'a' | 'b' | 'dy', Value>,
): { A: () => Value; B: () => Value } {
  const matrix = g.reshape(b, b.shape.slice(-2));
  const flatDy = g.reshape(dy, asRows(dy));
  return {
    A: () => g.reshape(g.gemm(flatDy, matrix, { transB: true }), A.shape),
    B: () => g.reshape(g.gemm(g.reshape(a, asRows(a)), flatDy, { transA: true }), B.shape),
  };
}

function isOneMatrix(b: Value): boolean {
  return b.shape.slice(0, -2).every((dim) => dim === 1);
}

function asRows(X: Value): [number, number] {
  return [sizeOf(X.shape.slice(0, -1)), X.shape.at(-1)!];
}

/** Sums over the batch dimensions that were broadcast, then drops the dimension that made a vector a matrix. */
function backTo(g: GraphBuilder, gradient: Value, matrix: Value, original: Value): Value {
  return g.reshape(g.sumToShape(gradient, matrix.shape), original.shape);
}
