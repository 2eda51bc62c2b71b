import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DataType } from '../../src/graph/data-type.ts';
import { tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import { optimizers, resolveOptimizer } from '../../src/training/optimizers/index.ts';
import { stepOfGivenGradients } from './given-gradient.ts';
import { openStep } from './run-step.ts';

/** Steps of PyTorch's optimizers in float64: generate.py stands beside. */
const traces = JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/optimizers/traces.json'), 'utf8')) as {
  start: number[];
  gradients: number[][];
  optimizers: Record<string, { options: Record<string, number | boolean | number[]>; parameters: number[][] }>;
};

/** PyTorch's names of options → ours. */
function translate(options: Record<string, number | boolean | number[]>): Record<string, number | boolean> {
  const names: Record<string, string> = {
    weight_decay: 'weightDecay',
    eps: 'epsilon',
    alpha: 'rho',
    lr_decay: 'lrDecay',
    initial_accumulator_value: 'initialAccumulator',
  };
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, value]) =>
      Array.isArray(value)
        ? [
            ['beta1', value[0]!],
            ['beta2', value[1]!],
          ]
        : [[names[name] ?? name, value]],
    ),
  );
}

async function trace(name: string, options: Record<string, number | boolean>, type: DataType): Promise<number[][]> {
  const { lr, ...rest } = options;
  const start = { shape: [2, 3], values: traces.start };
  const step = stepOfGivenGradients({ w: start }, { optimizer: { name, options: rest } }, type);
  const { run, state } = await openStep(step);
  const rows: number[][] = [];
  for (const gradient of traces.gradients) {
    await run(new Map([['w.gradient', tensorOf(type, [2, 3], gradient)]]), lr as number);
    rows.push([...toFloat64(state.get('w')!)]);
  }
  return rows;
}

/** Relative to numbers above 1. */
function largestDifference(actual: number[][], expected: number[][]): number {
  expect(actual.length).toBe(expected.length);
  return Math.max(
    ...actual.flatMap((row, i) =>
      row.map((x, j) => Math.abs(x - expected[i]![j]!) / Math.max(1, Math.abs(expected[i]![j]!))),
    ),
  );
}

describe('optimizers', () => {
  it.each(Object.entries(traces.optimizers))('%s: PyTorch’s parameters after every step', async (name, expected) => {
    const options = translate(expected.options);
    const base = name.split('-')[0]!;
    expect(largestDifference(await trace(base, options, 'float64'), expected.parameters)).toBeLessThan(1e-12);
    expect(largestDifference(await trace(base, options, 'float32'), expected.parameters)).toBeLessThan(1e-5);
  });

  it('momentum and nesterov are sgd with momentum 0.9', async () => {
    for (const name of ['momentum', 'nesterov']) {
      const expected = traces.optimizers[`sgd-${name}`]!.parameters;
      expect(largestDifference(await trace(name, { lr: 0.1 }, 'float64'), expected)).toBeLessThan(1e-12);
    }
  });

  it('lion: the paper’s algorithm', async () => {
    const [lr, beta1, beta2, lambda] = [0.02, 0.85, 0.95, 0.1];
    const w = [...traces.start];
    const m = w.map(() => 0);
    const expected = traces.gradients.map((gradient) => {
      gradient.forEach((g, i) => {
        const update = Math.sign(beta1 * m[i]! + (1 - beta1) * g);
        w[i]! -= lr * (update + lambda * w[i]!);
        m[i] = beta2 * m[i]! + (1 - beta2) * g;
      });
      return [...w];
    });
    const options = { lr, beta1, beta2, weightDecay: lambda };
    expect(largestDifference(await trace('lion', options, 'float64'), expected)).toBeLessThan(1e-12);
    expect(largestDifference(await trace('lion', options, 'float32'), expected)).toBeLessThan(1e-5);
  });

  it('decoupled weight decay apart from the gradient: p ← p (1 − η λ) − η g', async () => {
    const w = [...traces.start];
    const expected = traces.gradients.map((gradient) => {
      gradient.forEach((g, i) => {
        w[i] = w[i]! * (1 - 0.1 * 0.05) - 0.1 * g;
      });
      return [...w];
    });
    const actual = await trace('sgd', { lr: 0.1, decoupledWeightDecay: 0.05 }, 'float64');
    expect(largestDifference(actual, expected)).toBeLessThan(1e-12);
  });

  it('a centered rmsprop of a constant gradient, whose variance rounds below zero, stays finite', async () => {
    const step = stepOfGivenGradients(
      { w: { shape: [2], values: [1, 1] } },
      { optimizer: { name: 'rmsprop', options: { centered: true } } },
      'float32',
    );
    const { run, state } = await openStep(step);
    for (let i = 0; i < 400; i++) await run(new Map([['w.gradient', tensorOf('float32', [2], [0.1, 3e-7])]]), 1e-9);
    expect([...toFloat64(state.get('w')!)].every(Number.isFinite)).toBe(true);
  });

  it('refuses what is unknown or out of range, and says what would do', () => {
    const message = (name: string, options = {}) => {
      try {
        resolveOptimizer({ name, options });
      } catch (error) {
        return (error as { describe(): string }).describe();
      }
      return 'accepted';
    };
    expect(message('adma')).toBe('no optimizer "adma"; did you mean "adam"?');
    expect(message('constructor')).toMatch('no optimizer "constructor"');
    expect(message('adam', { beta3: 0.1 })).toMatch('adam has no option "beta3"');
    expect(message('adam', { toString: 0.1 })).toMatch('adam has no option "toString"');
    expect(message('adam', { beta1: 1 })).toBe(
      'optimizer adam: beta1 is 1; expected a number from 0 up to, not including, 1',
    );
    expect(message('sgd', { momentum: Number.NaN })).toMatch('momentum is NaN');
    expect(message('sgd', { nesterov: 1 })).toMatch('nesterov is 1; true or false');
    expect(message('sgd', { lr: 0 })).toMatch('lr is 0; expected a number above 0');
    for (const name of Object.keys(optimizers)) expect(message(name)).toBe('accepted');
  });
});
