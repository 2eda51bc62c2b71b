import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Attribute } from '../../src/graph/graph.ts';
import { awayFrom, checkNode, normal } from './gradient-check.ts';
import { pullBack, slope } from './pull-back.ts';

const { exp, log1p, tanh, abs, min, max } = Math;
const sigmoid = (x: number) => 1 / (1 + exp(-x));
const softplus = (x: number) => log1p(exp(x));

interface Case {
  op: string;
  f: (x: number) => number;
  attributes?: Record<string, Attribute>;
  kinks?: number[];
  /** The operator's first opset, where it is newer than the dialect. */
  opset?: number;
}

/** The definitions of the ONNX specification, as functions of one number. */
const cases: Case[] = [
  { op: 'Sigmoid', f: sigmoid },
  { op: 'Tanh', f: tanh },
  { op: 'Relu', f: (x) => max(0, x), kinks: [0] },
  { op: 'LeakyRelu', f: (x) => (x < 0 ? 0.01 * x : x), kinks: [0] },
  { op: 'LeakyRelu', f: (x) => (x < 0 ? -0.3 * x : x), attributes: { alpha: -0.3 }, kinks: [0] },
  { op: 'LeakyRelu', f: (x) => max(0, x), attributes: { alpha: 0 }, kinks: [0] },
  { op: 'Elu', f: (x) => (x < 0 ? exp(x) - 1 : x) },
  { op: 'Elu', f: (x) => (x < 0 ? 2.5 * (exp(x) - 1) : x), attributes: { alpha: 2.5 }, kinks: [0] },
  {
    op: 'Selu',
    f: (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * (exp(x) - 1)),
    kinks: [0],
  },
  { op: 'Selu', f: (x) => 3 * (x > 0 ? x : 2 * (exp(x) - 1)), attributes: { alpha: 2, gamma: 3 }, kinks: [0] },
  { op: 'Celu', f: (x) => max(0, x) + min(0, exp(x) - 1) },
  { op: 'Celu', f: (x) => max(0, x) + min(0, 0.5 * (exp(x / 0.5) - 1)), attributes: { alpha: 0.5 } },
  { op: 'Swish', f: (x) => x * sigmoid(x), opset: 24 },
  { op: 'Swish', f: (x) => x * sigmoid(1.7 * x), attributes: { alpha: 1.7 }, opset: 24 },
  { op: 'Softplus', f: softplus },
  { op: 'Softsign', f: (x) => x / (1 + abs(x)) },
  { op: 'HardSigmoid', f: (x) => max(0, min(1, 0.2 * x + 0.5)), kinks: [-2.5, 2.5] },
  {
    op: 'HardSigmoid',
    f: (x) => max(0, min(1, 0.5 * x + 0.6)),
    attributes: { alpha: 0.5, beta: 0.6 },
    kinks: [-1.2, 0.8],
  },
  { op: 'HardSwish', f: (x) => x * max(0, min(1, x / 6 + 0.5)), kinks: [-3, 3] },
  { op: 'Mish', f: (x) => x * tanh(softplus(x)) },
  { op: 'ThresholdedRelu', f: (x) => (x > 1 ? x : 0), kinks: [1] },
  { op: 'ThresholdedRelu', f: (x) => (x > 0.4 ? x : 0), attributes: { alpha: 0.4 }, kinks: [0.4] },
  { op: 'Shrink', f: (x) => (abs(x) > 0.5 ? x : 0), kinks: [-0.5, 0.5] },
  {
    op: 'Shrink',
    f: (x) => (x < -0.8 ? x + 0.3 : x > 0.8 ? x - 0.3 : 0),
    attributes: { lambd: 0.8, bias: 0.3 },
    kinks: [-0.8, 0.8],
  },
  {
    op: 'Gelu',
    f: (x) => 0.5 * x * (1 + tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
    attributes: { approximate: 'tanh' },
  },
];

describe('derivatives of activations, float32 against differences in float64', () => {
  it.each(cases)('$op $attributes', async ({ op, f, attributes, kinks = [], opset }) => {
    const grid = Array.from({ length: 97 }, (_, i) => -6 + i / 8 + 0.013);
    const X = grid.filter((x) => kinks.every((kink) => abs(x - kink) > 0.01)).map(Math.fround);
    const { dX, Y } = await pullBack(op, { X }, undefined, { attributes, type: 'float32', opset });
    X.forEach((x, i) => {
      expect(abs(Y[i]! - f(x)), `${op}(${x})`).toBeLessThan(3e-6 * (1 + abs(f(x))));
      expect(abs(dX![i]! - slope(f, x)), `${op}′(${x})`).toBeLessThan(3e-6);
    });
  });
});

describe('gradients of activations along random directions', () => {
  it.each([
    { op: 'Sigmoid', domain: normal },
    { op: 'Tanh', domain: normal },
    { op: 'Relu', domain: awayFrom([0]) },
    { op: 'Gelu', domain: normal, type: 'float32' as const },
    { op: 'ThresholdedRelu', domain: awayFrom([1]), type: 'float32' as const },
  ])('$op', async ({ op, domain, type }) => {
    await checkNode({ op, inputs: [{ name: 'X', shape: [3, 4], domain }], type });
  });

  it('PRelu broadcasts its slope as ONNX does', async () => {
    const shapes = fc.constantFrom([1], [4], [3, 1], [2, 1, 1], [2, 3, 4], [1, 3, 1]);
    await fc.assert(
      fc.asyncProperty(shapes, fc.integer({ min: 1, max: 1000 }), async (slopeShape, seed) => {
        await checkNode({
          op: 'PRelu',
          inputs: [
            { name: 'X', shape: [2, 3, 4], domain: awayFrom([0]) },
            { name: 'slope', shape: slopeShape },
          ],
          type: 'float32',
          seed,
        });
      }),
      { numRuns: 12 },
    );
  });
});

// Truth: torch 1.13, double precision.
describe('conventions at kinks, as in PyTorch', () => {
  it.each<{ op: string; X: number[]; dX: number[]; attributes?: Record<string, number> }>([
    { op: 'Relu', X: [-1, 0, 2], dX: [0, 0, 1] },
    { op: 'LeakyRelu', X: [-1, 0, 1], dX: [0.1, 0.1, 1], attributes: { alpha: 0.1 } },
    { op: 'Elu', X: [-1, 0, 1], dX: [0.7357588823428847, 2, 1], attributes: { alpha: 2 } },
    { op: 'Selu', X: [-1, 0, 1], dX: [0.646768603034814, 1.7580993408473766, 1.0507009873554805] },
    { op: 'Celu', X: [-1, 0, 1], dX: [0.6065306597126334, 1, 1], attributes: { alpha: 2 } },
    { op: 'HardSigmoid', X: [-3, 0, 3], dX: [0, 1 / 6, 0], attributes: { alpha: 1 / 6, beta: 0.5 } },
    { op: 'HardSwish', X: [-4, -3, 0, 1, 3, 4], dX: [0, -0.5, 0.5, 5 / 6, 1.5, 1] },
    { op: 'ThresholdedRelu', X: [0.5, 1, 2], dX: [0, 0, 1] },
    { op: 'Shrink', X: [-0.5, 0.5, 0.75, -0.75], dX: [0, 0, 1, 1] },
  ])('$op', async ({ op, X, dX, attributes }) => {
    const result = await pullBack(op, { X }, undefined, { attributes, type: 'float32' });
    expectClose(result.dX!, dX, 1e-6);
  });

  it('PRelu takes the slope at 0 and gives the slope nothing there', async () => {
    const inputs = { X: [-1, 0, 2], slope: [0.25, 0.5, 0.75] };
    const { dX, dslope } = await pullBack('PRelu', inputs, undefined, { type: 'float32' });
    expect(dX).toEqual([0.25, 0.5, 1]);
    expect(dslope).toEqual([-1, 0, 0]);
  });
});

// Truth: torch 1.13, double precision.
describe('values of derivatives', () => {
  it.each([
    {
      op: 'Gelu',
      X: [-2, -0.5, 0, 1, 3],
      dX: [-0.08523180107819692, 0.13250487534383712, 0.5, 1.0833154705876864, 1.011945647204184],
    },
    { op: 'Mish', X: [-2, 0, 30, 90], dX: [-0.1083550924203939, 0.6, 1, 1] },
    { op: 'Mish', X: [-1, 2], dX: [0.059216755877395014, 1.0693179342794896] },
    // The tail of Elu is eˣ to full precision, where Y + α would be 0.
    { op: 'Elu', X: [-50, -20], dX: [1.9287498479639178e-22, 2.061153622438558e-9] },
  ])('$op at $X', async ({ op, X, dX }) => {
    const result = await pullBack(op, { X }, undefined, { type: 'float32' });
    expectClose(result.dX!, dX, 5e-6);
  });
});

describe('infinities and NaN', () => {
  it.each(['Relu', 'ThresholdedRelu', 'Shrink', 'HardSigmoid', 'HardSwish'])(
    'an infinite gradient at a masked place of %s is 0',
    async (op) => {
      const X = op === 'Shrink' ? [0.1, 0.2] : [-5, -7];
      const { dX } = await pullBack(op, { X }, [Infinity, -Infinity], { type: 'float32' });
      expect(dX).toEqual([0, 0]);
    },
  );

  it('LeakyRelu with slope 0 masks like Relu', async () => {
    const options = { attributes: { alpha: 0 }, type: 'float32' as const };
    const { dX } = await pullBack('LeakyRelu', { X: [-5, 3] }, [Infinity, Infinity], options);
    expect(dX).toEqual([0, Infinity]);
  });

  it('exponentials that overflow on the branch not taken leave no trace', async () => {
    for (const op of ['Elu', 'Selu', 'Celu']) {
      const { dX } = await pullBack(op, { X: [1000] }, [1], { type: 'float32' });
      expect(dX![0], op).toBeCloseTo(op === 'Selu' ? 1.0507 : 1, 4);
    }
  });

  it('Softsign’s derivative is tiny, not 0 or NaN, where the square overflows', async () => {
    const { dX } = await pullBack('Softsign', { X: [1e15, 1e25] }, [1, 1e30], { type: 'float32' });
    expectClose(dX!, [1e-30, 1e-20], 1e-5);
  });

  it.each(['Relu', 'ThresholdedRelu', 'Shrink'])('a NaN activation of %s passes the gradient', async (op) => {
    const { dX } = await pullBack(op, { X: [Number.NaN] }, [3], { type: 'float32' });
    expect(dX).toEqual([3]);
  });
});

/** Relative to the expected number; exact where that is 0. */
function expectClose(actual: number[], expected: number[], tolerance: number): void {
  expect(actual).toHaveLength(expected.length);
  expected.forEach((value, i) => {
    expect(abs(actual[i]! - value), `[${i}]: ${actual[i]} against ${value}`).toBeLessThanOrEqual(
      tolerance * abs(value),
    );
  });
}
