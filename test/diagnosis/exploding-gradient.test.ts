import { describe, expect, it } from 'vitest';
import { effectiveDecades } from '../../src/diagnosis/decay.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { examine, findingsOf } from '../helpers/examine.ts';
import { chain, mlp } from '../helpers/networks.ts';

describe('exploding-gradient', () => {
  it.each([
    ['twenty ReLU layers with unit-variance weights', mlp({ depth: 20, activation: 'Relu', gain: Math.sqrt(32) })],
    ['fifteen linear layers with weights twice too large', mlp({ depth: 15, activation: 'Identity', gain: 2 })],
    ['saturated tanh layers with large weights', mlp({ depth: 20, activation: 'Tanh', gain: 6, width: 100 })],
  ])('is an error for %s', async (_name, model) => {
    const { diagnosis } = await examine(model);
    const finding = diagnosis.findings.find(({ rule }) => rule === 'exploding-gradient');
    expect(finding).toMatchObject({ severity: 'error' });
    expect(finding!.causes[0]!.kind).toBe('weight-matrix');
    expect(diagnosis.verdict).toBe('exploding');
  });

  it('names W = 2I repeated', async () => {
    const model = chain(20, 'Identity', [
      [2, 0],
      [0, 2],
    ]);
    const [finding] = await findingsOf('exploding-gradient', model, tensorOf('float32', [1, 2], [1e-3, 1e-3]));
    expect(finding!.evidence.effectiveDecades).toBeCloseTo(19 * Math.log10(2), 6);
    expect(finding!.severity).toBe('error');
  });

  it('judges a normalized network alike, however large its first weights are: they change none of its outputs', async () => {
    const measure = async (depth: number, deviation: number) => {
      const normalized = (init: unknown) => [{ dense: { units: 64, init } }, 'batch-norm', 'relu'];
      const network = {
        input: 100,
        layers: [
          ...normalized({ normal: deviation }),
          { repeat: { times: depth - 1, layers: normalized('he-normal') } },
          { dense: { units: 10 } },
        ],
        loss: 'cross-entropy',
      };
      const { diagnosis, profile } = await examine(buildSpec(network));
      const finding = diagnosis.findings.find(({ rule }) => rule === 'exploding-gradient');
      return { all: effectiveDecades(diagnosis.attribution!.byKind), loss: profile.loss, finding };
    };
    // What all factors add depends on the scale, a hundredth or a hundred times the usual one; depth alone is judged.
    const [small, large] = [await measure(6, 0.014), await measure(6, 14)];
    expect(small.loss).toBeCloseTo(large.loss, 2);
    expect(small.all - large.all).toBeCloseTo(3, 1);
    expect(small.finding).toBeUndefined();
    const [deep, hidden] = [await measure(48, 0.14), await measure(48, 140)];
    expect(hidden.all).toBeLessThan(3);
    for (const { finding } of [deep, hidden]) expect(finding).toMatchObject({ severity: 'error' });
    expect(hidden.finding!.evidence.effectiveDecades).toBeCloseTo(Number(deep.finding!.evidence.effectiveDecades), 1);
  });

  it.each([
    ['ten ReLU layers with He weights', mlp({ depth: 10, activation: 'Relu', gain: Math.SQRT2, width: 100 })],
    ['ten sigmoid layers', mlp({ depth: 10 })],
    ['five linear layers with weights twice too large', mlp({ depth: 5, activation: 'Identity', gain: 2 })],
  ])('is silent for %s', async (_name, model) => {
    expect(await findingsOf('exploding-gradient', model)).toEqual([]);
  });
});
