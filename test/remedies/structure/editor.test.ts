import { expect, it } from 'vitest';
import { normalizationRemedies } from '../../../src/remedies/normalization.ts';
import { GraphEditor } from '../../../src/remedies/rewrite/editor.ts';
import { findStages } from '../../../src/remedies/rewrite/stages.ts';
import { blobs, chain, patientOf } from './patient.ts';

it('puts a normalization between a layer and its activation also where what is between them is an output', async () => {
  const model = chain('tanh', 3);
  const { result, site } = findStages(model)[1]!;
  const [first] = model.graph.outputs;
  const outputs = [...model.graph.outputs, { ...first!, name: result, shape: [null, 32] }];
  const patient = await patientOf({ ...model, graph: { ...model.graph, outputs } }, blobs);
  for (const remedy of normalizationRemedies) {
    const { graph } = (await remedy.apply(patient.design, patient)).model;
    expect(graph.outputs.map(({ name }) => name)).toEqual(outputs.map(({ name }) => name));
    const activation = graph.nodes.find(({ name }) => name === site!.nodes[0])!;
    const norm = graph.nodes.find((node) => node.outputs[0] === activation.inputs[0])!;
    expect(norm.op).toMatch(/Normalization|Mul/);
    expect(norm.outputs[0]).toBe(result);
  }
});

it('inserts behind an output: its readers read the result, and its name stays', () => {
  const model = chain('tanh', 2);
  const { output } = findStages(model)[0]!.site!;
  model.graph.outputs.push({ ...model.graph.outputs[0]!, name: output });
  const editor = new GraphEditor(model);
  editor.insertAfter(output, (X) => editor.add('Neg', [X], 'negated')[0]!);
  const { graph } = editor.done();
  const negated = graph.nodes.find(({ name }) => name === 'negated')!;
  expect(negated.outputs).toEqual([output]);
  expect(negated.inputs).toEqual([`${output}.before`]);
  expect(graph.nodes.filter(({ inputs }) => inputs.includes(output))).toHaveLength(1);
  expect(graph.nodes.filter(({ inputs }) => inputs.includes(`${output}.before`))).toEqual([negated]);
});
