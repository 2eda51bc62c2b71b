import { describe, it } from 'vitest';
import { awayFrom, checkNode, normal } from './gradient-check.ts';

describe('gradients of activations', () => {
  it.each([
    { op: 'Sigmoid', domain: normal },
    { op: 'Tanh', domain: normal },
    { op: 'Relu', domain: awayFrom([0]) },
  ])('$op', async ({ op, domain }) => {
    await checkNode({ op, inputs: [{ name: 'X', shape: [3, 4], domain }] });
  });
});
