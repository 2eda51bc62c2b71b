import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { graphOf, type Network, type Weight } from './keras-graph.ts';
import {
  apart,
  type Drawn,
  descending,
  examine,
  probabilities,
  RATE,
  remedyOf,
  structurePlans,
  type Treated,
  trained,
  trainingPlans,
  treat,
} from './pasted.ts';
import { findPython, PythonPartner } from './python-partner.ts';

const python = findPython(
  ['keras', 'jax'],
  'keras-patch.test.ts: no python3 has keras and jax (pip install keras jax; GRADIENT_DOCTOR_KERAS_PYTHON names one): patches are not run',
  process.env.GRADIENT_DOCTOR_KERAS_PYTHON,
);

interface Case {
  readonly name: string;
  readonly network: string;
  readonly patches: readonly string[];
  readonly parameters: Readonly<Record<string, Weight>>;
  readonly optimizer: string;
  readonly rate: number;
  readonly loss: string;
  readonly fit: boolean;
}

/** A plan that changes training alone. */
interface TrainingCase extends Pick<Case, 'name' | 'network' | 'patches' | 'rate'> {
  readonly steps: number;
}

/** Enough that what optimizers remember counts; of a network that explodes the first, for the next magnify rounding. */
const stepsOf = (network: string) => (network === 'exploding' ? 1 : 3);

type Answer =
  | {
      readonly drawn: Readonly<Record<string, Drawn & { first: readonly number[]; shape: readonly number[] }>>;
      readonly unknown: readonly string[];
      readonly missing: readonly string[];
      readonly output: readonly number[];
      /** Absent where the same plan was trained in another network. */
      readonly loss?: number;
      readonly moved?: boolean;
    }
  | { readonly weights: Readonly<Record<string, readonly number[]>> }
  | { readonly error: string };

const names = Object.entries(structurePlans).flatMap(([network, list]) => list.map((plan) => `${network}: ${plan}`));

describe.skipIf(!python)('patches pasted into Keras', () => {
  const treated = new Map<string, Treated | Error>();
  const answers = new Map<string, Answer>();
  const steps = new Map<string, Readonly<Record<string, Weight>>>();
  const abouts = new Map<string, Network>();
  let partner: PythonPartner | undefined;

  beforeAll(async () => {
    partner = new PythonPartner(python!, 'keras_patch.py', { KERAS_BACKEND: 'jax', JAX_PLATFORMS: 'cpu' });
    const { networks } = await partner.hear<{ networks: Record<string, Network> }>();
    const cases: (Case | TrainingCase)[] = [];
    const fitted = new Set<string>();
    for (const [network, list] of Object.entries(structurePlans)) {
      const about = networks[network]!;
      const model = await graphOf(about);
      for (const plan of list) {
        const name = `${network}: ${plan}`;
        try {
          const loss = plan === 'pair-loss' ? 'mse' : plan === 'remove-double-softmax' ? 'cross-entropy' : undefined;
          const ours = await treat(await examine(model, about, loss), plan.split('+'), about);
          treated.set(name, ours);
          const patches = ours.patches.map(({ keras }) => keras);
          const setup = { optimizer: 'sgd', rate: 0.01, loss: 'mse' };
          cases.push({ name, network, patches, parameters: ours.parameters, ...setup, fit: !fitted.has(plan) });
          fitted.add(plan);
        } catch (error) {
          treated.set(name, error as Error);
        }
      }
    }
    for (const [network, list] of Object.entries(trainingPlans)) {
      const about = networks[network]!;
      abouts.set(network, about);
      const patient = await descending(await graphOf(about), about);
      for (const plan of list) {
        const name = `${network}: ${plan}`;
        steps.set(name, await trained(patient, [plan], about, stepsOf(network)));
        const patches = [remedyOf(plan).patch(patient).keras];
        cases.push({ name, network, patches, rate: RATE, steps: stepsOf(network) });
      }
    }
    const results = await partner.ask<Answer[]>(cases);
    for (const [i, { name }] of cases.entries()) answers.set(name, results[i]!);
  }, 300_000);

  afterAll(() => partner?.stop());

  test.each(names)('%s', (name) => {
    const ours = treated.get(name)!;
    if (ours instanceof Error) throw ours;
    const answer = answers.get(name)!;
    if (!('drawn' in answer)) throw new Error('error' in answer ? answer.error : 'no output');
    // Every parameter has its place in the patched model, and the model has no other.
    expect(answer.unknown).toEqual([]);
    expect(answer.missing).toEqual([]);
    const changed = Object.keys(answer.drawn).filter((key) => !/moving_|_norm\/|mean$|variance$|count$/.test(key));
    expect(changed.sort()).toEqual(
      Object.keys(ours.drawn)
        .filter((key) => !/_norm\//.test(key))
        .sort(),
    );
    for (const [key, { size, mean, square }] of Object.entries(ours.drawn)) {
      const theirs = answer.drawn[key]!;
      expect(theirs.size, key).toBe(size);
      const most = Math.max(square, theirs.square);
      expect(Math.abs(theirs.square - square), `${key} mean square`).toBeLessThan(
        1e-6 + 7 * Math.sqrt(2 / size) * most,
      );
      expect(Math.abs(theirs.mean - mean), `${key} mean`).toBeLessThan(1e-6 + 7 * Math.sqrt(most / size));
    }
    // No two layers get the same numbers.
    const kernels = Object.values(answer.drawn).filter(
      ({ shape, square, first }) => shape.length > 1 && square > 0 && new Set(first).size > 2,
    );
    expect(new Set(kernels.map(({ first }) => first.join())).size).toBe(kernels.length);
    const output = name.endsWith('pair-loss')
      ? probabilities(answer.output, name.startsWith('chances'))
      : answer.output;
    const scale = Math.max(...ours.output.map(Math.abs));
    expect(output.length).toBe(ours.output.length);
    const errors = ours.output.map((y, i) => Math.abs(y - output[i]!) / scale);
    expect(Math.max(...errors)).toBeLessThan(1e-5);
    // And it can be trained.
    if (answer.loss === undefined) return;
    expect(Number.isFinite(answer.loss)).toBe(true);
    expect(answer.moved).toBe(true);
  });

  const plans = Object.entries(trainingPlans).flatMap(([network, list]) => list.map((plan) => `${network}: ${plan}`));
  test.each(plans)('%s trains as we do', (name) => {
    const answer = answers.get(name)!;
    if (!('weights' in answer)) throw new Error('error' in answer ? answer.error : 'no weights');
    const network = abouts.get(name.slice(0, name.indexOf(':')))!;
    // Keras adds Adam's epsilon before the bias is corrected, and RMSprop's under the root: it shows where gradients are small.
    expect(apart(network, steps.get(name)!, new Map(Object.entries(answer.weights)))).toBeLessThan(1e-2);
  });
});
