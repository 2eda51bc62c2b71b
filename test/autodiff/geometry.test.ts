import { describe, expect, it } from 'vitest';
import { checkNode, ints, type NodeCase } from './gradient-check.ts';
import { pullBack } from './pull-back.ts';

describe('against differences', () => {
  it.each([0, 1])('AffineGrid of images and volumes, align_corners %i', async (align_corners) => {
    const options = { op: 'AffineGrid', attributes: { align_corners }, type: 'float32', step: 0.5 } as const;
    await checkNode({ ...options, inputs: [{ name: 'theta', shape: [2, 2, 3] }, ints('size', [2, 1, 3, 4])] });
    await checkNode({ ...options, inputs: [{ name: 'theta', shape: [1, 3, 4] }, ints('size', [1, 1, 2, 3, 4])] });
  });

  it.each<{ image: number[]; block: number[]; attributes: Record<string, number[]> }>([
    { image: [5, 6], block: [2, 3], attributes: {} },
    { image: [5, 6], block: [2, 2], attributes: { strides: [2, 2] } },
    { image: [4, 4], block: [2, 2], attributes: { pads: [1, 0, 1, 0], dilations: [1, 2], strides: [2, 1] } },
    { image: [3, 3, 4], block: [1, 2, 2], attributes: {} },
  ])('Col2Im $image from $block', async ({ image, block, attributes }) => {
    const { strides, dilations, pads } = attributes;
    const counts = image.map((n, i) => {
      const padded = n + (pads?.[i] ?? 0) + (pads?.[i + image.length] ?? 0);
      return Math.floor((padded - (dilations?.[i] ?? 1) * (block[i]! - 1) - 1) / (strides?.[i] ?? 1)) + 1;
    });
    const product = (list: number[]) => list.reduce((a, b) => a * b, 1);
    const input = { name: 'input', shape: [2, 2 * product(block), product(counts)] };
    const inputs = [input, ints('image_shape', image), ints('block_shape', block)];
    await checkNode({ op: 'Col2Im', inputs, attributes, type: 'float32', step: 0.5, tolerance: 1e-4 });
  });

  it.each([1, 2, 3, 4])('Det of %i rows', async (n) => {
    const options = { op: 'Det', type: 'float32', step: 1e-2, tolerance: 3e-3 } as const;
    await checkNode({ ...options, inputs: [{ name: 'X', shape: [n, n] }] });
    await checkNode({ ...options, inputs: [{ name: 'X', shape: [2, 3, n, n] }] });
  });

  it.each([
    { exclusive: 0, reverse: 0 },
    { exclusive: 1, reverse: 0 },
    { exclusive: 0, reverse: 1 },
    { exclusive: 1, reverse: 1 },
  ])('CumProd %j', async (attributes) => {
    for (const axis of [0, 1, -1]) {
      const inputs = [{ name: 'X', shape: [2, 3, 4] }, ints('axis', [axis], [])];
      await checkNode({ op: 'CumProd', inputs, attributes, opset: 26 });
    }
  });

  it('MeanVarianceNormalization over its usual and over other axes', async () => {
    const X = { name: 'X', shape: [2, 3, 2, 4] };
    const options: NodeCase = { op: 'MeanVarianceNormalization', inputs: [X], type: 'float32' };
    await checkNode(options);
    await checkNode({ ...options, attributes: { axes: [1, -1] } });
  });
});

describe('where a quotient would be 0/0', () => {
  it('a singular matrix: the cofactors', async () => {
    const X = { shape: [2, 2], data: [1, 2, 2, 4] };
    const { Y, dX } = await pullBack('Det', { X }, [1], { type: 'float32' });
    expect(Y[0]).toBeCloseTo(0);
    expect(dX).toEqual([4, -2, -2, 1]);
  });

  it('a running product with zeros', async () => {
    const axis = { shape: [], data: [0], type: 'int64' as const, constant: true };
    const { Y, dX } = await pullBack('CumProd', { X: [2, 0, 3, 0], axis }, [1, 1, 1, 1], { opset: 26 });
    expect(Y).toEqual([2, 0, 0, 0]);
    expect(dX).toEqual([1, 2 + 6, 0, 0]);
  });
});
