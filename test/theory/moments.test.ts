import { describe, expect, it } from 'vitest';
import { isActivation } from '../../src/flow/kinds.ts';
import { activationOf, activationOps } from '../../src/theory/activations.ts';
import { Kernel, momentsOf } from '../../src/theory/moments.ts';

/** E[f(μ + σ z)] by the trapezoidal rule on 40 001 points: slow, and of another kind than what it checks. */
function brute(f: (x: number) => number, variance: number, mean = 0): number {
  const n = 40_000;
  const step = 20 / n;
  let sum = 0;
  for (let i = 0; i <= n; i++) {
    const z = -10 + i * step;
    sum += f(mean + Math.sqrt(variance) * z) * Math.exp((-z * z) / 2);
  }
  return (sum * step) / Math.sqrt(2 * Math.PI);
}

describe('activation functions', () => {
  it('are all that flow knows as activations', () => {
    const ops = activationOps.filter((op) => op !== 'Identity');
    expect(ops.every(isActivation)).toBe(true);
    const known =
      'Relu LeakyRelu PRelu Elu Selu Celu Gelu Sigmoid Tanh Softplus Softsign HardSigmoid HardSwish Mish Swish ' +
      'ThresholdedRelu Shrink Clip Erf';
    expect(ops.toSorted()).toEqual(known.split(' ').toSorted());
    expect(activationOf('Softmax')).toBeUndefined();
    expect(activationOf('LeakyRelu', { alpha: Number.NaN })).toBeUndefined();
  });

  it.each(activationOps)('%s: φ′ is the derivative of φ', (op) => {
    const { of, slope, kinks } = activationOf(op)!;
    for (const x of [-7.3, -2.9, -1.1, -0.4, -0.2, 0.3, 0.45, 0.9, 2.2, 4.1, 9]) {
      if (kinks.some((kink) => Math.abs(kink - x) < 1e-3)) continue;
      const h = 1e-4;
      // The error function of flow is good to 1.5e-7, its difference quotient to 1e-3.
      expect(Math.abs((of(x + h) - of(x - h)) / (2 * h) - slope(x))).toBeLessThan(/Gelu|Erf/.test(op) ? 2e-3 : 1e-7);
    }
  });

  it('read their numbers', () => {
    expect(activationOf('LeakyRelu', { alpha: 0.3 })!.of(-2)).toBeCloseTo(-0.6);
    expect(activationOf('Elu', { alpha: 2 })!.of(-1)).toBeCloseTo(2 * Math.expm1(-1));
    expect(activationOf('Celu', { alpha: 2 })!.of(-1)).toBeCloseTo(2 * Math.expm1(-0.5));
    expect(activationOf('HardSigmoid', { alpha: 1 / 6, beta: 0.5 })!.of(1)).toBeCloseTo(2 / 3);
    expect(activationOf('HardSigmoid', { alpha: 1 / 6, beta: 0.5 })!.slope(2.9)).toBeCloseTo(1 / 6);
    expect(activationOf('Swish', { alpha: 1.702 })!.slope(0.5)).toBeCloseTo(0.8792, 4);
    expect(activationOf('Clip', { min: 0, max: 6 })!.of(7)).toBe(6);
    expect(activationOf('ThresholdedRelu', { alpha: 0.2 })!.of(0.3)).toBe(0.3);
    expect(activationOf('Shrink', { lambd: 1, bias: 1 })!.of(3)).toBe(2);
  });
});

describe('moments of activations', () => {
  it.each(activationOps)('%s: agree with brute force at small, usual and large variance', (op) => {
    const activation = activationOf(op)!;
    const smooth = activation.kinks.length === 0;
    for (const [variance, mean] of [
      [0.01, 0],
      [0.56, 0],
      [1, 0],
      [0.7, 0.4],
      [30, 0],
    ] as const) {
      const found = momentsOf(activation, variance, mean);
      const within = (a: number, f: (x: number) => number) => {
        const b = brute(f, variance, mean);
        // Jumps cost the trapezoidal rule half a step.
        expect(Math.abs(a - b), `${op} ${variance}`).toBeLessThan((smooth ? 1e-7 : 1e-3) * Math.max(1, Math.abs(b)));
      };
      within(found.mean, activation.of);
      within(found.square, (x) => activation.of(x) ** 2);
      within(found.slopeSquare, (x) => activation.slope(x) ** 2);
      within(found.slopeFourth, (x) => activation.slope(x) ** 4);
    }
  });

  it('of ReLU are half the variance, a half, and √(q / 2π) (He et al. 2015)', () => {
    const { square, slopeSquare, mean } = momentsOf(activationOf('Relu')!, 3);
    expect([square, slopeSquare, mean]).toEqual([1.5, 0.5, Math.sqrt(3 / (2 * Math.PI))]);
    expect(momentsOf(activationOf('LeakyRelu', { alpha: 0.2 })!, 2).square).toBeCloseTo(1.04, 14);
  });

  it('of the error function follow the arc-sine law: E[erf²] = 2/π · asin(2q / (1 + 2q)) (Williams 1997)', () => {
    for (const q of [0.1, 1, 7, 200]) {
      const exact = (2 / Math.PI) * Math.asin((2 * q) / (1 + 2 * q));
      expect(momentsOf(activationOf('Erf')!, q).square).toBeCloseTo(exact, 6);
      const kernel = new Kernel(activationOf('Erf')!, q);
      for (const c of [-0.9, -0.3, 0, 0.5, 0.8]) {
        expect(kernel.product(c)).toBeCloseTo((2 / Math.PI) * Math.asin((2 * q * c) / (1 + 2 * q)), q > 100 ? 4 : 6);
      }
    }
  });

  it('of SELU have the fixed point (0, 1) it was made for (Klambauer et al. 2017)', () => {
    const { mean, square } = momentsOf(activationOf('Selu')!, 1);
    expect(mean).toBeCloseTo(0, 10);
    expect(square).toBeCloseTo(1, 10);
  });

  it('are NaN for no number, and finite at any variance', () => {
    expect(momentsOf(activationOf('Tanh')!, Number.NaN).square).toBeNaN();
    expect(momentsOf(activationOf('Tanh')!, 1, Number.POSITIVE_INFINITY).square).toBeNaN();
    for (const q of [0, 1e-300, 1e300, Number.POSITIVE_INFINITY]) {
      const { square, slopeSquare } = momentsOf(activationOf('Tanh')!, q);
      expect(square).toBeGreaterThanOrEqual(0);
      expect(slopeSquare).toBeLessThanOrEqual(1 + 1e-12);
      expect(Number.isNaN(square)).toBe(false);
    }
    expect(momentsOf(activationOf('Tanh')!, 1e300).square).toBeCloseTo(1, 12);
  });
});

describe('joint expectations', () => {
  it('of ReLU are the arc-cosine kernels (Cho and Saul 2009), also as a series', () => {
    const closed = new Kernel(activationOf('Relu')!, 2);
    // The same function with a mean so small that nothing but the closed form is lost.
    const series = new Kernel(activationOf('Relu')!, 2, 1e-300);
    for (const c of [-0.8, 0, 0.3, 0.9]) {
      const theta = Math.acos(c);
      expect(closed.product(c)).toBeCloseTo((2 * (Math.sin(theta) + (Math.PI - theta) * c)) / (2 * Math.PI), 12);
      expect(closed.slopeProduct(c)).toBeCloseTo((Math.PI - theta) / (2 * Math.PI), 12);
      expect(series.product(c)).toBeCloseTo(closed.product(c), 4);
    }
    expect(closed.product(1)).toBeCloseTo(1, 12);
    expect(closed.product(-1)).toBeCloseTo(0, 12);
    expect(new Kernel(activationOf('LeakyRelu', { alpha: 1 })!, 3).product(0.4)).toBeCloseTo(1.2, 12);
  });

  it.each(activationOps)('%s: at c = 1 the second moment, at c = 0 the squared mean', (op) => {
    const activation = activationOf(op)!;
    const { square, mean, slopeSquare } = momentsOf(activation, 0.8);
    const kernel = new Kernel(activation, 0.8);
    expect(kernel.product(1)).toBeCloseTo(square, 8);
    expect(kernel.product(0)).toBeCloseTo(mean * mean, 8);
    expect(kernel.slopeProduct(1)).toBeCloseTo(slopeSquare, 8);
  });
});
