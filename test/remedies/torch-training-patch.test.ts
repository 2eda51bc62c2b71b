import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findParameters } from '../../src/graph/parameters.ts';
import { tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import { readModelSource } from '../../src/readers/index.ts';
import type { Design, Patient } from '../../src/remedies/remedy.ts';
import { openSource } from '../../src/runtime/node/files.ts';
import { examine, RATE, remedyOf, trainModel } from './pasted.ts';
import { findPython, PythonPartner } from './python-partner.ts';
import { reread, run } from './structure/patient.ts';

const python = findPython(
  ['torch'],
  'torch-training-patch.test.ts: no python3 has torch (python3-torch): patches of training are not run',
);

interface Plan {
  readonly network: string;
  readonly id: string;
  readonly base?: string;
  /** The loss the network is given with. */
  readonly loss?: string;
  /** Whether a comment asks to leave the last function out of forward. */
  readonly last?: boolean;
}

const plans: readonly Plan[] = [
  ...['adam', 'adamw', 'rmsprop', 'adagrad', 'momentum'].map((id) => ({ network: 'tanh', id: `use-${id}` })),
  ...['reduce-learning-rate', 'warm-up', 'add-l2-penalty', 'clip-gradient-adaptive', 'larger-batch'].map((id) => ({
    network: 'tanh',
    id,
  })),
  ...['sgd', 'momentum', 'adam'].map((base) => ({ network: 'tanh', id: 'add-weight-decay', base })),
  ...['norm', 'value', 'adaptive'].map((kind) => ({ network: 'exploding', id: `clip-gradient-${kind}` })),
  { network: 'chances', id: 'pair-loss', last: true },
  { network: 'probabilities', id: 'pair-loss', last: true },
  { network: 'chances', id: 'remove-double-softmax', loss: 'cross-entropy' },
  { network: 'double', id: 'remove-double-softmax', loss: 'mse' },
  { network: 'double-log', id: 'remove-double-softmax', loss: 'mse' },
  { network: 'far', id: 'standardize-inputs' },
  { network: 'far-images', id: 'standardize-inputs' },
];
const nameOf = ({ network, id, base }: Plan) => `${network}: ${id}${base ? ` of ${base}` : ''}`;

interface Result {
  readonly output: readonly number[];
  readonly losses: readonly number[];
  readonly state: Readonly<Record<string, readonly number[]>>;
  readonly batch: number | null;
}

/** Enough that what optimizers remember counts; of a network that explodes the first, for the next magnify rounding. */
const stepsOf = (network: string) => (network === 'exploding' ? 1 : 3);

describe.skipIf(!python)('patches of training, outputs and inputs pasted into PyTorch', () => {
  const results = new Map<string, { ours: Result; theirs: Result | { error: string }; given: Result['state'] }>();
  let partner: PythonPartner | undefined;

  beforeAll(async () => {
    partner = new PythonPartner(python!, 'torch_training.py');
    const { folder } = partner;
    const about = await partner.hear<Record<string, { shape: number[]; input: number[] }>>();
    const cases: object[] = [];
    const all: { ours: Result; given: Result['state'] }[] = [];
    for (const { network, id, base = 'sgd', loss = 'mse', last = false } of plans) {
      const { shape, input } = about[network]!;
      const model = await readModelSource(await openSource(join(folder, `${network}.onnx`)));
      const described = { layers: [], input: { shape, values: input } };
      const examined = await examine(model, described, loss);
      const training = { ...examined.design.training, optimizer: { name: base }, learningRate: RATE, batch: 8 };
      const patient: Patient = { ...examined, design: { ...examined.design, training } };
      const design: Design = await remedyOf(id).apply(patient.design, patient);
      const inputs = new Map([['input', tensorOf('float32', shape, input)]]);
      const [output] = await run(await reread(design.model), inputs);
      const own = await trainModel(design, described, stepsOf(network));
      const stored = (of: typeof model) =>
        Object.fromEntries(
          findParameters(of).map((name) => [name, Array.from(toFloat64(of.graph.initializers.get(name)!))]),
        );
      all.push({
        ours: {
          output: Array.from(toFloat64(output!)),
          losses: own.losses,
          state: stored(own.model),
          batch: design.training.batch,
        },
        given: stored(model),
      });
      const patch = remedyOf(id).patch(patient).pytorch;
      cases.push({ network, patch, base, rate: RATE, loss: design.training.loss, steps: stepsOf(network), last });
    }
    const answers = await partner.ask<(Result | { error: string })[]>(cases);
    for (const [i, plan] of plans.entries()) results.set(nameOf(plan), { ...all[i]!, theirs: answers[i]! });
  }, 120_000);

  afterAll(() => partner?.stop());

  test.each(plans.map((plan) => [nameOf(plan), plan] as const))('%s', (name, { id, last }) => {
    const { ours, theirs, given } = results.get(name)!;
    if ('error' in theirs) throw new Error(theirs.error);
    if (!last) {
      const scale = Math.max(...ours.output.map(Math.abs));
      expect(theirs.output.length).toBe(ours.output.length);
      expect(Math.max(...ours.output.map((y, i) => Math.abs(y - theirs.output[i]!) / scale))).toBeLessThan(1e-5);
    }
    if (id === 'larger-batch') expect(theirs.batch).toBe(ours.batch);
    for (const [i, loss] of ours.losses.entries()) {
      expect(Math.abs(theirs.losses[i]! - loss), `loss ${i}`).toBeLessThan(1e-4 * Math.abs(loss));
    }
    for (const [key, values] of Object.entries(ours.state)) {
      const other = theirs.state[key] ?? theirs.state[`model.${key}`]!;
      const moved = Math.max(...values.map((x, i) => Math.abs(x - given[key]![i]!)));
      expect(moved, key).toBeGreaterThan(0);
      const off = Math.max(...values.map((x, i) => Math.abs(x - other[i]!) - 1e-6));
      expect(off / moved, key).toBeLessThan(2e-3);
    }
  });
});
