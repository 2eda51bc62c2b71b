import { describe, expect, it } from 'vitest';
import { effectiveDecades } from '../../../src/diagnosis/decay.ts';
import { findParameters } from '../../../src/graph/parameters.ts';
import { findResidualBranches } from '../../../src/graph/residual-branches.ts';
import { toFloat64 } from '../../../src/graph/tensor.ts';
import { buildSpec } from '../../../src/readers/spec/index.ts';
import { normalizationRemedies } from '../../../src/remedies/normalization.ts';
import { structureRemedies } from '../../../src/remedies/structure/index.ts';
import { blobs, chain, decadesOf, exported, learns, patientOf, reread, run } from './patient.ts';

const remedy = (id: string) => [...structureRemedies, ...normalizationRemedies].find((one) => one.id === id)!;
describe.each(['add-residual', 'add-scaled-residual'])('%s', (id) => {
  it.each([
    ['sigmoid', chain('sigmoid', 9)],
    ['relu', chain('relu', 12, { init: { normal: { std: 0.05 } } })],
  ])('lets a deep %s network learn', async (_, model) => {
    const patient = await patientOf(model, blobs);
    expect(remedy(id).applies(patient)).toContain('hidden.1 – hidden.2');
    const treated = await reread((await remedy(id).apply(patient.design, patient)).model);
    const measured = await decadesOf(treated, blobs);
    expect(measured).toBeGreaterThan(-1);
    expect(Math.abs(measured - remedy(id).predict(patient)!)).toBeLessThan(0.5);
    expect(effectiveDecades(patient.diagnosis.attribution!.byKind)).toBeLessThan(-4);
    expect(await learns(model)).toBeLessThan(0.6);
    expect(await learns(treated)).toBeGreaterThan(0.9);
  });

  it('bridges pairs of 34 convolutions that PyTorch exported, with projections where sizes change', async () => {
    const { model, batch } = await exported('plainconv34_gain1');
    const patient = await patientOf(model, batch);
    const { model: changed } = await remedy(id).apply(patient.design, patient);
    expect(findResidualBranches(changed.graph, findParameters(changed))).toHaveLength(17);
    for (const [name, tensor] of model.graph.initializers) {
      expect(changed.graph.initializers.get(name)).toBe(tensor);
    }
    expect(changed.graph.outputs).toEqual(model.graph.outputs);
    const measured = await decadesOf(await reread(changed), batch);
    expect(Math.abs(measured - remedy(id).predict(patient)!)).toBeLessThan(1);
    expect(Math.abs(measured)).toBeLessThan(1);
  });

  it('leaves skip connections that are there alone, and healthy networks', async () => {
    const { model, batch } = await exported('resnet18_quarter');
    const patient = await patientOf(model, batch);
    expect(remedy(id).applies(patient)).toBeUndefined();
    expect(() => remedy(id).apply(patient.design, patient)).toThrow(/no two neighbouring layers/);
    const sick = await patientOf(chain('sigmoid', 9), blobs);
    const once = (await remedy(id).apply(sick.design, sick)).model;
    const again = await patientOf(once, blobs);
    expect(() => remedy(id).apply(again.design, again)).toThrow(/no two neighbouring layers/);
  });
});

describe('skip connections', () => {
  it('pass x on unchanged where the branch starts at 0', async () => {
    const model = chain('tanh', 5, { init: { normal: { std: 0.02 } } });
    const patient = await patientOf(model, blobs);
    const { model: treated } = await remedy('add-scaled-residual').apply(patient.design, patient);
    // Of five layers the first and the last remain.
    const shallow = chain('tanh', 1, { init: { normal: { std: 0.02 } } });
    for (const name of ['hidden.0.weight', 'hidden.0.bias', 'out.weight', 'out.bias']) {
      shallow.graph.initializers.set(name, model.graph.initializers.get(name)!);
    }
    const x = {
      type: 'float32' as const,
      dims: [2, 8],
      data: Float32Array.from({ length: 16 }, (_, i) => Math.sin(i)),
    };
    const feed = (m: typeof model) => new Map([[m.graph.inputs[0]!.name, x]]);
    const [a] = await run(treated, feed(treated));
    const [b] = await run(shallow, feed(shallow));
    expect(toFloat64(a!)).toEqual(toFloat64(b!));
  });

  it('get a projection with the stride that fits', async () => {
    const conv = (filters: number, options = {}) => ({
      conv2d: { filters, kernel: 3, padding: 'same', activation: 'relu', ...options },
    });
    const model = buildSpec({
      input: [1, 12, 12],
      layers: [conv(4), conv(4), conv(8, { stride: 2 }), conv(8), conv(8), conv(8), conv(8), 'flatten', { dense: 3 }],
      init: { normal: { std: 0.02 } },
      seed: 2,
    });
    const patient = await patientOf(model, { kind: 'none' });
    const { model: treated } = await remedy('add-residual').apply(patient.design, patient);
    const added = [...treated.graph.initializers].filter(([name]) => !model.graph.initializers.has(name));
    expect(added.map(([, { dims }]) => dims)).toEqual([[8, 4, 1, 1]]);
    const measured = await decadesOf(await reread(treated), { kind: 'none' });
    expect(Math.abs(measured - remedy('add-residual').predict(patient)!)).toBeLessThan(1);
    const { pytorch, keras } = remedy('add-residual').patch(patient);
    expect(pytorch).toContain('nn.Conv2d(4, 8, 1, stride=(2, 2), bias=False)');
    expect(keras).toContain('keras.layers.Conv2D(8, 1, strides=(2, 2), use_bias=False,');
  });

  it('go together with normalization, in either order', async () => {
    const model = chain('relu', 12, { init: { normal: { std: 0.05 } } });
    const patient = await patientOf(model, blobs);
    for (const order of [
      ['add-batch-norm', 'add-residual'],
      ['add-residual', 'add-batch-norm'],
    ]) {
      let { design } = patient;
      for (const id of order) design = await remedy(id).apply(design, patient);
      const treated = await reread(design.model);
      const count = (op: string) => treated.graph.nodes.filter((node) => node.op === op).length;
      expect([count('BatchNormalization'), count('Add')]).toEqual([12, 6]);
      expect(Math.abs(await decadesOf(treated, blobs))).toBeLessThan(2);
    }
  });
});

describe('remove-layers', () => {
  it('halves the depth of a chain that takes the gradient', async () => {
    const { model, batch } = await exported('mlp_sigmoid_x10');
    const patient = await patientOf(model, batch);
    expect(remedy('remove-layers').applies(patient)).toContain('Depth is what takes the gradient');
    const treated = await reread((await remedy('remove-layers').apply(patient.design, patient)).model);
    expect(treated.graph.nodes.filter(({ op }) => op === 'Sigmoid')).toHaveLength(6);
    expect([...treated.graph.initializers.keys()].filter((name) => name.startsWith('hidden.2'))).toEqual([]);
    const measured = await decadesOf(treated, batch);
    expect(measured).toBeGreaterThan(0.65 * effectiveDecades(patient.diagnosis.attribution!.byKind));
    expect(Math.abs(measured - remedy('remove-layers').predict(patient)!)).toBeLessThan(0.5);
    expect(remedy('remove-layers').patch(patient).pytorch).toContain('model.acts[2] = nn.Identity()');
  });

  it('lets a network learn that was too deep', async () => {
    const model = chain('relu', 12, { init: { normal: { std: 0.05 } } });
    const patient = await patientOf(model, blobs);
    const treated = await reread((await remedy('remove-layers').apply(patient.design, patient)).model);
    expect(await learns(treated)).toBeGreaterThan((await learns(model)) + 0.3);
  });

  it('takes out what was measured to be of no use', async () => {
    // ReLU passes on what is positive: layers that start as identities stay it where a line tells the classes apart.
    const model = buildSpec({
      input: 8,
      layers: [
        { dense: { units: 24, activation: 'relu', name: 'first', init: 'he' } },
        { dense: { units: 24, activation: 'relu', repeat: 5, name: 'hidden' } },
        { dense: { units: 4, name: 'out', init: 'he' } },
      ],
      init: 'identity',
      loss: 'cross-entropy',
      optimizer: { sgd: { lr: 0.1 } },
    });
    const noted = await patientOf(model, blobs, { steps: 40, size: 64 });
    const finding = noted.diagnosis.findings.find(({ rule }) => rule === 'effectively-shallow')!;
    // Some of its layers: a note, and no reason to touch what works.
    expect(finding.severity).toBe('info');
    expect(remedy('remove-layers').applies(noted)).toBeUndefined();
    const warned = { ...finding, severity: 'warning' as const };
    const patient = { ...noted, diagnosis: { ...noted.diagnosis, findings: [warned] } };
    expect(remedy('remove-layers').applies(patient)).toMatch(/^The loss stays where it is without .*hidden\.\d/);
    const treated = await reread((await remedy('remove-layers').apply(patient.design, patient)).model);
    expect(treated.graph.nodes.length).toBeLessThan(model.graph.nodes.length);
    expect(Math.abs((await decadesOf(treated, blobs)) - remedy('remove-layers').predict(patient)!)).toBeLessThan(1);
    expect(await learns(treated)).toBeGreaterThan(0.9);
  });
});
