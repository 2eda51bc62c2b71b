import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type ModelProto, ModelProtoSchema, TensorProtoSchema } from 'onnx-buf';
import { describe, expect, test } from 'vitest';
import { type Graph, type Model, modelOf } from '../../../src/graph/graph.ts';
import { decodeModel } from '../../../src/graph/onnx/decode.ts';
import { encodeModel } from '../../../src/graph/onnx/encode.ts';
import { tensorOf, toNumbers } from '../../../src/graph/tensor.ts';
import { modelBytes, node, tensor, value } from '../../helpers/onnx-builder.ts';
import { runModel } from '../../helpers/onnx-tests.ts';

const read = (bytes: Uint8Array): Promise<Model> => decodeModel(bytes, { name: 'm.onnx' });
const written = (model: Model): ModelProto => fromBinary(ModelProtoSchema, encodeModel(model));
/** A field that no version of ONNX has, as a later one might add. */
const unknown = { no: 900, wireType: 2 as const, data: Uint8Array.from([3, 7, 8, 9]) };
const mark = <T extends object>(message: T): T => Object.assign(message, { $unknown: [unknown] });

function rich(): ModelProto {
  const proto = fromBinary(
    ModelProtoSchema,
    modelBytes(
      21,
      {
        name: 'rich',
        docString: 'about the graph',
        node: [
          node('Gemm', ['X', 'W', 'B'], ['H'], { alpha: 1, transB: 1n }, { name: 'dense', docString: 'a layer' }),
          node('Custom', ['H'], ['C'], { names: ['a', 'b'], big: 2n ** 53n + 1n }, { domain: 'com.example' }),
          node('Relu', ['H'], ['Y'], {}, { metadataProps: [{ key: 'namespace', value: 'net/relu' }] }),
        ],
        input: [{ ...value('X', ['batch', 3]), docString: 'pixels' }, value('B', [2])],
        output: [value('Y', ['batch', 2])],
        valueInfo: [value('H', ['batch', 2])],
        initializer: [
          { ...tensor('W', [2, 3], [1, 2, 3, 4, 5, 6]), docString: 'weights' },
          tensor('B', [2], [0, 1]),
          { name: 'Q', dims: [4n], dataType: 17, rawData: Uint8Array.of(1, 2, 3, 4) },
        ],
        sparseInitializer: [{ values: tensor('S', [1], [5]), indices: tensor('', [1], [2], 'int64'), dims: [4n] }],
        quantizationAnnotation: [{ tensorName: 'W', quantParameterTensorNames: [{ key: 'SCALE_TENSOR', value: 'B' }] }],
        metadataProps: [{ key: 'g', value: '1' }],
      },
      {
        irVersion: 10n,
        producerName: 'pytorch',
        producerVersion: '2.9',
        domain: 'org.example',
        modelVersion: 7n,
        docString: 'about the model',
        opsetImport: [{ version: 21n }, { domain: 'com.example', version: 3n }],
        metadataProps: [{ key: 'author', value: 'someone' }],
        trainingInfo: [{ updateBinding: [{ key: 'a', value: 'b' }] }],
        functions: [{ name: 'f', domain: 'com.example', input: ['a'], output: ['a'] }],
      },
    ),
  );
  const { graph } = proto;
  for (const message of [
    proto,
    graph!,
    graph!.node[0]!,
    graph!.input[0]!,
    graph!.initializer[0]!,
    graph!.node[0]!.attribute[0]!,
  ]) {
    mark(message);
  }
  return proto;
}

test('everything that is not understood returns', async () => {
  const before = rich();
  const model = await read(toBinary(ModelProtoSchema, before));
  expect(model.graph.inputs.map(({ name }) => name)).toEqual(['X']);
  expect([...model.graph.initializers.keys()]).toEqual(['W', 'B']);
  const after = written(model);
  // Nodes get names and floats become raw bytes; all else is equal, unknown fields included.
  expect(after.graph!.node.map(({ name }) => name)).toEqual(['dense', 'Custom_0', 'Relu_0']);
  const expected = fromBinary(ModelProtoSchema, toBinary(ModelProtoSchema, before));
  expected.graph!.node.forEach((item, i) => {
    item.name = after.graph!.node[i]!.name;
  });
  expect(after).toEqual(expected);
  expect(after.graph!.node[0]!.$unknown).toEqual([unknown]);
});

describe('what memory says holds', () => {
  test('nodes, initializers, inputs and outputs added, removed and renamed', async () => {
    const model = await read(toBinary(ModelProtoSchema, rich()));
    const { graph } = model;
    graph.nodes = graph.nodes.filter(({ op }) => op !== 'Custom');
    graph.nodes[1]!.op = 'Tanh';
    graph.nodes[0]!.inputs = ['X', 'weight', 'B'];
    graph.nodes[0]!.attributes.alpha = 2;
    delete graph.nodes[0]!.attributes.transB;
    graph.initializers.set('weight', tensorOf('float32', [3, 2], [1, 0, 0, 1, 0, 0]));
    graph.initializers.delete('W');
    graph.outputs = [{ name: 'Y', type: 'float32', shape: ['batch', 2] }, { name: 'H' }];
    graph.inputs[0]!.shape = [1, 3];
    const after = written(model).graph!;
    expect(after.node.map(({ opType, docString }) => [opType, docString])).toEqual([
      ['Gemm', 'a layer'],
      ['Tanh', ''],
    ]);
    expect(after.node[0]!.attribute.map(({ name, type, f }) => [name, type, f])).toEqual([['alpha', 1, 2]]);
    expect(after.initializer.map(({ name }) => name)).toEqual(['B', 'weight', 'Q']);
    expect(after.input.map(({ name, docString }) => [name, docString])).toEqual([
      ['X', 'pixels'],
      ['B', ''],
    ]);
    expect(after.output.map(({ name }) => name)).toEqual(['Y', 'H']);
    const [Y, H] = await runModel(
      encodeModel({ ...model, source: undefined, graph: { ...graph, source: undefined } }),
      [tensorOf('float32', [1, 3], [1, 2, 3])],
    );
    expect(toNumbers(H!)).toEqual([2, 5]);
    expect(toNumbers(Y!)[0]).toBeCloseTo(Math.tanh(2), 6);
  });

  test('a tensor written in place is what is saved; a renamed one keeps its doc string', async () => {
    const model = await read(toBinary(ModelProtoSchema, rich()));
    const W = model.graph.initializers.get('W')!;
    (W.data as Float32Array)[0] = 42;
    model.graph.initializers.delete('W');
    model.graph.initializers.set('V', W);
    const V = written(model).graph!.initializer.find(({ name }) => name === 'V')!;
    expect(V).toMatchObject({ docString: 'weights', $unknown: [unknown] });
    expect(new Float32Array(V.rawData.slice().buffer)[0]).toBe(42);
  });

  test('writing twice gives the same bytes, and the model read keeps its source', async () => {
    const model = await read(toBinary(ModelProtoSchema, rich()));
    expect(encodeModel(model)).toEqual(encodeModel(model));
  });
});

test('a graph made here is a model onnxruntime takes: whole-number floats are floats', async () => {
  const graph: Graph = {
    name: 'made',
    inputs: [{ name: 'X', type: 'float32', shape: ['n', 2] }],
    outputs: [{ name: 'Y', type: 'float32', shape: [null, 1] }],
    nodes: [
      { name: 'a', op: 'LeakyRelu', domain: '', inputs: ['X'], outputs: ['H'], attributes: { alpha: 1 } },
      { name: 'b', op: 'Gemm', domain: '', inputs: ['H', 'W'], outputs: ['Y'], attributes: { alpha: 2, transA: 0 } },
    ],
    initializers: new Map([['W', tensorOf('float32', [2, 1], [3, 4])]]),
    values: new Map(),
  };
  const bytes = encodeModel(modelOf(graph));
  const [Y] = await runModel(bytes, [tensorOf('float32', [1, 2], [1, -1])]);
  expect(toNumbers(Y!)).toEqual([-2]);
  expect(fromBinary(ModelProtoSchema, bytes)).toMatchObject({ irVersion: 10n, producerName: 'gradient-doctor' });
});

test.each([
  [21, 3n, 10n],
  [22, 10n, 10n],
  [23, 8n, 11n],
  [26, 13n, 13n],
  [17, 12n, 12n],
])('opset %i from IR version %i is written with IR version %i', async (opset, irVersion, expected) => {
  const io = { input: [value('X', [1])], output: [value('Y', [1])] };
  const model = await read(modelBytes(opset, { node: [node('Relu', ['X'], ['Y'])], ...io }, { irVersion }));
  expect(model).toMatchObject({ sourceOpset: opset, opset: Math.max(21, opset) });
  expect(written(model).irVersion).toBe(expected);
});

describe('constants', () => {
  const cases: [string, Parameters<typeof node>[3], string, number[] | string[], number[]][] = [
    ['value', { value: { t: tensor('', [2], [1, 2], 'float64') } }, 'float64', [1, 2], [2]],
    ['value_float', { value_float: 0.5 }, 'float32', [0.5], []],
    ['value_floats', { value_floats: [0.5, 2] }, 'float32', [0.5, 2], [2]],
    ['value_int', { value_int: 3n }, 'int64', [3], []],
    ['value_ints', { value_ints: [3n, 4n] }, 'int64', [3, 4], [2]],
    ['value_string', { value_string: 'x' }, 'string', ['x'], []],
    ['value_strings', { value_strings: ['x', 'y'] }, 'string', ['x', 'y'], [2]],
  ];
  test.each(cases)('%s becomes an initializer of the same name', async (_, attributes, type, data, dims) => {
    const model = await read(
      modelBytes(14, {
        node: [node('Constant', [], ['c'], attributes), node('Identity', ['c'], ['Y'])],
        output: [{ name: 'Y' }],
      }),
    );
    const c = model.graph.initializers.get('c')!;
    expect({ type: c.type, dims: c.dims }).toEqual({ type, dims });
    expect(type === 'string' ? c.data : toNumbers(c)).toEqual(data);
    expect(model.constants).toEqual(new Set(['c']));
    expect(model.graph.nodes.map(({ op }) => op)).toEqual(['Identity']);
  });

  test('a sparse or float8 constant stays a node, whole', async () => {
    const float8 = { name: '', dims: [1n], dataType: 17, rawData: Uint8Array.of(9) };
    const bytes = modelBytes(21, {
      node: [node('Constant', [], ['c'], { value: { t: float8 } }), node('Identity', ['c'], ['Y'])],
      output: [{ name: 'Y' }],
    });
    const model = await read(bytes);
    expect(model.graph.nodes.map(({ op }) => op)).toEqual(['Constant', 'Identity']);
    expect(written(model).graph!.node[0]!.attribute[0]!.t).toEqual(create(TensorProtoSchema, float8));
  });
});

test('unnamed nodes get names, repeated names a number', async () => {
  const model = await read(
    modelBytes(21, {
      node: [
        node('Relu', ['X'], ['a'], {}, { name: 'Relu_0' }),
        node('Relu', ['a'], ['b']),
        node('Relu', ['b'], ['c'], {}, { name: 'twice' }),
        node('Relu', ['c'], ['d'], {}, { name: 'twice' }),
      ],
      input: [value('X', [1])],
      output: [{ name: 'd' }],
    }),
  );
  expect(model.graph.nodes.map(({ name }) => name)).toEqual(['Relu_0', 'Relu_1', 'twice', 'twice_0']);
});
