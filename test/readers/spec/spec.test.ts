import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Model } from '../../../src/graph/graph.ts';
import { decodeModel } from '../../../src/graph/onnx/decode.ts';
import { encodeModel } from '../../../src/graph/onnx/encode.ts';
import { toFloat64 } from '../../../src/graph/tensor.ts';
import { initializationNamed, initializationNames } from '../../../src/random/initializers.ts';
import { buildSpec, match, read } from '../../../src/readers/spec/index.ts';
import { layerTable } from '../../../src/readers/spec/layers/index.ts';
import { optimizers } from '../../../src/training/optimizers/index.ts';
import { declaredShapes, forward, fromYaml, run } from './run.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);
const weight = (model: Model, name: string) => toFloat64(model.graph.initializers.get(name)!);
const variance = (values: Float64Array) => {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  return values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
};
const maxAbs = (values: Float64Array) => values.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
const parameterCount = (model: Model) =>
  [...model.graph.initializers].reduce((n, [name, { data }]) => n + (model.constants.has(name) ? 0 : data.length), 0);

describe('names', () => {
  it('number layers of a kind within their list, and repetitions from 0', async () => {
    const net = await fromYaml(`
input: 4
layers:
  - dense: 4
  - relu
  - dense: 4
  - repeat: 2
    name: hidden
    layers: [{dense: 4}, tanh, {dense: {units: 4, name: mix}}]
  - repeat: 2
    layers: [{dense: {units: 4, activation: relu, repeat: 2}}]
  - dense: 2`);
    expect(net.graph.nodes.map((node) => node.name)).toEqual([
      ...['dense', 'relu', 'dense2'],
      ...['hidden.0.dense', 'hidden.0.tanh', 'hidden.0.mix', 'hidden.1.dense', 'hidden.1.tanh', 'hidden.1.mix'],
      ...['block.0.dense.0', 'block.0.dense.0.relu', 'block.0.dense.1', 'block.0.dense.1.relu'],
      ...['block.1.dense.0', 'block.1.dense.0.relu', 'block.1.dense.1', 'block.1.dense.1.relu'],
      'dense3',
    ]);
    expect(net.graph.initializers.has('hidden.1.mix.weight')).toBe(true);
    for (const node of net.graph.nodes) expect(node.outputs).toEqual([node.name]);
  });

  it('stay unique where a block and its activation meet', async () => {
    const net = await fromYaml(
      'input: {shape: 2, name: relu}\nlayers: [relu, {residual: [relu, {dense: {units: 2, name: projection}}], shortcut: projection, activation: relu}]',
    );
    const names = net.graph.nodes.map((node) => node.name);
    expect(new Set([...names, 'relu']).size).toBe(names.length + 1);
    expect(await forward(net, [1, 2])).toHaveLength(2);
  });
});

describe('first weights', () => {
  it('are Glorot’s uniform where nothing is said, with biases of zero', () => {
    const net = buildSpec({ input: 300, layers: [{ dense: 500 }] });
    const W = weight(net, 'dense.weight');
    expect(maxAbs(W)).toBeLessThanOrEqual(Math.fround(Math.sqrt(6 / 800)));
    expect(variance(W) / (2 / 800)).toBeCloseTo(1, 1.5);
    expect(weight(net, 'dense.bias').every((x) => x === 0)).toBe(true);
  });

  it('follow the spec, and a layer its own word', () => {
    const net = buildSpec({
      input: 200,
      layers: [{ dense: 300 }, { dense: { units: 300, init: { lecun: { gain: 2 } }, bias: 0.5 } }, { dense: 3 }],
      init: 'he',
      bias: false,
    });
    expect(variance(weight(net, 'dense.weight')) / (2 / 200)).toBeCloseTo(1, 1.5);
    expect(variance(weight(net, 'dense2.weight')) / (4 / 300)).toBeCloseTo(1, 1.5);
    expect([...net.graph.initializers.keys()]).toEqual([
      'dense.weight',
      'dense2.weight',
      'dense2.bias',
      'dense3.weight',
    ]);
    expect(weight(net, 'dense2.bias').every((x) => x === 0.5)).toBe(true);
  });

  it('count the fans of a convolution', () => {
    const net = buildSpec({ input: [32, 9, 9], layers: [{ conv2d: { filters: 64, kernel: 5 } }], init: 'he' });
    expect(variance(weight(net, 'conv2d.weight')) / (2 / (32 * 25))).toBeCloseTo(1, 1.5);
  });

  it('keep the fans of a sequence’s transposed weight', () => {
    const net = buildSpec({ input: [3, 100], layers: [{ dense: 600 }], init: 'lecun' });
    expect(variance(weight(net, 'dense.weight')) / (1 / 100)).toBeCloseTo(1, 1.5);
  });

  it('bring PyTorch’s bias with PyTorch’s weights', () => {
    const net = buildSpec({ input: 100, layers: [{ dense: 4000 }], init: 'pytorch-default' });
    const top = maxAbs(weight(net, 'dense.bias'));
    expect(top).toBeLessThanOrEqual(Math.fround(0.1));
    expect(top).toBeGreaterThan(0.099);
  });

  it('are the same for a seed, and do not change when a layer is added', () => {
    const spec = { input: 8, layers: [{ dense: 8 }, { dense: 8, name: 'mine' }] };
    const grown = {
      input: 8,
      layers: [{ dense: 8 }, 'batch-norm', { dense: { units: 8, repeat: 2 } }, { dense: 8, name: 'mine' }],
    };
    const model = buildSpec(spec);
    expect(weight(buildSpec({ ...spec, seed: 0 }), 'mine.weight')).toEqual(weight(model, 'mine.weight'));
    expect(weight(buildSpec(grown), 'mine.weight')).toEqual(weight(model, 'mine.weight'));
    expect(weight(buildSpec({ ...spec, seed: 1 }), 'mine.weight')).not.toEqual(weight(model, 'mine.weight'));
    expect(weight(model, 'dense.weight')).not.toEqual(weight(model, 'mine.weight'));
  });

  it('accept every form of a scheme', () => {
    const W = (init: unknown) =>
      weight(buildSpec({ input: 400, layers: [{ dense: { units: 400, init } }] }), 'dense.weight');
    expect(new Set(W(3))).toEqual(new Set([3]));
    expect(new Set(W({ constant: -1 }))).toEqual(new Set([-1]));
    expect(variance(W({ normal: 0.1 }))).toBeCloseTo(0.01, 3);
    expect(variance(W({ uniform: 3 }))).toBeCloseTo(3, 1);
    expect(W({ uniform: { low: 1, high: 2 } }).every((x) => x >= 1 && x <= 2)).toBe(true);
    expect(variance(W({ 'kaiming-uniform': { mode: 'fan-avg' } })) / (2 / 400)).toBeCloseTo(1, 1.5);
  });
});

describe('the worked examples', () => {
  it('a chain of n sigmoids at z = 0', async () => {
    const net = buildSpec({
      input: 1,
      layers: [{ dense: { units: 1, init: 'ones', bias: -0.5, activation: 'sigmoid', repeat: 4 } }],
    });
    const values = await run(net, [0.5]);
    expect(values['dense.3.sigmoid']!.data).toEqual([0.5]);
  });

  it('W = 2I, written out or named', async () => {
    for (const init of [
      {
        weights: [
          [2, 0],
          [0, 2],
        ],
      },
      { init: { identity: { gain: 2 } } },
    ]) {
      const net = buildSpec({ input: 2, layers: [{ dense: { units: 2, repeat: 5, ...init } }] });
      expect(await forward(net, [1, -1])).toEqual([32, -32]);
    }
  });
});

describe('reading', () => {
  it('takes JSON, with spaces or tabs, as the same network', async () => {
    const spec = { input: 3, layers: [{ dense: { units: 2, activation: 'tanh' } }], seed: 4 };
    const built = buildSpec(spec);
    for (const indent of [0, 2, '\t']) {
      const model = await fromYaml(JSON.stringify(spec, null, indent), 'net.json');
      expect(weight(model, 'dense.weight')).toEqual(weight(built, 'dense.weight'));
      expect(model.name).toBe('net');
    }
  });

  it('keeps what the file says of training', async () => {
    const text =
      'input: 1\nlayers: [relu]\nloss: mse\noptimizer: {adamw: {lr: 0.01, weight-decay: 0.1}}\nbatch: 8\nseed: 3';
    expect((await fromYaml(text)).training).toEqual({
      loss: 'mse',
      optimizer: { name: 'adamw', options: { lr: 0.01, weightDecay: 0.1 } },
      batch: 8,
      seed: 3,
    });
    expect((await fromYaml('input: 1\nlayers: [relu]\noptimizer: {sgd: 0.5}')).training).toEqual({
      optimizer: { name: 'sgd', options: { lr: 0.5 } },
    });
    for (const name of Object.keys(optimizers)) {
      expect((await fromYaml(`input: 1\nlayers: [relu]\noptimizer: ${name}`)).training!.optimizer!.name).toBe(name);
    }
  });

  it('is chosen by content', () => {
    const accepted = ['layers:\n  - relu\ninput: 3', '{"input": 3, "layers": []}', 'input: 3\n"layers" : [relu]'];
    const refused = [
      'hello',
      '',
      '{"modelTopology": {"layers": []}, "layers": []}',
      '{"class_name": "Sequential", "config": {"layers": []}}',
      'a:\n  layers: [relu]',
    ];
    for (const text of accepted) expect(match({ bytes: bytesOf(text) })).toBe(true);
    for (const text of refused) expect(match({ bytes: bytesOf(text) })).toBe(false);
    expect(match({ bytes: encodeModel(buildSpec({ input: 3, layers: ['relu'] })) })).toBe(false);
  });

  it('reads a text that starts with a byte order mark', async () => {
    expect((await fromYaml('\uFEFFinput: 1\nlayers: [relu]')).graph.nodes).toHaveLength(1);
  });
});

it('survives a round trip through ONNX', async () => {
  const net = buildSpec({ input: [1, 6, 6], layers: [{ conv2d: 2 }, 'batch-norm', 'silu', 'flatten', { dense: 3 }] });
  const again = await decodeModel(encodeModel(net), { name: 'net.onnx' } as never);
  expect(again.graph.nodes.map((node) => [node.name, node.op, node.inputs, node.outputs])).toEqual(
    net.graph.nodes.map((node) => [node.name, node.op, node.inputs, node.outputs]),
  );
  const x = Array.from({ length: 36 }, (_, i) => Math.cos(i));
  const Y = await forward(net, x);
  expect(await forward({ ...again, graph: { ...again.graph, values: net.graph.values } }, x)).toEqual(Y);
});

describe('the examples', () => {
  const folder = new URL('../../../examples/', import.meta.url);
  const counts: Record<string, number> = {
    // 784·100 + 100, nine times 100·100 + 100, 100·10 + 10
    'sigmoid10.yaml': 78500 + 9 * 10100 + 1010,
    'relu10.yaml': 78500 + 9 * 10100 + 1010,
    'chain.yaml': 10,
    'cnn.yaml': 16 * 9 + 16 + (32 * 16 * 9 + 32) + (32 * 49 * 64 + 64) + 650,
    'mlp-layer-norm.yaml': 784 * 128 + 128 + 5 * (128 * 128 + 128) + 6 * 256 + 1290,
    'lstm.yaml': 4 * (28 * 64 + 64 * 64 + 2 * 64) + 650,
    'rnn-adding.yaml': 2 * 64 + 64 * 64 + 2 * 64 + 65,
    // Each layer: 4·(32·32 + 32), 32·64 + 64, 64·32 + 32 and two normalizations.
    'transformer.yaml': 28 * 32 + 32 + 28 * 32 + 2 * (4 * 1056 + 2112 + 2080 + 128) + 64 + 330,
    'resnet.yaml': 144 + 32 + 3 * 2 * (16 * 16 * 9 + 32) + (32 * 16 * 9 + 64) + (32 * 32 * 9 + 64) + 512 + 330,
  };

  it.each(readdirSync(folder).filter((name) => name.endsWith('.yaml')))('%s runs', async (name) => {
    const bytes = readFileSync(new URL(name, folder));
    expect(match({ bytes })).toBe(true);
    const model = await read({ name, bytes });
    expect(model.name).toBe(name.replace('.yaml', ''));
    if (counts[name] !== undefined) expect(parameterCount(model)).toBe(counts[name]);
    const values = await run(model, undefined, 3);
    const output = values[model.graph.outputs[0]!.name]!;
    expect(output.data.every(Number.isFinite)).toBe(true);
    const dims = Object.fromEntries(Object.entries(values).map(([value, { dims }]) => [value, dims]));
    expect(dims).toEqual(declaredShapes(model, 3));
  });
});

describe('docs/spec.md', () => {
  const page = readFileSync(new URL('../../../docs/spec.md', import.meta.url), 'utf8');
  const blocks = Array.from(page.matchAll(/^```yaml\n([\s\S]*?)^```/gm), (found) => found[1]!);

  it.each(blocks.map((text, i) => [i, text] as const))('its network %i runs', async (_, text) => {
    const model = await fromYaml(text);
    const values = await run(model, undefined, 2);
    expect(values[model.graph.outputs[0]!.name]!.data.every(Number.isFinite)).toBe(true);
  });

  it('names every layer, scheme and optimizer', () => {
    const schemes = initializationNames.filter((name) => initializationNamed(name)!.scheme === name);
    for (const name of [...Object.keys(layerTable.kinds), ...schemes]) expect(page).toContain(`\`${name}\``);
    for (const name of Object.keys(optimizers)) expect(page).toContain(`\`${name}\``);
  });
});
