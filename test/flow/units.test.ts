import { describe, expect, it } from 'vitest';
import { measureUnits } from '../../src/flow/units.ts';
import { tensorOf } from '../../src/graph/tensor.ts';

const points = Array.from({ length: 40 }, (_, i) => -4.05 + 0.2 * i);
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
/** Φ by Simpson's rule: the definition, not the approximation that is under test. */
function normalCdf(x: number): number {
  const n = 2000;
  const h = x / n;
  let sum = 0;
  for (let i = 0; i <= n; i++) sum += Math.exp(-((i * h) ** 2) / 2) * (i === 0 || i === n ? 1 : i % 2 === 1 ? 4 : 2);
  return 0.5 + (sum * h) / 3 / Math.sqrt(2 * Math.PI);
}

const functions: Record<string, (x: number) => number> = {
  Gelu: (x) => x * normalCdf(x),
  Swish: (x) => x * sigmoid(x),
  Mish: (x) => x * Math.tanh(Math.log1p(Math.exp(x))),
  HardSwish: (x) => (x * Math.min(6, Math.max(0, x + 3))) / 6,
};

describe('unit statistics of smooth activations', () => {
  it.each(Object.entries(functions))('%s: mean square derivative as by differences', (op, f) => {
    const h = 1e-4;
    const squares = points.map((x) => ((f(x + h) - f(x - h)) / (2 * h)) ** 2);
    const X = tensorOf('float64', [points.length, 1], points);
    const Y = tensorOf('float64', [points.length, 1], points.map(f));
    const measured = measureUnits(op, X, Y)!;
    const expected = squares.reduce((sum, square) => sum + square, 0) / points.length;
    expect(measured.meanSquareDerivative).toBeCloseTo(expected, 5);
    expect(measured).toMatchObject({ units: 1, dead: 0, saturated: 0 });
  });

  it('a falling slope is no saturation', () => {
    const tensor = (x: number) => tensorOf('float64', [4, 1], new Array(4).fill(x));
    // Mish and SiLU fall by 0.1 per unit at −2.4.
    expect(measureUnits('Swish', tensor(-2.4), tensor(functions.Swish!(-2.4)))!.saturatedFraction).toBe(0);
    expect(measureUnits('Swish', tensor(-9), tensor(functions.Swish!(-9)))!.saturatedFraction).toBe(1);
  });
});
