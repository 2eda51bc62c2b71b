import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { modelOf } from '../../src/graph/graph.ts';
import { findParameters } from '../../src/graph/parameters.ts';
import { filledTensor, tensorOf } from '../../src/graph/tensor.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { diagnose } from '../../src/verbs/diagnose.ts';
import { noteExport } from '../../src/verbs/export-notes.ts';
import { prepareForMeasuring } from '../../src/verbs/prepare.ts';

/** x · gain · W · gain2 with gain2 stored as `gain` and named by an Identity, as PyTorch's exporter does. */
function sharing(gain: number[]) {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2, 3]);
  const first = g.initializer('first.weight', tensorOf('float32', [3], gain));
  const second = g.add(
    'Identity',
    [first],
    [['float32', [3]]],
    {},
    { node: 'Identity_0', outputs: ['second.weight'] },
  )[0]!;
  const W = g.initializer('W', tensorOf('float32', [3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 10]));
  g.output(g.mul(g.matmul(g.mul(x, first), W), second));
  return modelOf(g.graph);
}

describe('tensors that an exporter stored once because they were equal', () => {
  it('get their own names and gradients back', async () => {
    const given = sharing([1, 1, 1]);
    const { model, notes } = prepareForMeasuring(given);
    expect(findParameters(model)).toEqual(['first.weight', 'W', 'second.weight']);
    expect(notes).toEqual([expect.stringMatching(/stored 1 more tensor once/)]);
    expect(given.graph.nodes).toHaveLength(4);
    const { profile } = await diagnose(given, { runtime: nodeRuntime({ threads: 1 }) });
    const [first, , second] = profile.parameters.map(({ gradient }) => gradient.l2);
    expect(first).not.toBeCloseTo(second!, 3);
  });

  it('stay one where they are tied: a matrix is never equal to another by chance', () => {
    const { model, notes } = prepareForMeasuring(sharing([1, 2, 3]));
    expect(findParameters(model)).toEqual(['first.weight', 'W']);
    expect(notes).toEqual([]);
  });

  it('go where folding left them over: nobody reads them', () => {
    const given = sharing([1, 1, 1]);
    given.graph.initializers.set('folded.weight', filledTensor('float32', [8], 1));
    given.graph.nodes.push({
      name: 'Identity_1',
      op: 'Identity',
      domain: '',
      inputs: ['folded.weight'],
      outputs: ['folded.running_var'],
      attributes: {},
    });
    expect(findParameters(prepareForMeasuring(given).model)).not.toContain('folded.weight');
  });
});

describe('notes on the export', () => {
  it('say that the weights of a frozen export are constants', () => {
    const model = sharing([1, 2, 3]);
    expect(noteExport(model, findParameters(model))).toEqual([]);
    for (const name of model.graph.initializers.keys()) model.constants.add(name);
    const parameters = findParameters(model);
    expect(parameters).toEqual(['first.weight', 'W']);
    expect(noteExport(model, parameters)).toEqual([
      expect.stringMatching(/constants \(a frozen export\): its 2 constants/),
    ]);
  });
});
