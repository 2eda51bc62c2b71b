import { describe, expect, it } from 'vitest';
import { readModelSource } from '../../src/readers/index.ts';
import { memorySource } from '../../src/readers/source.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { diagnose } from '../../src/verbs/diagnose.ts';
import { differentiate } from '../../src/verbs/differentiate.ts';
import { train } from '../../src/verbs/train.ts';
import { openTrainingData } from '../../src/verbs/training-data.ts';
import { modelBytes, node, tensor, value } from '../helpers/onnx-builder.ts';

const runtime = nodeRuntime({ threads: 1 });
const W = tensor('W', [2, 2], [1, 2, 3, 4]);
const V = tensor('V', [2, 2], [1, -2, 3, 4]);
const scale = tensor('scale', [], [0.1]);
const quantize = (X: string, Y: string) => [
  node('QuantizeLinear', [X, 'scale'], [`${Y}.q`]),
  node('DequantizeLinear', [`${Y}.q`, 'scale'], [Y]),
];
const read = (nodes: ReturnType<typeof node>[]) =>
  readModelSource(
    memorySource(
      'q.onnx',
      modelBytes(17, {
        node: nodes,
        input: [value('X', [4, 2])],
        output: [value('Y', [4, 2])],
        initializer: [W, V, scale],
      }),
    ),
  );
const said = /QuantizeLinear \(.*\) has integer outputs: gradients stop there; export the float model/;

describe('a quantized model', () => {
  it('says where gradients stop, in a diagnosis, a training and a gradient', async () => {
    const model = await read([
      node('MatMul', ['X', 'W'], ['a']),
      ...quantize('a', 'b'),
      node('MatMul', ['b', 'V'], ['Y']),
    ]);
    const { diagnosis, probe } = await diagnose(model, { runtime });
    expect(probe.batch.notes.join('; ')).toMatch(said);
    expect(diagnosis.findings.find(({ rule }) => rule === 'disconnected-parameter')?.where).toEqual(['W']);
    expect((await differentiate(model, { runtime })).notes.join('; ')).toMatch(said);
    const data = await openTrainingData({ kind: 'none' }, model.graph.inputs, {});
    for await (const event of train(model, { runtime, data, steps: 1 })) {
      if (event.kind === 'start') expect(event.notes.join('; ')).toMatch(said);
    }
  });

  it('says nothing where only the input is rounded: every parameter has its gradient', async () => {
    const model = await read([
      ...quantize('X', 'a'),
      node('MatMul', ['a', 'W'], ['b']),
      node('MatMul', ['b', 'V'], ['Y']),
    ]);
    const { diagnosis, probe } = await diagnose(model, { runtime });
    expect(probe.batch.notes.join('; ')).not.toMatch(/QuantizeLinear/);
    expect(diagnosis.findings.map(({ rule }) => rule)).not.toContain('disconnected-parameter');
  });

  it('counts weights stored as integers, and asks for the float model where all are', async () => {
    const integers = (name: string) => tensor(name, [2, 2], [1, 2, 3, 4], 'int8');
    const layer = (X: string, name: string, Y: string) => [
      node('DequantizeLinear', [`${name}.q`, 'scale'], [name]),
      node('MatMul', [X, name], [Y]),
    ];
    const graph = (last: ReturnType<typeof node>[], stored: ReturnType<typeof tensor>[]) =>
      readModelSource(
        memorySource(
          'int8.onnx',
          modelBytes(17, {
            node: [...layer('X', 'A', 'a'), ...last],
            input: [value('X', [4, 2])],
            output: [value('Y', [4, 2])],
            initializer: [scale, integers('A.q'), ...stored],
          }),
        ),
      );
    const part = await graph([node('MatMul', ['a', 'W'], ['Y'])], [W]);
    expect((await diagnose(part, { runtime })).probe.batch.notes.join('; ')).toMatch(
      /DequantizeLinear reads 1 tensor stored as integers \(A\.q\): they are no parameters/,
    );
    const whole = await graph(layer('a', 'B', 'Y'), [integers('B.q')]);
    await expect(diagnose(whole, { runtime })).rejects.toMatchObject({
      code: 'no-parameters',
      hint: 'it is quantized: export the float model, before quantization',
    });
  });
});
