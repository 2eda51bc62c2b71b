import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DataType } from '../../src/graph/data-type.ts';
import { tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import type { Clipping } from '../../src/training/clipping.ts';
import { stepOfGivenGradients } from './given-gradient.ts';
import { openStep } from './run-step.ts';

const traces = JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/optimizers/traces.json'), 'utf8')) as {
  start: number[];
  gradients: number[][];
  clipping: Record<string, number[][]>;
};

type Parameters = Record<string, { shape: number[]; values: number[] }>;

/** What clipping makes of gradients: with sgd at learning rate 1 the update is their negative. */
async function clip(parameters: Parameters, gradients: Record<string, number[]>, clipping: Clipping, type: DataType) {
  const options = { optimizer: { name: 'sgd' }, clipping, monitors: ['gradient', 'weight', 'update'] as const };
  const step = stepOfGivenGradients(parameters, options, type);
  const { run, state } = await openStep(step);
  const feeds = Object.entries(gradients).map(
    ([name, values]) => [`${name}.gradient`, tensorOf(type, parameters[name]!.shape, values)] as const,
  );
  const outputs = await run(new Map(feeds), 1);
  const read = (name: string | undefined) => (name === undefined ? [] : [...toFloat64(outputs.get(name)!)]);
  const clipped = Object.fromEntries(
    Object.entries(parameters).map(([name, { values }]) => {
      const after = toFloat64(state.get(name)!);
      return [name, values.map((w, i) => w - after[i]!)];
    }),
  );
  const { monitors } = step;
  return {
    clipped,
    globalNorm: read(step.globalNorm)[0],
    norms: { gradient: read(monitors.gradient), weight: read(monitors.weight), update: read(monitors.update) },
  };
}

const norm = (values: readonly number[]) => Math.hypot(...values);
const zeros = (shape: number[]) => ({ shape, values: new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(0) });

describe('clipping', () => {
  const cases: Record<string, Clipping> = {
    'norm-1': { kind: 'norm', maximum: 1 },
    'norm-inf-0.5': { kind: 'norm', maximum: 0.5, order: 'infinity' },
    'value-0.25': { kind: 'value', maximum: 0.25 },
  };
  it.each(Object.entries(cases))('%s: PyTorch’s gradients after clipping', async (name, clipping) => {
    const parameters = { a: zeros([3]), b: zeros([1, 3]) };
    for (const [i, gradient] of traces.gradients.entries()) {
      const given = { a: gradient.slice(0, 3), b: gradient.slice(3) };
      const { clipped } = await clip(parameters, given, clipping, 'float64');
      const expected = traces.clipping[name]![i]!;
      [...clipped.a!, ...clipped.b!].forEach((x, j) => {
        expect(Math.abs(x - expected[j]!), `row ${i}`).toBeLessThan(1e-12 * Math.max(1, Math.abs(expected[j]!)));
      });
    }
  });

  // float32 squares underflow below 1e-19 and overflow above 1e19.
  it.each([1e-30, 1e-22, 1e-12, 1, 1e15, 1e25])('norms of gradients of size %d are right in float32', async (size) => {
    const given = { a: [3 * size, 4 * size], b: [0, 0, 12 * size] };
    const parameters = { a: zeros([2]), b: zeros([3, 1]) };
    const maximum = Math.max(size, 1);
    const { clipped, globalNorm, norms } = await clip(parameters, given, { kind: 'norm', maximum }, 'float32');
    expect(norms.gradient[0]! / size).toBeCloseTo(5, 5);
    expect(norms.gradient[1]! / size).toBeCloseTo(12, 5);
    expect(globalNorm! / size).toBeCloseTo(13, 5);
    const factor = Math.min(1, maximum / (13 * size + 1e-6));
    expect(norm([...clipped.a!, ...clipped.b!]) / (13 * size * factor)).toBeCloseTo(1, 5);
    expect(norms.update[1]! / (12 * size * factor)).toBeCloseTo(1, 5);
  });

  it('zeros have norm zero and are not divided by', async () => {
    const { clipped, globalNorm, norms } = await clip(
      { a: { shape: [2], values: [3, 4] }, s: { shape: [], values: [2] } },
      { a: [0, 0], s: [0] },
      { kind: 'norm', maximum: 1 },
      'float32',
    );
    expect([globalNorm, ...norms.gradient, ...norms.weight, ...clipped.a!]).toEqual([0, 0, 0, 5, 2, 0, 0]);
  });

  it('NaN and infinity show in the norms', async () => {
    const parameters = { a: zeros([2]), b: zeros([2]) };
    const clipping: Clipping = { kind: 'value', maximum: 1 };
    const nan = await clip(parameters, { a: [Number.NaN, 1], b: [3, 4] }, clipping, 'float32');
    expect(nan.norms.gradient).toEqual([Number.NaN, 5]);
    const infinite = await clip(parameters, { a: [Number.POSITIVE_INFINITY, 1], b: [3, 4] }, clipping, 'float32');
    expect(infinite.norms.gradient).toEqual([Number.POSITIVE_INFINITY, 5]);
  });

  // The test's graph multiplies element by element, so a matrix's units are its rows.
  it('adaptive: each unit to λ max(‖w‖, ε), as the paper writes it', async () => {
    const w = [3, 4, 0.0001, 0.0002, 6, 8];
    const gradient = [1, 2, 0.3, 0.4, 0.01, 0.02];
    const bias = { shape: [2], values: [0.3, 0.4] };
    const [factor, epsilon] = [0.1, 1e-3];
    const expectUnit = (weights: number[], g: number[]) => {
      const limit = factor * Math.max(norm(weights), epsilon);
      return norm(g) > limit ? g.map((x) => (x * limit) / norm(g)) : g;
    };
    const parameters = { w: { shape: [3, 2], values: w }, bias, out: { shape: [1, 2], values: [1, 1] } };
    const given = { w: gradient, bias: [5, 5], out: [7, 7] };
    const { clipped } = await clip(parameters, given, { kind: 'adaptive', factor, exclude: ['out'] }, 'float64');
    const expected = [0, 1, 2].flatMap((i) => expectUnit(w.slice(2 * i, 2 * i + 2), gradient.slice(2 * i, 2 * i + 2)));
    expect(clipped.w!.map((x, i) => Math.abs(x - expected[i]!)).every((d) => d < 1e-12)).toBe(true);
    expect(norm(clipped.bias!)).toBeCloseTo(0.05, 12);
    expect(clipped.out).toEqual([7, 7]);
  });

  it('refuses limits that make no sense', async () => {
    const parameters = { a: zeros([2]) };
    const refused = (clipping: Clipping) => clip(parameters, { a: [1, 1] }, clipping, 'float32');
    await expect(refused({ kind: 'norm', maximum: 0 })).rejects.toThrow('the largest norm is 0');
    await expect(refused({ kind: 'value', maximum: Number.NaN })).rejects.toThrow('the largest value is NaN');
    await expect(refused({ kind: 'adaptive', factor: 0.1, exclude: ['b'] })).rejects.toThrow('"b" is to be left');
  });
});
