import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Attribute } from '../../src/graph/graph.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { checkNode, ints } from './gradient-check.ts';
import { pullBack } from './pull-back.ts';

const floats = (name: string, values: number[]) => ({
  name,
  shape: [values.length],
  constant: tensorOf('float32', [values.length], values),
});
// Resizing is linear: a long step loses nothing.
const options = { op: 'Resize', type: 'float32', step: 0.5, tolerance: 1e-4 } as const;

const drawn = fc.record({
  space: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 2, maxLength: 2 }),
  sizes: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 2 }),
  byScale: fc.boolean(),
  mode: fc.constantFrom('nearest', 'nearest', 'linear', 'cubic'),
  coordinates: fc.constantFrom(
    'half_pixel',
    'half_pixel_symmetric',
    'pytorch_half_pixel',
    'align_corners',
    'asymmetric',
  ),
  rounding: fc.constantFrom('round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'),
  antialias: fc.boolean(),
  outside: fc.boolean(),
  seed: fc.integer({ min: 1, max: 1e6 }),
});

describe('Resize, against differences', () => {
  it('in every mode, by sizes and by scales', async () => {
    await fc.assert(
      fc.asyncProperty(drawn, async (d) => {
        const attributes: Record<string, Attribute> = {
          mode: d.mode,
          coordinate_transformation_mode: d.coordinates,
          nearest_mode: d.rounding,
          ...(d.antialias && d.mode !== 'nearest' ? { antialias: 1 } : {}),
          ...(d.outside && d.mode === 'cubic' ? { exclude_outside: 1 } : {}),
        };
        const X = { name: 'X', shape: [2, 1, ...d.space] };
        const inputs = d.byScale
          ? [X, null, floats('scales', [1, 1, ...d.sizes.map((size, i) => (size + 0.25) / d.space[i]!)])]
          : [X, null, null, ints('sizes', [2, 1, ...d.sizes])];
        await checkNode({ ...options, inputs, attributes, seed: d.seed });
      }),
      { numRuns: 120 },
    );
  });

  it.each(['nearest', 'linear'])('%s of one and of three dimensions, on chosen axes', async (mode) => {
    const line = [{ name: 'X', shape: [2, 3, 4] }, null, null, ints('sizes', [2, 3, 7])];
    await checkNode({ ...options, inputs: line, attributes: { mode } });
    const volume = [{ name: 'X', shape: [1, 2, 2, 3, 4] }, null, floats('scales', [1, 1, 2, 1.5, 0.5])];
    await checkNode({ ...options, inputs: volume, attributes: { mode } });
    const axes = [{ name: 'X', shape: [2, 1, 3, 4] }, null, null, ints('sizes', [8, 2])];
    await checkNode({ ...options, inputs: axes, attributes: { mode, axes: [3, -2] } });
  });

  it('keeping the aspect ratio, cropping to a region', async () => {
    const X = { name: 'X', shape: [1, 1, 2, 4] };
    for (const keep_aspect_ratio_policy of ['not_larger', 'not_smaller']) {
      const attributes = { mode: 'nearest', axes: [2, 3], keep_aspect_ratio_policy };
      await checkNode({ ...options, inputs: [X, null, null, ints('sizes', [6, 8])], attributes });
    }
    const roi = floats('roi', [0, 0, 0.3, -0.2, 1, 1, 0.8, 1.2]);
    const attributes = { mode: 'linear', coordinate_transformation_mode: 'tf_crop_and_resize', extrapolation_value: 3 };
    await checkNode({ ...options, inputs: [X, roi, null, ints('sizes', [1, 1, 3, 5])], attributes });
  });

  it('whole upsampling of nearest neighbours is one sum per axis', async () => {
    const X = { shape: [1, 1, 2, 2], data: [1, 2, 3, 4] };
    const sizes = { shape: [4], data: [1, 1, 4, 6], type: 'int64' as const, constant: true };
    const attributes = { coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
    const upstream = Array.from({ length: 24 }, (_, i) => i);
    const { dX, backwardOps } = await pullBack('Resize', { X, roi: null, scales: null, sizes }, upstream, {
      attributes,
      type: 'float32',
    });
    expect(dX).toEqual([24, 42, 96, 114]);
    expect(backwardOps).not.toContain('MatMul');
  });

  it('has no gradient for its scales', async () => {
    const X = { shape: [1, 1, 2, 2], data: [1, 2, 3, 4] };
    const scales = { shape: [4], data: [1, 1, 2, 2] };
    await expect(pullBack('Resize', { X, roi: null, scales }, undefined, { type: 'float32' })).rejects.toThrow(
      /scales are not parameters|changes with the data/,
    );
  });
});
