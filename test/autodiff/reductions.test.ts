import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkNode, type Domain, distinct, ints, normal, positive } from './gradient-check.ts';
import { pullBack } from './pull-back.ts';

const inf = Number.POSITIVE_INFINITY;
const away: Domain = (random) => (random() < 0.5 ? -1 : 1) * positive(random);

/** A shape, some of its axes (negative ones too, none included), keepdims and noop_with_empty_axes. */
const reductionCases = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 0, maxLength: 4 }).chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    axes: fc.option(fc.subarray(shape.map((_, i) => i))),
    negative: fc.boolean(),
    keepdims: fc.option(fc.constantFrom(0, 1)),
    noop: fc.option(fc.constantFrom(0, 1)),
    seed: fc.integer({ min: 1, max: 1e6 }),
  }),
);

describe('reductions over any axes, against differences', () => {
  it.each<{ op: string; domain: Domain; tolerance?: number }>([
    { op: 'ReduceSum', domain: normal },
    { op: 'ReduceMean', domain: normal },
    { op: 'ReduceMax', domain: distinct(256) },
    { op: 'ReduceMin', domain: distinct(256) },
    { op: 'ReduceL1', domain: away },
    { op: 'ReduceL2', domain: away },
    { op: 'ReduceSumSquare', domain: normal },
    { op: 'ReduceLogSum', domain: positive },
    { op: 'ReduceLogSumExp', domain: normal },
    { op: 'ReduceProd', domain: away, tolerance: 1e-5 },
  ])('$op', async ({ op, domain, tolerance }) => {
    await fc.assert(
      fc.asyncProperty(reductionCases, async ({ shape, axes, negative, keepdims, noop, seed }) => {
        const given = axes?.map((axis) => (negative ? axis - shape.length : axis));
        const attributes: Record<string, number> = {};
        if (keepdims !== null) attributes.keepdims = keepdims;
        if (noop !== null) attributes.noop_with_empty_axes = noop;
        const inputs = [{ name: 'X', shape, domain }, ...(given ? [ints('axes', given)] : [])];
        await checkNode({ op, inputs, attributes, tolerance, seed });
      }),
      { numRuns: 25 },
    );
  });
});

describe('CumSum, against differences', () => {
  it('in all four directions', async () => {
    for (const exclusive of [0, 1]) {
      for (const reverse of [0, 1]) {
        for (const axis of [0, -1]) {
          const index = {
            name: 'axis',
            shape: [],
            constant: { type: 'int64', dims: [], data: BigInt64Array.of(BigInt(axis)) } as const,
          };
          await checkNode({
            op: 'CumSum',
            inputs: [{ name: 'X', shape: [3, 4] }, index],
            attributes: { exclusive, reverse },
          });
        }
      }
    }
  });
});

// Truth: torch 1.13 (amax, linalg.norm, prod, logsumexp), unless a comment says otherwise.
describe('ties, zeros and infinities', () => {
  const rows = (data: number[], columns: number) => ({
    X: { shape: [data.length / columns, columns], data },
    axes: { shape: [1], data: [1], type: 'int64' as const, constant: true },
  });

  it('equal maxima share the gradient, −∞ included', async () => {
    const { dX } = await pullBack('ReduceMax', rows([1, 3, 3, -inf, -inf, -inf], 3), undefined);
    expect(dX).toEqual([0, 0.5, 0.5, expect.closeTo(1 / 3, 12), expect.closeTo(1 / 3, 12), expect.closeTo(1 / 3, 12)]);
  });

  it('equal minima share the gradient, and what is above does not hear of infinity', async () => {
    const { dX } = await pullBack('ReduceMin', rows([1, 3, 1, 2, 5, 7], 3), [2, inf]);
    expect(dX).toEqual([1, 0, 1, inf, 0, 0]);
  });

  // PyTorch gives NaN everywhere: here the gradient itself comes through, so that its size is still seen.
  it('a NaN maximum shares the gradient among all', async () => {
    const { Y, dX } = await pullBack('ReduceMax', rows([Number.NaN, 1], 2), [4]);
    expect(Y).toEqual([Number.NaN]);
    expect(dX).toEqual([2, 2]);
  });

  it('L2 of a zero row has gradient zero, even under an infinite upstream', async () => {
    expect((await pullBack('ReduceL2', rows([0, 0, 3, 4], 2), undefined)).dX).toEqual([
      0,
      0,
      expect.closeTo(0.6, 14),
      0.8,
    ]);
    expect((await pullBack('ReduceL2', rows([0, 0], 2), [inf])).dX).toEqual([0, 0]);
  });

  it('L1 at zero takes the middle of its subgradients', async () => {
    expect((await pullBack('ReduceL1', rows([0, -1, 3, 4], 2), undefined)).dX).toEqual([0, -1, 1, 1]);
  });

  it('a product with one zero moves only through it, with two not at all', async () => {
    const { dX } = await pullBack('ReduceProd', rows([0, 2, 3, 0, 0, 3, 1, 2, 3], 3), undefined);
    expect(dX).toEqual([6, 0, 0, 0, 0, 0, 6, 3, 2]);
  });

  it('LogSumExp ignores −∞ and survives numbers whose exponentials overflow', async () => {
    const { dX } = await pullBack('ReduceLogSumExp', rows([-inf, 0, 1000, 1000], 2), undefined);
    expect(dX).toEqual([0, 1, expect.closeTo(0.5, 12), expect.closeTo(0.5, 12)]);
  });

  it('without axes everything is reduced; with noop each element by itself', async () => {
    const X = { shape: [2], data: [-2, 3] };
    expect((await pullBack('ReduceSumSquare', { X }, [1])).dX).toEqual([-4, 6]);
    const noop = { attributes: { noop_with_empty_axes: 1 } };
    const { Y, dX } = await pullBack('ReduceSumSquare', { X }, [1, 10], noop);
    expect([Y, dX]).toEqual([
      [4, 9],
      [-4, 60],
    ]);
  });

  it('axes that change with the data are refused', async () => {
    const X = { shape: [2, 2], data: [1, 2, 3, 4] };
    const axes = { shape: [1], data: [1], type: 'int64' as const };
    await expect(pullBack('ReduceSum', { X, axes }, undefined)).rejects.toThrow(/changes with the data/);
  });
});
