import { describe, it } from 'vitest';
import { tensorOf } from '../../src/graph/tensor.ts';
import { checkNode, ints } from './gradient-check.ts';

const scalar = (name: string, value: number) => ints(name, [value], []);

describe('DFT, against differences', () => {
  it.each<{ shape: number[]; attributes: Record<string, number> }>([
    { shape: [2, 5, 1], attributes: {} },
    { shape: [2, 5, 2], attributes: {} },
    { shape: [2, 4, 2], attributes: { inverse: 1 } },
    { shape: [2, 5, 1], attributes: { onesided: 1 } },
    { shape: [2, 6, 1], attributes: { onesided: 1 } },
  ])('$shape $attributes, shortened and padded', async ({ shape, attributes }) => {
    for (const length of [undefined, 3, 8]) {
      const inputs = [{ name: 'X', shape }, length === undefined ? null : scalar('dft_length', length)];
      await checkNode({ op: 'DFT', inputs, attributes });
    }
  });

  it('along a chosen axis, and back to real numbers from half a spectrum', async () => {
    await checkNode({ op: 'DFT', inputs: [{ name: 'X', shape: [4, 3, 2] }, null, scalar('axis', 0)] });
    for (const length of [5, 6]) {
      const bins = Math.floor(length / 2) + 1;
      const inputs = [{ name: 'X', shape: [2, bins, 2] }, scalar('dft_length', length)];
      await checkNode({ op: 'DFT', inputs, attributes: { inverse: 1, onesided: 1 } });
    }
  });
});

describe('STFT, against differences', () => {
  it.each([0, 1])('onesided %i: of the signal and of the window', async (onesided) => {
    const signal = { name: 'signal', shape: [2, 12, 1] };
    const window = { name: 'window', shape: [4] };
    const frames = [signal, scalar('frame_step', 3), window];
    await checkNode({ op: 'STFT', inputs: frames, attributes: { onesided } });
    const bare = [signal, scalar('frame_step', 2), null, scalar('frame_length', 5)];
    await checkNode({ op: 'STFT', inputs: bare, attributes: { onesided } });
  });
});

it('DequantizeLinear’s scale, per tensor, per axis and per block, against differences', async () => {
  const bytes = Array.from({ length: 24 }, (_, i) => (i * 37) % 200);
  const x = { name: 'x', shape: [2, 3, 4], constant: tensorOf('uint8', [2, 3, 4], bytes) };
  const zero = (shape: number[]) => ({
    name: 'x_zero_point',
    shape,
    constant: tensorOf('uint8', shape, new Array(shape.reduce((a, b) => a * b, 1)).fill(100)),
  });
  const check = (shape: number[], attributes = {}) => {
    const inputs = [x, { name: 'x_scale', shape }, zero(shape)];
    return checkNode({ op: 'DequantizeLinear', inputs, attributes, type: 'float32', step: 0.5, tolerance: 1e-4 });
  };
  await check([]);
  await check([3]);
  await check([4], { axis: -1 });
  await check([2, 2, 4], { axis: 1, block_size: 2 });
});
