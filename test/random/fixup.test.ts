import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/graph/errors.ts';
import type { Model } from '../../src/graph/graph.ts';
import { findParameters } from '../../src/graph/parameters.ts';
import { toFloat64 } from '../../src/graph/tensor.ts';
import { readModel } from '../../src/node.ts';
import { planFixup } from '../../src/random/fixup.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { initializeFixup, reinitialize } from '../../src/training/initialize.ts';
import { initializeWeights } from '../../src/verbs/initial-weights.ts';
import { train } from '../../src/verbs/train.ts';
import { openTrainingData } from '../../src/verbs/training-data.ts';

const block = (width: number, layers = 2) => [
  ...Array.from({ length: layers - 1 }, () => ({ dense: width, activation: 'relu' })),
  { dense: width },
];
const residual = (blocks: number, width: number, layers = 2, input = 16) =>
  buildSpec({
    input,
    layers: [
      { dense: { units: width, name: 'stem' } },
      { residual: { layers: block(width, layers), name: 'block' }, repeat: blocks },
      { dense: { units: 10, name: 'out' } },
    ],
    bias: 0.5,
  });
const gainsOf = (model: Parameters<typeof findParameters>[0]) => planFixup(model.graph, findParameters(model));

describe('planFixup', () => {
  it('L^(−1/(2m−2)) for all layers of a branch but the last', () => {
    const { gains, branches } = gainsOf(residual(9, 8, 3));
    expect(branches).toBe(9);
    for (let i = 0; i < 9; i++) {
      // m = 3, L = 9: 9^(−1/4).
      expect(gains.get(`block.${i}.dense.weight`)).toBeCloseTo(1 / Math.sqrt(3), 14);
      expect(gains.get(`block.${i}.dense2.weight`)).toBeCloseTo(1 / Math.sqrt(3), 14);
      expect(gains.get(`block.${i}.dense3.weight`)).toBe(0);
    }
    expect(gains.get('stem.weight')).toBe(1);
    expect(gains.get('out.weight')).toBe(0);
    // m = 2, L = 16: 16^(−1/2).
    expect(gainsOf(residual(16, 8)).gains.get('block.3.dense.weight')).toBe(0.25);
    // m = 1: the only layer is the last.
    expect(gainsOf(residual(3, 8, 1)).gains.get('block.1.dense.weight')).toBe(0);
  });

  it('a projection is neither branch nor classifier, and a branch may hold one', () => {
    const model = buildSpec({
      input: 8,
      layers: [
        { dense: 8 },
        { residual: block(4), shortcut: 'projection' },
        { residual: [...block(4), { residual: block(4) }] },
        { residual: block(6), shortcut: 'projection' },
      ],
    });
    const { gains, branches } = gainsOf(model);
    expect(branches).toBe(4);
    const plan = Object.fromEntries([...gains].filter(([name]) => name.endsWith('weight')));
    expect(plan).toEqual({
      'dense.weight': 1,
      'residual.dense.weight': 0.5,
      'residual.dense2.weight': 0,
      'residual.projection.weight': 1,
      'residual2.dense.weight': 0.5,
      'residual2.dense2.weight': 0,
      'residual2.residual.dense.weight': 0.5,
      'residual2.residual.dense2.weight': 0,
      'residual3.dense.weight': 0.5,
      'residual3.dense2.weight': 0,
      'residual3.projection.weight': 1,
    });
  });

  it('attention counts for two layers', async () => {
    const { gains, branches } = gainsOf(await readModel(`${import.meta.dirname}/../fixtures/torch/vit_small.onnx`));
    expect(branches).toBe(8);
    const of = (name: string) => gains.get(`encoder.layers.encoder_layer_2.${name}`);
    expect(of('self_attention.in_proj_weight')).toBeCloseTo(8 ** -0.5, 14);
    expect(of('self_attention.out_proj.weight')).toBe(0);
    expect(of('mlp.0.weight')).toBeCloseTo(8 ** -0.5, 14);
    expect(of('mlp.3.weight')).toBe(0);
    expect(gains.get('heads.head.weight')).toBe(0);
    expect(gains.get('conv_proj.weight')).toBe(1);
  });
});

describe('initializeFixup', () => {
  it('is He times the gain to the number, biases zero', () => {
    const model = residual(16, 32);
    const before = toFloat64(model.graph.initializers.get('stem.weight')!);
    const fixup = initializeFixup(model, 3);
    const he = reinitialize(model, { scheme: 'he-normal' }, 3);
    const { gains } = gainsOf(model);
    const values = ({ model: { graph } }: typeof he, name: string) => toFloat64(graph.initializers.get(name)!);
    for (const name of findParameters(model)) {
      const gain = name.endsWith('bias') ? 0 : gains.get(name)!;
      const expected = values(he, name).map((x) => Math.fround(gain * x));
      values(fixup, name).forEach((x, i) => {
        expect(Math.abs(x - expected[i]!)).toBeLessThanOrEqual(1e-7 * Math.abs(x));
      });
    }
    expect(toFloat64(model.graph.initializers.get('stem.weight')!)).toEqual(before);
  });

  it('is the init of a spec, where a layer may have its own', () => {
    const layers = [
      { dense: 8, name: 'stem' },
      { residual: { layers: block(8), name: 'block' }, repeat: 4 },
      { residual: [{ dense: { units: 8, init: { constant: 2 } } }, 'relu', { dense: 8 }] },
      { dense: 3, name: 'out' },
    ];
    const [fixup, he] = ['fixup', 'he'].map((init) => buildSpec({ input: 5, layers, init })) as [Model, Model];
    const values = ({ graph }: Model, name: string) => toFloat64(graph.initializers.get(name)!);
    // L = 5 branches of 2 layers: 5^(−1/2).
    values(he, 'block.2.dense.weight').forEach((x, i) => {
      expect(values(fixup, 'block.2.dense.weight')[i]).toBeCloseTo(x / Math.sqrt(5), 6);
    });
    expect(values(fixup, 'stem.weight')).toEqual(values(he, 'stem.weight'));
    for (const name of ['block.0.dense2', 'residual.dense2', 'out']) {
      expect(new Set(values(fixup, `${name}.weight`))).toEqual(new Set([0]));
    }
    expect(new Set(values(fixup, 'residual.dense.weight'))).toEqual(new Set([2]));
    expect(() => buildSpec({ input: 5, layers: [{ dense: 3 }], init: 'fixup' })).toThrow(
      /fixup is for networks with res/,
    );
  });

  it('refuses a network without residual branches, and says what would do', () => {
    const plain = buildSpec({ input: 4, layers: [{ dense: 4 }, 'relu', { dense: 2 }] });
    expect(() => initializeFixup(plain, 0)).toThrow(UsageError);
    expect(() => initializeFixup(plain, 0)).toThrow(/no residual branch/);
  });

  it('counts branches in a note, and normalizations in another', async () => {
    const options = { runtime: nodeRuntime(), seed: 0 };
    const { notes } = await initializeWeights(residual(3, 8), 'fixup', options);
    expect(notes.join('; ')).toMatch(/fixup: 3 residual branches/);
    expect(notes.join('; ')).not.toMatch(/without normalization/);
    const resnet = await readModel(`${import.meta.dirname}/../fixtures/torch/resnet18_quarter.onnx`);
    const others = (await initializeWeights(resnet, 'fixup', options)).notes.join('; ');
    expect(others).toMatch(/fixup: 8 residual branches/);
    expect(others).toMatch(/without normalization; this one has 20/);
  });

  it('trains 20 blocks without normalization, where He does not', async () => {
    const model = residual(20, 32, 2, 8);
    const lossesWith = async (init: string) => {
      const data = await openTrainingData({ kind: 'named', name: 'blobs' }, model.graph.inputs, {
        samples: 640,
        output: model.graph.outputs[0],
      });
      const losses: number[] = [];
      const runtime = nodeRuntime({ threads: 1 });
      const optimizer = { name: 'sgd' };
      for await (const event of train(model, {
        runtime,
        data,
        init,
        steps: 150,
        batch: 64,
        optimizer,
        learningRate: 0.1,
      })) {
        if (event.kind === 'step') losses.push(event.loss);
      }
      return losses;
    };
    const fixup = await lossesWith('fixup');
    const he = await lossesWith('he');
    // Zero logits: the loss of a guess among ten.
    expect(fixup[0]).toBeCloseTo(Math.log(10), 5);
    expect(fixup).toHaveLength(150);
    expect(fixup.at(-1)).toBeLessThan(0.2);
    // Each block doubles the variance: a million after 20.
    expect(he[0]).toBeGreaterThan(100);
    expect(he.at(-1)! < 1).toBe(false);
  });
});
