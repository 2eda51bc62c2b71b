import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { AttributeProtoSchema, type FunctionProtoSchema, ModelProtoSchema, NodeProtoSchema } from 'onnx-buf';
import { describe, expect, test } from 'vitest';
import { ReaderError } from '../../../src/graph/errors.ts';
import { decodeModel } from '../../../src/graph/onnx/decode.ts';
import { encodeModel } from '../../../src/graph/onnx/encode.ts';
import { type Tensor, tensorOf, toNumbers } from '../../../src/graph/tensor.ts';
import { type AttributeInit, type GraphInit, modelBytes, node, tensor, value } from '../../helpers/onnx-builder.ts';
import { runModel } from '../../helpers/onnx-tests.ts';

type FunctionInit = MessageInitShape<typeof FunctionProtoSchema>;

/** A node whose attribute is a parameter of the function around it. */
function referring(op: string, inputs: string[], outputs: string[], references: Record<string, string>) {
  const attribute = Object.entries(references).map(([name, refAttrName]) =>
    create(AttributeProtoSchema, { name, refAttrName, type: 1 }),
  );
  return create(NodeProtoSchema, { opType: op, input: inputs, output: outputs, attribute });
}

const call = (op: string, inputs: string[], outputs: string[], attributes: Record<string, AttributeInit> = {}) =>
  node(op, inputs, outputs, attributes, { domain: 'my', name: `call_${outputs[0]}` });

function define(name: string, input: string[], output: string[], rest: FunctionInit): FunctionInit {
  const opsetImport = [
    { domain: '', version: 18n },
    { domain: 'my', version: 1n },
  ];
  return { name, domain: 'my', input, output, opsetImport, ...(rest as object) };
}

function model(functions: FunctionInit[], graph: GraphInit, opset = 18): Uint8Array {
  const opsetImport = [{ version: BigInt(opset) }, { domain: 'my', version: 1n }];
  const io = { input: [value('X', [2, 3])], output: [{ name: 'Y' }] };
  return modelBytes(opset, { ...io, ...graph }, { functions, opsetImport });
}

const read = (bytes: Uint8Array) => decodeModel(bytes, { name: 'f.onnx' });
const X = tensorOf('float32', [2, 3], [1, -2, 3, -4, 5, -6]);

/** Reads a model, checks that nothing of its functions is left and that it computes what it computed; gives its nodes. */
async function inlined(bytes: Uint8Array, feeds: Tensor[] = [X]) {
  const before = await runModel(bytes, feeds);
  const result = await read(bytes);
  expect([...result.domains.keys()]).toEqual([]);
  const written = encodeModel(result);
  expect(fromBinary(ModelProtoSchema, written).functions).toEqual([]);
  const after = await runModel(written, feeds);
  expect(after.map((output) => toNumbers(output))).toEqual(before.map((output) => toNumbers(output)));
  return result.graph;
}

const leaky = define('leaky', ['x'], ['y'], {
  attributeProto: [create(AttributeProtoSchema, { name: 'slope', type: 1, f: 0.25 })],
  node: [referring('LeakyRelu', ['x'], ['y'], { alpha: 'slope' })],
});

describe('a call is replaced by the body', () => {
  test('with the attributes of the call, or their defaults', async () => {
    const graph = await inlined(
      model([leaky], { node: [call('leaky', ['X'], ['H'], { slope: 0.5 }), call('leaky', ['H'], ['Y'])] }),
    );
    expect(graph.nodes).toMatchObject([
      { name: 'call_H/LeakyRelu', op: 'LeakyRelu', inputs: ['X'], outputs: ['H'], attributes: { alpha: 0.5 } },
      { name: 'call_Y/LeakyRelu', op: 'LeakyRelu', inputs: ['H'], outputs: ['Y'], attributes: { alpha: 0.25 } },
    ]);
  });

  test('an attribute given nowhere is left out', async () => {
    const f = define('f', ['x'], ['y'], {
      attribute: ['alpha'],
      node: [referring('LeakyRelu', ['x'], ['y'], { alpha: 'alpha' })],
    });
    const { nodes } = await read(model([f], { node: [call('f', ['X'], ['Y'])] })).then(({ graph }) => graph);
    expect(nodes[0]!.attributes).toEqual({});
  });

  test('functions that call functions, references handed on, constants and names apart', async () => {
    const block = define('block', ['x', 'w'], ['y'], {
      attribute: ['a'],
      node: [
        node('Constant', [], ['two'], { value: { t: tensor('', [], [2]) } }),
        node('Mul', ['x', 'two'], ['h']),
        create(NodeProtoSchema, { ...referring('leaky', ['h'], ['k'], { slope: 'a' }), domain: 'my', name: 'act' }),
        node('Add', ['k', 'w'], ['y']),
      ],
    });
    const nodes = [call('block', ['X', 'b'], ['h'], { a: 0.125 }), call('block', ['h', 'b'], ['Y'], { a: 0.5 })];
    const graph = await inlined(model([leaky, block], { node: nodes, initializer: [tensor('b', [3], [1, 2, 3])] }));
    expect(graph.nodes.map(({ name, outputs }) => [name, ...outputs])).toEqual([
      ['call_h/Mul', 'call_h/h'],
      ['call_h/act/LeakyRelu', 'call_h/k'],
      ['call_h/Add', 'h'],
      ['call_Y/Mul', 'call_Y/h'],
      ['call_Y/act/LeakyRelu', 'call_Y/k'],
      ['call_Y/Add', 'Y'],
    ]);
    expect([...graph.initializers.keys()].sort()).toEqual(['b', 'call_Y/two', 'call_h/two']);
  });

  test('in subgraphs, and with subgraphs that read its inputs', async () => {
    const branch = (name: string, op: string) => ({
      g: { name, node: [node(op, ['x'], [`${name}_out`])], output: [{ name: `${name}_out` }] },
    });
    const choose = define('choose', ['c', 'x'], ['y'], {
      node: [node('If', ['c'], ['y'], { then_branch: branch('yes', 'Neg'), else_branch: branch('no', 'Abs') })],
    });
    const outer = (name: string, of: string) => ({
      g: {
        name,
        node: [call('choose', [of, 'X'], [`${name}_out`])],
        output: [{ name: `${name}_out` }],
      },
    });
    const nodes = [node('If', ['yes'], ['Y'], { then_branch: outer('a', 'no'), else_branch: outer('b', 'yes') })];
    const initializer = [tensor('yes', [], [1], 'bool'), tensor('no', [], [0], 'bool')];
    await inlined(model([choose], { node: nodes, initializer }));
  });

  test('outputs that are inputs or the same value, unread outputs, absent inputs', async () => {
    const f = define('f', ['x', 'min'], ['x', 'y', 'y2', 'z'], {
      node: [node('Clip', ['x', 'min'], ['y']), node('Identity', ['y'], ['y2']), node('Neg', ['y'], ['z'])],
    });
    const nodes = [call('f', ['X'], ['P', 'Q', '', 'R']), node('Sum', ['P', 'Q', 'R'], ['Y'])];
    const { graph } = await read(model([f], { node: nodes }));
    expect(graph.nodes.map(({ op, inputs, outputs }) => [op, ...inputs, ...outputs])).toEqual([
      ['Clip', 'X', '', 'Q'],
      ['Identity', 'Q', 'call_P/y2'],
      ['Neg', 'Q', 'R'],
      ['Identity', 'X', 'P'],
      ['Sum', 'P', 'Q', 'R', 'Y'],
    ]);
  });

  test('by domain, name and overload', async () => {
    const of = (overload: string, op: string) =>
      define('f', ['x'], ['y'], { overload, node: [node(op, ['x'], ['y'])] } as FunctionInit);
    const use = (overload: string, from: string, to: string) =>
      node('f', [from], [to], {}, { domain: 'my', overload, name: `call_${to}` });
    const functions = [of('', 'Neg'), of('smooth', 'Tanh')];
    const { graph } = await read(model(functions, { node: [use('smooth', 'X', 'H'), use('', 'H', 'Y')] }));
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Tanh', 'Neg']);
  });

  test('of an older opset than the model, where a parameter became an input', async () => {
    const mean = define('mean', ['x'], ['y'], {
      attribute: ['over'],
      opsetImport: [{ domain: '', version: 13n }],
      node: [referring('ReduceMean', ['x'], ['y'], { axes: 'over' })],
    });
    const { graph } = await read(model([mean], { node: [call('mean', ['X'], ['Y'], { over: [0n] })] }));
    expect(graph.nodes).toMatchObject([{ op: 'ReduceMean', inputs: ['X', 'call_Y/y/axes'], outputs: ['Y'] }]);
    const after = await runModel(
      encodeModel(await read(model([mean], { node: [call('mean', ['X'], ['Y'], { over: [0n] })] }))),
      [X],
    );
    expect(toNumbers(after[0]!)).toEqual([-1.5, 1.5, -1.5]);
  });
});

test('a function nobody calls stays in the file', async () => {
  const bytes = model([leaky], { node: [node('Neg', ['X'], ['Y'])] });
  const written = fromBinary(ModelProtoSchema, encodeModel(await read(bytes)));
  expect(written.functions).toEqual(fromBinary(ModelProtoSchema, bytes).functions);
  expect(written.opsetImport.map(({ domain }) => domain)).toEqual(['', 'my']);
});

describe('refused', () => {
  const refused = async (functions: FunctionInit[], nodes = [call('f', ['X'], ['Y'])]) => {
    const error = await read(model(functions, { node: nodes })).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ReaderError);
    return error as ReaderError;
  };

  test('recursion, with its way', async () => {
    const f = define('f', ['x'], ['y'], { node: [call('g', ['x'], ['y'])] });
    const g = define('g', ['x'], ['y'], { node: [call('f', ['x'], ['y'])] });
    const error = await refused([f, g]);
    expect(error.message).toBe('the function "f" calls itself: f → g → f');
    expect(error.where).toBe('f.onnx, node "call_Y/call_y/call_y"');
  });

  test('a few functions that unfold to millions of nodes', async () => {
    const chain = Array.from({ length: 30 }, (_, i) => {
      const next = i === 29 ? node('Neg', ['x'], ['h']) : call(`f${i + 1}`, ['x'], ['h']);
      const again = i === 29 ? node('Neg', ['h'], ['y']) : call(`f${i + 1}`, ['h'], ['y']);
      return define(`f${i}`, ['x'], ['y'], { node: [next, again] });
    });
    expect((await refused(chain, [call('f0', ['X'], ['Y'])])).message).toMatch(
      /unfold to \d{10} nodes; at most 1000000 are read/,
    );
  });

  test('a chain of a hundred thousand functions', async () => {
    const chain = Array.from({ length: 100_000 }, (_, i) =>
      define(`f${i}`, ['x'], ['y'], { node: [call(`f${i + 1}`, ['x'], ['y'])] }),
    );
    expect((await refused(chain, [call('f0', ['X'], ['Y'])])).message).toMatch(/more than 100 deep/);
  });

  test('too many inputs, and a body that reads what is not there', async () => {
    const f = define('f', ['x'], ['y'], { node: [node('Add', ['x', 'z'], ['y'])] });
    expect((await refused([f])).describe()).toMatch(/function "f": reads the value "z", which nothing in the function/);
    const many = await refused([f], [call('f', ['X', 'X'], ['Y'])]);
    expect(many.message).toBe('the call has 2 inputs, the function "f" has 1');
  });
});
