import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { findComposites } from '../../src/flow/composites.ts';
import { readModelSource } from '../../src/readers/index.ts';
import { memorySource } from '../../src/readers/source.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { loadDigit } from '../../src/runtime/node/mnist-files.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { diagnose } from '../../src/verbs/diagnose.ts';
import { train } from '../../src/verbs/train.ts';
import { openTrainingData } from '../../src/verbs/training-data.ts';

const runtime = nodeRuntime({ threads: 1 });
const example = (name: string) => {
  const file = new URL(`../../examples/${name}.yaml`, import.meta.url);
  return readModelSource(memorySource(`${name}.yaml`, readFileSync(file)));
};
const probe = async (model: Awaited<ReturnType<typeof example>>, data: string, size = 8) =>
  diagnose(model, { runtime, batch: { kind: 'named', name: data }, size, loadDigits: loadDigit });

const onAdding = (layer: unknown) => buildSpec({ input: [50, 2], layers: [layer, { dense: 1 }], loss: 'mse' });

describe('a diagnosis of a spec', () => {
  it('a default LSTM keeps the gradient over the adding problem', async () => {
    const { diagnosis, profile } = await probe(onAdding({ lstm: 32 }), 'adding:50');
    expect(diagnosis.verdict).toBe('healthy');
    expect(profile.layers.map(({ name }) => name)).toEqual(['lstm', 'dense']);
    expect(profile.layers[0]!.parameters).toEqual(['lstm.weight', 'lstm.recurrent', 'lstm.bias']);
    expect(profile.recurrent![0]).toMatchObject({ layer: 'lstm', node: 'lstm', direction: 'forward' });
    expect(profile.recurrent![0]!.hidden).toHaveLength(50);
    for (const { name, gradient } of profile.parameters) expect(gradient.l2, name).toBeGreaterThan(0);
  });

  it('PyTorch’s tanh recurrence loses it, an orthogonal one does not', async () => {
    const lost = await probe(await example('rnn-adding'), 'adding:50');
    expect(lost.diagnosis.verdict).toBe('vanishing');
    expect(lost.diagnosis.findings.map(({ rule }) => rule)).toContain('vanishing-through-time');
    // 1/√3 of the spectral radius of a circular law in each of 49 steps at most: −11.7 decades without the tanh.
    expect(lost.profile.recurrent![0]!.factors!.recurrentWeights).toBeLessThan(-8);
    const kept = await probe(onAdding({ rnn: 32 }), 'adding:50');
    expect(kept.diagnosis.verdict).toBe('healthy');
    expect(Math.abs(kept.profile.recurrent![0]!.factors!.recurrentWeights)).toBeLessThan(0.01);
  });

  it('both directions and every layer of a stack are followed', async () => {
    const { profile } = await probe(onAdding({ gru: { units: 8, bidirectional: true, repeat: 2 } }), 'adding:50');
    expect(profile.recurrent!.map(({ layer, direction }) => `${layer} ${direction}`)).toEqual([
      ...['gru.0 forward', 'gru.0 reverse', 'gru.1 forward', 'gru.1 reverse'],
    ]);
  });

  it('a Transformer is healthy, its attention one factor, its layers by name', async () => {
    const model = await example('transformer');
    const blocks = findComposites(model.graph).map(({ id }) => id);
    expect(blocks).toEqual(['attention', 'attention']);
    const { diagnosis, profile } = await probe(model, 'mnist-rows');
    expect(diagnosis.verdict).toBe('healthy');
    const layers = profile.layers.map(({ name }) => name);
    for (const part of ['query', 'key', 'value', 'out']) expect(layers).toContain(`encoder.1.attention.${part}`);
    for (const part of ['norm1', 'norm2', 'dense1', 'dense2']) expect(layers).toContain(`encoder.0.${part}`);
    for (const { name, gradient, connected } of profile.parameters) {
      expect(connected, name).toBe(true);
      // A key's bias adds the same to every score of a query: softmax takes no notice.
      if (!name.endsWith('key.bias')) expect(gradient.l2, name).toBeGreaterThan(1e-5);
    }
  });

  it('tokens and a causal mask', async () => {
    const layers = [
      { embedding: 16, vocabulary: 10 },
      'positional-embedding',
      { 'transformer-encoder': 2, causal: true, norm: 'post', repeat: 2 },
      'rms-norm',
      { dense: 9 },
    ];
    const model = buildSpec({ input: { shape: 30, type: 'int64' }, layers });
    expect(findComposites(model.graph).map(({ id }) => id)).toEqual(['attention', 'attention', 'rms-norm']);
    const { diagnosis, profile } = await probe(model, 'copy:10');
    expect(diagnosis.verdict).toBe('healthy');
    expect(diagnosis.findings.filter(({ severity }) => severity !== 'info')).toEqual([]);
    expect(profile.layers[0]!.name).toBe('embedding');
  });

  it('branches that start at zero are healthy', async () => {
    const layers = [{ dense: 32 }, { residual: [{ dense: 32 }, 'relu'], scale: 0, repeat: 3 }, { dense: 10 }];
    const { diagnosis, profile } = await probe(buildSpec({ input: 784, layers }), 'mnist');
    expect(diagnosis.verdict).toBe('healthy');
    const scale = profile.parameters.find(({ name }) => name === 'residual.0.scale.weight')!;
    expect(scale.gradient.l2).toBeGreaterThan(0);
  });
});

describe('a training of a spec', () => {
  /** Mean loss of the first and of the last ten steps. */
  async function losses(model: Awaited<ReturnType<typeof example>>, name: string, steps: number) {
    const data = await openTrainingData({ kind: 'named', name }, model.graph.inputs, {
      samples: 1000,
      validation: 0,
      seed: 0,
      loadDigits: loadDigit,
      output: model.graph.outputs[0],
    });
    const found: number[] = [];
    for await (const event of train(model, { runtime, data, steps })) if (event.kind === 'step') found.push(event.loss);
    const mean = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;
    return [mean(found.slice(0, 10)), mean(found.slice(-10))] as const;
  }

  it('an LSTM learns digits row by row', async () => {
    const [first, last] = await losses(await example('lstm'), 'mnist-rows', 150);
    expect(first).toBeGreaterThan(2);
    expect(last).toBeLessThan(1.2);
  });

  it('a Transformer learns to copy', async () => {
    const layers = [
      { embedding: 32, vocabulary: 10 },
      'positional-embedding',
      { 'transformer-encoder': 4, 'feed-forward': 64 },
      { dense: 9 },
    ];
    const optimizer = { adam: 0.005 };
    const model = buildSpec({ input: { shape: 22, type: 'int64' }, layers, optimizer, batch: 16 });
    const [first, last] = await losses(model, 'copy:2', 340);
    expect(first).toBeGreaterThan(1);
    // Without memory 10 ln 8 / 22 = 0.95.
    expect(last).toBeLessThan(0.4);
  });
});
