import { describe, expect, it } from 'vitest';
import type { Model } from '../../../src/graph/graph.ts';
import { decodeModel } from '../../../src/graph/onnx/decode.ts';
import { encodeModel } from '../../../src/graph/onnx/encode.ts';
import { findParameters } from '../../../src/graph/parameters.ts';
import { toFloat64 } from '../../../src/graph/tensor.ts';
import { buildSpec } from '../../../src/readers/spec/index.ts';
import { rolesOf } from '../../../src/training/initialize.ts';
import { declaredShapes, forward, fromYaml, run } from './run.ts';

const weight = (model: Model, name: string) => toFloat64(model.graph.initializers.get(name)!);
const variance = (values: Float64Array) => values.reduce((sum, x) => sum + x * x, 0) / values.length;
const maxAbs = (values: Float64Array) => values.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const part = (values: Float64Array, index: number, size: number) => values.subarray(index * size, (index + 1) * size);

describe('first weights of recurrent layers', () => {
  const [units, features] = [48, 30];
  const build = (layer: Record<string, unknown>, rest = {}) =>
    buildSpec({ input: [7, features], layers: [layer], ...rest });

  it.each([
    ['rnn', 1],
    ['lstm', 4],
    ['gru', 3],
  ])('%s: every gate counts its own fans, its recurrent matrix is orthogonal', (kind, gates) => {
    const model = build({ [kind]: { units, bidirectional: true } }, { init: 'he' });
    const W = weight(model, `${kind}.weight`);
    const R = weight(model, `${kind}.recurrent`);
    expect(W).toHaveLength(2 * gates * units * features);
    for (const gate of range(2 * gates)) {
      const own = part(W, gate, units * features);
      expect(Math.abs(variance(own) / (2 / features) - 1)).toBeLessThan(0.15);
      const square = part(R, gate, units * units);
      for (const [i, j] of [
        [0, 0],
        [5, 5],
        [0, 1],
        [3, 40],
      ] as const) {
        const dot = range(units).reduce((sum, k) => sum + square[i * units + k]! * square[j * units + k]!, 0);
        expect(dot).toBeCloseTo(i === j ? 1 : 0, 5);
      }
    }
    expect(part(W, 0, units * features)).not.toEqual(part(W, 1, units * features));
  });

  it('glorot counts a gate, not all of them', () => {
    const model = build({ lstm: units });
    const limit = Math.sqrt(6 / (units + features));
    expect(maxAbs(weight(model, 'lstm.weight')) / limit).toBeGreaterThan(0.99);
    expect(maxAbs(weight(model, 'lstm.weight')) / limit).toBeLessThanOrEqual(1.000001);
  });

  it('an LSTM forgets nothing at first: ONNX orders its gates input, output, forget, cell', () => {
    const bias = (options = {}, rest = {}) => weight(build({ lstm: { units: 2, ...options } }, rest), 'lstm.bias');
    expect([...bias()]).toEqual([0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect([...bias({ 'forget-bias': 3, bias: 0.5 })]).toEqual([
      0.5, 0.5, 0.5, 0.5, 3, 3, 0.5, 0.5, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
    expect([...bias({ bidirectional: true })].filter((x) => x === 1)).toHaveLength(4);
    expect(build({ lstm: { units: 2, bias: false } }).graph.initializers.has('lstm.bias')).toBe(false);
    expect(build({ gru: 2 }, { bias: false }).graph.initializers.has('gru.bias')).toBe(false);
  });

  it('pytorch-default is uniform within 1 / √units for everything, the forget gate too', () => {
    const model = build({ lstm: { units: 100 } }, { init: 'pytorch-default' });
    for (const name of ['weight', 'recurrent', 'bias']) {
      const top = maxAbs(weight(model, `lstm.${name}`));
      expect(top).toBeLessThanOrEqual(Math.fround(0.1));
      expect(top).toBeGreaterThan(0.098);
    }
    const open = weight(build({ lstm: { units: 100, 'forget-bias': 1 } }, { init: 'pytorch-default' }), 'lstm.bias');
    expect([...part(open, 2, 100)]).toEqual(range(100).map(() => 1));
    expect(maxAbs(part(open, 6, 100))).toBe(0);
  });

  it('recurrent-init is the recurrent matrix’s own', () => {
    const model = build({
      rnn: { units: 3, activation: 'relu', 'recurrent-init': 'identity', init: { normal: 0.001 } },
    });
    expect([...weight(model, 'rnn.recurrent')]).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 1]);
    expect(maxAbs(weight(model, 'rnn.weight'))).toBeLessThan(0.01);
  });
});

describe('first weights of tables', () => {
  const table = (rest = {}, options = {}) => {
    const layers = [{ embedding: { units: 60, vocabulary: 300, ...options } }, 'positional-embedding'];
    return buildSpec({ input: { shape: 50, type: 'int64' }, layers, ...rest });
  };

  it('a token is a product with a one-hot row: N(0, 1); places N(0, 0.02²)', () => {
    for (const rest of [{}, { init: 'he' }]) {
      expect(variance(weight(table(rest), 'embedding.weight'))).toBeCloseTo(1, 1);
      expect(variance(weight(table(rest), 'positional-embedding.weight')) / 0.02 ** 2).toBeCloseTo(1, 0.5);
    }
  });

  it('follow a distribution given for all, and their own', () => {
    expect(variance(weight(table({ init: { normal: 0.3 } }), 'embedding.weight'))).toBeCloseTo(0.09, 2);
    expect(variance(weight(table({}, { init: 'he' }), 'embedding.weight'))).toBeCloseTo(2, 0.5);
    expect(variance(weight(table({}, { init: 'glorot' }), 'embedding.weight'))).toBeCloseTo(2 / 61, 2);
  });
});

describe('what layers compute', () => {
  it('embedding takes rows, whatever the batch', async () => {
    const model = await fromYaml(
      'input: {shape: 3, type: int64}\nlayers: [{embedding: 2, vocabulary: 4, init: {uniform: 1}}]',
    );
    const W = weight(model, 'embedding.weight');
    const tokens = [3, 0, 1, 2, 2, 3];
    expect(await forward(model, tokens, 2)).toEqual(tokens.flatMap((token) => [...part(W, token, 2)]));
  });

  it('sinusoids are those of Vaswani et al.', async () => {
    const model = await fromYaml('input: [4, 6]\nlayers: [{positional-embedding: sinusoidal}]');
    const y = await forward(model, new Float32Array(24).fill(10));
    range(24).forEach((k) => {
      const [p, i] = [Math.floor(k / 6), k % 6];
      const angle = p / 10000 ** ((2 * Math.floor(i / 2)) / 6);
      expect(y[k]).toBeCloseTo(10 + (i % 2 === 0 ? Math.sin(angle) : Math.cos(angle)), 5);
    });
    const trained = buildSpec({ input: [4, 6], layers: [{ 'positional-embedding': 'sinusoidal' }, { dense: 1 }] });
    expect(findParameters(trained)).toEqual(['dense.weight', 'dense.bias']);
  });

  it('one vector of a sequence', async () => {
    const x = [1, 2, 3, 4, 5, 9];
    const of = async (layer: string) => forward(await fromYaml(`input: [3, 2]\nlayers: [${layer}]`), x);
    expect(await of('mean-pool')).toEqual([3, 5]);
    expect(await of('first-step')).toEqual([1, 2]);
    expect(await of('last-step')).toEqual([5, 9]);
  });

  it('rms-norm divides by the root of the mean square', async () => {
    const y = await forward(await fromYaml('input: [2, 2]\nlayers: [rms-norm]'), [3, 4, 0, 2]);
    const [a, b] = [Math.sqrt(12.5), Math.sqrt(2)];
    [3 / a, 4 / a, 0, 2 / b].forEach((expected, i) => {
      expect(y[i]).toBeCloseTo(expected, 4);
    });
    const whole = await forward(await fromYaml('input: [2, 2]\nlayers: [{rms-norm: {axis: 0}}]'), [3, 4, 0, 2]);
    expect(whole[0]).toBeCloseTo(3 / Math.sqrt(29 / 4), 4);
  });

  it('scale is a parameter of one number, multiply another name', async () => {
    const model = await fromYaml('input: 2\nlayers: [{multiply: 3}, {scale: {start: 0.5, name: half}}]');
    expect(await forward(model, [1, -2])).toEqual([1.5, -3]);
    expect(findParameters(model)).toEqual(['scale.weight', 'half.weight']);
  });

  it('residual multiplies its layers by a learnt number', async () => {
    const text = (scale: string) =>
      `input: 2\nlayers:\n  - residual: [{dense: {units: 2, init: identity}}, {scale: 10}]\n    ${scale}\n    repeat: 2`;
    expect(await forward(await fromYaml(text('scale: 0')), [1, 2])).toEqual([1, 2]);
    const half = await fromYaml(text('scale: 0.5'));
    expect(await forward(half, [1, 2])).toEqual([36, 72]);
    expect(findParameters(half).filter((name) => /scale/.test(name))).toEqual([
      ...['residual.0.scale.weight', 'residual.0.scale2.weight'],
      ...['residual.1.scale.weight', 'residual.1.scale2.weight'],
    ]);
  });

  it('a projection has a weight of its own beside a layer of that name', async () => {
    const net = await fromYaml(
      'input: 2\nlayers: [{residual: [{dense: {units: 2, name: projection, init: identity}}], shortcut: projection}]',
    );
    expect(findParameters(net)).toEqual([
      ...['residual.projection.weight', 'residual.projection.bias', 'residual.projection2.weight'],
    ]);
  });

  it('causal attention does not look ahead', async () => {
    const model = await fromYaml('input: [4, 6]\nlayers: [{attention: {heads: 2, units: 8, causal: true}}]');
    const x = range(24).map((i) => Math.sin(i));
    const y = await forward(model, x);
    const changed = await forward(model, [...x.slice(0, 18), 5, -3, 2, 8, 1, 0]);
    expect(y).toHaveLength(32);
    expect(changed.slice(0, 24)).toEqual(y.slice(0, 24));
    expect(changed.slice(24)).not.toEqual(y.slice(24));
  });
});

it('repeated recurrent layers read each other’s steps, and the last gives what was asked', () => {
  const shape = (options: object) =>
    buildSpec({ input: [9, 3], layers: [{ gru: { units: 4, repeat: 3, ...options } }] }).graph.outputs[0]!.shape;
  expect(shape({})).toEqual(['batch', 4]);
  expect(shape({ sequence: true, bidirectional: true })).toEqual(['batch', 9, 8]);
});

describe('shapes agree with onnxruntime for every value', () => {
  it.each([
    ['[7, 5]', '[{rnn: 4, sequence: true}, {lstm: 3, bidirectional: true, repeat: 2}, {dense: 2}]'],
    ['[7, 5]', '[{gru: {units: 3, bidirectional: true, sequence: true}}, rms-norm, last-step, {scale: 2}]'],
    ['[7, 6]', '[positional-embedding, {attention: 3, causal: true, units: 9}, mean-pool]'],
    ['[7, 6]', '[{transformer-encoder: 2, dropout: 0.1, scale: 1, norm: post, causal: true, repeat: 2}, first-step]'],
    ['[6, 5, 4]', '[{group-norm: 3}, instance-norm, {rms-norm: {axis: 1}}, global-average-pool]'],
    [
      '{shape: 6, type: int64}',
      '[{repeat: 1, layers: [{embedding: 4, vocabulary: 2}]}, {positional-embedding: sinusoidal}, {lstm: 2}]',
    ],
  ])('%s, %s', async (input, layers) => {
    for (const batch of [1, 4]) {
      const net = await fromYaml(`input: ${input}\nlayers: ${layers}`);
      const measured = await run(net, undefined, batch);
      const dims = Object.fromEntries(Object.entries(measured).map(([name, value]) => [name, value.dims]));
      expect(dims).toEqual(declaredShapes(net, batch));
      const names = net.graph.nodes.map((node) => node.name);
      expect(new Set(names).size).toBe(names.length);
    }
  });
});

it('what an ONNX file is read back with are the same parameters', async () => {
  const layers = [{ 'transformer-encoder': 2, dropout: 0.1, causal: true }, 'rms-norm', { lstm: 3 }, { scale: 2 }];
  const model = buildSpec({ input: [5, 4], layers });
  const again = await decodeModel(encodeModel(model), { name: 'net.onnx' } as never);
  expect(findParameters(again)).toEqual(findParameters(model));
  const x = range(20).map((i) => Math.cos(i));
  const still = (net: Model) => ({
    ...net,
    graph: {
      ...net.graph,
      nodes: net.graph.nodes.map((n) => (n.op === 'Dropout' ? { ...n, attributes: { seed: 1 } } : n)),
    },
  });
  expect(await forward(still({ ...again, graph: { ...again.graph, values: model.graph.values } }), x)).toEqual(
    await forward(still(model), x),
  );
});

it('every parameter is what its operator takes it for', () => {
  const layers = [
    { embedding: 8, vocabulary: 5 },
    'positional-embedding',
    { 'transformer-encoder': 2 },
    'rms-norm',
    { lstm: 3 },
  ];
  const roles = rolesOf(buildSpec({ input: { shape: 4, type: 'int64' }, layers }));
  const kinds = Object.fromEntries([...roles].map(([name, { kind }]) => [name, kind]));
  expect(kinds).toMatchObject({
    'embedding.weight': 'embedding',
    'positional-embedding.weight': 'position',
    'encoder.attention.query.weight': 'weight',
    'encoder.attention.out.bias': 'bias',
    'encoder.norm1.weight': 'scale',
    'encoder.dense1.weight': 'weight',
    'rms-norm.weight': 'scale',
    'lstm.weight': 'weight',
    'lstm.recurrent': 'weight',
    'lstm.bias': 'bias',
  });
  expect(Object.values(kinds)).not.toContain('unknown');
});
