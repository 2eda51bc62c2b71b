import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { modelOf } from '../../src/graph/graph.ts';
import { encodeModel } from '../../src/graph/onnx/encode.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { runCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradient-doctor-differentiate-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string) => join(folder, name);

describe('gradient-doctor differentiate', () => {
  it('writes a file that stock onnxruntime runs, and says how', async () => {
    const output = file('gradient.onnx');
    const { code, stdout, stderr } = await runCli([
      'differentiate',
      'examples/relu10.yaml',
      '--batch',
      '3',
      '--output',
      output,
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('21 forward, ');
    expect(stdout).toContain('target: int64 [3]');
    expect(stdout).toContain(`ort.InferenceSession(${JSON.stringify(output)})`);
    const session = await ort.InferenceSession.create(readFileSync(output));
    expect(session.outputNames).toContain('grad:hidden.0.weight');
    const x = new ort.Tensor('float32', new Float32Array(3 * 784).fill(0.5), [3, 784]);
    const target = new ort.Tensor('int64', new BigInt64Array([1n, 2n, 3n]), [3]);
    const results = await session.run({ [session.inputNames[0]!]: x, target });
    // The gradient of mean cross-entropy with respect to the output's bias: (softmax − one-hot) summed over the batch.
    const bias = results['grad:out.bias']!.data as Float32Array;
    expect(bias.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 5);
    expect(Number(results.loss!.data[0])).toBeGreaterThan(0);
  });

  it('writes a training step with --optimizer: run with what comes back, the loss falls', async () => {
    const output = file('step.onnx');
    const options = ['--batch', '4', '--optimizer', 'adam', '--lr', '0.002', '--output', output];
    const { code, stdout, stderr } = await runCli(['differentiate', 'examples/relu10.yaml', ...options]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('learning_rate, 22 parameters and 45 tensors of state');
    expect(stdout).toContain('"learning_rate": np.array(0.002, np.float32)');
    const initial = await ort.InferenceSession.create(readFileSync(file('step.state.onnx')));
    const session = await ort.InferenceSession.create(readFileSync(output));
    const x = new ort.Tensor(
      'float32',
      Float32Array.from({ length: 4 * 784 }, (_, i) => Math.sin(i * i)),
      [4, 784],
    );
    const target = new ort.Tensor('int64', new BigInt64Array([1n, 2n, 3n, 4n]), [4]);
    const rate = new ort.Tensor('float32', [0.002], []);
    let state = (await initial.run({})) as Record<string, ort.Tensor>;
    const losses: number[] = [];
    for (let i = 0; i < 12; i++) {
      const results = (await session.run({
        [session.inputNames[0]!]: x,
        target,
        learning_rate: rate,
        ...state,
      })) as Record<string, ort.Tensor>;
      losses.push(Number(results.loss!.data[0]));
      const next = Object.entries(results).filter(([name]) => name.endsWith(':next'));
      state = Object.fromEntries(next.map(([name, tensor]) => [name.replace(/:next$/, ''), tensor]));
    }
    expect(losses.at(-1)! / losses[0]!).toBeLessThan(0.5);
    expect(state['optimizer:steps']!.data[0]).toBe(12n);
  });

  it('refuses to overwrite, to differentiate what is not there, and shapes that are none', async () => {
    const output = file('taken.onnx');
    writeFileSync(output, 'mine');
    const runs = [
      [['--output', output], 'already exists; --force overwrites it'],
      [['--output', file('a.onnx'), '--wrt', 'hiden.0.weight'], 'the model has no value "hiden.0.weight"; '],
      [['--output', file('a.onnx'), '--lr', '0.1'], '--lr: a gradient has no learning rate; add --optimizer'],
      [['--output', file('a.onnx'), '--optimizer', 'adma'], 'did you mean "adam"?'],
      [['--output', file('a.onnx'), '--optimizer', 'adam', '--wrt', 'inputs'], 'the model has no parameter "input"'],
      [['--output', file('a.onnx'), '--shape', 'input=3,x'], '--shape: "input=3,x" is not possible'],
      [['--output', file('a.onnx'), '--shape', 'imput=3,784'], 'the model has no input "imput"'],
      [['--output', file('a.onnx'), '--loss', 'croos-entropy'], 'did you mean "cross-entropy"?'],
    ] as const;
    for (const [options, message] of runs) {
      const { code, stdout, stderr } = await runCli(['differentiate', 'examples/relu10.yaml', ...options]);
      expect(code, stderr).toBe(2);
      expect(stdout).toBe('');
      expect(stderr).toContain(message);
      expect(stderr.trim().split('\n')).toHaveLength(1);
    }
    expect(readFileSync(output, 'utf8')).toBe('mine');
    expect(existsSync(file('a.onnx'))).toBe(false);
  });

  it('names the node, the operator, the opset and the parameter that it blocks', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [1, 1, 4, 4]);
    const W = g.initializer('first.weight', tensorOf('float32', [1, 1, 1, 1], [2]));
    const y = g.add('Conv', [x, W], [['float32', [1, 1, 4, 4]]], {}, { node: 'first', outputs: ['y'] })[0]!;
    const grid = g.constant(tensorOf('float32', [1, 4, 4, 2], new Array(32).fill(0.25)));
    const sampled = g.add(
      'GridSample',
      [y, grid],
      [['float32', [1, 1, 4, 4]]],
      {},
      { node: 'sample', outputs: ['z'] },
    )[0]!;
    g.output(g.reduceSum(sampled, [0, 1, 2, 3], false));
    writeFileSync(file('blocked.onnx'), encodeModel(modelOf(g.graph)));
    const { code, stderr } = await runCli(['differentiate', file('blocked.onnx'), '--output', file('b.onnx')]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/node "sample": operator GridSample \(opset 21\) .*"first\.weight"/);
    expect(readdirSync(folder)).not.toContain('b.onnx');
  });
});
