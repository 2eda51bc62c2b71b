import { beforeAll, describe, expect, it } from 'vitest';
import type { Model } from '../../src/graph/graph.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { type Patient, RemedyError, type TrainingSetup } from '../../src/remedies/remedy.ts';
import { trainingRemedies } from '../../src/remedies/training/index.ts';
import { resolveOptimizer } from '../../src/training/optimizers/index.ts';
import { findLearningRate } from '../../src/verbs/range-test.ts';
import { type TrainEvent, type TrainOptions, train } from '../../src/verbs/train.ts';
import { openTrainingData } from '../../src/verbs/training-data.ts';
import type { LayerNorms } from '../../src/verbs/training-layers.ts';
import { exported, patientOf, runtime } from './patients.ts';

const blobs = { kind: 'named', name: 'blobs' } as const;
const remedy = (id: string) => trainingRemedies.find((candidate) => candidate.id === id)!;
const applying = (patient: Patient) =>
  trainingRemedies.flatMap((candidate) => (candidate.applies(patient) ? [candidate.id] : []));
const change = async (id: string, patient: Patient, training = patient.design.training) =>
  (await remedy(id).apply({ ...patient.design, training }, patient)).training;

const mlp = (activation: string, depth: number, init?: unknown) =>
  buildSpec({
    input: 8,
    layers: [{ dense: { units: 24, activation, repeat: depth, name: 'hidden' } }, { dense: { units: 4, name: 'out' } }],
    ...(init !== undefined && { init }),
    seed: 1,
  });

const sgd: Partial<TrainingSetup> = { optimizer: { name: 'sgd' }, learningRate: 0.01 };

/** Training on two hundred points. */
async function* trainWith(model: Model, options: Omit<TrainOptions, 'runtime' | 'data'>): AsyncGenerator<TrainEvent> {
  const [output] = model.graph.outputs;
  const data = await openTrainingData(blobs, model.graph.inputs, { samples: 200, seed: 3, output });
  yield* train(model, { runtime, data, seed: 1, ...options });
}

let vanishing: Patient;
let exploding: Patient;
let healthy: Patient;

beforeAll(async () => {
  const options = { optimizer: 'sgd', learningRate: 0.01, training: sgd };
  vanishing = await patientOf(mlp('sigmoid', 10), blobs, options);
  exploding = await patientOf(mlp('relu', 12, { normal: 0.9 }), blobs, options);
  healthy = await patientOf(mlp('relu', 3, 'he'), blobs, options);
}, 60_000);

describe('trainingRemedies', () => {
  it('proposes nothing for a healthy network', () => {
    expect(healthy.diagnosis.verdict).toBe('healthy');
    expect(applying(healthy)).toEqual([]);
  });

  it('bounds the steps of an exploding network', () => {
    expect(exploding.diagnosis.verdict).toBe('exploding');
    const ids = applying(exploding);
    expect(ids).toEqual(
      expect.arrayContaining(['clip-gradient-norm', 'clip-gradient-value', 'clip-gradient-adaptive', 'warm-up']),
    );
    expect(ids).toEqual(expect.arrayContaining(['add-weight-decay', 'add-l2-penalty']));
    expect(ids).not.toContain('increase-learning-rate');
  });

  it('evens out the steps of a vanishing network, and does not clip what is small', () => {
    const ids = applying(vanishing);
    expect(ids).toEqual(expect.arrayContaining(['use-adam', 'use-adamw', 'use-rmsprop', 'use-adagrad']));
    expect(ids.filter((id) => id.startsWith('clip') || id === 'reduce-learning-rate')).toEqual([]);
    expect(remedy('use-adam').applies(vanishing)).toMatch(/a step of sgd changes .* by \d\.\de-\d+ of its weights/);
    // The backward pass stays as it is: Adam is no cure.
    expect(remedy('use-adam').predict(vanishing)).toBeLessThan(-3);
  });

  it('does not swap an optimizer that adapts already', () => {
    const training = { ...vanishing.design.training, optimizer: { name: 'adam' } };
    const patient = { ...vanishing, design: { ...vanishing.design, training } };
    expect(applying(patient).filter((id) => id.startsWith('use-'))).toEqual([]);
  });

  it('does not bound what is bounded already', async () => {
    const { design } = exploding;
    const training = await change('clip-gradient-norm', exploding);
    const patient = { ...exploding, design: { ...design, training } };
    expect(applying(patient).filter((id) => id.startsWith('clip'))).toEqual([]);
  });

  it('leaves the model alone, and every change trains', async () => {
    const { design } = healthy;
    for (const { id, apply, changes } of trainingRemedies) {
      expect(changes).toBe('changes-training');
      const { model, training } = await apply(design, healthy);
      expect(model, id).toBe(design.model);
      expect(training, id).not.toEqual(design.training);
      const { optimizer, learningRate, schedule, clipping } = training;
      let steps = 0;
      for await (const event of trainWith(model, { optimizer, learningRate, schedule, clipping, steps: 2 })) {
        if (event.kind === 'step' && Number.isFinite(event.loss)) steps++;
      }
      expect(steps, id).toBe(2);
    }
  }, 60_000);

  it('keeps an exploding network from being thrown away by one step', async () => {
    const { model } = exploding.design;
    const firstUpdate = async (id?: string): Promise<readonly LayerNorms[]> => {
      const { clipping } = id ? await change(id, exploding) : exploding.design.training;
      for await (const event of trainWith(model, {
        clipping,
        optimizer: { name: 'sgd' },
        learningRate: 0.01,
        steps: 1,
      })) {
        if (event.kind === 'step') return event.layers;
      }
      return [];
    };
    const size = (layers: readonly LayerNorms[]) => Math.hypot(...layers.map(({ updateNorm }) => updateNorm!));
    expect(size(await firstUpdate())).toBeGreaterThan(100);
    // Pascanu et al. 2013: the whole step is η · 1; elements of 0.5 at most; Brock et al. 2021: η · 0.01 of the weights.
    expect(size(await firstUpdate('clip-gradient-norm'))).toBeCloseTo(0.01, 5);
    const weights = [...model.graph.initializers.values()].reduce((sum, { data }) => sum + data.length, 0);
    expect(size(await firstUpdate('clip-gradient-value'))).toBeLessThanOrEqual(0.01 * 0.5 * Math.sqrt(weights) * 1.001);
    const layers = await firstUpdate('clip-gradient-adaptive');
    expect(layers.length).toBe(13);
    const ratios = layers.map(({ updateNorm, weightNorm }) => updateNorm! / weightNorm!);
    for (const ratio of ratios.slice(0, -1)) expect(ratio).toBeLessThan(1.01e-4);
    expect(ratios.at(-1)).toBeGreaterThan(1e-3);
  });

  it('excludes the last layer from adaptive clipping, in exports too', async () => {
    const { model, batch } = await exported('rnn_relu_explode_seq50');
    const patient = await patientOf(model, batch);
    expect((await change('clip-gradient-adaptive', patient)).clipping).toEqual({
      kind: 'adaptive',
      factor: 0.01,
      exclude: ['fc.weight', 'fc.bias'],
    });
    expect(remedy('clip-gradient-adaptive').patch(patient).pytorch).toContain('["fc.weight", "fc.bias"]');
  });

  it('gives every optimizer its usual rate, and keeps a decay that was there', async () => {
    const rates = {
      'use-adam': 1e-3,
      'use-adamw': 1e-3,
      'use-rmsprop': 1e-3,
      'use-adagrad': 1e-2,
      'use-momentum': 1e-2,
    };
    const decayed = await change('add-weight-decay', exploding);
    expect(decayed.optimizer.options).toEqual({ decoupledWeightDecay: 0.01 });
    for (const [id, rate] of Object.entries(rates)) {
      const training = await change(id, exploding, decayed);
      expect(training.learningRate, id).toBe(rate);
      expect(resolveOptimizer(training.optimizer).options.decoupledWeightDecay, id).toBe(0.01);
    }
    await expect(change('add-weight-decay', exploding, await change('use-adamw', exploding))).rejects.toThrow(
      RemedyError,
    );
  });

  it('takes the range test’s rate where there is one, else a tenth', async () => {
    const asked: TrainingSetup[] = [];
    const found = (rate: number | undefined): Patient => ({
      ...exploding,
      tools: {
        lsuv: async (model) => model,
        findLearningRate: async ({ training }) => {
          asked.push(training);
          return rate;
        },
      },
    });
    const reduced = async (patient: Patient) => (await change('reduce-learning-rate', patient)).learningRate;
    expect(await reduced(exploding)).toBeCloseTo(0.001, 12);
    expect(await reduced(found(0.004))).toBe(0.004);
    expect(await reduced(found(0.5))).toBeCloseTo(0.001, 12);
    const patient = found(0.004);
    // The code has the rate of the design it stands for, whatever was tested for another plan since.
    const treated = { ...patient.design, training: await change('reduce-learning-rate', patient) };
    expect(remedy('reduce-learning-rate').patch(patient, treated).pytorch).toContain('lr=0.004');
    expect(remedy('reduce-learning-rate').patch(patient).pytorch).toContain('lr=0.001');
    // Of the design as it is by then: after Adam, Adam's rate is tested.
    await change('reduce-learning-rate', patient, await change('use-adam', patient));
    expect(asked.at(-1)!.optimizer.name).toBe('adam');
    const increased = async (rate: number | undefined) =>
      (await change('increase-learning-rate', found(rate))).learningRate;
    expect(await increased(0.5)).toBe(0.5);
    await expect(increased(0.001)).rejects.toThrow('finds 0.001, none above the 0.01 there is');
    await expect(increased(undefined)).rejects.toThrow('no learning rate that lowers the loss');
  });

  it('finds a rate that trains where the one given is a thousand times too small', async () => {
    const { model } = healthy.design;
    const data = await openTrainingData(blobs, model.graph.inputs, {
      samples: 320,
      seed: 3,
      output: model.graph.outputs[0],
    });
    const patient: Patient = {
      ...healthy,
      tools: {
        lsuv: async (given) => given,
        findLearningRate: (design) => findLearningRate(design, { runtime, data, seed: 1 }),
      },
    };
    const { learningRate } = await change('increase-learning-rate', patient, {
      ...patient.design.training,
      learningRate: 1e-5,
    });
    expect(learningRate).toBeGreaterThan(1e-3);
  });

  it('refuses a larger batch where the file fixes it', async () => {
    const { design } = exploding;
    expect((await change('larger-batch', exploding)).batch).toBe(4 * design.training.batch);
    const [input] = design.model.graph.inputs;
    const graph = { ...design.model.graph, inputs: [{ ...input!, shape: [64, 8] }] };
    const fixed = { ...design, model: { ...design.model, graph } };
    await expect(remedy('larger-batch').apply(fixed, exploding)).rejects.toThrow('fixes its batch');
  });

  it('takes no larger batch than there are rows', async () => {
    const { batch } = exploding.design.training;
    expect(batch).toBe(64);
    const noisy = { ...exploding.diagnosis.findings[0]!, rule: 'loss-oscillation' as const };
    const patient = { ...exploding, diagnosis: { ...exploding.diagnosis, findings: [noisy] } };
    const { applies, patch } = remedy('larger-batch');
    for (const [rows, larger] of [
      [1000, 256],
      [256, 256],
      [80, 80],
    ] as const) {
      expect(applies({ ...patient, rows })).toMatch(/a batch has 64 rows$/);
      expect((await change('larger-batch', { ...patient, rows })).batch).toBe(larger);
      expect(patch({ ...patient, rows }).keras).toContain(`batch_size=${larger})`);
    }
    expect(applies({ ...patient, rows: 64 })).toBeUndefined();
    await expect(change('larger-batch', { ...patient, rows: 64 })).rejects.toThrow('takes all 64 rows');
  });

  it('conflicts with what does the same', () => {
    for (const { id, conflicts } of trainingRemedies) expect(conflicts).not.toContain(id);
    expect(remedy('use-adam').conflicts).toEqual(['use-adamw', 'use-rmsprop', 'use-adagrad', 'use-momentum']);
    expect(new Set(trainingRemedies.map(({ id }) => id)).size).toBe(trainingRemedies.length);
  });
});

describe('patches', () => {
  it('name the numbers that the trial trained with', () => {
    expect(remedy('use-adamw').patch(exploding)).toEqual({
      pytorch:
        'import torch\n\n# the optimizer was sgd\noptimizer = torch.optim.AdamW(model.parameters(), lr=0.001, weight_decay=0.01)\n',
      keras:
        'import keras\n\n# the optimizer was sgd\nmodel.compile(optimizer=keras.optimizers.AdamW(learning_rate=0.001, epsilon=1e-8, weight_decay=0.01), loss=model.loss)\n',
      tfjs: expect.stringContaining('val.assign(val.mul(1 - 0.001 * 0.01))'),
    });
    expect(remedy('use-momentum').patch(exploding).pytorch).toContain(
      'torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)',
    );
    expect(remedy('add-weight-decay').patch(exploding).pytorch).toContain('lr=0.01, weight_decay=0.01');
    expect(remedy('warm-up').patch(exploding).keras).toContain('keras.optimizers.SGD(learning_rate=WarmUp())');
  });

  it('exist for every remedy and framework', () => {
    for (const { id, patch } of trainingRemedies) {
      for (const [framework, code] of Object.entries(patch(exploding))) {
        expect(code.trim().split('\n').length, `${id} ${framework}`).toBeGreaterThan(0);
        expect(code, `${id} ${framework}`).not.toMatch(/undefined|NaN|\[object/);
      }
    }
  });
});
