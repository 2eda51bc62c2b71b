import { zipSync } from 'fflate';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeNpy } from '../../src/data/index.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { createRandom } from '../../src/random/random.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { contentHash, identifyTask } from '../../src/trials/identify.ts';
import type { TrialResult } from '../../src/trials/trial.ts';
import { decodeResult, decodeTask, encodeResult, encodeTask } from '../../src/trials/trial-json.ts';
import { runTrial } from '../../src/verbs/run-trial.ts';
import { smallTrials, withoutSeconds } from '../trials/tasks.ts';

const runtime = nodeRuntime({ threads: 1 });

describe('runTrial', () => {
  let trials: Awaited<ReturnType<typeof smallTrials>>;
  beforeAll(async () => {
    trials = await smallTrials();
  });

  it('trains, scores what was held out, and measures the gradient before and after', async () => {
    const { artifacts, taskOf } = trials;
    const steps: number[] = [];
    const task = await taskOf({ steps: 300, gradient: 'both' });
    const result = await runTrial(task, artifacts, { runtime, onProgress: ({ step }) => steps.push(step) });
    expect(result).toMatchObject({ id: task.id, plan: 'baseline', seed: 0, steps: 300, status: 'done' });
    expect(steps).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
    // Three blobs that hardly overlap.
    expect(result.heldOut!.accuracy).toBeGreaterThan(0.9);
    expect(result.heldOut!.loss).toBeLessThan(0.3);
    const { training, heldOutLosses = [], decades } = result;
    expect(training.length).toBeLessThanOrEqual(200);
    expect(training.at(-1)!.step).toBe(300);
    expect(training.at(-1)!.loss).toBeLessThan(training[0]!.loss / 3);
    // 40 rows in batches of one: each row is one, and their mean is the loss.
    expect(heldOutLosses).toHaveLength(40);
    expect(heldOutLosses.reduce((sum, loss) => sum + loss, 0) / 40).toBeCloseTo(result.heldOut!.loss, 10);
    // Two tanh layers at Glorot's scale: near none.
    expect(Math.abs(decades!.before)).toBeLessThan(1);
    expect(decades!.after).not.toBe(decades!.before);
    expect(result.secondsPerStep! * 300).toBeLessThan(result.seconds);
    const short = await runTrial(await taskOf({ steps: 5 }), artifacts, { runtime });
    expect(short.decades).toEqual({ before: decades!.before });
  });

  it('gives the same bits for the same task, and others for another seed', async () => {
    const { artifacts, taskOf } = trials;
    const [a, b, c] = [
      await runTrial(await taskOf(), artifacts, { runtime }),
      await runTrial(await taskOf(), artifacts, { runtime: nodeRuntime({ threads: 1 }) }),
      await runTrial(await taskOf({ seed: 1 }), artifacts, { runtime }),
    ];
    expect(withoutSeconds(b)).toEqual(withoutSeconds(a));
    expect(c.heldOut).not.toEqual(a.heldOut);
    // The same rows are held out, and the same batch is measured, whatever the seed.
    expect(c.decades!.before).toBe(a.decades!.before);
  });

  it('scores the held-out rows by the loss the network was given with, whatever it is trained with', async () => {
    const random = createRandom(6);
    const x = Float32Array.from({ length: 4 * 64 }, () => random.normal());
    const y = Float32Array.from({ length: 3 * 64 }, (_, i) => (i % 3 === Math.floor(i / 3) % 3 ? 1 : 0));
    const bytes = zipSync({
      'x.npy': encodeNpy(tensorOf('float32', [64, 4], x)),
      'y.npy': encodeNpy(tensorOf('float32', [64, 3], y)),
    });
    const hash = await contentHash(bytes);
    const { artifacts, taskOf } = trials;
    const result = async (loss: 'mse' | 'cross-entropy', scoring: 'mse' | 'cross-entropy') => {
      // Nothing is learnt: the same weights are scored.
      const training = { optimizer: { name: 'sgd' }, learningRate: 1e-30, loss, output: 'out', batch: 16 } as const;
      const task = await taskOf({ training, scoring, steps: 5, data: { kind: 'packed', hash } });
      return runTrial(task, new Map([...artifacts, [hash, bytes]]), { runtime });
    };
    const own = await result('mse', 'mse');
    const paired = await result('cross-entropy', 'mse');
    const other = await result('cross-entropy', 'cross-entropy');
    expect(paired.heldOut!.loss).toBeCloseTo(own.heldOut!.loss, 6);
    const rounded = ({ heldOutLosses }: typeof own) => heldOutLosses!.map((loss) => loss.toFixed(5));
    expect(rounded(paired)).toEqual(rounded(own));
    expect(other.heldOut!.loss).not.toBeCloseTo(own.heldOut!.loss, 2);
    expect(other.heldOut!.accuracy).toBeDefined();
    expect(paired.heldOut!.accuracy).toBeUndefined();
  });

  it('gives every plan the same order of rows for a seed', async () => {
    const { artifacts, taskOf, model } = trials;
    const tiny = { optimizer: { name: 'sgd' }, learningRate: 1e-30, loss: 'cross-entropy', output: 'out', batch: 16 };
    const curve = async (plan: string, learningRate: number) => {
      const training = { ...tiny, learningRate } as const;
      return runTrial(await taskOf({ plan, model, training, steps: 12 } as never), artifacts, { runtime });
    };
    // Nothing is learnt: the losses are those of the batches alone.
    const [a, b] = [await curve('baseline', 1e-30), await curve('relu', 2e-30)];
    expect(b.training).toEqual(a.training);
  });

  it('takes packed data by their hash, and holds nothing out where nothing is asked', async () => {
    const random = createRandom(5);
    const x = Float32Array.from({ length: 4 * 64 }, () => random.normal());
    const y = BigInt64Array.from({ length: 64 }, (_, i) => (x[4 * i]! > 0 ? 1n : 0n));
    const bytes = zipSync({
      'x.npy': encodeNpy(tensorOf('float32', [64, 4], x)),
      'y.npy': encodeNpy({ type: 'int64', dims: [64], data: y }),
    });
    const hash = await contentHash(bytes);
    const { artifacts, taskOf } = trials;
    const task = await taskOf({ data: { kind: 'packed', hash }, validation: 0 });
    const result = await runTrial(task, new Map([...artifacts, [hash, bytes]]), { runtime });
    expect(result).toMatchObject({ status: 'done' });
    expect(result).not.toHaveProperty('heldOut');
    expect(result.training.at(-1)!.loss).toBeLessThan(0.7 * result.training[0]!.loss);
  });

  it('has a training that breaks down as a result, scored all the same', async () => {
    const { artifacts, taskOf } = trials;
    const training = {
      optimizer: { name: 'sgd' },
      learningRate: 1e30,
      loss: 'cross-entropy',
      output: 'out',
      batch: 16,
    };
    const result = await runTrial(await taskOf({ training } as never), artifacts, { runtime });
    expect(result).toMatchObject({ status: 'fault', steps: 60 });
    expect(result.fault!.step).toBeLessThan(60);
    expect(result.heldOutLosses).toHaveLength(40);
  });

  it.each([
    ['a model that is not there', { model: 'f'.repeat(64) }, /the model ffffffffffff… of the trial is missing/],
    [
      'data that are not there',
      { data: { kind: 'packed', hash: 'e'.repeat(64) } },
      /the data eeeeeeeeeeee… .* missing/,
    ],
    ['a path for a data set', { data: { kind: 'named', name: '/etc/passwd' } }, /no built-in data set; pack files/],
    ['an unknown optimizer', { training: { optimizer: { name: 'sdg' } } }, /no optimizer "sdg"; did you mean "sgd"/],
    ['too few rows', { data: { kind: 'named', name: 'blobs', samples: 10 } }, /batch of 16 rows cannot be filled/],
  ])('says what fails: %s', async (_, more, message) => {
    const { artifacts, taskOf } = trials;
    const task = await taskOf();
    const training = { ...task.training, ...(more as { training?: object }).training };
    const result = await runTrial({ ...task, ...more, training } as never, artifacts, { runtime });
    expect(result.status).toBe('failed');
    expect(result.error).toMatch(message);
  });

  it('refuses a model that is not what its hash says', async () => {
    const { artifacts, taskOf, model } = trials;
    const damaged = artifacts.get(model)!.slice();
    damaged[damaged.length - 5]! ^= 1;
    const result = await runTrial(await taskOf(), new Map([[model, damaged]]), { runtime });
    expect(result).toMatchObject({ status: 'failed', error: expect.stringMatching(/the model has the SHA-256/) });
  });

  it('ends when aborted', async () => {
    const { artifacts, taskOf } = trials;
    const abort = new AbortController();
    const onProgress = ({ step }: { step: number }) => step === 5 && abort.abort(new Error('enough'));
    const running = runTrial(await taskOf({ steps: 100_000 }), artifacts, {
      runtime,
      signal: abort.signal,
      onProgress,
    });
    await expect(running).rejects.toThrow('enough');
  });
});

describe('tasks and results on their way', () => {
  it('are the same task in whatever order its keys stand', async () => {
    const { taskOf } = await smallTrials();
    const { id, ...task } = await taskOf();
    const turned = Object.fromEntries(Object.entries(task).reverse()) as typeof task;
    expect((await identifyTask(turned)).id).toBe(id);
    expect((await identifyTask({ ...task, seed: 1 })).id).not.toBe(id);
  });

  it('come back as they were, NaN and infinities too', async () => {
    const { taskOf } = await smallTrials();
    const task = await taskOf();
    expect(decodeTask(encodeTask(task))).toEqual(task);
    const result: TrialResult = {
      id: task.id,
      plan: 'NaN',
      seed: 1,
      steps: 2,
      status: 'fault',
      training: [{ step: 1, loss: Number.NaN }],
      heldOut: { loss: Number.POSITIVE_INFINITY, accuracy: 0.1 + 0.2, rows: 40 },
      heldOutLosses: [Number.NEGATIVE_INFINITY, 5e-324],
      decades: { before: -5.9, after: -0.1 },
      fault: { kind: 'divergence', step: 1, message: 'the loss is NaN' },
      seconds: 0.1,
    };
    expect(decodeResult(encodeResult(result))).toEqual(result);
  });

  it.each([
    '',
    '{',
    '[]',
    '{"id":1}',
    '{"id":"a","plan":"b","seed":0,"steps":1,"status":"well","training":[],"seconds":0}',
  ])('refuse %s', (text) => {
    expect(() => decodeResult(text)).toThrow(/is no trial's result/);
    expect(() => decodeTask(text)).toThrow(/is no trial's task/);
  });
});
