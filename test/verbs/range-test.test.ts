import { describe, expect, it } from 'vitest';
import type { Model } from '../../src/graph/graph.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import type { Design, TrainingSetup } from '../../src/remedies/remedy.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { findLearningRate, type RangePoint, rangeTest, suggestLearningRate } from '../../src/verbs/range-test.ts';
import { train } from '../../src/verbs/train.ts';
import { openTrainingData } from '../../src/verbs/training-data.ts';

const runtime = nodeRuntime({ threads: 1 });
const mlp = () =>
  buildSpec({ input: 8, layers: [{ dense: { units: 16, activation: 'relu' } }, { dense: 4 }], seed: 1 });

const designOf = (model: Model, training: Partial<TrainingSetup> = {}): Design => ({
  model,
  training: {
    optimizer: { name: 'sgd' },
    learningRate: 1,
    loss: 'cross-entropy',
    output: model.graph.outputs[0]!.name,
    batch: 32,
    ...training,
  },
});

const blobs = (model: Model) =>
  openTrainingData({ kind: 'named', name: 'blobs' }, model.graph.inputs, {
    samples: 320,
    seed: 3,
    output: model.graph.outputs[0],
  });

/** Mean training loss of the last ten of sixty steps. */
async function lossAt(design: Design, learningRate: number): Promise<number> {
  const losses: number[] = [];
  const { optimizer, batch } = design.training;
  const options = { runtime, data: await blobs(design.model), batch, optimizer, steps: 60, seed: 3, monitor: false };
  for await (const event of train(design.model, { ...options, learningRate })) {
    if (event.kind === 'step') losses.push(event.loss);
  }
  return losses.slice(-10).reduce((sum, loss) => sum + loss, 0) / 10;
}

describe('findLearningRate', () => {
  it.each(['sgd', 'adam'])(
    'finds a rate for %s that trains better than ten times less or more',
    async (name) => {
      const design = designOf(mlp(), { optimizer: { name } });
      const rate = await findLearningRate(design, { runtime, data: await blobs(design.model), seed: 1 });
      const found = await lossAt(design, rate!);
      expect(found).toBeLessThan(0.1 * Math.log(4));
      expect(found).toBeLessThan(0.5 * (await lossAt(design, rate! / 10)));
      expect(found).toBeLessThan(0.5 * (await lossAt(design, rate! * 10)));
    },
    30_000,
  );

  it('does not depend on the rate there is, and repeats itself', async () => {
    const [a, b] = [designOf(mlp(), { learningRate: 1e-6 }), designOf(mlp(), { learningRate: 50 })];
    const find = async (design: Design) =>
      findLearningRate(design, { runtime, data: await blobs(design.model), seed: 1 });
    expect(await find(a)).toBe(await find(b));
  });

  it('leaves the design as it is', async () => {
    const design = designOf(mlp());
    const before = new Map([...design.model.graph.initializers].map(([name, { data }]) => [name, data.slice()]));
    await findLearningRate(design, { runtime, data: await blobs(design.model), seed: 1 });
    for (const [name, { data }] of design.model.graph.initializers) expect(data).toEqual(before.get(name));
  });

  it('takes fewer rows than a batch has', async () => {
    const design = designOf(mlp(), { batch: 1024 });
    expect(await findLearningRate(design, { runtime, data: await blobs(design.model), seed: 1 })).toBeGreaterThan(0);
  });

  it('finds none where no rate moves the weights', async () => {
    const model = mlp();
    const design = designOf(model, { clipping: { kind: 'value', maximum: 1e-12 } });
    expect(await findLearningRate(design, { runtime, data: await blobs(model), seed: 1 })).toBeUndefined();
  });

  it('stops where the loss has risen fourfold', async () => {
    const design = designOf(mlp());
    const points: RangePoint[] = [];
    for await (const point of rangeTest(design, { runtime, data: await blobs(design.model), seed: 1 })) {
      points.push(point);
    }
    expect(points[0]!.learningRate).toBeCloseTo(1e-7, 12);
    expect(points[10]!.learningRate / points[0]!.learningRate).toBeCloseTo(1e8 ** (10 / 79), 6);
    expect(points.length).toBeGreaterThan(60);
    expect(points.at(-1)!.learningRate).toBeLessThanOrEqual(10 * (1 + 1e-9));
  });
});

describe('suggestLearningRate', () => {
  const curve = (lossAt: (i: number) => number, steps = 80): RangePoint[] =>
    Array.from({ length: steps }, (_, i) => ({
      learningRate: 1e-7 * 10 ** (i / 10),
      loss: lossAt(i),
      smoothed: lossAt(i),
    }));

  it('is one decade below the lowest loss where that falls ever faster', () => {
    const loss = (i: number) => (i < 60 ? 2 - (Math.max(0, i - 30) / 30) ** 2 : 5);
    expect(suggestLearningRate(curve(loss))).toBeCloseTo(1e-7 * 10 ** 4.9, 4);
  });

  it('is where the loss falls most where it goes on falling slowly', () => {
    const loss = (i: number) => (i < 40 ? 2 - Math.max(0, i - 30) / 10 : 1 - (i - 40) / 1000);
    expect(suggestLearningRate(curve(loss))).toBeCloseTo(1e-7 * 10 ** 3.5, 5);
  });

  it('is none where the loss only rises, stands still, or falls less than its noise', () => {
    expect(suggestLearningRate(curve((i) => 2 + Math.max(0, i - 30)))).toBeUndefined();
    expect(suggestLearningRate(curve(() => 2))).toBeUndefined();
    expect(suggestLearningRate(curve((i) => (i < 20 ? 2 + 0.5 * (-1) ** i : 1.8)))).toBeUndefined();
  });

  it('is none where the first rates break the network', () => {
    expect(suggestLearningRate(curve((i) => 2 ** i, 5))).toBeUndefined();
    expect(suggestLearningRate([])).toBeUndefined();
  });
});
