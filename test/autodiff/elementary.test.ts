import { describe, expect, it } from 'vitest';
import { pullBack, slope } from './pull-back.ts';

const { abs } = Math;
const grid = (from: number, to: number) => Array.from({ length: 41 }, (_, i) => from + ((to - from) * (i + 0.37)) / 41);

/** Each function where it is defined and smooth. */
const cases = [
  { op: 'Abs', f: abs, X: [...grid(-3, -0.1), ...grid(0.1, 3)] },
  { op: 'Reciprocal', f: (x: number) => 1 / x, X: [...grid(-3, -0.4), ...grid(0.4, 3)] },
  { op: 'Sqrt', f: Math.sqrt, X: grid(0.3, 5) },
  { op: 'Exp', f: Math.exp, X: grid(-5, 2) },
  { op: 'Log', f: Math.log, X: grid(0.3, 5) },
  { op: 'Sin', f: Math.sin, X: grid(-6, 6) },
  { op: 'Cos', f: Math.cos, X: grid(-6, 6) },
  { op: 'Tan', f: Math.tan, X: grid(-1.2, 1.2) },
  { op: 'Asin', f: Math.asin, X: grid(-0.95, 0.95) },
  { op: 'Acos', f: Math.acos, X: grid(-0.95, 0.95) },
  { op: 'Atan', f: Math.atan, X: grid(-4, 4) },
  { op: 'Sinh', f: Math.sinh, X: grid(-3, 3) },
  { op: 'Cosh', f: Math.cosh, X: grid(-3, 3) },
  { op: 'Asinh', f: Math.asinh, X: grid(-4, 4) },
  { op: 'Acosh', f: Math.acosh, X: grid(1.2, 5) },
  { op: 'Atanh', f: Math.atanh, X: grid(-0.95, 0.95) },
];

describe('derivatives of functions of one variable, float32 against differences in float64', () => {
  it.each(cases)('$op', async ({ op, f, X }) => {
    const points = X.map(Math.fround);
    const { dX } = await pullBack(op, { X: points }, undefined, { type: 'float32' });
    points.forEach((x, i) => {
      const expected = slope(f, x, 1e-4);
      expect(abs(dX![i]! - expected), `${op}′(${x}): ${dX![i]}`).toBeLessThan(2e-6 * (1 + abs(expected)));
    });
  });
});

// Truth: torch 1.13, double precision.
describe('values of derivatives', () => {
  it.each([
    {
      op: 'Erf',
      X: [-3, -1, 0, 0.5, 2],
      dX: [0.00013925305194674786, 0.4151074974205947, 1.1283791670955126, 0.8787825789354448, 0.020666985354092053],
    },
    { op: 'Asin', X: [-0.999, 0.25], dX: [22.36627204212937, 1.0327955589886444] },
    { op: 'Atanh', X: [-0.999, 0.5], dX: [500.250125062538, 1.3333333333333333] },
    { op: 'Acosh', X: [1.0001, 3], dX: [70.70891041800492, 0.35355339059327373] },
    { op: 'Abs', X: [-2, 0, 3], dX: [-1, 0, 1] },
    { op: 'Sqrt', X: [0, 4], dX: [Number.POSITIVE_INFINITY, 0.25] },
    { op: 'Exp', X: [Number.NEGATIVE_INFINITY, 0], dX: [0, 1] },
  ])('$op', async ({ op, X, dX }) => {
    const type = ['Abs', 'Sqrt', 'Exp'].includes(op) ? 'float64' : 'float32';
    const result = await pullBack(op, { X }, undefined, { type });
    // The inputs themselves are rounded to float32: next to the pole at 1 that moves the derivative by up to 1e-3.
    const tolerance = op === 'Acosh' || op === 'Atanh' || op === 'Asin' ? 1e-3 : 3e-6;
    dX.forEach((expected, i) => {
      const actual = result.dX![i]!;
      if (Number.isFinite(expected)) expect(abs(actual - expected)).toBeLessThanOrEqual(tolerance * abs(expected));
      else expect(actual).toBe(expected);
    });
  });

  it('a pole gives an infinite derivative, and NaN stays NaN', async () => {
    expect((await pullBack('Log', { X: [0, Number.NaN] }, undefined)).dX).toEqual([Infinity, Number.NaN]);
    expect((await pullBack('Reciprocal', { X: [0] }, undefined)).dX).toEqual([-Infinity]);
  });

  it('1 − X² does not cancel near ±1', async () => {
    const X = [0.99, 0.9987, -0.9991, 0.9995].map(Math.fround);
    const { dX } = await pullBack('Asin', { X }, undefined, { type: 'float32' });
    X.forEach((x, i) => {
      expect(abs(dX![i]! * Math.sqrt((1 - x) * (1 + x)) - 1)).toBeLessThan(4e-7);
    });
  });
});
