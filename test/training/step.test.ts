import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { OutputSpec } from '../../src/graph/assembler.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { type Model, modelOf } from '../../src/graph/graph.ts';
import { type Tensor, tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import { bindShapes } from '../../src/runtime/bind.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { dropoutMask } from '../../src/training/dropout.ts';
import { attachLoss, planLoss } from '../../src/training/losses.ts';
import { buildTrainingStep, type StepOptions } from '../../src/training/step.ts';
import { openStep } from './run-step.ts';

/** A network trained by PyTorch: generate_training.py stands beside. */
const truth: {
  x: number[][][];
  y: number[][];
  initial: Record<string, number[]>;
  shapes: Record<string, number[]>;
  runs: Record<string, { losses: number[]; states: Record<string, number[]>[] }>;
} = JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/optimizers/training.json'), 'utf8'));

const trainable = Object.keys(truth.initial).filter((name) => !name.includes('running'));

const batchNormOutputs = (N: number, C: number): OutputSpec[] => [
  ['float32', [N, C]],
  ['float32', [C]],
  ['float32', [C]],
];

/** Linear, BatchNormalization, Tanh, [Dropout,] Linear with PyTorch's initial values. */
function network({ dropout }: { dropout?: number } = {}): Model {
  const g = new GraphBuilder();
  const [N, D, H, C] = [8, 4, 6, 3];
  const parameter = (name: string) =>
    g.initializer(name, tensorOf('float32', truth.shapes[name]!, truth.initial[name]!));
  const dense = (X: ReturnType<typeof parameter>, name: string, size: number) =>
    g.add(
      'Gemm',
      [X, parameter(`${name}.weight`), name === '0' ? undefined : parameter(`${name}.bias`)],
      [['float32', [N, size]]],
      {
        transB: 1,
      },
    )[0]!;
  const x = g.input('x', 'float32', [N, D]);
  const norm = ['weight', 'bias', 'running_mean', 'running_var'].map((part) => parameter(`1.${part}`));
  const attributes = { training_mode: 1, momentum: 0.9, epsilon: 1e-5 };
  const [normalized] = g.add('BatchNormalization', [dense(x, '0', H), ...norm], batchNormOutputs(N, H), attributes);
  let hidden = g.tanh(normalized!);
  if (dropout !== undefined) {
    const training = g.constant({ type: 'bool', dims: [], data: new Uint8Array([1]) });
    hidden = g.add(
      'Dropout',
      [hidden, g.scalar(dropout, 'float32'), training],
      [['float32', [N, H]]],
      { seed: 1 },
      { node: 'drop' },
    )[0]!;
  }
  g.output(dense(hidden, '3', C));
  return modelOf(g.graph, 'network');
}

const batch = (t: number) => ({
  x: tensorOf('float32', [8, 4], truth.x[t]!.flat()),
  y: tensorOf('int64', [8], truth.y[t]!),
});

async function build(model: Model, options: Partial<StepOptions> & Pick<StepOptions, 'optimizer'>) {
  const { x, y } = batch(0);
  const { graph, binding } = await bindShapes(nodeRuntime({ threads: 1 }), model, new Map([['x', x]]));
  const plan = planLoss(graph, binding, { kind: 'cross-entropy', target: y });
  return buildTrainingStep(attachLoss(graph, binding, plan), plan, { parameters: trainable, opset: 21, ...options });
}

/** Trains over all batches; the losses, and the state after each update. */
async function train(
  step: Awaited<ReturnType<typeof build>>,
  learningRate: number,
  masks?: (run: number) => [string, Tensor][],
) {
  const open = await openStep(step);
  const losses: number[] = [];
  const states: Record<string, number[]>[] = [];
  for (let t = 0; t < truth.x.length; t++) {
    const { x, y } = batch(t);
    const feeds = new Map([['x', x], [step.target!, y], ...(masks?.(t) ?? [])] as [string, Tensor][]);
    const isUpdate = (t + 1) % step.microBatches === 0;
    const outputs = isUpdate ? await open.run(feeds, learningRate) : await open.accumulate(feeds);
    losses.push(toFloat64(outputs.get(step.loss)!)[0]!);
    if (isUpdate)
      states.push(Object.fromEntries([...open.state].map(([name, tensor]) => [name, [...toFloat64(tensor)]])));
  }
  return { losses, states };
}

describe('a training step', () => {
  const cases: Record<string, [number, Partial<StepOptions> & Pick<StepOptions, 'optimizer'>]> = {
    momentum: [0.1, { optimizer: { name: 'momentum' } }],
    adam: [0.01, { optimizer: { name: 'adam' } }],
    'adamw-accumulated-clipped': [
      0.01,
      { optimizer: { name: 'adamw' }, microBatches: 2, clipping: { kind: 'norm', maximum: 0.5 } },
    ],
    frozen: [
      0.1,
      { optimizer: { name: 'sgd' }, parameters: trainable.filter((name) => name !== '0.weight' && name !== '1.bias') },
    ],
  };
  it.each(Object.entries(cases))(
    '%s: PyTorch’s losses, parameters and running statistics',
    async (name, [rate, options]) => {
      const step = await build(network(), options);
      const { losses, states } = await train(step, rate);
      const expected = truth.runs[name]!;
      expected.losses.forEach((loss, t) => {
        expect(losses[t], `loss ${t}`).toBeCloseTo(loss, 5);
      });
      expect(states.length).toBe(expected.states.length);
      expected.states.forEach((state, t) => {
        for (const [parameter, values] of Object.entries(state)) {
          const actual = states[t]![parameter] ?? truth.initial[parameter]!;
          values.forEach((value, i) => {
            expect(actual[i], `${parameter} after update ${t}`).toBeCloseTo(value, 4);
          });
        }
      });
    },
  );

  it('says what goes in and comes out', async () => {
    const step = await build(network(), {
      optimizer: { name: 'adam' },
      monitors: ['gradient'],
      expose: { gradients: true },
    });
    expect(step.inputs).toEqual(['x']);
    expect(step.state.filter(({ role }) => role === 'parameter').map(({ input, output }) => [input, output])).toEqual(
      trainable.map((name) => [name, `${name}:next`]),
    );
    const roles = step.state.map(({ role, input }) => `${role} ${input}`);
    expect(roles).toContain('slot 0.weight:first_moment');
    expect(roles).toContain('counter optimizer:steps');
    expect(roles).toContain('running-statistic 1.running_var');
    expect(step.gradients.get('1.bias')).toBe('grad:1.bias');
    const declared = new Set(step.graph.outputs.map(({ name }) => name));
    for (const name of [step.loss, step.output, step.monitors.gradient!, ...step.gradients.values()]) {
      expect(declared).toContain(name);
    }
  });

  it('a run resumed from saved state equals an uninterrupted one bit for bit, dropout included', async () => {
    const step = await build(network({ dropout: 0.4 }), { optimizer: { name: 'adam' } });
    const [mask] = step.masks;
    expect(step.masks.map(({ name, rate }) => [name, rate.toFixed(6)])).toEqual([['drop', '0.400000']]);
    const feeds = (t: number) =>
      new Map([
        ['x', batch(t).x],
        [step.target!, batch(t).y],
        [mask!.input, dropoutMask(mask!, 7, t)],
      ] as [string, Tensor][]);
    const whole = await openStep(step);
    for (let t = 0; t < 6; t++) await whole.run(feeds(t), 0.05);
    const first = await openStep(step);
    for (let t = 0; t < 3; t++) await first.run(feeds(t), 0.05);
    const second = await openStep(step);
    for (const [name, tensor] of first.state) second.state.set(name, structuredClone(tensor));
    for (let t = 3; t < 6; t++) await second.run(feeds(t), 0.05);
    for (const [name, tensor] of whole.state) expect(second.state.get(name)!.data, name).toEqual(tensor.data);
  });

  it('dropout keeps the mask’s elements, scaled: the loss with everything kept at rate 0.5 is that of doubled units', async () => {
    const step = await build(network({ dropout: 0.5 }), { optimizer: { name: 'sgd' } });
    const full = { type: 'bool' as const, dims: [8, 6], data: new Uint8Array(48).fill(1) };
    const none = { ...full, data: new Uint8Array(48) };
    const kept = await train(step, 0, () => [[step.masks[0]!.input, full]]);
    const dropped = await train(step, 0.1, () => [[step.masks[0]!.input, none]]);
    const doubled = network();
    doubled.graph.initializers.set(
      '3.weight',
      tensorOf(
        'float32',
        [3, 6],
        truth.initial['3.weight']!.map((w) => 2 * w),
      ),
    );
    const expected = await train(await build(doubled, { optimizer: { name: 'sgd' } }), 0);
    expect(kept.losses[0]).toBeCloseTo(expected.losses[0]!, 6);
    // Nothing passes the dropped units, not even gradient: only the last bias moves.
    expect(dropped.states.at(-1)!['0.weight']).toEqual(dropped.states[0]!['0.weight']);
    expect(dropped.states.at(-1)!['3.bias']).not.toEqual(dropped.states[0]!['3.bias']);
  });

  it('masks drop at their rate, differ between runs, seeds and nodes, and repeat', () => {
    const mask = { name: 'a', input: 'a:mask', shape: [100, 1000], rate: 0.3 };
    const draw = (name: string, seed: number, run: number) =>
      dropoutMask({ ...mask, name }, seed, run).data as Uint8Array;
    const base = draw('a', 1, 1);
    const mean = (values: Uint8Array) => values.reduce((a, b) => a + b, 0) / values.length;
    // Five standard deviations of a binomial share.
    const bound = 5 * Math.sqrt((0.3 * 0.7) / 1e5);
    expect(Math.abs(mean(base) - 0.7)).toBeLessThan(bound);
    expect(draw('a', 1, 1)).toEqual(base);
    for (const other of [draw('a', 1, 2), draw('a', 2, 1), draw('b', 1, 1)]) {
      expect(Math.abs(mean(other.map((x, i) => x & base[i]!)) - 0.49)).toBeLessThan(bound);
    }
    // Neighbours, in rows and columns, are independent too.
    for (const lag of [1, 2, 64, 1000]) {
      const both = base.subarray(lag).map((x, i) => x & base[i]!);
      expect(Math.abs(mean(both) - 0.49), `lag ${lag}`).toBeLessThan(2 * bound);
    }
    expect(mean(dropoutMask({ ...mask, rate: 1 }, 0, 0).data as Uint8Array)).toBe(0);
  });

  it('gives each BatchNormalization its own statistics where one tensor was stored for two', async () => {
    const model = network();
    const stored = model.graph.initializers;
    const g = new GraphBuilder(model.graph, [{ name: '3', type: 'float32', shape: [8, 3] }]);
    const ones = g.constant(tensorOf('float32', [3], [1, 1, 1]));
    const zeros = g.initializer('zeros', tensorOf('float32', [3], [0, 0, 0]));
    let y = { name: model.graph.outputs[0]!.name, type: 'float32' as const, shape: [8, 3] as readonly number[] };
    for (let i = 0; i < 2; i++) {
      y = g.add('BatchNormalization', [g.shift(y, i + 1), ones, zeros, zeros, ones], batchNormOutputs(8, 3), {
        training_mode: 1,
      })[0]! as typeof y;
    }
    model.graph.outputs = [{ name: y.name, type: 'float32', shape: [8, 3] }];
    expect(stored.has('zeros')).toBe(true);
    const step = await build(model, { optimizer: { name: 'sgd' } });
    const { states } = await train(step, 0.1);
    const means = step.state.filter(
      ({ name, role }) => role === 'running-statistic' && /_mean/.test(name) && !name.startsWith('1.'),
    );
    expect(means.length).toBe(2);
    const [a, b] = means.map(({ input }) => states.at(-1)![input]!);
    expect(b!.every((value) => Math.abs(value - 2 * (1 - 0.9 ** 6)) < 1e-4)).toBe(true);
    expect(a).not.toEqual(b);
  });

  it('refuses parameters that do not exist, nothing to train, and fractions of micro-batches', async () => {
    const optimizer = { name: 'sgd' };
    await expect(build(network(), { optimizer, parameters: ['0.wieght'] })).rejects.toThrow('no parameter "0.wieght"');
    await expect(build(network(), { optimizer, parameters: [] })).rejects.toThrow('no parameter is left to train');
    await expect(build(network(), { optimizer, microBatches: 1.5 })).rejects.toThrow('1.5 micro-batches');
  });
});
