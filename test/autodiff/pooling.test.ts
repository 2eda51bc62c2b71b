import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Attribute } from '../../src/graph/graph.ts';
import { sizeOf } from '../../src/graph/tensor.ts';
import { awayFrom, checkNode, type Domain, distinct, normal } from './gradient-check.ts';
import { pullBack } from './pull-back.ts';
import { itAgreesWithTorch } from './torch-cases.ts';

const axis = fc.record({
  kernel: fc.integer({ min: 1, max: 4 }),
  stride: fc.integer({ min: 1, max: 3 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  before: fc.nat(3),
  after: fc.nat(3),
  extra: fc.nat(5),
});
const autoPad = fc.constantFrom('NOTSET', 'NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID');

interface Drawn {
  shape: number[];
  attributes: Record<string, Attribute>;
}

/**
 * Pooling attributes that onnxruntime accepts: padding smaller than the kernel, at least one whole window, and no gaps
 * between windows under ceil_mode.
 */
const pools: fc.Arbitrary<Drawn> = fc
  .tuple(fc.array(axis, { minLength: 1, maxLength: 3 }), autoPad, fc.boolean())
  .map(([axes, auto_pad, ceil]) => {
    const same = auto_pad !== 'NOTSET';
    const each = axes.map((a) => ({
      ...a,
      dilation: same ? 1 : a.dilation,
      stride: same || ceil ? Math.min(a.stride, a.kernel) : a.stride,
      before: Math.min(a.before, a.kernel - 1),
      after: Math.min(a.after, a.kernel - 1),
    }));
    const shape = [2, 2, ...each.map((a) => a.dilation * (a.kernel - 1) + 1 + a.extra)];
    const pads = [...each.map((a) => a.before), ...each.map((a) => a.after)];
    const attributes = {
      kernel_shape: each.map((a) => a.kernel),
      strides: each.map((a) => a.stride),
      dilations: each.map((a) => a.dilation),
      ...(same ? { auto_pad } : { pads, ceil_mode: +ceil }),
    };
    return { shape, attributes };
  });

const check = (
  op: string,
  { shape, attributes }: Drawn,
  options: { domain?: Domain; step: number; tolerance: number },
) => {
  const { domain = normal, step, tolerance } = options;
  return checkNode({ op, inputs: [{ name: 'X', shape, domain }], attributes, type: 'float32', step, tolerance });
};

describe('gradients of pooling', () => {
  itAgreesWithTorch('pooling');

  it('MaxPool of any rank and attributes', async () => {
    await fc.assert(
      fc.asyncProperty(pools, (pool) =>
        check('MaxPool', pool, { domain: distinct(sizeOf(pool.shape)), step: 0.01, tolerance: 1e-3 }),
      ),
      { numRuns: 60 },
    );
  });

  it('refuses SAME padding where onnxruntime and the specification part', async () => {
    const X = { shape: [1, 1, 6], data: [1, 2, 3, 4, 5, 6] };
    const attributes = { kernel_shape: [1], strides: [3], auto_pad: 'SAME_UPPER' };
    const pulled = pullBack('AveragePool', { X }, undefined, { attributes, type: 'float32' });
    await expect(pulled).rejects.toMatchObject({ code: 'unsupported-operator', where: 'node "AveragePool"' });
  });

  it('MaxPool whose indices the model itself uses, row by row or column by column', async () => {
    for (const storage_order of [0, 1]) {
      const X = { shape: [1, 2, 4, 6], data: Array.from({ length: 48 }, (_, i) => (i * 29) % 48) };
      const attributes = { kernel_shape: [2, 3], strides: [2, 3], storage_order };
      const options = { attributes, type: 'float32' } as const;
      const withIndices = await pullBack('MaxPool', { X }, undefined, { ...options, outputs: ['Y', 'Indices'] });
      const plain = await pullBack('MaxPool', { X }, undefined, {
        ...options,
        attributes: { ...attributes, storage_order: 0 },
      });
      expect(withIndices.dX).toEqual(plain.dX);
      expect(withIndices.backwardOps.filter((op) => op === 'MaxPool')).toHaveLength(storage_order);
      expect(plain.backwardOps).not.toContain('MaxPool');
      const chosen = X.data.filter((_, i) => plain.dX![i] === 1);
      expect(chosen.sort((a, b) => a - b)).toEqual([...plain.Y].sort((a, b) => a - b));
    }
  });

  it('MaxPool takes NaN and infinities without failing', async () => {
    const data = [Number.NaN, Number.NaN, Number.NaN, Number.NaN, -Infinity, -Infinity, 1, Infinity];
    const attributes = { kernel_shape: [4], strides: [4] };
    const { dX } = await pullBack('MaxPool', { X: { shape: [1, 1, 8], data } }, [2, 3], {
      attributes,
      type: 'float32',
    });
    expect(dX!.slice(4)).toEqual([0, 0, 0, 3]);
    expect(dX!.slice(0, 4).reduce((a, b) => a + b)).toBe(2);
  });

  it('MaxUnpool', async () => {
    const I = { shape: [1, 1, 2, 2], data: [1, 6, 8, 15], type: 'int64', constant: true } as const;
    const X = { shape: [1, 1, 2, 2], data: [5, 6, 7, 8] };
    const options = { attributes: { kernel_shape: [2, 2], strides: [2, 2] }, type: 'float32' as const };
    const upstream = Array.from({ length: 16 }, (_, i) => i + 100);
    const { dX } = await pullBack(
      'MaxUnpool',
      { X, I: { ...I, shape: [...I.shape], data: [...I.data] } },
      upstream,
      options,
    );
    expect(dX).toEqual([101, 106, 108, 115]);
  });

  it('AveragePool of any rank and attributes', async () => {
    await fc.assert(
      fc.asyncProperty(pools, fc.boolean(), ({ shape, attributes }, include) => {
        const drawn = { shape, attributes: { ...attributes, count_include_pad: +include } };
        return check('AveragePool', drawn, { step: 0.5, tolerance: 1e-4 });
      }),
      { numRuns: 100 },
    );
  });

  it.each([1, 2, 3])('LpPool and GlobalLpPool with p = %i', async (p) => {
    const domain = awayFrom([0], 0.2);
    const smooth = { domain, step: 1e-2, tolerance: 2e-3 };
    const attributes = { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 1, 1], p };
    await check('LpPool', { shape: [2, 3, 5, 4], attributes }, smooth);
    await check('GlobalLpPool', { shape: [2, 3, 5, 4], attributes: { p } }, smooth);
  });

  it('the norm of zeros has gradient zero', async () => {
    const X = { shape: [1, 1, 4], data: [0, 0, 3, 4] };
    const attributes = { kernel_shape: [2], strides: [2] };
    const { dX } = await pullBack('LpPool', { X }, [1, 5], { attributes, type: 'float32' });
    expect(dX!.map((x) => Math.round(x * 1e5) / 1e5)).toEqual([0, 0, 3, 4]);
  });

  it.each([[[2, 3, 4]], [[2, 3, 4, 5]], [[1, 2, 3, 2, 4]]])('global pooling of shape %j', async (shape) => {
    await check('GlobalAveragePool', { shape, attributes: {} }, { step: 0.5, tolerance: 1e-4 });
    const domain = distinct(sizeOf(shape));
    await check('GlobalMaxPool', { shape, attributes: {} }, { domain, step: 0.01, tolerance: 1e-3 });
  });
});
