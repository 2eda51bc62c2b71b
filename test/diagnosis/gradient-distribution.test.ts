import { describe, expect, it } from 'vitest';
import { gradientDistribution } from '../../src/diagnosis/rules/gradient-distribution.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { examine } from '../helpers/examine.ts';
import { mlp } from '../helpers/networks.ts';
import { normals, seeded } from '../helpers/random.ts';
import { afterSteps, classifier, ofRule, series, specOf, trainedOn } from '../helpers/steps.ts';
import { statisticsOf, subjectOf } from '../helpers/subjects.ts';

const formsOf = async (rows: Promise<{ diagnosis: { findings: readonly { rule: string; evidence: object }[] } }>) =>
  (await rows).diagnosis.findings
    .filter(({ rule }) => rule === 'gradient-distribution')
    .map(({ evidence }) => (evidence as { form: string }).form);

/** Findings for layers whose weight gradients have these elements. */
function judge(elements: number[][], units = 100): string[] {
  const { profile } = subjectOf({ layers: elements.map((_, i) => ({ name: `l${i}` })) });
  const parameters = profile.parameters.map((parameter, i) => ({
    ...parameter,
    gradient: statisticsOf(...elements[i]!),
    distinctUnits: { units, distinct: units },
  }));
  return gradientDistribution
    .check({ profile: { ...profile, parameters }, attribution: undefined })
    .map(({ severity, evidence }) => `${severity} ${evidence.form}`);
}

describe('gradient-distribution', () => {
  const z = normals(seeded(5), 20_000);

  it('is silent for normal gradients, with zeros or without', () => {
    expect(judge([z])).toEqual([]);
    expect(judge([z.map((x, i) => (i % 3 === 0 ? 0 : x))])).toEqual([]);
    expect(judge([z.map((x) => x * 1e-30)])).toEqual([]);
  });

  it('knows a narrow peak at zero', () => {
    expect(judge([z.map((x, i) => (i % 50 === 0 ? x : x * 1e-9))])).toEqual(['info narrow peak at zero']);
    expect(judge([1, 2, 3, 4, 5].map(() => z.map((x, i) => (i % 50 === 0 ? x : x * 1e-9))))).toEqual([
      'warning narrow peak at zero',
    ]);
  });

  it('knows one side, where the units are too many for chance', () => {
    const positive = z.map(Math.abs);
    expect(judge([positive])).toEqual(['info one-sided']);
    expect(judge([positive.map((x) => -x)])).toEqual(['info one-sided']);
    // Eight units of one sign each are a coin that fell on one side eight times.
    expect(judge([positive], 8)).toEqual([]);
  });

  it('knows a heavy tail', () => {
    expect(judge([z.map((x, i) => (i % 2000 === 0 ? 100 * x + 100 : x))])).toEqual(['info heavy tail']);
    const laplace = series(20_000, (i) => Math.log((i % 1000) / 1000 + 5e-4) * (i % 2 === 0 ? 1 : -1));
    expect(judge([laplace])).toEqual([]);
  });

  it('finds the one side of a network whose inputs and outgoing weights have one sign', async () => {
    const model = await specOf(`
input: 40
layers:
  - dense: {units: 64, activation: sigmoid, name: hidden}
  - dense: {units: 1, name: out, init: {constant: 0.1}}
loss: mse
`);
    const random = seeded(9);
    const batch = {
      kind: 'tensors',
      from: 'test',
      inputs: new Map([
        [
          '',
          tensorOf(
            'float32',
            [32, 40],
            series(32 * 40, () => random()),
          ),
        ],
      ]),
      target: tensorOf(
        'float32',
        [32, 1],
        series(32, () => -5),
      ),
    } as const;
    const subject = await afterSteps(model, { batch, size: 32, steps: 0 });
    expect(ofRule('gradient-distribution', subject)!.evidence).toMatchObject({ form: 'one-sided', part: 1 });
  });

  it('is silent for networks that train, and for one that has trained', async () => {
    expect(await formsOf(examine(mlp({ depth: 6, activation: 'Relu', gain: Math.SQRT2, width: 100 })))).toEqual([]);
    expect(await formsOf(examine(mlp({ depth: 6, activation: 'Tanh', width: 100 })))).toEqual([]);
    const trained = await trainedOn(classifier({ units: 64 }), 100);
    expect(await formsOf(afterSteps(trained, { steps: 0 }))).toEqual([]);
  });
});
