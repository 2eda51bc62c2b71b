import { describe, expect, it } from 'vitest';
import { effectiveDecades } from '../../src/diagnosis/decay.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { examine, findingsOf } from '../helpers/examine.ts';
import { mlp } from '../helpers/networks.ts';
import { normals, seeded } from '../helpers/random.ts';

describe('vanishing-gradient', () => {
  it.each([
    ['ten sigmoid layers', mlp({ depth: 10 }), 'activation-derivative'],
    [
      'thirty ReLU layers with gain 1 instead of √2',
      mlp({ depth: 30, activation: 'Relu', width: 64 }),
      'activation-derivative',
    ],
    [
      'twenty tanh layers with weights four times too small',
      mlp({ depth: 20, activation: 'Tanh', gain: 0.25 }),
      'weight-matrix',
    ],
    ['twenty linear layers with small weights', mlp({ depth: 20, activation: 'Identity', gain: 0.5 }), 'weight-matrix'],
  ])('is an error for %s', async (_name, model, cause) => {
    const { diagnosis } = await examine(model);
    const [finding] = diagnosis.findings;
    expect(finding).toMatchObject({ rule: 'vanishing-gradient', severity: 'error' });
    expect(finding!.causes[0]!.kind).toBe(cause);
    expect(finding!.causes.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12);
    expect(diagnosis.verdict).toBe('vanishing');
    expect(finding!.remedies.length).toBeGreaterThan(0);
  });

  it.each([
    ['ten ReLU layers with He weights', mlp({ depth: 10, activation: 'Relu', gain: Math.SQRT2, width: 100 })],
    ['ten tanh layers with gain 5/3', mlp({ depth: 10, activation: 'Tanh', gain: 5 / 3, width: 100 })],
    ['fifty orthogonal-like linear layers', mlp({ depth: 50, activation: 'Identity', gain: 1, width: 200 })],
    ['two sigmoid layers', mlp({ depth: 2 })],
    ['one layer', mlp({ depth: 0 })],
  ])('is silent for %s', async (_name, model) => {
    expect(await findingsOf('vanishing-gradient', model)).toEqual([]);
  });

  it('is no error when only the last layer is small: it receives a gradient itself and grows', async () => {
    const model = mlp({ depth: 10, activation: 'Relu', gain: Math.SQRT2, width: 100 });
    scaleInitializer(model.graph.initializers, 'out.weight', 1e-5);
    const { diagnosis } = await examine(model);
    expect(diagnosis.findings[0]).toMatchObject({ rule: 'vanishing-gradient', severity: 'warning', where: ['out'] });
    expect(diagnosis.verdict).toBe('healthy');
  });

  it('only notes a last layer of zeros', async () => {
    const model = mlp({ depth: 5, activation: 'Relu', gain: Math.SQRT2, width: 100 });
    scaleInitializer(model.graph.initializers, 'out.weight', 0);
    const { diagnosis } = await examine(model);
    expect(diagnosis.findings).toMatchObject([{ rule: 'vanishing-gradient', severity: 'info', where: ['out'] }]);
    expect(diagnosis.verdict).toBe('healthy');
  });

  it('is silent where normalization divides by inputs in the tens of thousands: their scale changes nothing', async () => {
    const normalized = [{ dense: { units: 64 } }, 'batch-norm', 'relu'];
    const model = buildSpec({
      input: 100,
      layers: [{ repeat: { times: 5, layers: normalized } }, { dense: { units: 10 } }],
      init: 'he-normal',
      loss: 'cross-entropy',
    });
    const inputs = tensorOf(
      'float32',
      [32, 100],
      normals(seeded(3), 3200).map((x) => 5e4 * x),
    );
    const { diagnosis } = await examine(model, inputs);
    expect(effectiveDecades(diagnosis.attribution!.byKind)).toBeLessThan(-3);
    expect(diagnosis.findings.filter(({ rule }) => rule === 'vanishing-gradient')).toEqual([]);
  });

  it('is an error when zero weights leave no way to open', async () => {
    const model = mlp({ depth: 3, activation: 'Tanh' });
    for (const name of model.graph.initializers.keys()) scaleInitializer(model.graph.initializers, name, 0);
    const [finding] = await findingsOf('vanishing-gradient', model);
    expect(finding).toMatchObject({ severity: 'error', where: ['out'] });
  });
});

function scaleInitializer(initializers: Map<string, Tensor>, name: string, factor: number): void {
  const tensor = initializers.get(name)!;
  initializers.set(
    name,
    tensorOf(
      'float32',
      tensor.dims,
      (tensor.data as Float32Array).map((x) => x * factor),
    ),
  );
}
