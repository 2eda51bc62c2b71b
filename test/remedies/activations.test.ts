import { beforeAll, describe, expect, it } from 'vitest';
import type { Model } from '../../src/graph/graph.ts';
import { encodeModel } from '../../src/graph/onnx/encode.ts';
import { tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { activationRemedies } from '../../src/remedies/activations/index.ts';
import { type Patient, RemedyError } from '../../src/remedies/remedy.ts';
import { findActivationSites } from '../../src/remedies/rewrite/activation-sites.ts';
import { weightLayersOf } from '../../src/remedies/rewrite/weight-layers.ts';
import { runModel } from '../helpers/onnx-tests.ts';
import { decadesOf, exported, learns, patientOf, reread } from './structure/patient.ts';

const blobs = { kind: 'named', name: 'blobs' } as const;
const remedy = (id: string) => activationRemedies.find((one) => one.id === id)!;

function dense(activation: string, depth: number, last?: string): Model {
  return buildSpec({
    input: 8,
    layers: [
      { dense: { units: 32, activation, repeat: depth, name: 'hidden' } },
      { dense: { units: 4, name: 'out', ...(last && { activation: last }) } },
    ],
    init: 'pytorch-default',
    seed: 1,
  });
}

/** Activation → σ_w² of the weights before it, from the papers: He 2 / (1 + a²), LeCun 1; Roberts et al. for smooth ones. */
const variances: Record<string, number> = {
  'use-relu': 2,
  'use-leaky-relu': 2 / (1 + 0.01 ** 2),
  'use-prelu': 2 / (1 + 0.25 ** 2),
  'use-elu': 1,
  'use-selu': 1,
  'use-gelu': 1.983,
  'use-silu': 1.988,
  'use-mish': 2.014,
  'use-tanh': 1,
};

describe('a swap of activation functions', () => {
  let model: Model;
  let patient: Patient;
  beforeAll(async () => {
    model = dense('sigmoid', 6);
    patient = await patientOf(model, blobs);
  });

  it.each(Object.keys(variances))('%s applies to a sigmoid network and does what it foretells', async (id) => {
    expect(remedy(id).applies(patient)).toMatch(/6 functions \(sigmoid\) are flat on both sides/);
    const design = await remedy(id).apply(patient.design, patient);
    const file = await reread(design.model);
    const predicted = remedy(id).predict(patient)!;
    const measured = await decadesOf(file, blobs);
    expect(Math.abs(predicted - measured)).toBeLessThan(0.5);
    expect(Math.abs(measured)).toBeLessThan(1.2);
    expect(findActivationSites(file).some(({ op }) => op === 'Sigmoid')).toBe(false);
    expect(findActivationSites(file)).toHaveLength(6);
    for (const { sigmaW2, name } of weightLayersOf(file).slice(1, 6)) {
      expect([name, Math.abs(sigmaW2 / variances[id]! - 1) < 0.2]).toEqual([name, true]);
    }
    // The interface stays, and so does the last layer, before which nothing was replaced.
    const names = [...model.graph.initializers.keys()];
    expect([...file.graph.initializers.keys()]).toEqual(expect.arrayContaining(names));
    expect(file.graph.inputs).toMatchObject(model.graph.inputs.map(({ name }) => ({ name })));
    expect(file.graph.outputs).toMatchObject(model.graph.outputs.map(({ name }) => ({ name })));
    expect(file.graph.initializers.get('out.weight')).toEqual(model.graph.initializers.get('out.weight'));
    expect(patient.design.model).toBe(model);
  });

  it.each([
    ['use-leaky-relu', (x: number) => (x > 0 ? x : 0.01 * x)],
    ['use-prelu', (x: number) => (x > 0 ? x : 0.25 * x)],
    ['use-elu', (x: number) => (x > 0 ? x : Math.expm1(x))],
    ['use-selu', (x: number) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x))],
    ['use-silu', (x: number) => x / (1 + Math.exp(-x))],
    ['use-mish', (x: number) => x * Math.tanh(Math.log1p(Math.exp(x)))],
    ['use-tanh', (x: number) => Math.tanh(x)],
  ])('%s computes its formula in stock onnxruntime', async (id, of) => {
    const one = buildSpec({
      input: 3,
      layers: [{ dense: { units: 3, activation: 'sigmoid', name: 'h' } }, { dense: 3 }],
    });
    const identity = tensorOf('float32', [3, 3], [1, 0, 0, 0, 1, 0, 0, 0, 1]);
    const { model: changed } = await remedy(id).apply(
      { ...patient.design, model: one },
      { ...patient, binding: new Map() },
    );
    for (const [name, { dims }] of changed.graph.initializers) {
      if (dims.length === 2) changed.graph.initializers.set(name, identity);
      else if (!name.endsWith('slope'))
        changed.graph.initializers.set(name, tensorOf('float32', dims, dims.length ? [0, 0, 0] : [0]));
    }
    const x = [-2, -0.3, 1.7];
    const [y] = await runModel(encodeModel(changed), [tensorOf('float32', [1, 3], x)]);
    expect(Array.from(toFloat64(y!), (value, i) => Math.abs(value - of(x[i]!)) < 1e-5)).toEqual([true, true, true]);
  });

  it('trains where the sigmoid network does not', async () => {
    const deep = dense('sigmoid', 10);
    const sick = await patientOf(deep, blobs);
    const { model: relu } = await remedy('use-relu').apply(sick.design, sick);
    const { model: prelu } = await remedy('use-prelu').apply(sick.design, sick);
    expect(await learns(deep)).toBeLessThan(0.6);
    expect(await learns(await reread(relu))).toBeGreaterThan(0.9);
    expect(await learns(await reread(prelu))).toBeGreaterThan(0.9);
  });

  it('keeps weights that fit: Glorot weights of square layers are LeCun weights', async () => {
    const glorot = buildSpec({
      input: 32,
      layers: [
        { dense: { units: 32, activation: 'sigmoid', repeat: 6, name: 'hidden' } },
        { dense: { units: 4, name: 'out' } },
      ],
      init: 'glorot-uniform',
    });
    const { model: selu } = await remedy('use-selu').apply({ ...patient.design, model: glorot }, patient);
    for (const [name, tensor] of glorot.graph.initializers) expect(selu.graph.initializers.get(name)).toBe(tensor);
  });

  it('leaves the function that computes the output', async () => {
    const gated = dense('sigmoid', 6, 'sigmoid');
    const { model: relu } = await remedy('use-relu').apply({ ...patient.design, model: gated }, patient);
    expect(relu.graph.nodes.filter(({ op }) => op === 'Sigmoid')).toHaveLength(1);
    expect(relu.graph.nodes.at(-1)!.op).toBe('Sigmoid');
    expect(remedy('use-relu').patch({ ...patient, design: { ...patient.design, model: gated } }).pytorch).toContain(
      'places[:-1]',
    );
  });

  it('says why in the words of the finding, and never of a healthy network', async () => {
    const healthy = await patientOf(dense('tanh', 2), blobs);
    const transformer = await exported('transformer_encoder_x2');
    const other = await patientOf(transformer.model, transformer.batch);
    for (const one of activationRemedies) {
      expect(one.applies(healthy)).toBeUndefined();
      expect(one.applies(other)).toBeUndefined();
      expect(one.why).toContain('lost');
    }
  });

  it('throws RemedyError where there is nothing to replace', () => {
    const relu = dense('relu', 3);
    expect(() => remedy('use-tanh').apply({ ...patient.design, model: relu }, patient)).toThrow(RemedyError);
  });
});

describe('on PyTorch exports', () => {
  it('replaces the sigmoids of an MLP under their own names', async () => {
    const { model, batch } = await exported('mlp_sigmoid_x10');
    const patient = await patientOf(model, batch);
    const one = remedy('use-relu');
    const { model: changed } = await one.apply(patient.design, patient);
    const file = await reread(changed);
    expect(file.graph.nodes.filter(({ op }) => op === 'Relu').map(({ name }) => name)).toContain('hidden.3.relu');
    expect(Math.abs((await decadesOf(file, batch)) - one.predict(patient)!)).toBeLessThan(1);
    const { pytorch, keras, tfjs } = one.patch(patient);
    expect(pytorch).toContain('for weight in [*(layer.weight for layer in model.hidden[0:10])]:');
    expect(pytorch).toContain("nn.init.kaiming_normal_(weight, nonlinearity='relu')");
    expect(keras).toContain('"hidden.9"');
    expect(tfjs).toContain('hidden.9');
  });

  it('gives dead ReLUs a slope, and draws what holds them dead', async () => {
    const { model, batch } = await exported('mlp_relu_dead_x6');
    const patient = await patientOf(model, batch);
    expect(remedy('use-relu').applies(patient)).toBeUndefined();
    expect(remedy('use-tanh').applies(patient)).toBeUndefined();
    for (const id of ['use-leaky-relu', 'use-prelu']) {
      expect(remedy(id).applies(patient)).toMatch(/flat left of zero/);
      const { model: changed } = await remedy(id).apply(patient.design, patient);
      const measured = await decadesOf(await reread(changed), batch);
      expect(Math.abs(measured - remedy(id).predict(patient)!)).toBeLessThan(0.5);
      // The first layer's biases are small and its weights are He's: they stay.
      expect(changed.graph.initializers.get('hidden.0.weight')).toBe(model.graph.initializers.get('hidden.0.weight'));
    }
  });

  it("gives each channel of a convolution its own slope, on PyTorch's axis", async () => {
    const image = buildSpec({
      input: [3, 8, 8],
      layers: [
        { conv: { filters: 6, kernel: 3, padding: 'same', activation: 'sigmoid', repeat: 4, name: 'body' } },
        'flatten',
        { dense: 4 },
      ],
    });
    const patient = await patientOf(image, { kind: 'none' });
    const { model: changed } = await remedy('use-prelu').apply(patient.design, patient);
    const slopes = [...changed.graph.initializers].filter(([name]) => name.endsWith('slope'));
    expect(slopes.map(([, { dims }]) => dims)).toEqual([0, 1, 2, 3].map(() => [6, 1, 1]));
    expect(Number.isFinite(await decadesOf(await reread(changed), { kind: 'none' }))).toBe(true);
  });
});
