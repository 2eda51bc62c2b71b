import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Attribute } from '../../src/graph/graph.ts';
import { checkNode } from './gradient-check.ts';
import { pullBack } from './pull-back.ts';
import { itAgreesWithTorch } from './torch-cases.ts';

interface Axis {
  kernel: number;
  stride: number;
  dilation: number;
  pads: [number, number];
  /** Inputs beyond the smallest that gives one output. */
  extra: number;
}

const axis: fc.Arbitrary<Axis> = fc.record({
  kernel: fc.integer({ min: 1, max: 4 }),
  stride: fc.integer({ min: 1, max: 3 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  pads: fc.tuple(fc.nat(3), fc.nat(3)),
  extra: fc.nat(6),
});
const groups = fc.record({ group: fc.integer({ min: 1, max: 4 }), channels: fc.integer({ min: 1, max: 4 }) });

const extent = ({ kernel, dilation }: Axis): number => dilation * (kernel - 1) + 1;
const inputOf = (a: Axis): number => Math.max(1, extent(a) - a.pads[0] - a.pads[1]) + a.extra;

const attributesOf = (axes: Axis[], group: number): Record<string, Attribute> => ({
  kernel_shape: axes.map((a) => a.kernel),
  strides: axes.map((a) => a.stride),
  dilations: axes.map((a) => a.dilation),
  pads: [...axes.map((a) => a.pads[0]), ...axes.map((a) => a.pads[1])],
  group,
});

/** A convolution is linear in each operand: a large step has no truncation error, and little rounding. */
const linear = { type: 'float32', step: 0.5, tolerance: 2e-4 } as const;

describe('gradients of convolutions', () => {
  itAgreesWithTorch('convolution');

  it('Conv of any rank, kernel, stride, dilation, padding and groups', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(axis, { minLength: 1, maxLength: 3 }),
        groups,
        fc.integer({ min: 1, max: 4 }),
        async (axes, { group, channels }, filters) => {
          const inputs = [
            { name: 'X', shape: [2, group * channels, ...axes.map(inputOf)] },
            { name: 'W', shape: [group * filters, channels, ...axes.map((a) => a.kernel)] },
            { name: 'B', shape: [group * filters] },
          ];
          await checkNode({ op: 'Conv', inputs, attributes: attributesOf(axes, group), ...linear });
        },
      ),
      { numRuns: 150 },
    );
  });

  // One shape for each way the filter gradient is written: by a Conv or by a matrix product.
  it.each([
    { way: 'product', X: [2, 3, 4, 5], W: [4, 3, 1, 1], group: 1, pads: 0, by: ['Gemm', 'MatMul'] },
    { way: 'product per group', X: [2, 8, 4, 5], W: [6, 4, 1, 1], group: 2, pads: 0, by: ['Gemm', 'MatMul'] },
    { way: 'convolution over channels', X: [2, 5, 4, 6], W: [3, 5, 3, 2], group: 1, pads: 1, by: ['Conv'] },
    { way: 'convolution over channels, per group', X: [2, 8, 6, 5], W: [6, 4, 3, 3], group: 2, pads: 1, by: ['Conv'] },
    {
      way: 'convolution, channels on the last axis',
      X: [2, 8, 3, 4, 5],
      W: [4, 4, 2, 3, 2],
      group: 2,
      pads: 1,
      by: ['Conv'],
    },
    { way: 'convolution, one channel at a time', X: [2, 4, 6, 5], W: [4, 1, 3, 3], group: 4, pads: 1, by: ['Conv'] },
  ])('Conv filter gradient as $way', async ({ X, W, group, pads, by }) => {
    const inputs = [
      { name: 'X', shape: X, frozen: true },
      { name: 'W', shape: W },
    ];
    const attributes = { group, pads: X.slice(2).flatMap(() => [pads, pads]) };
    await checkNode({ op: 'Conv', inputs, attributes, ...linear });
    const zeros = (shape: number[]) => Array.from({ length: shape.reduce((a, b) => a * b) }, () => 0);
    const given = { X: { shape: X, data: zeros(X), constant: true }, W: { shape: W, data: zeros(W) } };
    const { backwardOps } = await pullBack('Conv', given, undefined, { attributes, type: 'float32' });
    const products = backwardOps.filter((op) => ['Conv', 'Gemm', 'MatMul'].includes(op));
    expect(products).toHaveLength(1);
    expect(by).toContain(products[0]);
  });

  // Small images go through one convolution for the whole batch, large ones through a filter turned round.
  it.each([
    { images: 'small', X: [3, 4, 5, 6], W: [2, 4, 3, 2], group: 1 },
    { images: 'small, in groups', X: [2, 4, 5, 4], W: [6, 2, 3, 3], group: 2 },
    { images: 'large', X: [2, 4, 20, 21], W: [2, 4, 3, 2], group: 1 },
    { images: 'large, in groups', X: [2, 4, 20, 21], W: [6, 2, 3, 3], group: 2 },
  ])('Conv input gradient of $images images', async ({ X, W, group }) => {
    const inputs = [
      { name: 'X', shape: X },
      { name: 'W', shape: W, frozen: true },
    ];
    await checkNode({ op: 'Conv', inputs, attributes: { group, pads: [1, 0, 0, 1] }, ...linear });
  });

  it.each(['SAME_UPPER', 'SAME_LOWER', 'VALID'])('Conv auto_pad=%s', async (auto_pad) => {
    for (const [kernel, strides] of [
      [
        [3, 2],
        [2, 1],
      ],
      [
        [2, 4],
        [1, 3],
      ],
      [
        [1, 3],
        [3, 2],
      ],
    ] as const) {
      const inputs = [
        { name: 'X', shape: [2, 2, 7, 8] },
        { name: 'W', shape: [3, 2, ...kernel] },
        { name: 'B', shape: [3] },
      ];
      await checkNode({ op: 'Conv', inputs, attributes: { auto_pad, strides: [...strides] }, ...linear });
    }
  });

  it('ConvTranspose of any rank, kernel, stride, dilation, padding and groups', async () => {
    const transposedAxis = fc.record({
      kernel: fc.integer({ min: 1, max: 4 }),
      stride: fc.integer({ min: 1, max: 3 }),
      dilation: fc.integer({ min: 1, max: 2 }),
      pads: fc.tuple(fc.nat(1), fc.nat(1)),
      extra: fc.nat(2),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(transposedAxis, { minLength: 1, maxLength: 2 }),
        groups,
        fc.integer({ min: 1, max: 3 }),
        async (axes, { group, channels }, filters) => {
          const inputs = [
            { name: 'X', shape: [2, group * channels, ...axes.map((a) => a.extra + 3)] },
            { name: 'W', shape: [group * channels, filters, ...axes.map((a) => a.kernel)] },
            { name: 'B', shape: [group * filters] },
          ];
          const attributes = {
            ...attributesOf(axes, group),
            output_padding: axes.map((a) => Math.min(a.extra, a.stride - 1)),
          };
          await checkNode({ op: 'ConvTranspose', inputs, attributes, ...linear });
        },
      ),
      { numRuns: 80 },
    );
  });

  it.each([
    { auto_pad: 'SAME_UPPER' },
    { auto_pad: 'SAME_LOWER' },
    { auto_pad: 'VALID' },
    { output_shape: [8, 9] },
    { output_shape: [8, 9], auto_pad: 'SAME_UPPER' },
  ] as Record<string, Attribute>[])('ConvTranspose with %j', async (attributes) => {
    const inputs = [
      { name: 'X', shape: [1, 2, 4, 5] },
      { name: 'W', shape: [2, 3, 3, 4] },
    ];
    await checkNode({ op: 'ConvTranspose', inputs, attributes: { strides: [2, 2], ...attributes }, ...linear });
  });

  it('agrees with the count of inputs under each window: X, W and dY all ones', async () => {
    const ones = (shape: number[]) => ({ shape, data: Array.from({ length: shape.reduce((a, b) => a * b) }, () => 1) });
    const given = { X: ones([1, 1, 3, 3]), W: ones([1, 1, 2, 2]), B: ones([1]) };
    const { dX, dW, dB } = await pullBack('Conv', given, undefined, { type: 'float32' });
    expect(dX).toEqual([1, 2, 1, 2, 4, 2, 1, 2, 1]);
    expect(dW).toEqual([4, 4, 4, 4]);
    expect(dB).toEqual([4]);
  });

  it('gives inputs that no window covers gradient zero', async () => {
    const given = { X: { shape: [1, 1, 4], data: [1, 2, 3, 4] }, W: { shape: [1, 1, 2], data: [5, 6] } };
    const options = { type: 'float32' as const, attributes: { strides: [3] } };
    const { dX, dW } = await pullBack('Conv', given, [1], options);
    expect(dX).toEqual([5, 6, 0, 0]);
    expect(dW).toEqual([1, 2]);
  });
});
