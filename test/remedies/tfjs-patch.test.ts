import { beforeAll, describe, expect, test } from 'vitest';
import { graphOf, type Network } from './keras-graph.ts';
import {
  apart,
  type Drawn,
  descending,
  examine,
  oneHot,
  probabilities,
  RATE,
  remedyOf,
  structurePlans,
  trained,
  trainingPlans,
  treat,
} from './pasted.ts';
import { build, describeModel, ROWS, tf, variables } from './tfjs-models.ts';

/** What TensorFlow.js has no layer for: the patch says so, and changes nothing. */
const uncovered: Readonly<Record<string, readonly string[]>> = {
  sigmoid: ['add-rms-norm'],
  apart: ['add-rms-norm'],
  convolutions: ['add-layer-norm', 'add-group-norm'],
  rnn: ['use-gru'],
  'rnn-both-ways': ['use-gru'],
};
const isCovered = (network: string, plan: string) => !uncovered[network]?.includes(plan);

type Pasted = (...given: unknown[]) => Promise<unknown>;
const AsyncFunction = (async () => {}).constructor as new (...code: string[]) => Pasted;

/** Runs pasted code with the names a user has, and gives what `model` and `standardize` are afterwards. */
async function paste(code: string, given: Readonly<Record<string, unknown>>) {
  const body = `${code}\nreturn { model, standardize: typeof standardize === 'function' ? standardize : undefined };`;
  const run = new AsyncFunction('tf', ...Object.keys(given), body);
  // biome-ignore lint/suspicious/noExplicitAny: TensorFlow.js' models with what is hidden
  return (await run(tf, ...Object.values(given))) as { model: any; standardize?: (x: any) => any };
}

describe('patches pasted into TensorFlow.js', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  const networks = new Map<string, Network>();
  const networkOf = (name: string) => {
    const known = networks.get(name) ?? describeModel(name);
    networks.set(name, known);
    return known;
  };
  const cases = Object.entries(structurePlans).flatMap(([network, list]) =>
    list.filter((plan) => isCovered(network, plan)).map((plan) => [network, plan] as const),
  );

  test.each(cases)('%s: %s', async (name, plan) => {
    const network = networkOf(name);
    const loss = plan === 'pair-loss' ? 'mse' : plan === 'remove-double-softmax' ? 'cross-entropy' : undefined;
    const patient = await examine(await graphOf(network), network, loss);
    const ours = await treat(patient, plan.split('+'), network);
    const inputs = tf.tensor(network.input.values, network.input.shape);
    const targets = tf
      .oneHot(
        tf.tensor1d(
          Array.from({ length: ROWS }, (_, i) => i % 4),
          'int32',
        ),
        4,
      )
      .toFloat();
    let model = build(name);
    model.compile({ optimizer: tf.train.sgd(0.01), loss: 'meanSquaredError' });
    const before = new Map([...variables(model)].map(([key, weight]) => [key, weight.read().arraySync()]));
    let feed = inputs;
    for (const { tfjs } of ours.patches) {
      const pasted = await paste(tfjs, { model, inputs, targets, trainingInputs: inputs });
      model = pasted.model;
      if (pasted.standardize) feed = pasted.standardize(inputs);
    }
    const trainable = new Set(model.trainableWeights.map(({ id }: { id: number }) => id));
    const after = variables(model);
    const isScaled = plan.includes('standardize-inputs');
    const drawn = new Map<string, Drawn & { first: string }>();
    for (const [key, weight] of after) {
      const value = weight.read();
      if (JSON.stringify(value.arraySync()) === JSON.stringify(before.get(key))) continue;
      if (!trainable.has(weight.id) || /_norm\//.test(key)) continue;
      const [mean, square] = [value.mean().arraySync(), value.square().mean().arraySync()];
      drawn.set(key, { size: value.size, mean, square, first: value.dataSync().slice(0, 4).join() });
    }
    const expected = Object.entries(ours.drawn).filter(([key]) => !/_norm\//.test(key));
    // Code for standardized inputs trains a step, with which every weight moves.
    if (!isScaled) {
      expect([...drawn.keys()].sort()).toEqual(expected.map(([key]) => key).sort());
      for (const [key, { size, mean, square }] of expected) {
        const theirs = drawn.get(key)!;
        expect(theirs.size, key).toBe(size);
        const most = Math.max(square, theirs.square);
        expect(Math.abs(theirs.square - square), `${key} mean square`).toBeLessThan(
          1e-6 + 7 * Math.sqrt(2 / size) * most,
        );
        expect(Math.abs(theirs.mean - mean), `${key} mean`).toBeLessThan(1e-6 + 7 * Math.sqrt(most / size));
      }
    }
    expect(Object.keys(ours.parameters).filter((key) => !after.has(key))).toEqual([]);
    const own = [...after].filter(([, { id }]) => trainable.has(id)).map(([key]) => key);
    expect(own.filter((key) => !(key in ours.parameters))).toEqual([]);
    for (const [key, { shape, values }] of Object.entries(ours.parameters)) {
      after.get(key).write(tf.tensor(values, shape));
    }
    const computed: number[] = Array.from(model.apply(feed, { training: true }).dataSync());
    const output = plan === 'pair-loss' ? probabilities(computed, name.startsWith('chances')) : computed;
    expect(output.length).toBe(ours.output.length);
    const scale = Math.max(...ours.output.map(Math.abs));
    expect(Math.max(...ours.output.map((y, i) => Math.abs(y - output[i]!) / scale))).toBeLessThan(1e-5);
    // And it can be trained.
    const { history } = await model.fit(feed, targets, { batchSize: ROWS, epochs: 1, shuffle: false, verbose: 0 });
    expect(Number.isFinite(Number(history.loss[0]))).toBe(true);
    const moved = [...variables(model)].some(([key, weight]) => {
      const values = ours.parameters[key]?.values;
      return (
        values && Array.from(weight.read().dataSync() as Float32Array).some((x, i) => x !== Math.fround(values[i]!))
      );
    });
    expect(moved).toBe(true);
  });

  const said = Object.entries(uncovered).flatMap(([network, list]) => list.map((plan) => [network, plan] as const));
  test.each(said)('%s: %s is said not to be covered', async (name, plan) => {
    const network = networkOf(name);
    const patient = await examine(await graphOf(network), network);
    const [patch] = (await treat(patient, [plan], network)).patches;
    expect(patch!.tfjs).toMatch(/not covered/i);
    // What is pasted runs all the same.
    await paste(patch!.tfjs, { model: build(name) });
  });

  const plans = Object.entries(trainingPlans).flatMap(([network, list]) =>
    list.map((plan) => [network, plan] as const),
  );
  test.each(plans)('%s: %s trains as we do', async (name, plan) => {
    const network = networkOf(name);
    const patient = await descending(await graphOf(network), network);
    const code = () => remedyOf(plan).patch(patient).tfjs;
    const inputs = tf.tensor(network.input.values, network.input.shape);
    const targets = tf.tensor(oneHot(ROWS), [ROWS, 4]);
    const model = build(name);
    const optimizer = tf.train.sgd(RATE);
    model.compile({ optimizer, loss: 'meanSquaredError' });
    const ours = await trained(patient, [plan], network, 1);
    const lossOf = (predicted: unknown, wanted: unknown) => tf.losses.meanSquaredError(wanted, predicted);
    await paste(code(), { model, inputs, targets, ...(code().includes('lossOf') && { optimizer, lossOf }) });
    // Code of a loop or a callback has trained its step already.
    if (!/model\.fit\(|applyGradients/.test(code())) {
      await model.fit(inputs, targets, { batchSize: ROWS, epochs: 1, shuffle: false, verbose: 0 });
    }
    const theirs = new Map<string, readonly number[]>(
      [...variables(model)].map(([key, weight]) => [key, Array.from(weight.read().dataSync() as Float32Array)]),
    );
    // Its ε of 1e-7 under the root is no option, and more than the squares of small gradients.
    if (plan === 'use-adagrad') expect(code()).toMatch(/gradients below 3e-4/);
    else expect(apart(network, ours, theirs)).toBeLessThan(1e-2);
  });
});
