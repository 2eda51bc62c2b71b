import { describe, expect, test } from 'vitest';
import { ReaderError } from '../../../src/graph/errors.ts';
import type { Graph } from '../../../src/graph/graph.ts';
import { decodeModel } from '../../../src/graph/onnx/decode.ts';
import { encodeModel } from '../../../src/graph/onnx/encode.ts';
import { filledTensor, sizeOf, type Tensor, tensorOf, toNumbers } from '../../../src/graph/tensor.ts';
import { type AttributeInit, modelBytes, node, type TensorInit, tensor, value } from '../../helpers/onnx-builder.ts';
import { difference, runModel } from '../../helpers/onnx-tests.ts';

interface Case {
  opset: number;
  op: string;
  /** Shape of the fed input X, and its type. */
  shape: number[];
  type?: 'float32' | 'float64';
  attributes?: Record<string, AttributeInit>;
  /** Further inputs, as initializers. */
  more?: TensorInit[];
  outputs?: string[];
  /** How many of the outputs the graph has for outputs. Default: all. */
  fetched?: number;
  /** X is declared without a shape. */
  unknownRank?: boolean;
}

const vector = (name: string, values: number[]): TensorInit => tensor(name, [values.length], values);
const ints = (name: string, values: number[]): TensorInit => tensor(name, [values.length], values, 'int64');
const channels = (names: string[], shape: number[]): TensorInit[] =>
  names.map((name, k) =>
    tensor(
      name,
      shape,
      Array.from({ length: sizeOf(shape) }, (_, i) => 0.5 + k + 0.25 * i),
    ),
  );

const reductions = ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'Sum', 'SumSquare'];

const cases: Case[] = [
  { opset: 6 + 1, op: 'Clip', shape: [4, 5], attributes: { min: 0.25, max: 0.75 } },
  { opset: 8, op: 'Clip', shape: [4, 5], attributes: { max: 0.5 } },
  { opset: 10, op: 'Clip', shape: [4, 5] },
  { opset: 7, op: 'Pad', shape: [2, 3], attributes: { pads: [1n, 0n, 0n, 2n], value: 1.5 } },
  { opset: 7, op: 'Pad', shape: [2, 3], type: 'float64', attributes: { pads: [1n, 0n, 0n, 2n], value: 1.5 } },
  {
    opset: 10,
    op: 'Pad',
    shape: [1, 1, 3, 3],
    attributes: { pads: [0n, 0n, 1n, 1n, 0n, 0n, 1n, 1n], mode: 'reflect' },
  },
  { opset: 9, op: 'Slice', shape: [4, 5], attributes: { starts: [1n], ends: [2n ** 63n - 1n], axes: [1n] } },
  { opset: 9, op: 'Slice', shape: [4, 5], attributes: { starts: [0n, 1n], ends: [2n, -1n] } },
  { opset: 7, op: 'Squeeze', shape: [1, 3, 1], attributes: { axes: [2n] } },
  { opset: 12, op: 'Squeeze', shape: [1, 3, 1] },
  { opset: 11, op: 'Unsqueeze', shape: [3, 2], attributes: { axes: [0n, -1n] } },
  { opset: 11, op: 'Split', shape: [6, 2], attributes: { split: [2n, 4n] }, outputs: ['Y', 'Z'] },
  { opset: 12, op: 'Split', shape: [2, 6], attributes: { axis: 1n }, outputs: ['Y', 'Z', 'W'] },
  { opset: 13, op: 'Split', shape: [6, 2], outputs: ['Y', 'Z'] },
  { opset: 17, op: 'Split', shape: [6, 2], more: [ints('split', [1, 5])], outputs: ['Y', 'Z'] },
  { opset: 9, op: 'TopK', shape: [3, 6], attributes: { k: 2n, axis: 1n }, outputs: ['Y', 'Z'] },
  { opset: 10, op: 'TopK', shape: [6, 3], attributes: { axis: 0n }, more: [ints('k', [4])], outputs: ['Y', 'Z'] },
  ...['Softmax', 'LogSoftmax', 'Hardmax'].flatMap((op): Case[] => [
    { opset: 8, op, shape: [2, 5] },
    { opset: 11, op, shape: [2, 3, 4] },
    { opset: 12, op, shape: [2, 3, 4], attributes: { axis: 0n } },
    { opset: 12, op, shape: [2, 3, 4], attributes: { axis: 2n } },
    { opset: 12, op, shape: [2, 3, 4], attributes: { axis: -2n } },
    { opset: 9, op, shape: [2, 3, 1, 1] },
    { opset: 9, op, shape: [2, 3, 4], unknownRank: true },
    { opset: 12, op, shape: [2, 3, 4], unknownRank: true, attributes: { axis: -1n } },
  ]),
  ...reductions.flatMap((name): Case[] => [
    { opset: 12, op: `Reduce${name}`, shape: [2, 3, 4], attributes: { axes: [0n, -1n], keepdims: 0n } },
    { opset: 8, op: `Reduce${name}`, shape: [2, 3, 4] },
    ...(name === 'Sum' ? [] : [{ opset: 17, op: `Reduce${name}`, shape: [2, 3], attributes: { axes: [1n] } }]),
  ]),
  { opset: 8, op: 'Upsample', shape: [1, 1, 2, 3], attributes: { scales: [1, 1, 2, 2], mode: 'nearest' } },
  { opset: 8, op: 'Upsample', shape: [1, 1, 2, 3], attributes: { scales: [1, 1, 2, 2], mode: 'linear' } },
  { opset: 9, op: 'Upsample', shape: [1, 1, 2, 3], more: [vector('scales', [1, 1, 2.5, 3])] },
  {
    opset: 9,
    op: 'Upsample',
    shape: [1, 1, 2, 3],
    more: [vector('scales', [1, 1, 1.5, 2])],
    attributes: { mode: 'linear' },
  },
  { opset: 10, op: 'Resize', shape: [1, 1, 4, 6], more: [vector('scales', [1, 1, 0.6, 0.6])] },
  { opset: 10, op: 'Resize', shape: [1, 1, 3, 3], more: [vector('scales', [1, 1, 2.4, 1])] },
  {
    opset: 10,
    op: 'Resize',
    shape: [1, 1, 4, 6],
    more: [vector('scales', [1, 1, 0.6, 0.6])],
    attributes: { mode: 'linear' },
  },
  {
    opset: 11,
    op: 'Resize',
    shape: [1, 1, 2, 3],
    more: [vector('roi', []), vector('scales', []), ints('s', [1, 1, 5, 4])],
  },
  {
    opset: 11,
    op: 'Resize',
    shape: [1, 1, 4, 4],
    more: [vector('roi', []), vector('scales', [1, 1, 2, 2])],
    attributes: { mode: 'cubic', coordinate_transformation_mode: 'align_corners' },
  },
  { opset: 7, op: 'Dropout', shape: [3, 4], attributes: { ratio: 0.3 } },
  { opset: 11, op: 'Dropout', shape: [3, 4] },
  {
    opset: 8,
    op: 'BatchNormalization',
    shape: [2, 3, 4],
    more: channels(['s', 'b', 'm', 'v'], [3]),
    attributes: { spatial: 1n },
  },
  {
    opset: 8,
    op: 'BatchNormalization',
    shape: [2, 3, 4],
    more: channels(['s', 'b', 'm', 'v'], [3, 4]),
    attributes: { spatial: 0n },
  },
  {
    opset: 13,
    op: 'BatchNormalization',
    shape: [2, 3, 4],
    more: channels(['s', 'b', 'm', 'v'], [3]),
    attributes: { epsilon: 0.1 },
  },
  {
    opset: 9,
    op: 'BatchNormalization',
    shape: [2, 3, 4],
    more: channels(['s', 'b', 'm', 'v'], [3]),
    outputs: ['Y', 'mean', 'var', 'saved_mean', 'saved_var'],
    fetched: 3,
  },
  {
    opset: 9,
    op: 'Scatter',
    shape: [3, 3],
    more: [tensor('i', [1, 3], [2, 0, 1], 'int64'), tensor('u', [1, 3], [7, 8, 9])],
  },
  {
    opset: 10,
    op: 'RoiAlign',
    shape: [1, 2, 6, 6],
    more: [tensor('rois', [1, 4], [0, 1, 4, 5]), ints('batch', [0])],
    attributes: { output_height: 2n, output_width: 2n, sampling_ratio: 2n },
  },
  ...['bilinear', 'bicubic', 'nearest'].map((mode): Case => {
    const grid = tensor('grid', [1, 2, 2, 2], [-0.8, 0.1, 0.3, 0.4, 0.9, -0.5, 0, 0.2]);
    return { opset: 16, op: 'GridSample', shape: [1, 1, 4, 4], more: [grid], attributes: { mode } };
  }),
  { opset: 17, op: 'DFT', shape: [1, 4, 3, 1] },
  { opset: 19, op: 'DFT', shape: [1, 4, 3, 1], attributes: { axis: 2n, onesided: 1n } },
  {
    opset: 11,
    op: 'Gemm',
    shape: [2, 3],
    more: [tensor('B', [3, 2], [1, 2, 3, 4, 5, 6])],
    attributes: { alpha: 2, transB: 0n },
  },
  { opset: 7, op: 'Add', shape: [2, 3], more: [vector('b', [1, 2, 3])] },
  { opset: 9, op: 'MaxPool', shape: [1, 1, 4, 4], attributes: { kernel_shape: [2n, 2n] }, outputs: ['Y', 'I'] },
];

/** Distinct positive values, so that logarithms exist and orders are decided. */
function input({ shape, type = 'float32' }: Case): Tensor {
  const size = sizeOf(shape);
  return tensorOf(
    type,
    shape,
    Array.from({ length: size }, (_, i) => (((i * 37) % size) + 0.5) / size),
  );
}

function bytesOf({
  opset,
  op,
  shape,
  type,
  attributes,
  more = [],
  outputs = ['Y'],
  fetched,
  unknownRank,
}: Case): Uint8Array {
  // An Identity between the input and the node hides X's shape from a reader that only looks at declarations.
  const first = unknownRank ? ['hidden'] : ['X'];
  const hide = unknownRank ? [node('Reshape', ['X', 'same'], ['hidden'])] : [];
  const same = unknownRank ? [{ name: 'same_', ...value('same', [shape.length], 'int64') }] : [];
  return modelBytes(opset, {
    node: [...hide, node(op, [...first, ...more.map(({ name }) => name!)], outputs, attributes)],
    input: [value('X', shape, type), ...same.map(({ type: declared }) => ({ name: 'same', type: declared! }))],
    output: outputs.slice(0, fetched).map((name) => ({ name })),
    initializer: more,
  });
}

describe('a model of an old opset computes in the dialect what it computed before', () => {
  test.each(cases.map((item) => [`${item.op}-${item.opset} ${JSON.stringify(item.shape)}`, item] as const))(
    '%s',
    async (_, item) => {
      const feeds = [input(item)];
      if (item.unknownRank) feeds.push(tensorOf('int64', [item.shape.length], item.shape));
      const before = await runModel(bytesOf(item), feeds);
      const model = await decodeModel(bytesOf(item), { name: 'old.onnx' });
      const after = await runModel(encodeModel(model), feeds);
      expect(model.opset).toBe(21);
      expect(after.map((output, i) => difference(output, before[i]!))).toEqual(before.map(() => undefined));
    },
  );
});

const decode = async (opset: number, graph: Parameters<typeof modelBytes>[1]): Promise<Graph> =>
  (await decodeModel(modelBytes(opset, graph), { name: 'old.onnx' })).graph;

describe('forms', () => {
  test('Softmax-11 over the last axis stays one node', async () => {
    const io = { input: [value('X', [2, 3])], output: [{ name: 'Y' }] };
    const { nodes } = await decode(11, { node: [node('Softmax', ['X'], ['Y'])], ...io });
    expect(nodes.map(({ op, attributes }) => [op, attributes])).toEqual([['Softmax', { axis: -1 }]]);
  });

  test('Softmax-9 behind a classifier of unknown batch needs no shapes', async () => {
    const { nodes } = await decode(9, {
      node: [node('Gemm', ['X', 'W', 'B'], ['H']), node('Relu', ['H'], ['R']), node('Softmax', ['R'], ['Y'])],
      input: [value('X')],
      output: [{ name: 'Y' }],
      initializer: [tensor('W', [3, 2], [1, 2, 3, 4, 5, 6]), tensor('B', [2], [0, 0])],
    });
    expect(nodes.map(({ op }) => op)).toEqual(['Gemm', 'Relu', 'Softmax']);
  });

  test('GroupNormalization-18 repeats each group for its channels', async () => {
    // By hand: one group per two channels, X = 0 … 7 in two channels of four; mean 3.5, variance 5.25.
    const model = await decodeModel(
      modelBytes(18, {
        node: [node('GroupNormalization', ['X', 's', 'b'], ['Y'], { num_groups: 2n, epsilon: 0 })],
        input: [value('X', [1, 4, 4])],
        output: [{ name: 'Y' }],
        initializer: [vector('s', [1, 10]), vector('b', [0, 100])],
      }),
      { name: 'old.onnx' },
    );
    const X = tensorOf(
      'float32',
      [1, 4, 4],
      Array.from({ length: 16 }, (_, i) => i % 8),
    );
    const [Y] = await runModel(encodeModel(model), [X]);
    const normal = Array.from({ length: 8 }, (_, i) => (i - 3.5) / Math.sqrt(5.25));
    const expected = [...normal, ...normal.map((x) => 10 * x + 100)];
    for (const [i, y] of toNumbers(Y!).entries()) expect(y).toBeCloseTo(expected[i]!, 3);
  });

  test('BatchNormalization-9 with five outputs is training; a read saved statistic is refused', async () => {
    const outputs = ['Y', 'mean', 'var', 'saved_mean', 'saved_var'];
    const graph = {
      node: [node('BatchNormalization', ['X', 's', 'b', 'm', 'v'], outputs)],
      input: [value('X', [2, 3, 4])],
      initializer: channels(['s', 'b', 'm', 'v'], [3]),
    };
    const [bn] = (await decode(9, { ...graph, output: [{ name: 'Y' }] })).nodes;
    expect(bn).toMatchObject({ outputs: ['Y', 'mean', 'var'], attributes: { training_mode: 1 } });
    await expect(decode(9, { ...graph, output: [{ name: 'Y' }, { name: 'saved_mean' }] })).rejects.toThrow(
      /saved_mean/,
    );
  });

  test('Dropout-7 gives its mask the type of the data', async () => {
    const graph = {
      node: [node('Dropout', ['X'], ['Y', 'mask'], { ratio: 0.5 }), node('Mul', ['Y', 'mask'], ['Z'])],
      input: [value('X', [2, 2])],
      output: [{ name: 'Z' }],
    };
    const model = await decodeModel(modelBytes(7, graph), { name: 'old.onnx' });
    const [Z] = await runModel(encodeModel(model), [filledTensor('float32', [2, 2], 3)]);
    expect(Z!.type).toBe('float32');
  });

  test('bounds take the type of what they bound, through nodes whose type is not declared', async () => {
    const { initializers } = await decode(10, {
      node: [
        node('Cast', ['X'], ['D'], { to: 11n }),
        node('Neg', ['D'], ['N']),
        node('Clip', ['N'], ['Y'], { min: 0 }),
      ],
      input: [value('X', [2])],
      output: [{ name: 'Y' }],
    });
    expect([...initializers.values()].map(({ type }) => type)).toEqual(['float64']);
  });

  test('subgraphs are upgraded too, with constants of their own', async () => {
    const branch = (axis: bigint): Parameters<typeof modelBytes>[1] => ({
      name: `sum${axis}`,
      node: [node('ReduceSum', ['X'], [`s${axis}`], { axes: [axis], keepdims: 0n })],
      output: [{ name: `s${axis}` }],
    });
    const bytes = modelBytes(11, {
      node: [node('If', ['which'], ['Y'], { then_branch: { g: branch(0n) }, else_branch: { g: branch(1n) } })],
      input: [value('which', [], 'bool'), value('X', [2, 2])],
      output: [{ name: 'Y' }],
    });
    const model = await decodeModel(bytes, { name: 'old.onnx' });
    const X = tensorOf('float32', [2, 2], [1, 2, 3, 4]);
    for (const [which, expected] of [
      [1, [4, 6]],
      [0, [3, 7]],
    ] as const) {
      const [Y] = await runModel(encodeModel(model), [tensorOf('bool', [], [which]), X]);
      expect(toNumbers(Y!)).toEqual(expected);
    }
  });

  test('functions of the model follow its opset', async () => {
    const functions = [
      {
        name: 'rowMean',
        domain: 'my',
        input: ['a'],
        output: ['b'],
        opsetImport: [{ domain: '', version: 17n }],
        node: [node('ReduceMean', ['a'], ['b'], { axes: [1n], keepdims: 0n })],
      },
    ];
    const bytes = modelBytes(
      17,
      {
        node: [node('rowMean', ['X'], ['Y'], {}, { domain: 'my' })],
        input: [value('X', [2, 2])],
        output: [value('Y', [2])],
      },
      { functions, opsetImport: [{ version: 17n }, { domain: 'my', version: 1n }] },
    );
    const model = await decodeModel(bytes, { name: 'old.onnx' });
    expect(model.graph.nodes).toMatchObject([{ op: 'ReduceMean', inputs: ['X', 'rowMean_0/b/axes'], outputs: ['Y'] }]);
    const [Y] = await runModel(encodeModel(model), [tensorOf('float32', [2, 2], [1, 2, 3, 5])]);
    expect(toNumbers(Y!)).toEqual([1.5, 4]);
  });

  test('Scan-8 and a Resize-10 that stretches and shrinks are refused by name', async () => {
    const body = {
      name: 'body',
      input: [value('a', [1])],
      output: [value('b', [1])],
      node: [node('Neg', ['a'], ['b'])],
    };
    const scan = node('Scan', ['', 'X'], ['Y'], { body: { g: body }, num_scan_inputs: 1n }, { name: 'loop' });
    const io = { input: [value('X', [1, 1, 4, 4])], output: [{ name: 'Y' }] };
    await expect(decode(8, { node: [scan], ...io })).rejects.toThrow(ReaderError);
    await expect(decode(8, { node: [scan], ...io })).rejects.toMatchObject({ where: 'old.onnx, Scan "loop"' });
    const both = { node: [node('Resize', ['X', 's'], ['Y'])], ...io, initializer: [vector('s', [1, 1, 2, 0.5])] };
    await expect(decode(10, both)).rejects.toThrow(/enlarges one axis and shrinks another/);
  });
});
