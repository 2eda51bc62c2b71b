import { describe, expect, it } from 'vitest';
import type { Model } from '../../src/graph/graph.ts';
import { encodeModel } from '../../src/graph/onnx/encode.ts';
import { type Tensor, tensorOf } from '../../src/graph/tensor.ts';
import { createRandom } from '../../src/random/random.ts';
import { readModelSource } from '../../src/readers/index.ts';
import { memorySource } from '../../src/readers/source.ts';
import { loadDigit } from '../../src/runtime/node/mnist-files.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { tensorData } from '../../src/verbs/open-data.ts';
import { type TrainEvent, type TrainOptions, train } from '../../src/verbs/train.ts';
import { openTrainingData, type TrainingData } from '../../src/verbs/training-data.ts';
import { chain, mlp } from '../helpers/networks.ts';

const runtime = nodeRuntime({ threads: 1 });

const spec = (text: string) => readModelSource(memorySource('network.yaml', new TextEncoder().encode(text)));

const small = `
input: 784
layers:
  - dense: {units: 32, activation: relu, name: hidden}
  - dense: {units: 10, name: out}
init: he
loss: cross-entropy
`;
const noisy = `
input: 784
layers:
  - dense: {units: 16, name: first}
  - batch-norm: {name: norm}
  - relu
  - dropout: 0.25
  - dense: {units: 10, name: out}
init: he
loss: cross-entropy
`;

async function digits(samples: number, validation = 0): Promise<TrainingData> {
  const model = await spec(small);
  const settings = { samples, validation, seed: 0, loadDigits: loadDigit, output: model.graph.outputs[0] };
  return openTrainingData({ kind: 'named', name: 'mnist' }, model.graph.inputs, settings);
}

type Of<K> = TrainEvent extends infer E ? (E extends { kind: infer Own } ? (K extends Own ? E : never) : never) : never;

async function collect(model: Parameters<typeof train>[0], options: Omit<TrainOptions, 'runtime'>) {
  const events: TrainEvent[] = [];
  for await (const event of train(model, { runtime, ...options })) events.push(event);
  const only = <K extends TrainEvent['kind']>(kind: K) => events.filter((event) => event.kind === kind) as Of<K>[];
  return { events, only, end: only('end')[0]! };
}

const bytesOf = (tensors: ReadonlyMap<string, Tensor>) =>
  Object.fromEntries(
    [...tensors].map(([name, { data }]) => [name, Buffer.from((data as Float32Array).slice().buffer).toString('hex')]),
  );

/** Rows of a matrix and targets, in order, as training data. */
function rowsOf(inputs: number[][], targets?: number[][]): TrainingData {
  return {
    name: 'rows',
    real: true,
    notes: [],
    size: inputs.length,
    count: (split) => (split === 'training' ? inputs.length : 0),
    async *batches({ batch, skip = 0 }) {
      for (let at = skip * batch; at + batch <= inputs.length; at += batch) {
        const take = (rows: number[][]) => {
          const some = rows.slice(at, at + batch);
          return tensorOf('float32', [batch, some[0]!.length], some.flat());
        };
        yield { inputs: new Map([['x', take(inputs)]]), ...(targets && { target: take(targets) }) };
      }
    },
    close: async () => {},
  };
}

describe('training', () => {
  it('refuses to validate rows that have no target', async () => {
    const inputs = new Map([['', tensorOf('float32', [100, 784], new Float32Array(78_400).fill(0.5))]]);
    const model = await spec(small);
    const open = (validation: number) =>
      openTrainingData({ kind: 'tensors', from: 'x.npy', inputs }, model.graph.inputs, { validation, seed: 0 });
    const refused = collect(model, { data: await open(0.2), steps: 2 });
    await expect(refused).rejects.toMatchObject({ code: 'no-target', where: 'x.npy' });
    expect((await collect(model, { data: await open(0), steps: 2 })).only('step')).toHaveLength(2);
  });

  it('learns handwritten digits', async () => {
    const { only, end } = await collect(await spec(small), {
      data: await digits(2000, 0.2),
      epochs: 5,
      batch: 32,
      optimizer: { name: 'adam' },
    });
    expect(end).toMatchObject({ reason: 'done', step: 250, epoch: 5 });
    expect(only('epoch').map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5]);
    // 0.9 here and in PyTorch; one class of ten guessed is 0.1.
    expect(only('validation').at(-1)!.metrics.accuracy).toBeGreaterThan(0.8);
    expect(only('epoch').at(-1)!.loss).toBeLessThan(only('epoch')[0]!.loss / 2);
  });

  it('gives norms for each layer, whose squares add up to the whole gradient', async () => {
    const { only } = await collect(await spec(small), { data: await digits(64), steps: 2, batch: 32 });
    expect(only('start')[0]!.layers.map(({ name }) => name)).toEqual(['hidden', 'out']);
    for (const { layers, gradientNorm } of only('step')) {
      expect(Math.hypot(...layers.map((layer) => layer.gradientNorm!))).toBeCloseTo(gradientNorm!, 10);
      for (const { updateNorm, weightNorm } of layers) expect(updateNorm! / weightNorm!).toBeGreaterThan(1e-4);
    }
  });

  it('writes a model that onnxruntime runs to the very outputs that were scored', async () => {
    const data = await digits(400, 0.25);
    const { only, end } = await collect(await spec(noisy), { data, epochs: 2, batch: 30 });
    expect(end.model.graph.nodes.map(({ op }) => op)).toContain('BatchNormalization');
    const written = await readModelSource(memorySource('model.onnx', encodeModel(end.model)));
    const session = await runtime.load(written);
    let [right, rows] = [0, 0];
    for await (const { inputs, target } of data.batches({ batch: 100, split: 'validation' })) {
      const logits = (await session.run(inputs, [written.graph.outputs[0]!.name])).values().next().value!;
      Array.from(target!.data as BigInt64Array, Number).forEach((label, row) => {
        const scores = Array.from((logits.data as Float32Array).slice(10 * row, 10 * row + 10));
        right += +(scores.indexOf(Math.max(...scores)) === label);
        rows++;
      });
    }
    await session.release();
    expect(rows).toBe(100);
    expect(only('validation').at(-1)!.metrics.accuracy).toBeCloseTo(right / rows, 6);
  });

  it('is the same run again after a pause at any step, to the bit', async () => {
    const data = await digits(160, 0.2);
    const model = await spec(noisy);
    const options = {
      data,
      batch: 16,
      epochs: 3,
      optimizer: { name: 'adam' },
      schedule: { kind: 'plateau', every: 1, factor: 0.5, warmUp: 4 },
      checkpointEvery: { steps: 1 },
      seed: 3,
    } as const;
    const whole = await collect(model, options);
    const steps = whole.only('step').map(({ step, loss, learningRate }) => ({ step, loss, learningRate }));
    expect(steps).toHaveLength(24);
    for (const at of [1, 8, 13, 23]) {
      const saved = whole.only('checkpoint').find(({ step }) => step === at)!;
      // Through JSON, as on disk.
      const progress = JSON.parse(JSON.stringify(saved.progress));
      const resumed = await collect(model, { ...options, resume: { progress, tensors: saved.tensors } });
      expect(resumed.only('step').map(({ step, loss, learningRate }) => ({ step, loss, learningRate }))).toEqual(
        steps.slice(at),
      );
      expect(bytesOf(resumed.only('checkpoint').at(-1)!.tensors)).toEqual(
        bytesOf(whole.only('checkpoint').at(-1)!.tensors),
      );
      expect(resumed.only('epoch')).toEqual(whole.only('epoch').filter(({ step }) => step >= at));
      expect(resumed.only('validation')).toEqual(whole.only('validation').filter(({ step }) => step >= at));
    }
  });

  it('does not let the batch order or the masks depend on what is watched', async () => {
    const data = await digits(96);
    const options = { data, batch: 16, epochs: 2, seed: 1 };
    const plain = await collect(await spec(noisy), { ...options, monitor: false });
    const watched = await collect(await spec(noisy), { ...options, inspectEvery: 2 });
    const losses = ({ only }: typeof plain) => only('step').map(({ loss }) => loss);
    for (const [i, loss] of losses(watched).entries()) expect(loss).toBeCloseTo(losses(plain)[i]!, 4);
    expect(watched.only('step').map(({ inspected }) => inspected !== undefined)).toEqual([
      true,
      false,
      true,
      false,
      true,
      false,
      true,
      false,
      true,
      false,
      true,
      false,
    ]);
  });

  it('stops when told to, with what was reached', async () => {
    const controller = new AbortController();
    const events: TrainEvent[] = [];
    const options = { runtime, data: await digits(320), batch: 32, epochs: 50, signal: controller.signal };
    for await (const event of train(await spec(small), options)) {
      events.push(event);
      if (event.kind === 'step' && event.step === 7) controller.abort();
    }
    expect(events.at(-2)).toMatchObject({ kind: 'checkpoint', step: 7 });
    expect(events.at(-1)).toMatchObject({ kind: 'end', step: 7, reason: 'aborted' });
  });

  it('leaves frozen parameters as they are', async () => {
    const model = await spec(small);
    const { end } = await collect(model, { data: await digits(64), steps: 3, batch: 32, freeze: ['hidden*'] });
    for (const [name, tensor] of model.graph.initializers) {
      const same = Buffer.from((tensor.data as Float32Array).buffer).equals(
        Buffer.from((end.model.graph.initializers.get(name)!.data as Float32Array).slice().buffer),
      );
      expect(same, name).toBe(name.startsWith('hidden'));
    }
  });

  it('trains a model whose output is its own loss', async () => {
    const inputs = Array.from({ length: 4 }, () => [1, 1]);
    const model = chain(2, 'Sigmoid', [
      [1, 0],
      [0, 1],
    ]);
    const { only } = await collect(model, {
      data: rowsOf(inputs),
      steps: 4,
      batch: 1,
      optimizer: { name: 'sgd' },
      learningRate: 1,
    });
    const losses = only('step').map(({ loss }) => loss);
    expect(losses.toSorted((a, b) => b - a)).toEqual(losses);
  });
});

describe('made-up labels', () => {
  const random = createRandom(2);
  const file = tensorOf(
    'float32',
    [64, 20],
    Float32Array.from({ length: 1280 }, () => random.normal()),
  );
  it.each([
    [
      'made-up rows',
      (model: Model) =>
        openTrainingData({ kind: 'none' }, model.graph.inputs, { samples: 64, output: model.graph.outputs[0] }),
    ],
    [
      'rows of a file without a target',
      (model: Model) => tensorData('x.npy', new Map([['', file]]), model.graph.inputs),
    ],
  ])('stay with %s over the epochs: they can be learned by heart', async (_, open) => {
    const model = await spec(`
input: 20
layers:
  - dense: { units: 64, activation: relu }
  - dense: 4
init: he-normal
loss: cross-entropy`);
    let loss = Number.NaN;
    for await (const event of train(model, {
      runtime,
      data: await open(model),
      batch: 16,
      steps: 400,
      learningRate: 0.01,
    })) {
      if (event.kind === 'step') loss = event.loss;
    }
    // A constant answer has ln 4 = 1.39.
    expect(loss).toBeLessThan(0.1);
  });
});

describe('a fault', () => {
  it('ends training at the step where numbers stop being finite, and names it and a layer', async () => {
    const model = mlp({ depth: 4, activation: 'Relu', gain: 2, inputs: 8, outputs: 1 });
    const inputs = Array.from({ length: 64 }, (_, i) => Array.from({ length: 8 }, (_, j) => Math.sin(3 * i + j)));
    const { only, end } = await collect(model, {
      data: rowsOf(
        inputs,
        inputs.map(([x]) => [x!]),
      ),
      loss: 'mse',
      optimizer: { name: 'sgd' },
      learningRate: 1e6,
      epochs: 3,
    });
    const [fault] = only('fault');
    const broken = only('step').find(
      ({ loss, gradientNorm }) => !Number.isFinite(loss) || !Number.isFinite(gradientNorm!),
    );
    expect(fault!.fault.kind).toBe('non-finite');
    expect(fault!.step).toBe(broken!.step);
    expect(fault!.fault.message).toContain(`step ${broken!.step}`);
    const layers = only('start')[0]!.layers.map(({ name }) => name);
    expect(fault!.where.length).toBeGreaterThan(0);
    for (const place of fault!.where) expect(layers).toContain(place);
    expect(fault!.report.diagnosis.verdict).not.toBe('healthy');
    expect(end).toMatchObject({ reason: 'fault', step: fault!.step - 1 });
    for (const { data } of end.model.graph.initializers.values()) {
      for (const x of data as Float32Array) expect(Number.isFinite(x)).toBe(true);
    }
  });

  it('is a loss that grows past what a constant answer has, and says since when', async () => {
    // y = 3 x by gradient descent: the error is multiplied by 1 − 2 η mean(x²) = −1.5 a step.
    const inputs = Array.from({ length: 16 }, (_, i) =>
      Array.from({ length: 16 }, (_, j) => (i % 2 === 0 ? 1 : -1) * (j === 0 ? 1 : 0)),
    );
    const model = mlp({ depth: 0, inputs: 16, outputs: 1, gain: 0.1 });
    const { only, end } = await collect(model, {
      data: rowsOf(
        inputs,
        inputs.map(([x]) => [3 * x!]),
      ),
      loss: 'mse',
      optimizer: { name: 'sgd' },
      learningRate: 1.25,
      steps: 60,
    });
    const [fault] = only('fault');
    expect(fault!.fault).toMatchObject({ kind: 'divergence', since: 1, parameters: [] });
    expect(only('step')[1]!.loss / only('step')[0]!.loss).toBeCloseTo(2.25, 1);
    // The smoothed loss is 4 times the first: the mean of 2.25^t over t < 6 is 4.1 with the weights of 0.98.
    expect(fault!.step).toBeGreaterThan(3);
    expect(fault!.step).toBeLessThan(9);
    expect(end.step).toBe(fault!.step);
  });

  it('is found in data that hold NaN', async () => {
    const inputs = Array.from({ length: 64 }, (_, i) =>
      Array.from({ length: 16 }, (_, j) => (i === 40 && j === 3 ? Number.NaN : Math.cos(i + j))),
    );
    const { only } = await collect(mlp({ depth: 1, outputs: 1 }), {
      data: rowsOf(
        inputs,
        inputs.map(() => [1]),
      ),
      loss: 'mse',
      epochs: 1,
    });
    const [fault] = only('fault');
    // Batches of 16 rows: row 40 is in the third.
    expect(fault!.step).toBe(3);
    expect(fault!.report.diagnosis.findings[0]!.title).toMatch(/the input x holds 1 NaN/);
  });

  it('is none where a trained network starts anew with a small loss that rises', async () => {
    const inputs = Array.from({ length: 32 }, (_, i) => Array.from({ length: 16 }, (_, j) => Math.cos(i * j)));
    const model = mlp({ depth: 0, outputs: 1, inputs: 16 });
    const weights = model.graph.initializers.get('out.weight')!.data as Float32Array;
    const targets = inputs.map((row, i) => [row.reduce((sum, x, j) => sum + x * weights[j]!, 0) + 1e-4 * Math.sin(i)]);
    const { end, only } = await collect(model, {
      data: rowsOf(inputs, targets),
      loss: 'mse',
      epochs: 3,
      learningRate: 0.01,
      optimizer: { name: 'adam' },
    });
    const losses = only('step').map(({ loss }) => loss);
    expect(Math.max(...losses)).toBeGreaterThan(100 * losses[0]!);
    expect(end.reason).toBe('done');
  });
});

describe('options that make no sense', () => {
  it.each<[string, Partial<TrainOptions>, RegExp]>([
    ['a learning rate of 0', { learningRate: 0 }, /learning rate is 0; expected a number above 0/],
    ['a learning rate that is not a number', { learningRate: Number.NaN }, /learning rate is NaN/],
    ['no steps', { steps: 0 }, /steps is 0/],
    ['half an epoch', { epochs: 0.5 }, /epochs is 0\.5/],
    ['a batch larger than the data', { batch: 1000 }, /batch of 1000 rows cannot be filled; there are 64 rows/],
    ['an unknown optimizer', { optimizer: { name: 'adamm' } }, /no optimizer "adamm"; .*adam/],
    ['a negative clipping limit', { clipping: { kind: 'norm', maximum: -1 } }, /-1/],
    ['an unknown parameter to freeze', { freeze: ['nothing'] }, /no parameter is called "nothing"/],
    ['everything frozen', { freeze: ['*'] }, /no parameter is left to train/],
    ['warm-up of no step', { schedule: { warmUp: -3 } }, /warm-up: -3/],
    ['more micro-batches than there are', { batch: 32, microBatches: 5 }, /data end after 2 of the 5 batches/],
  ])('%s', async (_, options, message) => {
    const data = await digits(64);
    const failure = collect(await spec(small), { data, steps: 1, ...options }).then(
      () => 'nothing was thrown',
      (error) => (error.describe ? error.describe() : `not a UserError: ${error.stack}`),
    );
    expect(await failure).toMatch(message);
  });
});
