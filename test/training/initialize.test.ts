import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { UsageError } from '../../src/graph/errors.ts';
import { type Attribute, type Model, modelOf, type Node } from '../../src/graph/graph.ts';
import { filledTensor, sizeOf, tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import type { Initialization } from '../../src/random/initializers.ts';
import { parseInitialization } from '../../src/random/parse-initialization.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { reinitialize } from '../../src/training/initialize.ts';

/** One node that reads parameters w0, w1, … of the given shapes beside its input x. */
function single(
  op: string,
  parameters: (readonly number[] | 'x' | '')[],
  attributes: Record<string, Attribute> = {},
  more: Partial<Node>[] = [],
): Model {
  const g = new GraphBuilder();
  g.graph.inputs.push({ name: 'x', type: 'float32', shape: [1] });
  const inputs = parameters.map((dims, i) => {
    if (typeof dims === 'string') return dims;
    return g.initializer(`w${i}`, filledTensor('float32', dims, 7)).name;
  });
  const node = { name: 'n', op, domain: '', inputs, outputs: ['y'], attributes };
  g.graph.nodes.push(...more.map((extra) => ({ ...node, attributes: {}, ...extra }) as Node), node);
  g.graph.outputs.push({ name: 'y' });
  return modelOf(g.graph);
}
const drawn = (model: Model, scheme: Initialization, name = 'w1', seed = 1) =>
  toFloat64(reinitialize(model, scheme, seed).model.graph.initializers.get(name)!);
const variance = (values: ArrayLike<number>) => Array.from(values).reduce((sum, x) => sum + x * x, 0) / values.length;

// Each has 40 000 numbers or more: the sample variance of a normal lies within √(2/n) = 0.7 % of the truth, 3.5 % is five of that.
const fans: [string, Model, string, number, number][] = [
  ['Gemm [in, out]', single('Gemm', ['x', [400, 100], [100]]), 'w1', 400, 100],
  ['Gemm with transB [out, in]', single('Gemm', ['x', [100, 400], [100]], { transB: 1 }), 'w1', 400, 100],
  ['Gemm with the weight first [out, in]', single('Gemm', [[100, 400], 'x']), 'w0', 400, 100],
  ['Gemm with the weight first and transA [in, out]', single('Gemm', [[400, 100], 'x'], { transA: 1 }), 'w0', 400, 100],
  ['MatMul [in, out]', single('MatMul', ['x', [400, 100]]), 'w1', 400, 100],
  ['MatMul with the weight first [out, in]', single('MatMul', [[100, 400], 'x']), 'w0', 400, 100],
  ['MatMul of stacked experts', single('MatMul', ['x', [4, 200, 50]]), 'w1', 200, 50],
  ['Conv [out, in, k, k]', single('Conv', ['x', [128, 64, 3, 3], [128]]), 'w1', 64 * 9, 128 * 9],
  ['grouped Conv', single('Conv', ['x', [256, 32, 3, 3]], { group: 4 }), 'w1', 32 * 9, 64 * 9],
  ['depthwise Conv', single('Conv', ['x', [5000, 1, 3, 3]], { group: 5000 }), 'w1', 9, 9],
  ['ConvTranspose [in, out, k, k]', single('ConvTranspose', ['x', [64, 128, 3, 3]]), 'w1', 64 * 9, 128 * 9],
  ['grouped ConvTranspose', single('ConvTranspose', ['x', [128, 64, 3, 3]], { group: 4 }), 'w1', 32 * 9, 64 * 9],
  ['LSTM W [dirs, 4H, in]', single('LSTM', ['x', [2, 4 * 64, 100], [2, 256, 64]], { hidden_size: 64 }), 'w1', 100, 64],
  ['GRU R [dirs, 3H, H]', single('GRU', ['x', [2, 384, 100], [2, 384, 128]], { hidden_size: 128 }), 'w2', 128, 128],
  ['RNN W', single('RNN', ['x', [1, 200, 300], [1, 200, 200]], { hidden_size: 200 }), 'w1', 300, 200],
  ['Einsum', single('Einsum', ['x', [400, 10, 10]], { equation: 'btd,dhk->bthk' }), 'w1', 400, 100],
  [
    'a MatMul through a Transpose',
    single('MatMul', ['x', 't' as ''], {}, [{ op: 'Transpose', inputs: ['w9'], outputs: ['t'] }]),
    'w9',
    400,
    100,
  ],
];
fans.at(-1)![1].graph.initializers.set('w9', filledTensor('float32', [100, 400], 7));

describe('fans by operator', () => {
  const schemes: [Initialization, (fanIn: number, fanOut: number) => number][] = [
    [{ scheme: 'he-normal' }, (i) => 2 / i],
    [{ scheme: 'he-uniform', mode: 'fan-out' }, (_, o) => 2 / o],
    [{ scheme: 'glorot-uniform' }, (i, o) => 2 / (i + o)],
    [{ scheme: 'glorot-normal', gain: 2 }, (i, o) => (4 * 2) / (i + o)],
    [{ scheme: 'lecun-normal', mode: 'fan-avg' }, (i, o) => 2 / (i + o)],
    [{ scheme: 'lecun-uniform' }, (i) => 1 / i],
  ];
  it.each(fans)('%s', (_, model, name, fanIn, fanOut) => {
    for (const [scheme, formula] of schemes) {
      const values = drawn(model, scheme, name);
      expect(values.length).toBeGreaterThanOrEqual(40_000);
      expect(variance(values) / formula(fanIn, fanOut), scheme.scheme).toBeCloseTo(1, 1.15);
    }
  });
});

describe('what is no weight', () => {
  const roles = (model: Model, scheme: Initialization = { scheme: 'he-normal' }) => {
    const { graph } = reinitialize(model, scheme, 0).model;
    return (name: string) => toFloat64(graph.initializers.get(name)!);
  };
  it('gets its usual start', () => {
    const bn = roles(single('BatchNormalization', ['x', [4], [4], [4], [4]]));
    expect(['w1', 'w2', 'w3', 'w4'].map((name) => bn(name)[0])).toEqual([1, 0, 0, 1]);
    const ln = roles(single('LayerNormalization', ['x', [4], [4]]));
    expect([ln('w1')[3], ln('w2')[3]]).toEqual([1, 0]);
    expect(roles(single('Gemm', ['x', [4, 4], [4]]))('w2')).toEqual(new Float64Array(4));
    expect(roles(single('Add', ['x', [1, 4]]))('w1')).toEqual(new Float64Array(4));
    expect(roles(single('LSTM', ['x', [1, 8, 3], [1, 8, 2], [1, 16]]))('w3')).toEqual(new Float64Array(16));
    expect(roles(single('PRelu', ['x', [4]]))('w1')).toEqual(new Float64Array(4).fill(0.25));
  });

  it('draws embeddings as N(0, 1), tied ones as the output that they also are', () => {
    const table = roles(single('Gather', [[500, 100], 'x']));
    expect(variance(table('w0'))).toBeCloseTo(1, 1.4);
    const tied = single('Gather', [[500, 100], 'x'], {}, [
      { op: 'MatMul', inputs: ['h', 't'], outputs: ['z'] },
      { op: 'Transpose', inputs: ['w0'], outputs: ['t'], attributes: { perm: [1, 0] } },
    ]);
    expect(variance(roles(tied)('w0')) / (2 / 100)).toBeCloseTo(1, 1.4);
    expect(variance(roles(single('Add', ['x', [1, 300, 100]]))('w1')) / 0.02 ** 2).toBeCloseTo(1, 1.4);
  });

  it('keeps and names what it does not understand', () => {
    const { kept, model } = reinitialize(single('Mul', ['x', [4, 4]]), { scheme: 'he-normal' }, 0);
    expect(kept).toEqual(['w1']);
    expect(model.graph.initializers.get('w1')!.data[0]).toBe(7);
  });

  it('repeats for a seed, draws each parameter apart, and leaves the given model alone', () => {
    const model = single('Gemm', ['x', [4, 4], [4]]);
    const scheme: Initialization = { scheme: 'he-normal' };
    expect(drawn(model, scheme)).toEqual(drawn(model, scheme));
    expect(drawn(model, scheme, 'w1', 2)).not.toEqual(drawn(model, scheme));
    expect(model.graph.initializers.get('w1')!.data[0]).toBe(7);
  });
});

describe('orthogonal weights', () => {
  const identityError = (columns: Float64Array[]) =>
    Math.max(
      ...columns.flatMap((a, i) =>
        columns.map((b, j) => Math.abs(a.reduce((sum, x, k) => sum + x * b[k]!, 0) - (i === j ? 1 : 0))),
      ),
    );
  it('are orthogonal gate by gate and direction by direction', () => {
    const R = drawn(single('LSTM', ['x', [2, 32, 5], [2, 32, 8]], { hidden_size: 8 }), { scheme: 'orthogonal' }, 'w2');
    for (let block = 0; block < 8; block++) {
      const rows = Array.from({ length: 8 }, (_, i) => R.slice(64 * block + 8 * i, 64 * block + 8 * i + 8));
      expect(identityError(rows)).toBeLessThan(1e-6);
    }
    const identity = drawn(single('RNN', ['x', [1, 3, 5], [1, 3, 3]]), { scheme: 'identity' }, 'w2');
    expect(Array.from(identity)).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 1]);
  });

  it('lie as the operator reads them: more outputs than inputs keep every norm', () => {
    // [in 5, out 9]: rows are orthonormal.
    const W = drawn(single('MatMul', ['x', [5, 9]]), { scheme: 'orthogonal' });
    expect(identityError(Array.from({ length: 5 }, (_, i) => W.slice(9 * i, 9 * i + 9)))).toBeLessThan(1e-6);
  });

  it.each<[string, number[], Record<string, Attribute>, number]>([
    ['Conv', [24, 12, 3, 3], {}, 12],
    ['Conv', [24, 6, 5, 5], { group: 2, pads: [2, 2, 2, 2] }, 12],
    ['Conv', [12, 1, 3, 3], { group: 12 }, 12],
    ['ConvTranspose', [12, 24, 3, 3], {}, 12],
  ])('delta-orthogonal: %s %j %j keeps the norm of images', async (op, dims, attributes, channels) => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, channels, 7, 7]);
    const W = drawn(single(op, ['x', dims], attributes), { scheme: 'delta-orthogonal' });
    const w = g.initializer('w', tensorOf('float32', dims, W));
    const out = op === 'Conv' ? dims[0]! : dims[1]!;
    const y = g.add(op, [x, w], [['float32', [2, out, 7, 7]]], { pads: [1, 1, 1, 1], ...attributes })[0]!;
    g.output(y);
    const session = await nodeRuntime({ threads: 1 }).load(modelOf(g.graph));
    const values = Float32Array.from({ length: sizeOf(x.shape) }, (_, i) => Math.sin(i * i));
    const result = await session.run(new Map([['x', { type: 'float32' as const, dims: [...x.shape], data: values }]]), [
      y.name,
    ]);
    const norm = (list: ArrayLike<number>) => Math.sqrt(variance(list) * list.length);
    expect(norm(toFloat64(result.get(y.name)!)) / norm(values)).toBeCloseTo(1, 5);
    expect(W.filter((value) => value !== 0)).toHaveLength(W.length / sizeOf(dims.slice(2)));
    await session.release();
  });
});

describe('a scheme in one word', () => {
  it('has a gain, a fan, a deviation, a limit or a value', () => {
    expect(parseInitialization('he')).toEqual({ scheme: 'he-normal' });
    expect(parseInitialization('he:fan-out')).toEqual({ scheme: 'he-normal', mode: 'fan-out' });
    expect(parseInitialization('xavier:1.5,fan-in')).toEqual({ scheme: 'glorot-uniform', gain: 1.5, mode: 'fan-in' });
    expect(parseInitialization('normal:0.02')).toEqual({ scheme: 'normal', mean: 0, std: 0.02 });
    expect(parseInitialization('uniform:0.1')).toEqual({ scheme: 'uniform', low: -0.1, high: 0.1 });
    expect(parseInitialization('constant:0.5')).toEqual({ scheme: 'constant', value: 0.5 });
    expect(parseInitialization('delta-orthogonal:2')).toEqual({ scheme: 'delta-orthogonal', gain: 2 });
  });

  it.each([
    ['hee', /unknown initialization "hee"/, 'did you mean "he"?'],
    ['otrhogonal', /unknown/, 'did you mean "orthogonal"?'],
    ['lsvu', /unknown/, 'did you mean "lsuv"?'],
    ['he:much', /"much" are no options/, 'a number'],
    ['he:', /no options/, 'a number'],
    ['he:1,2', /no options/, 'a number'],
    ['constant', /needs its value/, 'constant:0.1'],
    ['zeros:1', /takes no number/, 'zeros'],
    ['normal:-1', /deviation of -1/, 'normal:0.02'],
    ['orthogonal:fan-in', /counts no fans/, 'glorot'],
    ['', /unknown/, 'schemes'],
  ])('refuses "%s"', (text, message, hint) => {
    const attempt = () => parseInitialization(text, '--init', ['keep', 'lsuv']);
    expect(attempt).toThrow(UsageError);
    expect(attempt).toThrow(message);
    try {
      attempt();
    } catch (error) {
      expect((error as UsageError).hint).toContain(hint);
    }
  });
});
