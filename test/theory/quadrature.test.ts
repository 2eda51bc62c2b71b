import { describe, expect, it } from 'vitest';
import { expectation, gaussHermite, gaussLegendre, piecewise } from '../../src/theory/quadrature.ts';

/** E[z^k] of a standard normal: (k − 1)!! for even k. */
const moment = (k: number) =>
  k % 2 === 1 ? 0 : Array.from({ length: k / 2 }, (_, i) => 2 * i + 1).reduce((a, b) => a * b, 1);

describe('Gauss–Hermite', () => {
  it.each([1, 2, 3, 4, 5, 8, 20, 33, 64, 96, 128])('of %i nodes gives polynomials of degree 2n − 1 exactly', (n) => {
    const rule = gaussHermite(n);
    for (let k = 0; k <= Math.min(2 * n - 1, 16); k++) {
      expect(Math.abs(expectation(rule, (z) => z ** k) - moment(k))).toBeLessThan(1e-12 * moment(k + (k % 2)) + 1e-13);
    }
    expect([...rule.nodes]).toEqual([...rule.nodes].sort((a, b) => a - b));
    expect(rule.weights.every((w) => w > 0)).toBe(true);
  });

  it('has the nodes and weights of Abramowitz and Stegun, table 25.10, scaled', () => {
    const { nodes, weights } = gaussHermite(5);
    expect(nodes[4]! / Math.SQRT2).toBeCloseTo(2.0201828704560856, 14);
    expect(nodes[3]! / Math.SQRT2).toBeCloseTo(0.9585724646138185, 14);
    expect(weights[4]! * Math.sqrt(Math.PI)).toBeCloseTo(0.01995324205904591, 14);
    expect(weights[2]! * Math.sqrt(Math.PI)).toBeCloseTo(0.9453087204829419, 14);
  });

  it('refuses more nodes than its first guesses are good for', () => {
    expect(() => gaussHermite(0)).toThrow(RangeError);
    expect(() => gaussHermite(129)).toThrow(RangeError);
  });

  it('meets E[cos(t z)] = exp(−t² / 2)', () => {
    for (const t of [0.5, 1, 3]) {
      expect(expectation(gaussHermite(64), (z) => Math.cos(t * z))).toBeCloseTo(Math.exp((-t * t) / 2), 12);
    }
  });
});

describe('Gauss–Legendre', () => {
  it('integrates polynomials of degree 2n − 1 on [−1, 1]', () => {
    const { nodes, weights } = gaussLegendre(16);
    for (let k = 0; k < 32; k++) {
      const integral = nodes.reduce((sum, x, i) => sum + weights[i]! * x ** k, 0);
      expect(integral).toBeCloseTo(k % 2 === 0 ? 2 / (k + 1) : 0, 14);
    }
  });
});

describe('the piecewise rule', () => {
  it.each([
    [0, 1],
    [0.7, 0.3],
    [-2, 5],
    [0, 60],
    [0, 1e6],
    [1, 0],
  ])('splits at a kink: E[max(0, μ + σ z)] with μ = %d, σ = %d', (mean, deviation) => {
    const rule = piecewise(mean, deviation, [0]);
    const found = expectation(rule, (z) => Math.max(0, mean + deviation * z));
    const t = mean / deviation;
    const cdf = expectation(piecewise(0, 1, [-t]), (z) => (z > -t ? 1 : 0));
    const exact = deviation === 0 ? mean : mean * cdf + (deviation * Math.exp((-t * t) / 2)) / Math.sqrt(2 * Math.PI);
    expect(found / exact).toBeCloseTo(1, 12);
  });

  it('sees saturation far narrower than the normal: E[sech²(σ z)] → √(2/π) / σ', () => {
    const sigma = 1e4;
    const found = expectation(piecewise(0, sigma), (z) => 1 / Math.cosh(Math.min(300, Math.abs(sigma * z))) ** 2);
    expect(found * sigma * Math.sqrt(Math.PI / 2)).toBeCloseTo(1, 6);
  });
});
