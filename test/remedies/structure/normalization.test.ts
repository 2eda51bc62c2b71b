import { describe, expect, it } from 'vitest';
import { effectiveDecades } from '../../../src/diagnosis/decay.ts';
import { findParameters } from '../../../src/graph/parameters.ts';
import { toFloat64 } from '../../../src/graph/tensor.ts';
import { groupsOf, normalizationRemedies } from '../../../src/remedies/normalization.ts';
import { blobs, chain, decadesOf, exported, learns, patientOf, reread } from './patient.ts';

const remedy = (id: string) => normalizationRemedies.find((one) => one.id === id)!;
describe('normalization between layers and activations', () => {
  it.each([
    ['add-batch-norm', chain('sigmoid', 6)],
    ['add-layer-norm', chain('tanh', 12, { init: { normal: { std: 0.02 } } })],
    ['add-rms-norm', chain('relu', 8, { init: { normal: { std: 0.02 } } })],
  ])('%s lets a network learn that did not', async (id, model) => {
    const patient = await patientOf(model, blobs);
    expect(remedy(id).applies(patient)).toMatch(/layers go into an activation function without/);
    const changed = (await remedy(id).apply(patient.design, patient)).model;
    const treated = await reread(changed);
    // A written file says what is trained, and what is a constant.
    expect(new Set(findParameters(treated))).toEqual(new Set(findParameters(changed)));
    const predicted = remedy(id).predict(patient)!;
    const measured = await decadesOf(treated, blobs);
    expect(Math.abs(measured - predicted)).toBeLessThan(1);
    expect(measured).toBeGreaterThan(-1);
    expect(effectiveDecades(patient.diagnosis.attribution!.byKind)).toBeLessThan(-3);
    const how = { steps: 80, learningRate: 0.003 };
    expect(await learns(model, how)).toBeLessThan(0.6);
    expect(await learns(treated, how)).toBeGreaterThan(0.9);
  });

  it('fits signals that outgrow float32', async () => {
    const patient = await patientOf(chain('relu', 9, { init: { normal: { std: 1e6 } } }), blobs);
    expect(patient.diagnosis.verdict).toBe('non-finite');
    for (const id of ['add-batch-norm', 'add-layer-norm', 'add-rms-norm']) {
      expect(remedy(id).applies(patient)).toMatch(/layers go into an activation function without/);
      const treated = await reread((await remedy(id).apply(patient.design, patient)).model);
      expect(Math.abs(await decadesOf(treated, blobs))).toBeLessThan(1);
    }
  });

  it('keeps names, interface and weights of a PyTorch export', async () => {
    const { model, batch } = await exported('mlp_sigmoid_x10');
    const patient = await patientOf(model, batch);
    for (const id of ['add-batch-norm', 'add-layer-norm']) {
      expect(remedy(id).applies(patient)).toContain('10 layers');
      const treated = await reread((await remedy(id).apply(patient.design, patient)).model);
      for (const [name, tensor] of model.graph.initializers) {
        expect(toFloat64(treated.graph.initializers.get(name)!)).toEqual(toFloat64(tensor));
      }
      expect(treated.graph.outputs.map(({ name }) => name)).toEqual(['logits']);
      expect(treated.graph.inputs.map(({ name }) => name)).toEqual(['input']);
      const added = findParameters(treated).filter((name) => !model.graph.initializers.has(name));
      expect(added).toEqual(
        Array.from({ length: 10 }, (_, i) => [`hidden.${i}.norm.weight`, `hidden.${i}.norm.bias`]).flat(),
      );
      const measured = await decadesOf(treated, batch);
      expect(Math.abs(measured - remedy(id).predict(patient)!)).toBeLessThan(1);
      expect(measured).toBeGreaterThan(effectiveDecades(patient.diagnosis.attribution!.byKind) / 2);
    }
    expect(remedy('add-group-norm').applies(patient)).toBeUndefined();
  });

  it('normalizes the channels of 34 convolutions that PyTorch exported', async () => {
    const { model, batch } = await exported('plainconv34_gain1');
    const patient = await patientOf(model, batch);
    expect(remedy('add-rms-norm').applies(patient)).toBeUndefined();
    for (const id of ['add-batch-norm', 'add-group-norm']) {
      const treated = await reread((await remedy(id).apply(patient.design, patient)).model);
      const predicted = remedy(id).predict(patient)!;
      // Batch normalization at every layer lets gradients grow: Yang et al. 2019.
      expect(Math.abs((await decadesOf(treated, batch)) - predicted), id).toBeLessThan(1);
    }
  });

  it('draws weights anew only where no normalization would bring them back', async () => {
    for (const [std, isKept] of [
      [0.02, true],
      [1e-4, false],
      [3, false],
    ] as const) {
      const model = chain('tanh', 4, { init: { normal: { std } } });
      const patient = await patientOf(model, blobs);
      const treated = (await remedy('add-batch-norm').apply(patient.design, patient)).model;
      const weight = (m: typeof model) => m.graph.initializers.get('hidden.2.weight')!.data;
      expect(weight(treated) === weight(model), String(std)).toBe(isKept);
    }
  });

  it('proposes nothing for a healthy network, nor where a normalization stands', async () => {
    const { model, batch } = await exported('mlp_tanh_xavier_x10');
    const healthy = await patientOf(model, batch);
    for (const one of normalizationRemedies) expect(one.applies(healthy)).toBeUndefined();
    const given = chain('sigmoid', 6);
    const patient = await patientOf(given, blobs);
    const normalized = (await remedy('add-layer-norm').apply(patient.design, patient)).model;
    const again = await patientOf(normalized, blobs);
    for (const one of normalizationRemedies) expect(one.applies(again)).toBeUndefined();
    expect(() => remedy('add-batch-norm').apply(again.design, again)).toThrow(/no layer to stand behind/);
  });

  it('finds groups as Wu & He have them, as far as there are channels', () => {
    expect([256, 128, 64, 48, 16, 6, 7].map(groupsOf)).toEqual([32, 32, 16, 12, 4, 1, 1]);
  });

  it('names the layers and sizes in its patch', async () => {
    const { model, batch } = await exported('plainconv34_gain1');
    const patient = await patientOf(model, batch);
    const { pytorch, keras, tfjs } = remedy('add-batch-norm').patch(patient);
    expect(pytorch).toContain('for layer in [model.stem, *model.body[0:34]]:\n    add_norm(layer, nn.BatchNorm2d(');
    expect(keras).toContain('"body.33"');
    expect(tfjs).toContain('tf.layers.batchNormalization');
    const group = remedy('add-group-norm').patch(patient);
    expect(group.pytorch).toContain('nn.GroupNorm(4, 16)');
    expect(group.keras).toContain('keras.layers.GroupNormalization(4, epsilon=1e-5, name=name)');
    expect(group.tfjs).toContain('no such layer');
  });
});
