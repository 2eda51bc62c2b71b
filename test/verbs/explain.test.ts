import { describe, expect, it } from 'vitest';
import { topics } from '../../src/explain/catalog.ts';
import type { Example } from '../../src/report/explanation.ts';
import { renderExplanationJson } from '../../src/report/explanation-json.ts';
import { renderExplanationMarkdown } from '../../src/report/explanation-markdown.ts';
import { renderExplanation, renderTopics } from '../../src/report/explanation-text.ts';
import { widthOf } from '../../src/report/text.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { gridOf, measureCurve } from '../../src/verbs/examples/curve.ts';
import { explain } from '../../src/verbs/explain.ts';

const runtime = nodeRuntime();
const exampleOf = async (name: string): Promise<Example> => (await explain([name], { runtime })).topics[0]!.example!;
const numbersOf = async (name: string) => (await exampleOf(name)).numbers as Record<string, number>;

describe('what explain computes', () => {
  it.each([
    ['sigmoid', (z: number) => Math.exp(-z) / (1 + Math.exp(-z)) ** 2],
    ['tanh', (z: number) => 1 / Math.cosh(z) ** 2],
    ['softplus', (z: number) => 1 / (1 + Math.exp(-z))],
    ['elu', (z: number) => (z > 0 ? 1 : Math.exp(z))],
    ['hard-swish', (z: number) => (z < -3 ? 0 : z > 3 ? 1 : z / 3 + 0.5)],
  ])('is the derivative of %s', async (layer, truth) => {
    const { z, slope } = await measureCurve(runtime, layer, gridOf(-6, 6, 0.05));
    z.forEach((at, i) => {
      expect(slope[i], `at ${at}`).toBeCloseTo(truth(at), 5);
    });
  });

  it('compares sigmoid, tanh and ReLU as the textbooks do', async () => {
    const { comparison, topics: found } = await explain(['ReLU', 'sigmoid', 'tanh', 'relu'], { runtime });
    expect(found.map(({ topic }) => topic.id)).toEqual(['relu', 'sigmoid', 'tanh']);
    const n = comparison!.numbers;
    expect(n['sigmoid.maximum']).toBe(0.25);
    expect(n['sigmoid.maximumAt']).toBe('z = 0');
    expect(n['tanh.maximum']).toBe(1);
    expect(n['relu.maximum']).toBe(1);
    expect(n['relu.maximumAt']).toBe('z > 0');
    // The limit of DeepDiagnosis: |z| > 5.
    expect(n['sigmoid.saturatesRight']).toBe(5);
    expect(n['tanh.saturatesRight']).toBe(2.5);
    expect(n['relu.saturatesLeft']).toBe(0);
    expect(n).not.toHaveProperty('relu.saturatesRight');
    expect([n['sigmoid.risk'], n['tanh.risk'], n['relu.risk']]).toEqual(['high', 'medium', 'low']);
    // Ten factors of at most 1/4, times weights of about 1; He's variance keeps ReLU's gradient.
    expect(n['sigmoid.measuredDecades']).toBeLessThan(-5.8);
    expect(n['sigmoid.predictedDecades']).toBeCloseTo(n['sigmoid.measuredDecades'] as number, 0);
    expect(n['relu.chi']).toBeCloseTo(1, 9);
    expect(Math.abs(n['relu.measuredDecades'] as number)).toBeLessThan(0.4);
  });

  it.each([
    ['he', Math.sqrt(2 / 256)],
    ['xavier', Math.sqrt(2 / (256 + 128))],
    ['lecun', Math.sqrt(1 / 256)],
    ['pytorch-default', Math.sqrt(1 / (3 * 256))],
    ['truncated-normal', 0.05 * 0.8796],
    ['orthogonal', 1 / 16],
    ['identity', Math.sqrt(1 / 256 - 1 / 256 ** 2)],
  ])('draws %s with the deviation of its formula', async (name, std) => {
    const { formulaStd, measuredStd } = await numbersOf(name);
    expect(formulaStd! / std).toBeCloseTo(1, 4);
    // The deviation of 32 768 numbers is known to 1/√(2n) = 0.4 %.
    expect(Math.abs(measuredStd! / std - 1)).toBeLessThan(0.015);
  });

  it('shows that the product of the terms of the chain rule is the gradient', async () => {
    const chain = { activation: 'Sigmoid', layers: 20 };
    const { topics: found } = await explain(['backpropagation'], { runtime, chain });
    const { numbers, tables } = found[0]!.example!;
    expect(numbers.productDecades).toBeCloseTo(numbers.measuredDecades as number, 9);
    expect((numbers.activationDecades as number) + (numbers.weightDecades as number)).toBeCloseTo(
      numbers.productDecades as number,
      9,
    );
    // z = 1, σ(1), σ(σ(1)), … through unit weights.
    let [z, product] = [1, 1];
    for (let i = 0; i < 20; i++) {
      const y = 1 / (1 + Math.exp(-z));
      product *= y * (1 - y);
      z = y;
    }
    expect((numbers.measured as number) / product).toBeCloseTo(1, 5);
    expect(numbers.bound).toBeCloseTo(0.25 ** 20, 20);
    expect(numbers.measured).toBeLessThan(numbers.bound as number);
    expect(tables[0]!.rows).toHaveLength(20);
    const held = tables[1]!.rows.map((row) => (row[2] as { value: number }).value);
    [4, 5, 10, 20].forEach((n, i) => {
      expect(held[i]! / 0.25 ** n).toBeCloseTo(1, 5);
    });
  });

  it('walks chains of any width, weights and activation, and ReLU keeps 1', async () => {
    const relu = (await explain(['chain-rule'], { runtime, chain: { activation: 'relu', layers: 20 } })).topics[0]!
      .example!;
    expect(relu.numbers.measured).toBe(1);
    for (const chain of [
      { activation: 'tanh', layers: 5, width: 8, init: 'he:1.5', seed: 3 },
      { activation: 'swish', layers: 3, init: 'normal:1', seed: 1 },
      { activation: 'prelu', layers: 2 },
      { activation: 'sigmoid', layers: 100 },
    ]) {
      const { numbers } = (await explain(['chain-rule'], { runtime, chain })).topics[0]!.example!;
      expect(numbers.productDecades, chain.activation).toBeCloseTo(numbers.measuredDecades as number, 9);
    }
  });

  it('multiplies by 2ⁿ through n layers of W = 2I', async () => {
    const numbers = await numbersOf('W=2I');
    for (const n of [4, 5, 10, 20]) {
      expect(numbers[`W=2I, n=${n}`]! / 2 ** n).toBeCloseTo(1, 5);
      expect(numbers[`W=0.5I, n=${n}`]! * 2 ** n).toBeCloseTo(1, 5);
    }
  });

  it('takes the steps of the optimizers’ formulas', async () => {
    const { comparison } = await explain(['sgd', 'adam', 'lion'], { runtime });
    const n = comparison!.numbers as Record<string, number>;
    // The gradient at (−2, 0.5) is (−2, 12.5).
    expect(n['sgd.movedW1']).toBeCloseTo(2 * n['sgd.learningRate']!, 6);
    expect(n['sgd.movedW2']).toBeCloseTo(-12.5 * n['sgd.learningRate']!, 6);
    // Adam's and Lion's first step is the sign's, whatever the size of the gradient.
    for (const id of ['adam', 'lion']) {
      expect(n[`${id}.movedW1`], id).toBeCloseTo(n[`${id}.learningRate`]!, 6);
      expect(n[`${id}.movedW2`], id).toBeCloseTo(-n[`${id}.learningRate`]!, 6);
    }
  });

  it('finds the limit 2/λ of the learning rate', async () => {
    const n = await numbersOf('learning-rate');
    const start = 0.5 * (4 + 25 * 0.25);
    expect(n['lossAt0.079']).toBeLessThan(start);
    expect(n['lossAt0.081']).toBeGreaterThan(start);
    // After 60 steps: ½ (4 (1 − η)^120 + 25/4 (1 − 25η)^120).
    const at = (rate: number) => 0.5 * (4 * (1 - rate) ** 120 + 6.25 * (1 - 25 * rate) ** 120);
    expect(n['lossAt0.081']! / at(0.081)).toBeCloseTo(1, 3);
    expect(n['lossAt0.01']! / at(0.01)).toBeCloseTo(1, 3);
  });

  it('clips to the norm, and leaves a guard finite', async () => {
    const clipped = await numbersOf('gradient clipping');
    expect(clipped['norm 1: update']! / 0.01).toBeCloseTo(1, 4);
    expect(clipped['not clipped: update']! / clipped['not clipped: gradient']!).toBeCloseTo(0.01, 6);
    const guard = await numbersOf('guard-operator');
    expect(guard.bareAtZero).toBe(Number.POSITIVE_INFINITY);
    expect(guard.guardedAtZero).toBeCloseTo(1 / (2 * Math.sqrt(1e-8)), 0);
  });

  it('adds the parts of an attribution up to the whole, as the page says', async () => {
    const { sum, totalDecades } = await numbersOf('decades');
    expect(sum).toBeCloseTo(totalDecades!, 9);
  });
});

describe('the networks that rules and remedies are shown on', () => {
  // Those that train for seconds are run by npm run docs only.
  it.each([
    'vanishing-gradient',
    'exploding-gradient',
    'non-finite',
    'dead-units',
    'saturated-units',
    'vanishing-through-time',
    'exploding-through-time',
    'poor-initialization',
    'symmetric-initialization',
    'disconnected-parameter',
    'loss-oscillation',
    'gradient-distribution',
  ])('%s is found in the first network and not in the second', async (rule) => {
    const [sick, well] = (await exampleOf(rule)).tables[0]!.rows.at(-1)!.slice(1);
    expect(sick).toMatch(/error|warning|info/);
    expect(well).toBe('nothing');
  });

  it.each([
    'use-relu',
    'use-he-init',
    'use-glorot-init',
    'add-batch-norm',
    'add-layer-norm',
    'add-residual',
    'use-lstm',
  ])('%s brings the gradient nearer to its size', async (remedy) => {
    const [before, after] = (await exampleOf(remedy)).tables[0]!.rows[0]!.slice(1) as { value: number }[];
    expect(Math.abs(after!.value)).toBeLessThan(Math.abs(before!.value));
  });
});

describe('explanations as they are shown', () => {
  const explained = Promise.all([
    explain(['sigmoid', 'tanh', 'relu', 'hard-swish'], { runtime }),
    explain(['vanishing-gradient'], { runtime }),
    explain(['adam'], { runtime }),
    explain(
      topics.map(({ id }) => id),
      { runtime, examples: false },
    ),
  ]);

  it.each([40, 80, 100])('stay within %i columns, and in ASCII where that is all there is', async (columns) => {
    const explanations = await explained;
    for (const explanation of explanations) {
      for (const unicode of [true, false]) {
        const text = renderExplanation(explanation, { columns, unicode });
        for (const line of text.split('\n')) expect(widthOf(line), line).toBeLessThanOrEqual(columns);
        if (!unicode) expect(text).toMatch(/^[\x20-\x7e\n]*$/);
      }
    }
    const list = renderTopics(topics, { columns });
    for (const line of list.split('\n')) expect(widthOf(line), line).toBeLessThanOrEqual(columns);
  });

  it('list each topic on one line', () => {
    const lines = renderTopics(topics).split('\n');
    for (const { id } of topics)
      expect(
        lines.filter((line) => line.trim().split(' ')[0] === id),
        id,
      ).toHaveLength(1);
  });

  it('come as Markdown and JSON with the same numbers', async () => {
    const explanation = await explain(['sigmoid'], { runtime });
    expect(renderExplanationMarkdown(explanation)).toContain('maximum derivative: 0.25, at z = 0');
    const parsed = JSON.parse(renderExplanationJson(explanation));
    expect(parsed).toMatchObject({ schema: 'gradient-doctor/explanation@1', topics: [{ topic: { id: 'sigmoid' } }] });
    expect(parsed.topics[0].example.numbers.maximum).toBe(0.25);
  });

  it('take a softmax for itself', async () => {
    const { comparison } = await explain(['tanh', 'softmax', 'sigmoid'], { runtime });
    expect(comparison!.tables[0]!.columns).toEqual(['', 'tanh', 'sigmoid']);
    expect(comparison!.conclusions[0]).toContain('softmax acts on all units together');
    const { topics: alone } = await explain(['softmax', 'log-softmax'], { runtime });
    // The Jacobian at p = (½, ½) is ¼ on its diagonal and −¼ beside it: (1, −1) comes back as (½, −½).
    expect(alone[0]!.example!.numbers.decadesAtGap0).toBeCloseTo(Math.log10(0.5), 5);
  });

  it('is the same twice', async () => {
    expect(await exampleOf('he')).toEqual(await exampleOf('he'));
  });
});

describe('what explain refuses', () => {
  it.each([
    [{ chain: { layers: 0 } }, /0 layers/],
    [{ chain: { layers: 1e9 } }, /layers/],
    [{ chain: { width: 0.5 } }, /width/],
    [{ chain: { activation: 'adam' } }, /no elementwise activation/],
    [{ chain: { activation: 'softmax' } }, /no elementwise activation/],
    [{ chain: { init: 'hee' } }, /unknown initialization "hee"/],
  ])('%o', async (options, message) => {
    await expect(explain(['chain-rule'], { runtime, ...options })).rejects.toThrow(message);
  });

  it('options of a chain for another topic', async () => {
    await expect(explain(['relu'], { runtime, chain: { layers: 3 } })).rejects.toThrow(
      /--layers belongs to chain-rule/,
    );
  });
});
