import { describe, expect, it } from 'vitest';
import { differentiable } from '../../src/autodiff/gradients/index.ts';
import { unsupported } from '../../src/autodiff/gradients/unsupported.ts';
import { zeroOnPurpose } from '../../src/autodiff/gradients/zero.ts';
import { pullBack } from './pull-back.ts';

describe('the three tables of operators', () => {
  it('hold no operator twice', () => {
    const names = [differentiable, zeroOnPurpose, unsupported].flatMap(Object.keys);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });

  it('give a reason for every gradient that is zero or missing', () => {
    for (const reason of [...Object.values(zeroOnPurpose), ...Object.values(unsupported)]) {
      expect(reason).toMatch(/^[a-z].{15,}[^.]$/);
    }
  });
});

describe('zero on purpose', () => {
  it.each(['Floor', 'Ceil', 'Round', 'Sign'])('%s stops the gradient without an error', async (op) => {
    expect((await pullBack(op, { X: [0.4, -1.2] }, [Infinity, 1])).dX).toBeUndefined();
  });
});

describe('unsupported', () => {
  it('an operator that stands in the way is named with its reason and what it blocks', async () => {
    await expect(pullBack('Unique', { X: [3, 1, 3] }, undefined, { type: 'float32' })).rejects.toThrow(
      /operator Unique \(opset 21\) has no gradient here: .*number of elements.*; it stands between the loss and "X"/,
    );
  });
});
