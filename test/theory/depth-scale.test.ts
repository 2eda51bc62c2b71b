import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { meanField } from '../../src/theory/mean-field.ts';

/** What examples/depth-scale/run.mjs measured. */
const { sigmaB2, cells } = JSON.parse(readFileSync('examples/depth-scale/result.json', 'utf8')) as {
  sigmaB2: number;
  cells: { sigmaW2: number; depth: number; accuracy: number }[];
};

describe('tanh networks trained at many depths (examples/depth-scale)', () => {
  const limits = cells.map((cell) => ({
    ...cell,
    ratio: cell.depth / meanField('Tanh', { sigmaW2: cell.sigmaW2, sigmaB2 }).trainableDepth,
  }));

  it('fail where they are deeper than 6ξ', () => {
    const deep = limits.filter(({ ratio }) => ratio > 1.6);
    expect(deep.length).toBeGreaterThanOrEqual(5);
    for (const { accuracy } of deep) expect(accuracy).toBeLessThan(0.35);
  });

  it('train where they are shallower', () => {
    const shallow = limits.filter(({ ratio }) => ratio < 0.6);
    expect(shallow.length).toBeGreaterThan(30);
    for (const { accuracy } of shallow) expect(accuracy).toBeGreaterThan(0.7);
  });
});
