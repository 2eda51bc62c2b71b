import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/graph/errors.ts';
import { tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import { createRandom } from '../../src/random/random.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { diagnose } from '../../src/verbs/diagnose.ts';
import { initializeWeights } from '../../src/verbs/initial-weights.ts';
import { applyLsuv } from '../../src/verbs/lsuv.ts';
import { mlp } from '../helpers/networks.ts';

const runtime = nodeRuntime({ threads: 1 });

describe('LSUV', () => {
  it('gives every layer unit variance on its batch, whatever the weights were', async () => {
    const model = mlp({ depth: 12, width: 64, activation: 'Tanh', gain: 0.01 });
    const info = model.graph.inputs[0]!;
    const dims = info.shape!.map((dim) => (typeof dim === 'number' ? dim : 128));
    const random = createRandom(3);
    const size = dims.reduce((a, b) => a * b, 1);
    const x = tensorOf('float32', dims, Float64Array.from({ length: size }, random.normal));
    const { model: scaled, layers } = await applyLsuv(model, { runtime, inputs: new Map([[info.name, x]]), seed: 1 });
    expect(layers.length).toBeGreaterThanOrEqual(12);
    // Measured anew, on the model that came back.
    const graph = { ...scaled.graph, outputs: [...scaled.graph.outputs] };
    const values = scaled.graph.nodes
      .filter(({ op }) => op === 'Gemm' || op === 'MatMul')
      .map(({ outputs }) => outputs[0]!);
    graph.outputs = values.map((name) => ({ name, type: 'float32', shape: [null, null] }));
    const session = await runtime.load({ ...scaled, graph });
    const results = await session.run(new Map([[info.name, x]]), values);
    for (const name of values) {
      const list = toFloat64(results.get(name)!);
      const mean = list.reduce((sum, v) => sum + v, 0) / list.length;
      const variance = list.reduce((sum, v) => sum + (v - mean) ** 2, 0) / list.length;
      expect(Math.abs(variance - 1), name).toBeLessThan(0.1);
    }
    await session.release();
  });

  it('is one of the first weights that a diagnosis takes', async () => {
    const model = mlp({ depth: 20, width: 32, activation: 'Tanh', gain: 0.1 });
    const before = await diagnose(model, { runtime });
    const after = await diagnose(model, { runtime, init: 'lsuv' });
    expect(before.diagnosis.verdict).toBe('vanishing');
    expect(after.diagnosis.verdict).not.toBe('vanishing');
    expect(after.probe.batch.notes).toContain('the weights were drawn anew: lsuv, seed 0');
    const he = await diagnose(model, { runtime, init: 'glorot', seed: 4 });
    expect(he.probe.batch.notes).toContain('the weights were drawn anew: glorot, seed 4');
    expect(he.diagnosis.verdict).not.toBe('vanishing');
  });

  it('keeps the model itself with keep, and refuses other words', async () => {
    const model = mlp({ depth: 2 });
    expect((await initializeWeights(model, 'keep', { runtime, seed: 0 })).model).toBe(model);
    await expect(diagnose(model, { runtime, init: 'lsuw' })).rejects.toThrow(UsageError);
  });
});
