import { describe, expect, it } from 'vitest';
import type { Model } from '../../src/graph/graph.ts';
import { findParameters } from '../../src/graph/parameters.ts';
import { filledTensor, tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import { planFixup } from '../../src/random/fixup.ts';
import { parseInitialization } from '../../src/random/parse-initialization.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { initializationRemedies } from '../../src/remedies/initialization/index.ts';
import { type Patient, RemedyError } from '../../src/remedies/remedy.ts';
import { weightLayersOf } from '../../src/remedies/rewrite/weight-layers.ts';
import { reinitialize } from '../../src/training/initialize.ts';
import { initializeWeights } from '../../src/verbs/initial-weights.ts';
import { decadesOf, exported, learns, patientOf, reread, runtime } from './structure/patient.ts';

const blobs = { kind: 'named', name: 'blobs' } as const;
const remedy = (id: string) => initializationRemedies.find((one) => one.id === id)!;

/** A dense network whose weights are drawn by a scheme with options: `he:1.6`. */
function dense(activation: string, depth: number, init: string): Model {
  const model = buildSpec({
    input: 8,
    layers: [{ dense: { units: 48, activation, repeat: depth, name: 'hidden' } }, { dense: { units: 4, name: 'out' } }],
  });
  return reinitialize(model, parseInitialization(init), 5).model;
}

/** A patient whose network can be run. */
async function sick(model: Model, batch: Parameters<typeof patientOf>[1] = blobs): Promise<Patient> {
  const lsuv = async (given: Model) => (await initializeWeights(given, 'lsuv', { runtime, seed: 0, batch })).model;
  return { ...(await patientOf(model, batch)), tools: { lsuv, findLearningRate: async () => undefined } };
}

/** Which remedies apply. */
function fitting(patient: Patient): string[] {
  return initializationRemedies.filter((one) => one.applies(patient) !== undefined).map(({ id }) => id);
}

async function outcome(id: string, patient: Patient, batch: Parameters<typeof patientOf>[1] = blobs) {
  const { model } = await remedy(id).apply(patient.design, patient);
  const file = await reread(model);
  return { model, file, predicted: remedy(id).predict(patient), measured: await decadesOf(file, batch) };
}

describe('schemes for whole networks', () => {
  it.each<[string, Model, string[]]>([
    ['tanh, too small', dense('tanh', 12, 'pytorch-default'), ['glorot', 'orthogonal', 'critical', 'lsuv']],
    ['ReLU, too large', dense('relu', 20, 'he:1.6'), ['he', 'orthogonal', 'critical', 'lsuv']],
    ['GELU, too small', dense('gelu', 12, 'lecun'), ['he', 'orthogonal', 'critical', 'lsuv']],
    ['SELU, too small', dense('selu', 20, 'pytorch-default'), ['lecun', 'orthogonal', 'critical', 'lsuv']],
  ])('%s', async (_, model, ids) => {
    const patient = await sick(model);
    expect(fitting(patient)).toEqual(ids.map((id) => `use-${id}-init`));
    // What the findings name is among them.
    for (const { relief } of patient.diagnosis.findings) {
      if (relief?.remedy.endsWith('-init')) expect(fitting(patient)).toContain(relief.remedy);
    }
    for (const id of fitting(patient)) {
      const { predicted, measured } = await outcome(id, patient);
      expect([id, Math.abs(predicted! - measured) < 1]).toEqual([id, true]);
    }
  });

  it('draws the variances of the papers, and biases of zero', async () => {
    const tanh = await sick(dense('tanh', 12, 'pytorch-default'));
    const relu = await sick(dense('relu', 20, 'he:1.6'));
    const gelu = await sick(dense('gelu', 12, 'lecun'));
    const hidden = async (id: string, patient: Patient) => weightLayersOf((await outcome(id, patient)).file)[4]!;
    expect((await hidden('use-glorot-init', tanh)).sigmaW2).toBeCloseTo(1, 1);
    expect((await hidden('use-orthogonal-init', tanh)).sigmaW2).toBeCloseTo(1, 5);
    expect((await hidden('use-orthogonal-init', relu)).sigmaW2).toBeCloseTo(2, 5);
    expect(Math.abs((await hidden('use-he-init', relu)).sigmaW2 - 2)).toBeLessThan(0.25);
    expect((await hidden('use-he-init', relu)).biasSquare).toBe(0);
    // GELU: C_W = 1.98305, C_b = 0.17292 (Roberts, Yaida & Hanin 2022, section 5.3.4).
    const critical = await hidden('use-critical-init', gelu);
    expect(Math.abs(critical.sigmaW2 - 1.98305)).toBeLessThan(0.25);
    expect(Math.abs(critical.biasSquare - 0.17292)).toBeLessThan(0.12);
  });

  it('measures unit variance on the data', async () => {
    const patient = await sick(dense('relu', 20, 'he:1.6'));
    const { file } = await outcome('use-lsuv-init', patient);
    const { profile } = await sick(file);
    const values = new Map(profile.values.map((value) => [value.name, value.value]));
    for (const { value } of profile.layers) {
      const { l2, count, mean } = values.get(value)!;
      expect(l2 ** 2 / count - mean ** 2).toBeGreaterThan(0.8);
      expect(l2 ** 2 / count - mean ** 2).toBeLessThan(1.25);
    }
    expect(remedy('use-lsuv-init').applies({ ...patient, tools: undefined })).toBeUndefined();
    await expect(remedy('use-lsuv-init').apply(patient.design, { ...patient, tools: undefined })).rejects.toThrow(
      RemedyError,
    );
  });

  it('trains what did not, and changes nothing but weights and biases', async () => {
    const model = dense('tanh', 12, 'pytorch-default');
    const patient = await sick(model);
    const { file } = await outcome('use-glorot-init', patient);
    expect(await learns(file)).toBeGreaterThan(0.9);
    expect(file.graph.nodes.map(({ op }) => op)).toEqual(model.graph.nodes.map(({ op }) => op));
    expect([...file.graph.initializers.keys()]).toEqual([...model.graph.initializers.keys()]);
  });

  it('does not apply where weights are not at fault', async () => {
    expect(fitting(await sick(dense('relu', 4, 'he')))).toEqual([]);
    expect(fitting(await sick(dense('tanh', 6, 'glorot')))).toEqual([]);
    // Ten sigmoids at Glorot's variance vanish by their derivatives.
    const sigmoid = fitting(await sick(dense('sigmoid', 8, 'glorot')));
    expect(sigmoid).not.toContain('use-glorot-init');
    expect(sigmoid).not.toContain('use-he-init');
    // Softplus has no point with χ = 1.
    expect(fitting(await sick(dense('softplus', 8, 'lecun:0.1')))).not.toContain('use-critical-init');
    const healthy = await exported('resnet18_quarter');
    expect(fitting(await sick(healthy.model, healthy.batch))).toEqual([]);
  });

  it('redraws a PyTorch convolution network, and names its modules', async () => {
    const { model, batch } = await exported('plainconv34_gain1');
    const patient = await sick(model, batch);
    expect(patient.diagnosis.findings[0]!.relief?.remedy).toBe('use-he-init');
    const { measured, predicted } = await outcome('use-he-init', patient, batch);
    expect(Math.abs(measured)).toBeLessThan(1);
    expect(Math.abs(measured - predicted!)).toBeLessThan(0.5);
    const { pytorch } = remedy('use-he-init').patch(patient);
    expect(pytorch).toContain('*(layer.weight for layer in model.body[0:34]),');
    expect(pytorch).toContain('model.stem.weight,');
  });
});

describe('use-fixup-init', () => {
  const residual = (norm: boolean) =>
    reinitialize(
      buildSpec({
        input: 16,
        layers: [
          { dense: { units: 32, name: 'stem' } },
          {
            residual: [...(norm ? ['layer-norm'] : []), { dense: 32 }, 'relu', { dense: 32 }],
            repeat: 12,
          } as never,
          { dense: { units: 4, name: 'out' } },
        ],
      }),
      parseInitialization('he:1.5'),
      3,
    ).model;

  it('starts residual networks as their skip connections, and only those without normalization', async () => {
    const model = residual(false);
    const patient = await sick(model);
    const why = remedy('use-fixup-init').applies(patient);
    expect(why).toMatch(/12 residual branches without normalization/);
    const { file, predicted } = await outcome('use-fixup-init', patient);
    expect(predicted).toBeCloseTo(0, 0);
    const { gains } = planFixup(model.graph, findParameters(model));
    for (const [name, gain] of gains) {
      const values = toFloat64(file.graph.initializers.get(name)!);
      const square = values.reduce((sum, x) => sum + x * x, 0) / values.length;
      const fanIn = file.graph.initializers.get(name)!.dims.includes(16) ? 16 : 32;
      if (gain === 0) expect(square).toBe(0);
      else expect(Math.abs((square * fanIn) / (2 * gain * gain) - 1)).toBeLessThan(0.25);
    }
    // Twelve branches of two layers: L^(-1/2).
    expect([...gains.values()].filter((gain) => Math.abs(gain - 12 ** -0.5) < 1e-12)).toHaveLength(12);
    expect(
      remedy('use-fixup-init').applies({ ...patient, design: { ...patient.design, model: residual(true) } }),
    ).toBeUndefined();
  });

  it('throws where no branch is', async () => {
    const patient = await sick(dense('tanh', 3, 'glorot'));
    expect(() => remedy('use-fixup-init').apply(patient.design, patient)).toThrow(RemedyError);
  });
});

describe('starts', () => {
  it('draws equal and zero weights at random, and no others', async () => {
    const mixed = dense('relu', 4, 'he');
    for (const name of ['hidden.1.weight', 'hidden_1.weight', 'hidden.2.weight']) {
      const tensor = mixed.graph.initializers.get(name);
      if (tensor) mixed.graph.initializers.set(name, filledTensor('float32', tensor.dims, 0.05));
    }
    const names = weightLayersOf(mixed)
      .filter(({ random }) => !random)
      .map(({ name }) => name);
    expect(names.length).toBeGreaterThan(0);
    const patient = await sick(mixed);
    expect(remedy('randomize-init').applies(patient)).toContain('no random numbers');
    const { file } = await outcome('randomize-init', patient);
    for (const { name, random, weights, layer, sigmaW2 } of weightLayersOf(file)) {
      expect([name, random]).toEqual([name, true]);
      const kept = mixed.graph.initializers.get(weights[0]!)!.data;
      if (!names.includes(layer.name)) expect(file.graph.initializers.get(weights[0]!)!.data).toEqual(kept);
      else expect(Math.abs(sigmaW2 - 2)).toBeLessThan(0.4);
    }
  });

  it("wakes PyTorch's network of zeros", async () => {
    const { model, batch } = await exported('mlp_relu_zero_init_x4');
    const patient = await sick(model, batch);
    expect(fitting(patient)).toContain('randomize-init');
    const { file, predicted } = await outcome('randomize-init', patient, batch);
    const after = await sick(file, batch);
    expect(after.diagnosis.attribution!.totalDecades).toBeGreaterThan(-1);
    expect(Math.abs(after.diagnosis.attribution!.totalDecades - predicted!)).toBeLessThan(0.5);
    expect(after.diagnosis.verdict).toBe('healthy');
  });

  it('a zero last layer alone is left as it is', async () => {
    const model = dense('relu', 3, 'he');
    const { dims } = model.graph.initializers.get('out.weight')!;
    model.graph.initializers.set('out.weight', filledTensor('float32', dims, 0));
    const patient = await sick(model);
    expect(fitting(patient)).not.toContain('randomize-init');
    expect(() => remedy('randomize-init').apply(patient.design, patient)).toThrow(RemedyError);
  });

  it('zeroes the biases that hold units dead, and keeps every weight', async () => {
    const { model, batch } = await exported('mlp_relu_dead_x6');
    const patient = await sick(model, batch);
    const { file, predicted } = await outcome('zero-biases', patient, batch);
    const after = await sick(file, batch);
    expect(after.diagnosis.findings.filter(({ rule }) => rule === 'dead-units')).toEqual([]);
    expect(Math.abs(after.diagnosis.attribution!.totalDecades - predicted!)).toBeLessThan(0.5);
    for (const [name, { data, dims }] of model.graph.initializers) {
      if (dims.length === 2) expect(file.graph.initializers.get(name)!.data).toEqual(data);
    }
    expect(remedy('zero-biases').patch(patient).pytorch).toContain('layer.bias for layer in model.hidden[1:6]');
    // Biases above zero kill nothing.
    const open = dense('relu', 4, 'he');
    open.graph.initializers.set('out.bias', tensorOf('float32', [4], [-9, -9, -9, -9]));
    expect(remedy('zero-biases').applies(await sick(open))).toBeUndefined();
  });
});
