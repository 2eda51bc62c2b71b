import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import { sizeOf } from '../../graph/tensor.ts';
import { type Rule, rule } from '../rule.ts';

/** Matrix products. */
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
