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
