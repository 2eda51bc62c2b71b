import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { decodeNpy } from '../../src/data/index.ts';
import { measureTensor } from '../../src/flow/statistics.ts';
import { consumers, type Graph } from '../../src/graph/graph.ts';
import { encodeModel } from '../../src/graph/onnx/encode.ts';
import { type Tensor, tensorOf } from '../../src/graph/tensor.ts';
import { diagnose, differentiate, memorySource, nodeRuntime, readModel, readModelSource } from '../../src/node.ts';
import { mlp } from '../helpers/networks.ts';

const fixtures = join(dirname(fileURLToPath(import.meta.url)), '../fixtures/torch');

async function runFile(bytes: Uint8Array, feeds: Record<string, ort.Tensor>): Promise<Record<string, ort.Tensor>> {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4 });
  return (await session.run(feeds)) as Record<string, ort.Tensor>;
}
const toOrt = (tensor: Tensor) =>
  new ort.Tensor(tensor.type as 'float32', tensor.data as Float32Array, [...tensor.dims]);

describe('differentiate', () => {
  it.each(['mlp_tanh_xavier_x10', 'resnet18_quarter', 'transformer_encoder_x2'])(
    '%s: stock onnxruntime computes PyTorch’s gradients from the file',
    async (name) => {
      const truth = JSON.parse(readFileSync(join(fixtures, `${name}.json`), 'utf8'));
      const { model, gradients, target } = await differentiate(join(fixtures, `${name}.onnx`));
      const results = await runFile(encodeModel(model), {
        input: toOrt(decodeNpy(readFileSync(join(fixtures, `${name}.input.npy`)), 'input')),
        [target!]: toOrt(decodeNpy(readFileSync(join(fixtures, `${name}.labels.npy`)), 'labels')),
      });
      expect(Number(results.loss!.data[0]) / truth.float64.loss).toBeCloseTo(1, 5);
      const roundoff = new Set(truth.roundoff_only_parameters);
      expect(gradients.size).toBe(Object.keys(truth.float64.parameters).length);
      for (const [parameter, output] of gradients) {
        expect(output).toBe(`grad:${parameter}`);
        const expected = truth.float64.parameters[parameter];
        expect(results[output]!.dims).toEqual(expected.shape);
        if (roundoff.has(parameter)) continue;
        const { l2 } = measureTensor({
          type: 'float32',
          dims: expected.shape,
          data: results[output]!.data as Float32Array,
        });
        const allowed = Math.max(1e-3, 3 * (expected.float32_rel_err ?? 0)) * expected.l2;
        expect(Math.abs(l2 - expected.l2), `${parameter}: ${l2}, PyTorch ${expected.l2}`).toBeLessThanOrEqual(allowed);
      }
    },
  );

  it('keeps the model’s own outputs, and gives gradients of inputs and inner values', async () => {
    const source = await readModel(join(fixtures, 'mlp_relu_he_x10.onnx'));
    const { model } = await differentiate(source, { wrt: ['inputs', '/hidden.3/Gemm_output_0'], size: 8 });
    expect(model.graph.outputs.map(({ name }) => name)).toEqual([
      'logits',
      'loss',
      'grad:input',
      'grad:/hidden.3/Gemm_output_0',
    ]);
    const results = await runFile(encodeModel(model), {
      input: toOrt(decodeNpy(readFileSync(join(fixtures, 'mlp_relu_he_x10.input.npy')), 'input')),
      target: toOrt(decodeNpy(readFileSync(join(fixtures, 'mlp_relu_he_x10.labels.npy')), 'labels')),
    });
    const values = JSON.parse(readFileSync(join(fixtures, 'mlp_relu_he_x10.values.json'), 'utf8'));
    const norm = (name: string) => Math.hypot(...(results[name]!.data as Float32Array));
    expect(norm('grad:input') / values.input_grad.l2).toBeCloseTo(1, 4);
    expect(norm('grad:/hidden.3/Gemm_output_0') / values.values['/hidden.3/Gemm_output_0'].grad.l2).toBeCloseTo(1, 4);
  });

  it.each(['mlp_sigmoid_x10', 'resnet18_quarter', 'vit_small'])(
    '%s: no node is computed twice, none for nothing',
    async (name) => {
      const { model } = await differentiate(join(fixtures, `${name}.onnx`));
      expectLean(model.graph);
    },
  );

  it('gives the same gradients run after run, batch normalization’s statistics notwithstanding', async () => {
    const text = 'input: 12\nlayers: [{dense: 8}, batch-norm, relu, {dense: 8}, batch-norm, relu, {dense: 3}]\n';
    const source = await readModelSource(memorySource('net.yaml', new TextEncoder().encode(text)));
    const { model, target } = await differentiate(source, { size: 6 });
    const session = await ort.InferenceSession.create(encodeModel(model), { logSeverityLevel: 4 });
    const x = new ort.Tensor(
      'float32',
      Float32Array.from({ length: 72 }, (_, i) => Math.sin(i * i)),
      [6, 12],
    );
    const feeds = {
      [session.inputNames[0]!]: x,
      [target!]: new ort.Tensor('int64', BigInt64Array.from([0n, 1n, 2n, 0n, 1n, 2n]), [6]),
    };
    const runs = [await session.run(feeds), await session.run(feeds), await session.run(feeds)];
    for (const name of session.outputNames) {
      expect(Array.from(runs[1]![name]!.data as Float32Array), name).toEqual(
        Array.from(runs[0]![name]!.data as Float32Array),
      );
      expect(Array.from(runs[2]![name]!.data as Float32Array), name).toEqual(
        Array.from(runs[0]![name]!.data as Float32Array),
      );
    }
    const { profile } = await diagnose(source, {
      runtime: nodeRuntime(),
      batch: {
        kind: 'tensors',
        from: 'test',
        inputs: new Map([['', tensorOf('float32', [6, 12], x.data as Float32Array)]]),
        target: tensorOf('int64', [6], [0, 1, 2, 0, 1, 2]),
      },
    });
    for (const { name, gradient } of profile.parameters) {
      const measured = Math.hypot(...(runs[0]![`grad:${name}`]!.data as Float32Array));
      expect(Math.abs(measured - gradient.l2), name).toBeLessThan(1e-5 * Math.max(gradient.l2, 1e-1));
    }
  });

  it('asks only for what is wanted', async () => {
    const model = mlp({ depth: 10, activation: 'Relu' });
    const last = await differentiate(model, { wrt: ['out.weight'] });
    const all = await differentiate(model);
    expect(last.nodesAfter).toBeLessThan(all.nodesAfter / 2);
    expect([...last.gradients.keys()]).toEqual(['out.weight']);
  });

  it('does not change the model it is given', async () => {
    const model = mlp({ depth: 3 });
    const before = encodeModel(model);
    await differentiate(model);
    expect(encodeModel(model)).toEqual(before);
  });

  it('writes a step whose running statistics and scales stay apart in stock onnxruntime', async () => {
    const { model, step } = await differentiate(join(fixtures, 'resnet18_quarter.onnx'), {
      optimizer: { name: 'sgd' },
      learningRate: 0,
    });
    const { model: plain, target } = await differentiate(join(fixtures, 'resnet18_quarter.onnx'));
    const input = toOrt(decodeNpy(readFileSync(join(fixtures, 'resnet18_quarter.input.npy')), 'input'));
    const labels = toOrt(decodeNpy(readFileSync(join(fixtures, 'resnet18_quarter.labels.npy')), 'labels'));
    const expected = await runFile(encodeModel(plain), { input, [target!]: labels });
    const session = await ort.InferenceSession.create(encodeModel(model), { logSeverityLevel: 4 });
    const state = await runFile(encodeModel(step!.initial), {});
    const before = structuredClone(Object.fromEntries(Object.entries(state).map(([name, { data }]) => [name, data])));
    const rate = new ort.Tensor('float32', [0], []);
    // At learning rate 0 nothing but the statistics moves, which a network in training mode does not read.
    for (let run = 0; run < 2; run++) {
      const feeds = { input, [target!]: labels, [step!.learningRateInput]: rate, ...state };
      const results = (await session.run(feeds)) as Record<string, ort.Tensor>;
      expect(Number(results.loss!.data[0])).toBeCloseTo(Number(expected.loss!.data[0]), 5);
      for (const { input: name, output, role } of step!.state) {
        expect(state[name]!.data, `${name}, which was fed`).toEqual(before[name]);
        if (role === 'parameter') expect(results[output]!.data, name).toEqual(before[name]);
      }
    }
    const statistics = step!.state.filter(({ role }) => role === 'running-statistic');
    expect(new Set(statistics.map(({ input: name }) => name)).size).toBe(40);
  });

  it('says which values have no path from the loss', async () => {
    const model = mlp({ depth: 2 });
    model.graph.initializers.set('unused.weight', tensorOf('float32', [2, 2], [1, 2, 3, 4]));
    const { disconnected, gradients } = await differentiate(model);
    expect(disconnected).toEqual(['unused.weight']);
    expect(gradients.has('unused.weight')).toBe(false);
  });

  it('refuses names the model does not have, and values that are no floats', async () => {
    await expect(differentiate(mlp({ depth: 2 }), { wrt: ['hiden.0.weight'] })).rejects.toThrow(
      'no value "hiden.0.weight"',
    );
  });
});

/** No two nodes with the same operator, inputs and attributes; no output that nothing reads. */
function expectLean(graph: Graph): void {
  const readers = consumers(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const seen = new Map<string, string>();
  for (const node of graph.nodes) {
    const isRead = node.outputs.some((name) => outputs.has(name) || readers.has(name));
    expect(isRead, `${node.op} ${node.name} is computed for nothing`).toBe(true);
    if (!node.origin) continue;
    const key = JSON.stringify([node.op, node.inputs, node.attributes]);
    expect(seen.get(key), `${node.name} repeats`).toBeUndefined();
    seen.set(key, node.name);
  }
}
