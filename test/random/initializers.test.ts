import { describe, expect, it } from 'vitest';
import { fansOf, initializationNamed, initializationNames, initialize } from '../../src/random/initializers.ts';
import { createRandom } from '../../src/random/random.ts';

const random = (label = 'test') => createRandom(7).fork(label);

function moments(values: Float64Array) {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
  const fourth = values.reduce((sum, x) => sum + (x - mean) ** 4, 0) / values.length;
  return {
    mean,
    variance,
    kurtosis: fourth / variance ** 2,
    max: values.reduce((top, x) => Math.max(top, Math.abs(x)), 0),
  };
}

describe('fans', () => {
  it('counts the connections of one unit', () => {
    expect(fansOf([10, 784])).toEqual({ fanIn: 784, fanOut: 10 });
    expect(fansOf([64, 32, 3, 5])).toEqual({ fanIn: 480, fanOut: 960 });
    // Depthwise: each input channel reaches one output channel through nine taps.
    expect(fansOf([32, 1, 3, 3], 32)).toEqual({ fanIn: 9, fanOut: 9 });
  });
});

// 300 in, 500 out: 150 000 draws, so the sample variance of a uniform is within 0.4 % and of a normal within 0.8 %
// of the truth twice out of three times; 2.5 % is far outside chance.
describe('schemes on a 500 × 300 matrix', () => {
  const fanIn = 300;
  const fanOut = 500;
  it.each([
    ['glorot-uniform', 2 / (fanIn + fanOut), true],
    ['glorot', 2 / (fanIn + fanOut), true],
    ['xavier-normal', 2 / (fanIn + fanOut), false],
    ['he-normal', 2 / fanIn, false],
    ['he', 2 / fanIn, false],
    ['kaiming-uniform', 2 / fanIn, true],
    ['lecun', 1 / fanIn, false],
    ['lecun-uniform', 1 / fanIn, true],
    ['pytorch-default', 1 / (3 * fanIn), true],
  ])('%s has variance %f', (name, variance, uniform) => {
    const measured = moments(initialize(initializationNamed(name)!, [fanOut, fanIn], random(name)));
    expect(measured.variance / variance).toBeCloseTo(1, 1.6);
    expect(Math.abs(measured.mean)).toBeLessThan(5 * Math.sqrt(variance / (fanIn * fanOut)));
    // Kurtosis tells the distributions apart: 9/5 uniform, 3 normal.
    expect(measured.kurtosis).toBeCloseTo(uniform ? 1.8 : 3, 0.7);
    if (uniform) {
      expect(measured.max).toBeLessThanOrEqual(Math.sqrt(3 * variance));
      expect(measured.max).toBeGreaterThan(0.999 * Math.sqrt(3 * variance));
    }
  });

  it('takes a gain on the deviation and a mode', () => {
    const wide = initialize({ scheme: 'he-normal', gain: 3, mode: 'fan-out' }, [fanOut, fanIn], random());
    expect(moments(wide).variance / ((9 * 2) / fanOut)).toBeCloseTo(1, 1.6);
    const average = initialize({ scheme: 'lecun-uniform', mode: 'fan-avg' }, [fanOut, fanIn], random());
    expect(moments(average).variance / (1 / 400)).toBeCloseTo(1, 1.6);
  });

  it('draws normal, uniform and truncated normal with the numbers given', () => {
    const normal = moments(initialize({ scheme: 'normal', mean: 1, std: 0.5 }, [fanOut, fanIn], random()));
    expect(normal.mean).toBeCloseTo(1, 2);
    expect(normal.variance).toBeCloseTo(0.25, 2);
    const uniform = moments(initialize({ scheme: 'uniform', low: 2, high: 3 }, [fanOut, fanIn], random()));
    expect(uniform.mean).toBeCloseTo(2.5, 2);
    expect(uniform.variance).toBeCloseTo(1 / 12, 3);
    const truncated = initialize({ scheme: 'truncated-normal', mean: 0, std: 1 }, [fanOut, fanIn], random());
    // scipy.stats.truncnorm(-2, 2).var()
    expect(moments(truncated).variance).toBeCloseTo(0.7737413, 2);
    expect(moments(truncated).max).toBeLessThanOrEqual(2);
  });
});

describe('orthogonal', () => {
  it.each([
    [40, 40],
    [30, 70],
    [70, 30],
  ])('has orthonormal rows or columns, %i × %i', (rows, columns) => {
    const Q = initialize({ scheme: 'orthogonal', gain: 2 }, [rows, columns], random());
    const count = Math.min(rows, columns);
    const at = (i: number, k: number) => (rows <= columns ? Q[i * columns + k]! : Q[k * columns + i]!);
    for (let i = 0; i < count; i++) {
      for (let j = 0; j <= i; j++) {
        let dot = 0;
        for (let k = 0; k < Math.max(rows, columns); k++) dot += at(i, k) * at(j, k);
        expect(dot).toBeCloseTo(i === j ? 4 : 0, 12);
      }
    }
  });

  it('flattens a kernel: each filter is one row', () => {
    const W = initialize({ scheme: 'orthogonal' }, [8, 4, 3, 3], random());
    for (let i = 0; i < 8; i++) {
      for (let j = 0; j < 8; j++) {
        const dot = W.subarray(i * 36, i * 36 + 36).reduce((sum, x, k) => sum + x * W[j * 36 + k]!, 0);
        expect(dot).toBeCloseTo(i === j ? 1 : 0, 12);
      }
    }
  });
});

describe('identity', () => {
  it('is W = 2I with gain 2', () => {
    const W = initialize({ scheme: 'identity', gain: 2 }, [3, 3], random());
    expect([...W]).toEqual([2, 0, 0, 0, 2, 0, 0, 0, 2]);
  });

  it('puts ones at the centre of a kernel, in each group', () => {
    const W = initialize({ scheme: 'identity' }, [4, 2, 3, 3], random(), { groups: 2 });
    const ones = [...W].flatMap((x, i) => (x === 1 ? [[Math.floor(i / 18), Math.floor((i % 18) / 9), i % 9]] : []));
    // torch.nn.init.dirac_(torch.empty(4, 2, 3, 3), groups=2).nonzero()
    expect(ones).toEqual([
      [0, 0, 4],
      [1, 1, 4],
      [2, 0, 4],
      [3, 1, 4],
    ]);
  });
});

it('draws a bias from its weight’s fan-in', () => {
  const bias = initialize({ scheme: 'pytorch-default' }, [5000], random(), { fans: fansOf([5000, 16]) });
  expect(moments(bias).max).toBeLessThanOrEqual(0.25);
  expect(moments(bias).max).toBeGreaterThan(0.249);
});

it('gives the same numbers for the same seed and others for another stream', () => {
  const draw = (label: string) => [...initialize({ scheme: 'he-normal' }, [4, 4], random(label))];
  expect(draw('a')).toEqual(draw('a'));
  expect(draw('a')).not.toEqual(draw('b'));
});

it('knows every scheme by name', () => {
  for (const name of initializationNames) {
    const W = initialize(initializationNamed(name)!, [4, 3], random(name));
    expect(W).toHaveLength(12);
    expect([...W].every(Number.isFinite)).toBe(true);
  }
  expect(initializationNamed('toString')).toBeUndefined();
});
