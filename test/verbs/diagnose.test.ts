import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { modelOf } from '../../src/graph/graph.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { diagnose } from '../../src/verbs/diagnose.ts';

const runtime = nodeRuntime();

it('takes the batch size from the file unless it is asked for', async () => {
  const model = buildSpec({ input: 4, batch: 7, layers: [{ dense: 3 }, 'relu', { dense: 2 }] });
  expect((await diagnose(model, { runtime })).profile.seen.batch).toBe(7);
  expect((await diagnose(model, { runtime, size: 5 })).profile.seen.batch).toBe(5);
});

it('says what a network without parameters lacks in the words of its own format', async () => {
  const spec = buildSpec({ input: 4, layers: ['relu'] });
  await expect(diagnose(spec, { runtime })).rejects.toMatchObject({ hint: expect.stringMatching(/^give it a layer/) });
});

describe('a model with several outputs', () => {
  const model = () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [3, 2]);
    const w = g.initializer('w', tensorOf('float32', [2, 4], [1, 2, 3, 4, 5, 6, 7, 8]));
    for (const name of ['first', 'second']) {
      g.output(g.add('MatMul', [x, w], [['float32', [3, 4]]], {}, { outputs: [name] })[0]!);
    }
    return modelOf(g.graph, 'two');
  };

  it('says which one the loss reads, and how to read another', async () => {
    const note = 'the loss reads "first", the first of 2 outputs; --model-output reads another';
    expect((await diagnose(model(), { runtime })).probe.batch.notes).toContain(note);
    const { probe } = await diagnose(model(), { runtime, output: 'second' });
    expect(probe.batch.notes.join()).not.toContain('outputs');
  });
});

describe('an operator that onnxruntime does not know', () => {
  /** y = x W, and z made of y by an operator of its own; `z` may be the only output. */
  const model = (domain: string, op: string, outputs: string[]) => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [3, 2]);
    const w = g.initializer('w', tensorOf('float32', [2, 4], [1, 2, 3, 4, 5, 6, 7, 8]));
    const y = g.add('MatMul', [x, w], [['float32', [3, 4]]], {}, { outputs: ['y'] })[0]!;
    const z = g.add(op, [y], [['float32', [3, 4]]], {}, { node: 'odd', outputs: ['z'] })[0]!;
    for (const name of outputs) g.output(name === 'y' ? y : z);
    const { nodes } = g.graph;
    g.graph.nodes = nodes.map((node) => (node.name === 'odd' ? { ...node, domain } : node));
    const made = modelOf(g.graph, 'odd');
    if (domain !== '') made.domains.set(domain, 1);
    return made;
  };

  it('is no obstacle off the path, and the report says what was left out', async () => {
    const { profile, probe } = await diagnose(model('com.acme', 'Magic', ['y', 'z']), { runtime });
    expect(profile.parameters[0]).toMatchObject({ name: 'w', connected: true });
    expect(probe.batch.notes).toContain('the output "z" is left out: onnxruntime has no operator com.acme:Magic');
    expect((await diagnose(model('com.acme', 'Magic', ['y']), { runtime })).profile.values).not.toEqual([]);
  });

  it.each([
    ['com.acme', 'Magic', ['z'], undefined, /no operator com\.acme:Magic/, /accepted: standard ONNX operators/],
    ['com.acme', 'Magic', ['z', 'y'], undefined, /com\.acme:Magic/, /--model-output y$/],
    ['com.acme', 'Magic', ['y', 'z'], 'z', /com\.acme:Magic/, /accepted/],
    ['', 'Rellu', ['z'], undefined, /no operator Rellu/, /did you mean "Relu"\?/],
  ])('on the path it is named: %s %s of %s', async (domain, op, outputs, output, message, hint) => {
    await expect(diagnose(model(domain, op, outputs), { runtime, output })).rejects.toMatchObject({
      message: expect.stringMatching(message),
      where: 'node "odd"',
      hint: expect.stringMatching(hint),
    });
  });
});
