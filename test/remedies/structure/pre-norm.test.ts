import { describe, expect, it } from 'vitest';
import { findParameters } from '../../../src/graph/parameters.ts';
import { toFloat64 } from '../../../src/graph/tensor.ts';
import { buildSpec } from '../../../src/readers/spec/index.ts';
import type { Patient } from '../../../src/remedies/remedy.ts';
import { usePreNorm } from '../../../src/remedies/structure/pre-norm.ts';
import { findingOf } from '../../helpers/subjects.ts';
import { decadesOf, exported, learns, patientOf, reread, run } from './patient.ts';

function encoder(input: number[], classes: number, repeat: number, options: Record<string, unknown> = {}) {
  const { norm = 'post', ...rest } = options;
  return buildSpec({
    input,
    layers: [
      { dense: { units: 16, init: 'glorot' } },
      { 'transformer-encoder': { heads: 2, norm, 'feed-forward': 32, repeat } },
      'mean-pool',
      { dense: { units: classes, init: 'glorot' } },
    ],
    seed: 1,
    ...rest,
  });
}

/** As a diagnosis after many steps would have it. */
const stuck = (patient: Patient): Patient => ({
  ...patient,
  diagnosis: { ...patient.diagnosis, findings: [findingOf({ rule: 'loss-plateau' })], verdict: 'problem' },
});

describe('use-pre-norm', () => {
  it('turns an export of nn.TransformerEncoder into what PyTorch computes with norm_first', async () => {
    const { model, batch } = await exported('transformer_encoder_x2');
    const patient = await patientOf(model, batch);
    expect(usePreNorm.applies(patient)).toBeUndefined();
    expect(usePreNorm.applies(stuck(patient))).toMatch(/^4 residual sums go .*encoder\.layers\.0\.norm1/);
    const treated = await reread((await usePreNorm.apply(patient.design, patient)).model);
    for (const [name, tensor] of model.graph.initializers) {
      if (!model.constants.has(name)) expect(treated.graph.initializers.get(name)!.data).toEqual(tensor.data);
    }
    const added = findParameters(treated).filter((name) => !model.graph.initializers.has(name));
    expect(added).toEqual(['encoder.norm.weight', 'encoder.norm.bias']);
    if (batch.kind !== 'tensors') throw new Error('a batch of tensors');
    const [logits] = await run(treated, new Map([['input', batch.inputs.get('')!]]));
    const rows = toFloat64(logits!);
    // PyTorch 1.13: norm_first = True for both layers, encoder.norm = LayerNorm(32), the same weights.
    const expected = [0.11458, -0.23449, -0.20874, -0.03653, -0.31106, -0.03455, 0.08678, -0.34315];
    const found = [0, 1, 2, 3].flatMap((i) => [rows[10 * i]!, rows[10 * i + 1]!]);
    for (const [i, value] of expected.entries()) expect(found[i]!).toBeCloseTo(value, 4);
    const measured = await decadesOf(treated, batch);
    expect(Math.abs(measured - usePreNorm.predict(patient)!)).toBeLessThan(1);
    expect(usePreNorm.patch(patient).pytorch).toMatch(
      /for layer in model\.encoder\.layers:\n.*\n {4}layer\.norm_first = True/,
    );
  });

  it('gives the spec of a pre-norm encoder, but for the normalization behind it', async () => {
    const patient = await patientOf(encoder([10, 8], 4, 3), { kind: 'none' });
    const { model: treated } = await usePreNorm.apply(patient.design, patient);
    const pre = encoder([10, 8], 4, 3, { norm: 'pre' });
    const norms = (model: typeof pre) => model.graph.nodes.filter(({ op }) => op === 'LayerNormalization');
    expect(norms(treated)).toHaveLength(norms(pre).length + 1);
    const input = norms(treated).find(({ inputs }) => /\.norm\.weight$/.test(inputs[1]!))!;
    // With the last normalization the identity, both compute the same.
    input.op = 'Identity';
    input.inputs = input.inputs.slice(0, 1);
    input.attributes = {};
    for (const name of findParameters(pre)) pre.graph.initializers.set(name, treated.graph.initializers.get(name)!);
    const x = {
      type: 'float32' as const,
      dims: [1, 10, 8],
      data: Float32Array.from({ length: 80 }, (_, i) => Math.cos(i)),
    };
    const feed = (model: typeof pre) => new Map([[model.graph.inputs[0]!.name, x]]);
    const [a, b] = [await run(treated, feed(treated)), await run(pre, feed(pre))];
    expect(toFloat64(a[0]!)).toEqual(toFloat64(b[0]!));
    expect(() => usePreNorm.apply({ ...patient.design, model: pre }, patient)).toThrow(/no residual block/);
  });

  it('leaves the normalization behind the last pre-norm block where it is', async () => {
    const post = encoder([10, 8], 4, 3);
    const patient = await patientOf(post, { kind: 'none' });
    const { model: once } = await usePreNorm.apply(patient.design, patient);
    const design = { ...patient.design, model: once };
    expect(() => usePreNorm.apply(design, { ...patient, design })).toThrow(/no residual block/);
    expect(usePreNorm.applies(stuck({ ...patient, design }))).toBeUndefined();
  });

  it.each([
    ['he', 6],
    ['glorot', 12],
    [{ normal: { std: 0.5 } }, 6],
  ])('foresees the stream with %j weights in %i layers', async (init, repeat) => {
    const model = encoder([10, 8], 4, repeat as number, { init });
    const patient = await patientOf(model, { kind: 'none' }, { size: 32 });
    const treated = await reread((await usePreNorm.apply(patient.design, patient)).model);
    const measured = await decadesOf(treated, { kind: 'none' }, 32);
    expect(Math.abs(measured - usePreNorm.predict(patient)!)).toBeLessThan(1);
  });

  it('learns at a rate at which normalization behind the sum does not', async () => {
    const model = encoder([28, 28], 10, 6);
    const patient = await patientOf(model, { kind: 'named', name: 'mnist-rows' }, { size: 32 });
    const { model: treated } = await usePreNorm.apply(patient.design, patient);
    const how = { data: 'mnist-rows', steps: 60, samples: 1000, learningRate: 0.01 };
    const before = await learns(model, how);
    expect(await learns(treated, how)).toBeGreaterThan(before + 0.08);
  });
});
