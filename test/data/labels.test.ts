import { describe, expect, it } from 'vitest';
import { checkLabels, drawTarget } from '../../src/data/labels.ts';
import { DataError } from '../../src/graph/errors.ts';
import { type Tensor, tensorOf, toNumbers } from '../../src/graph/tensor.ts';

describe('drawTarget', () => {
  it('draws every class about equally often', () => {
    const n = 10_000;
    const target = drawTarget({ kind: 'classes', classes: 4, shape: [n] }, 0);
    expect([target.type, target.dims]).toEqual(['int64', [n]]);
    for (let label = 0; label < 4; label++) {
      const share = toNumbers(target).filter((other) => other === label).length / n;
      expect(Math.abs(share - 1 / 4)).toBeLessThan(5 * Math.sqrt(3 / 16 / n));
    }
  });

  it('draws bits and standard normals, repeatably', () => {
    const bits = drawTarget({ kind: 'binary', shape: [1000, 1] }, 0);
    expect([bits.type, bits.dims]).toEqual(['float32', [1000, 1]]);
    const ones = toNumbers(bits).filter((bit) => bit === 1).length;
    expect(toNumbers(bits).filter((bit) => bit === 0).length).toBe(1000 - ones);
    expect(Math.abs(ones - 500)).toBeLessThan(5 * Math.sqrt(250));
    const values = toNumbers(drawTarget({ kind: 'values', shape: [50, 20] }, 1));
    const square = values.reduce((sum, value) => sum + value * value, 0) / 1000;
    expect(Math.abs(square - 1)).toBeLessThan(5 * Math.sqrt(2 / 1000));
    expect(drawTarget({ kind: 'binary', shape: [1000, 1] }, 0)).toEqual(bits);
    expect(drawTarget({ kind: 'binary', shape: [1000, 1] }, 1)).not.toEqual(bits);
  });

  it('refuses an impossible number of classes', () => {
    expect(() => drawTarget({ kind: 'classes', classes: 0, shape: [2] }, 0)).toThrow(DataError);
  });
});

describe('checkLabels', () => {
  const complaint = (target: Tensor, classes: number) => {
    try {
      checkLabels(target, classes);
    } catch (error) {
      return (error as DataError).describe();
    }
    return '';
  };

  it('passes labels within range', () => {
    expect(complaint(tensorOf('int64', [3], [0, 2, 1]), 3)).toBe('');
    expect(complaint(tensorOf('float32', [2, 1], [0, 1]), 2)).toBe('');
  });

  it('names row, label and range', () => {
    expect(complaint(tensorOf('int64', [3], [0, 5, 1]), 3)).toBe(
      "target: label 5 in row 1 is not an integer from 0 to 2; the model's output has 3 classes",
    );
    expect(complaint(tensorOf('int64', [2, 2], [0, 1, 1, -1]), 2)).toMatch(/label -1 in row 1/);
    expect(complaint(tensorOf('float32', [1], [0.5]), 2)).toMatch(/label 0.5 in row 0/);
    expect(complaint(tensorOf('float32', [1], [Number.NaN]), 2)).toMatch(/label NaN in row 0/);
    expect(complaint(tensorOf('int64', [3], [1, 2, 3]), 3)).toMatch(
      /label 3 in row 2 .*; labels count from 0: subtract 1/,
    );
  });
});
