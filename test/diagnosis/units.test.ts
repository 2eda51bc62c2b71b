import { describe, expect, it } from 'vitest';
import { measureUnits } from '../../src/flow/units.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { examine, findingsOf } from '../helpers/examine.ts';
import { mlp } from '../helpers/networks.ts';

describe('dead-units', () => {
  it('is an error where a whole layer is dead', async () => {
    const { diagnosis } = await examine(mlp({ depth: 4, activation: 'Relu', bias: -40 }));
    expect(diagnosis.findings[0]).toMatchObject({ rule: 'dead-units', severity: 'error' });
    expect(diagnosis.verdict).toBe('dead');
  });

  it('is a warning where most units of a layer are dead and gradient still passes', async () => {
    const findings = await findingsOf('dead-units', mlp({ depth: 1, activation: 'Relu', bias: -2.6, width: 200 }));
    expect(findings).toMatchObject([{ severity: 'warning' }]);
    expect(findings[0]!.evidence.deadFraction).toBeGreaterThan(0.5);
    expect(findings[0]!.evidence.deadFraction).toBeLessThan(1);
  });

  it('is silent for ReLU layers of which half the elements are zero, as they should be', async () => {
    expect(await findingsOf('dead-units', mlp({ depth: 6, activation: 'Relu', gain: Math.SQRT2 }))).toEqual([]);
    expect(await findingsOf('dead-units', mlp({ depth: 6, activation: 'Sigmoid' }))).toEqual([]);
  });
});

it('blames weights that are all zero, not biases, for dead units', async () => {
  const remedyOf = async (options: { gain?: number; bias?: number }) =>
    (await findingsOf('dead-units', mlp({ depth: 3, activation: 'Relu', ...options })))[0]!.remedies[0]!.id;
  expect(await remedyOf({ gain: 0 })).toBe('randomize-init');
  expect(await remedyOf({ bias: -40 })).toBe('zero-biases');
});

it('says nothing of units in which NaN stands: no comparison with it is true', async () => {
  for (const activation of ['Relu', 'Tanh'] as const) {
    const broken = mlp({ depth: 4, activation, gain: Math.SQRT2 });
    const weights = broken.graph.initializers.get('hidden.2.weight')!;
    broken.graph.initializers.set('hidden.2.weight', {
      ...weights,
      data: (weights.data as Float32Array).map((x, i) => (i === 5 ? Number.NaN : x)),
    });
    const { diagnosis } = await examine(broken);
    expect(diagnosis.findings.map(({ rule }) => rule)).toEqual(['non-finite']);
  }
});

describe('saturated-units', () => {
  it('is found where weights drive tanh to its ends', async () => {
    const findings = await findingsOf('saturated-units', mlp({ depth: 4, activation: 'Tanh', gain: 10 }));
    expect(findings).toHaveLength(1);
    expect(findings[0]!.evidence.saturatedFraction).toBeGreaterThan(0.5);
    expect(findings[0]!.where).toContain('hidden.3');
  });

  it('is an error where biases flatten every unit', async () => {
    const findings = await findingsOf('saturated-units', mlp({ depth: 3, activation: 'Sigmoid', bias: 12 }));
    expect(findings).toMatchObject([{ severity: 'error' }]);
  });

  it('is silent at moderate inputs', async () => {
    expect(await findingsOf('saturated-units', mlp({ depth: 10, activation: 'Tanh', gain: 5 / 3 }))).toEqual([]);
    expect(await findingsOf('saturated-units', mlp({ depth: 10, activation: 'Sigmoid' }))).toEqual([]);
  });
});

describe('counting units', () => {
  const measure = (op: string, dims: number[], x: number[], y: number[]) =>
    measureUnits(op, tensorOf('float32', dims, x), tensorOf('float32', dims, y));

  it('takes columns as units of matrices', () => {
    // unit 0 is never active, unit 1 once, unit 2 always
    const y = [0, 1, 1, 0, 0, 2];
    expect(measure('Relu', [2, 3], y, y)).toMatchObject({ units: 3, dead: 1, inactiveFraction: 0.5 });
  });

  it('takes channels as units of images and features as units of sequences', () => {
    const y = [0, 0, 1, 0, 0, 0, 0, 3];
    expect(measure('Relu', [2, 2, 1, 2], y, y)).toMatchObject({ units: 2, dead: 1 });
    expect(measure('Relu', [2, 2, 2], y, y)).toMatchObject({ units: 2, dead: 0 });
  });

  it('counts saturation by the derivative, exactly at its limits', () => {
    const x = [0, 4.9, 5.1, -5.1];
    const y = x.map((z) => 1 / (1 + Math.exp(-z)));
    expect(measure('Sigmoid', [4, 1], x, y)).toMatchObject({ saturatedFraction: 0.5, saturated: 0 });
    const slopes = y.map((p) => p * (1 - p));
    expect(measure('Sigmoid', [4, 1], x, y)!.meanSquareDerivative).toBeCloseTo(
      slopes.reduce((s, d) => s + d * d, 0) / 4,
      6,
    );
  });
});

it('calls a network of sigmoids at their flat ends an error, whatever large weights give back', async () => {
  const findings = await findingsOf('saturated-units', mlp({ depth: 6, activation: 'Sigmoid', gain: 40 }));
  expect(findings).toMatchObject([{ severity: 'error' }]);
  expect(findings[0]!.evidence.medianSaturatedFraction).toBeGreaterThan(0.8);
  expect(await findingsOf('saturated-units', mlp({ depth: 6, activation: 'Tanh', gain: 5 / 3 }))).toEqual([]);
});
