import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { type Model, modelOf } from '../../src/graph/graph.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { examine } from '../helpers/examine.ts';
import { mlp } from '../helpers/networks.ts';

/** x → W x → op → sum, where op breaks on what it is given. */
function breaking(op: 'Log' | 'Sqrt' | 'Exp', weights: number[]): Model {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [1, 2]);
  const W = g.initializer('layer.weight', tensorOf('float32', [2, 2], weights));
  const z = g.add('Gemm', [x, W], [['float32', [1, 2]]], {}, { node: 'layer', outputs: ['z'] })[0]!;
  const y = g.add(op, [z], [['float32', [1, 2]]], {}, { node: 'culprit', outputs: ['y'] })[0]!;
  g.output(g.reduceSum(y, [0, 1], false));
  return modelOf(g.graph);
}
const ones = tensorOf('float32', [1, 2], [1, 1]);

describe('non-finite', () => {
  it('names the first operator that produced NaN in the forward pass', async () => {
    const { diagnosis } = await examine(breaking('Log', [-1, 1, -1, 1]), ones);
    const [finding] = diagnosis.findings;
    expect(finding).toMatchObject({ rule: 'non-finite', severity: 'error', evidence: { firstIn: 'forward', nan: 1 } });
    expect(finding!.where[0]).toBe('culprit');
    expect(finding!.title).toContain('Log (culprit)');
    expect(diagnosis.verdict).toBe('non-finite');
  });

  it('names an overflow', async () => {
    const { diagnosis } = await examine(breaking('Exp', [100, 0, 100, 0]), ones);
    expect(diagnosis.findings[0]).toMatchObject({
      rule: 'non-finite',
      evidence: { firstIn: 'forward', positiveInfinity: 1 },
    });
  });

  it('blames the weights for signals that outgrow float32 layer by layer', async () => {
    // 1e6 · √width a layer: 1e39 and beyond behind six of them.
    const { diagnosis } = await examine(mlp({ depth: 8, activation: 'Relu', gain: 1e6 }));
    expect(diagnosis.findings[0]).toMatchObject({ rule: 'non-finite', evidence: { firstIn: 'forward' } });
    const named = diagnosis.findings[0]!.remedies.map(({ id }) => id);
    expect(named.slice(0, 2)).toEqual(['use-critical-init', 'add-layer-norm']);
  });

  it('names a gradient that breaks although the loss is finite: the root of zero', async () => {
    const { diagnosis, profile } = await examine(breaking('Sqrt', [0, 1, 0, 1]), ones);
    expect(profile.loss).toBeCloseTo(Math.SQRT2, 5);
    expect(diagnosis.findings[0]).toMatchObject({ rule: 'non-finite', evidence: { firstIn: 'backward' } });
    expect(diagnosis.findings.map(({ rule }) => rule)).not.toContain('vanishing-gradient');
  });

  it('names broken weights and broken inputs before their consequences', async () => {
    const broken = mlp({ depth: 3 });
    const weights = broken.graph.initializers.get('hidden.1.weight')!;
    broken.graph.initializers.set('hidden.1.weight', {
      ...weights,
      data: (weights.data as Float32Array).map((x, i) => (i === 5 ? Number.NaN : x)),
    });
    const parameter = (await examine(broken)).diagnosis.findings[0]!;
    expect(parameter).toMatchObject({ rule: 'non-finite', evidence: { firstIn: 'parameter', nan: 1 } });
    expect(parameter.where[0]).toBe('hidden.1.weight');
    expect(parameter.remedies.map(({ id }) => id)).not.toContain('guard-operator');

    const x = tensorOf(
      'float32',
      [16, 16],
      Array.from({ length: 256 }, (_, i) => (i === 7 ? Number.POSITIVE_INFINITY : 1)),
    );
    const input = (await examine(mlp({ depth: 3, activation: 'Relu' }), x)).diagnosis.findings[0]!;
    expect(input).toMatchObject({ rule: 'non-finite', evidence: { firstIn: 'input', positiveInfinity: 1 } });
    expect(input.where[0]).toBe('x');
  });

  it('is silent on finite networks, however small their gradients', async () => {
    const { diagnosis } = await examine(mlp({ depth: 60 }));
    expect(diagnosis.findings.map(({ rule }) => rule)).not.toContain('non-finite');
  });
});
