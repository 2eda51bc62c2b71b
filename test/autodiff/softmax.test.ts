import { describe, expect, it } from 'vitest';
import { checkNode } from './gradient-check.ts';
import { pullBack } from './pull-back.ts';

describe('gradients of softmax', () => {
  it.each(['Softmax', 'LogSoftmax'])('%s over any axis', async (op) => {
    await checkNode({ op, inputs: [{ name: 'X', shape: [2, 3, 4] }] });
    for (const axis of [0, 1, 2, -1, -3]) {
      await checkNode({ op, inputs: [{ name: 'X', shape: [2, 3, 4] }], attributes: { axis } });
    }
  });

  // Softmax of [0, ln 2, ln 5]: p = [1, 2, 5]/8, and dX_i = p_i (dY_i − Σ p dY).
  it('by hand', async () => {
    const X = [0, Math.log(2), Math.log(5)];
    const { dX } = await pullBack('Softmax', { X }, [8, 0, 0]);
    expect(dX!.map((x) => Math.round(x * 1e12) / 1e12)).toEqual([7 / 8, -2 / 8, -5 / 8]);
    const log = await pullBack('LogSoftmax', { X }, [8, 0, 0]);
    expect(log.dX!.map((x) => Math.round(x * 1e12) / 1e12)).toEqual([7, -2, -5]);
  });

  it('LogSoftmax of a hopelessly wrong class has the full gradient, not NaN', async () => {
    const { dX } = await pullBack('LogSoftmax', { X: [1000, 0] }, [0, 1], { type: 'float32' });
    expect(dX).toEqual([-1, 1]);
  });
});
