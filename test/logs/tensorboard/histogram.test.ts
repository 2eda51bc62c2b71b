import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { measureTensor } from '../../../src/flow/statistics.ts';
import { tensorOf } from '../../../src/graph/tensor.ts';
import {
  emptyHistogram,
  type Histogram,
  histogramOf,
  histogramOfStatistics,
} from '../../../src/logs/tensorboard/histogram.ts';

const arrays = fc.oneof(
  fc.float32Array({ maxLength: 60 }),
  fc.float64Array({ maxLength: 60 }),
  // Small values of both signs, the extremes of float32, and both zeros.
  fc
    .array(
      fc.constantFrom(0, -0, 1, -1, 0.5, 2 ** -149, -(2 ** -149), 2 ** -126, 3.4e38, -3.4e38, Number.NaN, Infinity),
    )
    .map((values) => Float32Array.from(values)),
);

/** What holds for every histogram: ascending, disjoint, within the extremes, complete. */
function check(histogram: Histogram, values: readonly number[]): void {
  const finite = values.filter(Number.isFinite);
  expect(histogram.count).toBe(finite.length);
  expect(histogram.buckets.reduce((sum, { count }) => sum + count, 0)).toBe(finite.length);
  if (finite.length === 0) {
    expect(histogram).toEqual(emptyHistogram);
    return;
  }
  const { buckets, min, max, sum, sumSquares } = histogram;
  expect([min, max]).toEqual([Math.min(...finite) + 0, Math.max(...finite) + 0]);
  expect([buckets[0]!.left, buckets.at(-1)!.right]).toEqual([min, max]);
  buckets.forEach(({ left, right, count }, i) => {
    expect(count).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(right);
    if (i > 0) expect(left).toBeGreaterThanOrEqual(buckets[i - 1]!.right);
  });
  for (const x of [sum!, sumSquares!]) expect(Number.isFinite(x)).toBe(true);
}

describe('histogramOf', () => {
  it('counts every finite value once, in buckets that ascend from minimum to maximum', () => {
    fc.assert(
      fc.property(arrays, (data) => {
        check(histogramOf(data), [...data]);
      }),
      { numRuns: 500 },
    );
  });

  it('counts a value in a bucket that holds it', () => {
    fc.assert(
      fc.property(arrays, (data) => {
        const { buckets } = histogramOf(data);
        const finite = [...data].filter(Number.isFinite);
        for (const { left, right, count } of buckets) {
          expect(finite.filter((x) => x >= left && x <= right).length).toBeGreaterThanOrEqual(count);
          expect(finite.filter((x) => x > left && x < right).length).toBeLessThanOrEqual(count);
        }
      }),
    );
  });

  it('has four buckets per octave on both sides', () => {
    const { buckets } = histogramOf(Float32Array.of(-1.9, -1.1, -1.1, 0, 1, 1.25, 1.3, 1.6, 3));
    expect(buckets).toEqual([
      { left: Math.fround(-1.9), right: -1.75, count: 1 },
      { left: -1.25, right: -1, count: 2 },
      { left: 0, right: 2 ** -128, count: 1 },
      { left: 1, right: 1.25, count: 1 },
      { left: 1.25, right: 1.5, count: 2 },
      { left: 1.5, right: 1.75, count: 1 },
      { left: 3, right: 3, count: 1 },
    ]);
  });

  it('gives float32 and float64 the same buckets, and takes tensors of other types', () => {
    const values = [-3, -0.1, 0.2, 0.7, 5];
    const { sum, sumSquares, ...buckets } = histogramOf(Float32Array.from(values));
    expect(histogramOf(Float64Array.from(Float32Array.from(values)))).toMatchObject(buckets);
    expect(histogramOf(tensorOf('int64', [3], [-2, 1, 1])).buckets.map(({ count }) => count)).toEqual([1, 2]);
    expect(histogramOf(tensorOf('float16', [2], [0.5, -1])).min).toBe(-1);
  });

  it('leaves NaN and infinities out; of nothing else it is empty', () => {
    const clean = histogramOf(Float32Array.of(1, -2, 3));
    expect(histogramOf(Float32Array.of(1, Number.NaN, -2, Infinity, 3, -Infinity))).toEqual(clean);
    expect(histogramOf(Float32Array.of(Number.NaN, Infinity))).toEqual(emptyHistogram);
    expect(histogramOf(new Float32Array(0))).toEqual(emptyHistogram);
  });

  it('stays finite where squares overflow', () => {
    expect(histogramOf(Float64Array.of(1e300, -1e300)).sumSquares).toBe(Number.MAX_VALUE);
  });
});

describe('histogramOfStatistics', () => {
  const of = (values: number[]) => histogramOfStatistics(measureTensor(tensorOf('float32', [values.length], values)));

  it('is exact where one sign occurs', () => {
    expect(of([0, 0, 1, 1.5, 3])).toMatchObject({
      buckets: [
        { left: 0, right: 0, count: 2 },
        { left: 1, right: 2, count: 2 },
        { left: 2, right: 3, count: 1 },
      ],
      count: 5,
      min: 0,
      max: 3,
    });
    expect(of([-1, -3])).toMatchObject({
      buckets: [
        { left: -3, right: -2, count: 1 },
        { left: -2, right: -1, count: 1 },
      ],
      min: -3,
      max: -1,
    });
  });

  it('splits octaves in the proportion of the signs, without losing a count', () => {
    const { buckets, min, max } = of([1, 1, 1, -1, 4, 4, -4, 4, 0.25, -0.25]);
    expect([min, max]).toEqual([-4, 4]);
    const negative = buckets.filter(({ right }) => right <= 0).reduce((sum, { count }) => sum + count, 0);
    expect(negative).toBe(3);
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true })), (values) => {
        const histogram = of(values);
        const finite = values.filter(Number.isFinite);
        expect(histogram.buckets.reduce((sum, { count }) => sum + count, 0)).toBe(finite.length);
        const below = histogram.buckets.filter(({ left }) => left < 0).reduce((sum, { count }) => sum + count, 0);
        expect(below).toBe(finite.filter((x) => x < 0).length);
      }),
    );
  });
});
