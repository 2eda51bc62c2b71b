import { describe, expect, it } from 'vitest';
import { usageLines } from '../../src/cli/usage-lines.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { type Model, modelOf } from '../../src/graph/graph.ts';
import { decodeModel } from '../../src/graph/onnx/decode.ts';
import { encodeModel } from '../../src/graph/onnx/encode.ts';
import { filledTensor } from '../../src/graph/tensor.ts';
import { differentiate, readModel } from '../../src/node.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';

/** Y = (A + B) W where A is called "for" and B "2.c": names that are no identifiers. */
function twoInputs(): Model {
  const g = new GraphBuilder();
  const [a, b] = ['for', '2.c'].map((name) => g.input(name, 'float32', [2, 3]));
  const W = g.initializer('W', filledTensor('float32', [3, 2], 1));
  g.output(g.add('MatMul', [g.add('Add', [a, b], [['float32', [2, 3]]])[0]!, W], [['float32', [2, 2]]])[0]!);
  return modelOf(g.graph);
}
const dense = (type: string, extra: object = {}) =>
  buildSpec({ input: { shape: [4], type }, layers: [{ dense: 3 }, 'batch-norm', { dense: 2 }], ...extra });

/** Names that a file has, as a reader of it sees them. */
const namesOf = async (model: Model) => {
  const { graph } = await decodeModel(encodeModel(model), { name: 'file.onnx' });
  return {
    inputs: graph.inputs.map(({ name }) => name).filter((name) => !graph.initializers.has(name)),
    outputs: graph.outputs.map(({ name }) => name),
    type: (input: string) => graph.inputs.find(({ name }) => name === input)!.type,
  };
};
/** The keys and values of the last Python dict of a text. */
const dictIn = (line: string) =>
  [...line.matchAll(/("(?:[^"\\]|\\.)*"): ((?:np\.)?[A-Za-z_]\w*(?:\([^)]*\))?)/g)].map(
    ([, key, value]) => [JSON.parse(key!) as string, value!] as const,
  );

const cases: [string, () => Promise<Model> | Model, string][] = [
  ['a spec with running statistics, adam', () => dense('float32'), 'adam'],
  ['float64, momentum', () => dense('float64', { loss: 'mse' }), 'momentum'],
  ['two inputs whose names are no identifiers, sgd', twoInputs, 'sgd'],
  [
    'a Transformer from PyTorch, adamw',
    () => readModel(`${import.meta.dirname}/../fixtures/torch/transformer_encoder_x2.onnx`),
    'adamw',
  ],
];

describe('the printed usage of a training step', () => {
  it.each(cases)('feeds and takes what the files have: %s', async (_, make, name) => {
    const result = await differentiate(await make(), { optimizer: { name }, learningRate: 0.01, size: 2 });
    const lines = usageLines(result, 'step.onnx', 'step.state.onnx');
    const step = await namesOf(result.model);
    const initial = await namesOf(result.step!.initial);
    expect(initial.inputs).toEqual([]);
    const fed = dictIn(lines.find((line) => line.includes('results = run'))!);
    // The feeds and the state are all inputs, each once.
    expect([...fed.map(([key]) => key), ...initial.outputs].sort()).toEqual([...step.inputs].sort());
    // What ends in :next, less those five characters, is the state again.
    const next = step.outputs.filter((output) => output.endsWith(':next')).map((output) => output.slice(0, -5));
    expect(next.sort()).toEqual([...initial.outputs].sort());
    const loop = lines
      .find((line) => line.includes('in batches'))!
      .match(/for (.*) in batches/)![1]!
      .split(', ');
    const values = fed.map(([, value]) => value).filter((value) => !value.startsWith('np.'));
    expect(loop).toEqual(values);
    expect(new Set(loop).size).toBe(loop.length);
    for (const variable of loop) expect(variable).toMatch(/^[A-Za-z_]\w*$/);
    const [rate, value] = fed.at(-1)!;
    expect(value).toBe(`np.array(0.01, np.${step.type(rate)})`);
    expect(lines.join('\n')).toContain('ort.InferenceSession("step.onnx"), ort.InferenceSession("step.state.onnx")');
    for (const [key, variable] of fed) expect(variable === 'labels').toBe(key === result.target);
  });
});

describe('the printed usage of a gradient', () => {
  it.each(cases)('feeds and fetches what the file has: %s', async (_, make) => {
    const result = await differentiate(await make(), { size: 2 });
    const { inputs, outputs } = await namesOf(result.model);
    const lines = usageLines(result, 'gradient.onnx');
    for (const start of ['session.run([', 'await session.run(']) {
      const line = lines.find((text) => text.includes(start))!;
      expect(dictIn(line.slice(line.indexOf('{'))).map(([key]) => key)).toEqual(inputs);
    }
    const fetched = JSON.parse(lines.find((line) => line.includes('session.run(['))!.match(/\[.*?\]/)![0]) as string[];
    expect(fetched).toHaveLength(2);
    for (const output of fetched) expect(outputs).toContain(output);
  });
});
