import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkNode } from './gradient-check.ts';
import { pullBack } from './pull-back.ts';

const dim = fc.integer({ min: 1, max: 4 });

describe('gradients of matrix products', () => {
  it.each([
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ])('Gemm transA=%i transB=%i: one Gemm per operand', async (transA, transB) => {
    const A = transA ? [3, 2] : [2, 3];
    const B = transB ? [4, 3] : [3, 4];
    const attributes = { transA, transB, alpha: 0.7, beta: -1.3 };
    const inputs = [
      { name: 'A', shape: A },
      { name: 'B', shape: B },
      { name: 'C', shape: [4] },
    ];
    await checkNode({ op: 'Gemm', inputs, attributes });
    const six = [1, 2, 3, 4, 5, 6];
    const twelve = [...six, ...six];
    const given = { A: { shape: A, data: six }, B: { shape: B, data: twelve } };
    const { backwardOps } = await pullBack('Gemm', given, undefined, { attributes });
    expect(backwardOps.filter((op) => op === 'Gemm')).toHaveLength(2);
    expect(backwardOps).not.toContain('Transpose');
  });

  it.each([[[]], [[1]], [[4]], [[1, 4]], [[2, 1]], [[2, 4]]])('Gemm with C of shape %j', async (shape) => {
    const inputs = [
      { name: 'A', shape: [2, 3] },
      { name: 'B', shape: [3, 4] },
      { name: 'C', shape },
    ];
    await checkNode({ op: 'Gemm', inputs, attributes: { beta: 2.5 } });
  });

  it('Gemm without C', async () => {
    const inputs = [
      { name: 'A', shape: [2, 3] },
      { name: 'B', shape: [3, 4] },
    ];
    await checkNode({ op: 'Gemm', inputs });
  });

  it.each([
    [[3], [3]],
    [[3], [3, 4]],
    [[2, 3], [3]],
    [[3], [5, 3, 4]],
    [[5, 2, 3], [3]],
    [
      [2, 3],
      [3, 4],
    ],
    [
      [5, 2, 3],
      [3, 4],
    ],
    [
      [5, 2, 3],
      [1, 3, 4],
    ],
    [
      [2, 3],
      [1, 1, 3, 4],
    ],
    [
      [2, 3],
      [5, 3, 4],
    ],
    [
      [5, 2, 3],
      [5, 3, 4],
    ],
    [
      [2, 1, 2, 3],
      [1, 5, 3, 4],
    ],
    [
      [5, 1, 2, 3],
      [2, 3, 4],
    ],
  ])('MatMul %j · %j', async (A, B) => {
    const inputs = [
      { name: 'A', shape: A },
      { name: 'B', shape: B },
    ];
    await checkNode({ op: 'MatMul', inputs });
  });

  it('MatMul of a batch with one matrix: the gradient of the matrix is one Gemm over the flattened batch', async () => {
    const A = { shape: [2, 2, 3], data: Array.from({ length: 12 }, (_, i) => i - 5) };
    const B = { shape: [3, 2], data: [1, -1, 2, 0, 3, 1] };
    const { dA, dB, backwardOps } = await pullBack('MatMul', { A, B }, [1, 2, 3, 4, 5, 6, 7, 8]);
    expect(backwardOps.filter((op) => op === 'Gemm')).toHaveLength(2);
    expect(backwardOps).not.toContain('ReduceSum');
    expect(dA).toEqual([-1, 2, 5, -1, 6, 13, -1, 10, 21, -1, 14, 29]);
    expect(dB).toEqual([22, 20, 38, 40, 54, 60]);
  });

  it('MatMul of any batch shapes that broadcast', async () => {
    const axis = fc.record({ size: dim, a: fc.boolean(), b: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(axis, { maxLength: 3 }), dim, dim, dim, fc.nat(2), async (batch, m, k, n, drop) => {
        const A = [...batch.map(({ size, a }) => (a ? size : 1)), m, k];
        const B = [...batch.map(({ size, b }) => (b ? size : 1)).slice(Math.min(drop, batch.length)), k, n];
        const inputs = [
          { name: 'A', shape: A },
          { name: 'B', shape: B },
        ];
        await checkNode({ op: 'MatMul', inputs });
      }),
      { numRuns: 25 },
    );
  });
});
