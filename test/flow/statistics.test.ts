import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasNonFinite, innerProduct, measureTensor } from '../../src/flow/statistics.ts';
import { tensorOf } from '../../src/graph/tensor.ts';

const float32 = (values: number[]) => tensorOf('float32', [values.length], values);
const float64 = (values: number[]) => tensorOf('float64', [values.length], values);

describe('tensor statistics', () => {
  it('measures what arithmetic says', () => {
    const measured = measureTensor(float32([3, -4, 0, 0]));
    expect(measured).toMatchObject({ count: 4, l2: 5, maxAbs: 4, meanAbs: 1.75, mean: -0.25, zeroFraction: 0.5 });
    expect(measured.log10L2).toBeCloseTo(Math.log10(5), 12);
    // 3 lies in [2, 4), 4 in [4, 8)
    expect(measured.log2Histogram).toEqual({ from: 1, counts: [1, 1], zeros: 2, negatives: 1 });
  });

  it('is exact for float32 down to its smallest subnormal', () => {
    const smallest = 2 ** -149;
    const measured = measureTensor(float32([smallest, -smallest, 2 ** -126, 1e-38]));
    expect(measured.maxAbs).toBe(2 ** -126);
    expect(measured.zeroFraction).toBe(0);
    expect(measured.log2Histogram.from).toBe(-149);
    expect(measured.log2Histogram.counts[0]).toBe(2);
    expect(measured.log2Histogram.counts.reduce((a, b) => a + b)).toBe(4);
  });

  it.each([[2 ** -149], [1e-30], [1e-38], [3e38]])('gives the norm of a thousand times %d', (x) => {
    const value = Math.fround(x);
    const measured = measureTensor(float32(new Array(1000).fill(value)));
    expect(measured.l2 / (value * Math.sqrt(1000))).toBeCloseTo(1, 12);
  });

  it.each([[1e-300], [1e-320], [1e300]])('neither overflows nor underflows in float64 at %d', (x) => {
    const measured = measureTensor(float64([3 * x, 4 * x]));
    expect(measured.l2 / x).toBeCloseTo(5, 3);
    expect(measured.log10L2).toBeCloseTo(Math.log10(5) + Math.log10(x), 3);
  });

  it('undoes a power of two, also beyond the range of float64', () => {
    const measured = measureTensor(float32([0.75, 0]), 2000);
    expect(measured.log10L2).toBeCloseTo(Math.log10(0.75) - 2000 * Math.log10(2), 9);
    expect(measured.l2).toBe(0);
    expect(measured.log2Histogram.from).toBe(-2001);
    expect(measureTensor(float32([0.75]), 1000).l2).toBe(0.75 * 2 ** -1000);
  });

  it('counts NaN and infinities apart and measures the rest', () => {
    const measured = measureTensor(float32([Number.NaN, Infinity, -Infinity, -Infinity, 3, 4, 0]));
    expect(measured.nonFinite).toEqual({ nan: 1, positiveInfinity: 1, negativeInfinity: 2 });
    expect(measured.l2).toBe(5);
    expect(measured.meanAbs).toBeCloseTo(7 / 3, 12);
    expect(hasNonFinite(measured)).toBe(true);
    expect(measureTensor(float64([Number.NaN, -Infinity])).nonFinite).toEqual({
      nan: 1,
      positiveInfinity: 0,
      negativeInfinity: 1,
    });
  });

  it('tells zero from small: only zeros have log −∞', () => {
    expect(measureTensor(float32([0, -0])).log10L2).toBe(Number.NEGATIVE_INFINITY);
    expect(measureTensor(float32([])).count).toBe(0);
  });

  it('bins every element of any array once', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.float(), fc.constant(0)), { maxLength: 50 }), (values) => {
        for (const tensor of [float32(values), float64(values)]) {
          const { log2Histogram, nonFinite, count } = measureTensor(tensor);
          const binned = log2Histogram.counts.reduce((a, b) => a + b, 0);
          expect(
            binned + log2Histogram.zeros + nonFinite.nan + nonFinite.positiveInfinity + nonFinite.negativeInfinity,
          ).toBe(count);
          log2Histogram.counts.forEach((inBin, i) => {
            const [low, high] = [2 ** (log2Histogram.from + i), 2 ** (log2Histogram.from + i + 1)];
            expect(values.filter((x) => Math.abs(x) >= low && Math.abs(x) < high && Number.isFinite(x)).length).toBe(
              inBin,
            );
          });
        }
      }),
    );
  });

  it('reads half precision', () => {
    expect(measureTensor(tensorOf('float16', [2], [3, 4])).l2).toBe(5);
    expect(measureTensor(tensorOf('bfloat16', [2], [3, 4])).l2).toBe(5);
  });

  it('takes inner products in float64', () => {
    expect(innerProduct(float32([1, 2, Number.NaN]), float32([3, 4, 5]))).toBe(11);
  });
});
