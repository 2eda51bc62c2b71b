import type { Model } from '../../src/graph/graph.ts';
import { findParameters } from '../../src/graph/parameters.ts';
import { type Tensor, tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import { createRandom } from '../../src/random/random.ts';
import { remedies } from '../../src/remedies/index.ts';
import type { Design, Patch, Patient, Remedy } from '../../src/remedies/remedy.ts';
import { examinePatient } from '../../src/verbs/patient.ts';
import { train } from '../../src/verbs/train.ts';
import { patientTools } from '../../src/verbs/treat-tools.ts';
import { carried, type Network, type Weight } from './keras-graph.ts';
import { reread, run, runtime } from './structure/patient.ts';

export const swaps = ['relu', 'leaky-relu', 'prelu', 'elu', 'selu', 'gelu', 'silu', 'mish', 'tanh'].map(
  (id) => `use-${id}`,
);
export const norms = ['add-batch-norm', 'add-layer-norm', 'add-rms-norm', 'add-group-norm'];
export const skips = ['add-residual', 'add-scaled-residual'];
export const draws = ['he', 'glorot', 'lecun', 'orthogonal', 'critical', 'lsuv'].map((id) => `use-${id}-init`);

/** Networks of Keras' kind, and the plans that change them. */
export const structurePlans: Readonly<Record<string, readonly string[]>> = {
  sigmoid: [
    ...swaps,
    ...norms,
    ...skips,
    ...draws,
    'remove-layers',
    'use-relu+add-batch-norm',
    'add-batch-norm+use-relu',
    'use-prelu+add-batch-norm',
    'add-layer-norm+add-scaled-residual',
    'add-scaled-residual+use-lsuv-init',
  ],
  relu: ['use-leaky-relu', 'use-prelu', ...skips, 'use-he-init', 'add-batch-norm+add-residual', 'remove-layers'],
  dead: ['zero-biases', 'use-leaky-relu'],
  equal: ['randomize-init', 'add-batch-norm', 'use-relu'],
  apart: ['use-relu', 'use-leaky-relu', 'use-prelu', ...norms, ...skips, 'add-layer-norm+use-relu'],
  'apart-relu': ['use-prelu', ...skips, 'add-batch-norm'],
  residual: ['use-fixup-init', 'use-relu', 'add-batch-norm', 'add-residual', 'remove-layers'],
  convolutions: ['use-relu', 'use-prelu', 'add-batch-norm', 'add-layer-norm', 'add-group-norm', ...skips, ...draws],
  'convolutions-norm': ['use-prelu', ...skips, 'use-he-init'],
  rnn: ['use-lstm', 'use-gru', 'use-orthogonal-recurrence', 'use-identity-recurrence'],
  'rnn-both-ways': ['use-lstm', 'use-gru', 'use-orthogonal-recurrence', 'use-identity-recurrence'],
  lstm: ['open-forget-gate', 'use-orthogonal-recurrence'],
  far: ['standardize-inputs', 'standardize-inputs+add-batch-norm'],
  probabilities: ['pair-loss'],
  'probabilities-apart': ['pair-loss'],
  chances: ['pair-loss', 'remove-double-softmax'],
  'chances-apart': ['pair-loss', 'remove-double-softmax'],
  double: ['remove-double-softmax'],
};

export function remedyOf(id: string): Remedy {
  const remedy = remedies.find((one) => one.id === id);
  if (!remedy) throw new Error(`no remedy ${id}`);
  return remedy;
}

export interface Drawn {
  readonly size: number;
  readonly mean: number;
  readonly square: number;
}

/** What the treated network holds, by the names of Keras' weights, and what it computes. */
export interface Treated {
  readonly drawn: Readonly<Record<string, Drawn>>;
  readonly parameters: Readonly<Record<string, Weight>>;
  readonly output: readonly number[];
  readonly patches: readonly Patch[];
}

/** Diagnoses the network on its inputs, with what remedies measure. */
export async function examine(model: Model, { input }: Network, loss?: string): Promise<Patient> {
  const rows = input.shape[0]!;
  const inputs = new Map([['input', tensorOf('float32', input.shape, input.values)]]);
  const target = targetsOf(loss, rows);
  const batch = { kind: 'tensors', from: 'keras', inputs, target } as const;
  const options = { runtime, batch, size: rows, seed: 1, ...(loss !== undefined && { loss }) };
  return (await examinePatient(model, { ...options, tools: () => patientTools(options) } as never)).patient;
}

/** The patient with a branch that the loss was measured not to need, where the network has branches. */
function withoutNeed(patient: Patient, { layers }: Network): Patient {
  if (!layers.some(({ kind }) => kind === 'add')) return patient;
  const finding = {
    rule: 'effectively-shallow',
    severity: 'warning',
    where: ['net/block_1_first', 'net/block_1_second'],
    evidence: { removable: 2 },
  };
  const findings = [...patient.diagnosis.findings, finding];
  return { ...patient, diagnosis: { ...patient.diagnosis, findings } } as Patient;
}

/** A plan carried out: the numbers to give the patched model, and what the treated network computes with them. */
export async function treat(given: Patient, plan: readonly string[], network: Network): Promise<Treated> {
  const patient = plan.includes('remove-layers') ? withoutNeed(given, network) : given;
  const own = plan.map(remedyOf);
  let design: Design = patient.design;
  for (const remedy of own) design = await remedy.apply(design, patient);
  const before = patient.design.model.graph.initializers;
  const { graph } = design.model;
  const initializers = new Map(graph.initializers);
  const random = createRandom(5);
  const drawn: Record<string, Drawn> = {};
  const parameters = findParameters(design.model);
  for (const name of parameters) {
    const tensor = initializers.get(name)!;
    if (sameValues(tensor, before.get(name))) continue;
    for (const [key, weight] of carriedTo(network, design.model, name)) drawn[key] = momentsOf(weight);
    // A branch times zero would hide what the branch computes.
    const fork = random.fork(name);
    const values = Array.from(toFloat64(tensor), (x) => x + 0.2 * fork.normal());
    initializers.set(name, tensorOf(tensor.type, tensor.dims, values));
  }
  const model = await reread({ ...design.model, graph: { ...graph, initializers } });
  const inputs = new Map([['input', tensorOf('float32', network.input.shape, network.input.values)]]);
  const [output] = await run(model, inputs);
  return {
    patches: own.map((remedy) => remedy.patch(patient)),
    parameters: Object.fromEntries(parameters.flatMap((name) => carriedTo(network, model, name))),
    drawn,
    output: Array.from(toFloat64(output!)),
  };
}

/** PReLU stands where the function stood: in the layer, or in a layer of its own. */
function carriedTo({ layers }: Network, model: Model, name: string): [string, Weight][] {
  const place = (layer: string): string => {
    const next = layers.find(({ kind, reads }) => reads[0] === layer && /^(activation|batch_norm)$/.test(kind));
    return next === undefined ? layer : next.kind === 'activation' ? next.name : place(next.name);
  };
  return carried(model, name).map(([key, weight]) => {
    const [, layer] = /^([^/]+)_prelu\/alpha$/.exec(key) ?? [];
    return [layer === undefined ? key : `${place(layer)}_prelu/alpha`, weight];
  });
}

function momentsOf({ values }: Weight): Drawn {
  const mean = (of: (x: number) => number) => values.reduce((sum, x) => sum + of(x), 0) / values.length;
  return { size: values.length, mean: mean((x) => x), square: mean((x) => x * x) };
}

function sameValues(tensor: Tensor, other: Tensor | undefined): boolean {
  if (other?.data.length !== tensor.data.length) return false;
  const values = toFloat64(other);
  return toFloat64(tensor).every((x, i) => x === values[i]);
}

/** What logits of four classes say, where the patched model leaves the last function to the loss. */
export function probabilities(logits: readonly number[], isBinary: boolean): number[] {
  if (isBinary) return logits.map((x) => 1 / (1 + Math.exp(-x)));
  return logits.map((x, i) => {
    const row = logits.slice(i - (i % 4), i - (i % 4) + 4);
    return Math.exp(x) / row.reduce((sum, y) => sum + Math.exp(y), 0);
  });
}

/** Plans that leave the network alone, by the network they are tried on. */
export const trainingPlans: Readonly<Record<string, readonly string[]>> = {
  apart: [
    'use-adam',
    'use-adamw',
    'use-rmsprop',
    'use-adagrad',
    'use-momentum',
    'reduce-learning-rate',
    'warm-up',
    'add-weight-decay',
    'add-l2-penalty',
    'clip-gradient-adaptive',
  ],
  exploding: ['clip-gradient-norm', 'clip-gradient-value', 'clip-gradient-adaptive'],
};

/** How networks are trained before a plan changes that. */
export const RATE = 0.05;

/** A patient trained by gradient descent on the mean squared error. */
export async function descending(model: Model, network: Network): Promise<Patient> {
  const patient = await examine(model, network, 'mse');
  const training = { ...patient.design.training, optimizer: { name: 'sgd' }, learningRate: RATE };
  return { ...patient, design: { ...patient.design, training } };
}

/** The weights after some steps on all rows, trained as a plan says. */
export async function trained(
  patient: Patient,
  plan: readonly string[],
  network: Network,
  steps: number,
): Promise<Readonly<Record<string, Weight>>> {
  let { design } = patient;
  for (const id of plan) design = await remedyOf(id).apply(design, patient);
  const { model } = await trainModel(design, network, steps);
  return Object.fromEntries(findParameters(model).flatMap((name) => carriedTo(network, model, name)));
}

/** A design after some steps on all rows, and the loss before each. */
export async function trainModel(design: Design, { input }: Pick<Network, 'input'>, steps: number) {
  const { optimizer, learningRate, clipping, schedule, output, loss } = design.training;
  const { shape, values } = input;
  const rows = shape[0]!;
  const inputs = new Map([['input', tensorOf('float32', shape, values)]]);
  const target = targetsOf(loss, rows);
  const data = {
    name: 'all',
    real: true,
    size: undefined,
    notes: [],
    count: () => 0,
    close: async () => {},
    async *batches() {
      for (;;) yield { inputs, target };
    },
  };
  const options = { runtime, data, batch: rows, steps, loss, output, optimizer, learningRate, clipping, schedule };
  const losses: number[] = [];
  for await (const event of train(design.model, { ...options, seed: 1, monitor: false } as never)) {
    if (event.kind === 'step') losses.push(event.loss);
    if (event.kind === 'end') return { model: event.model, losses };
  }
  throw new Error('no end');
}

/** Class numbers for cross-entropy, the same as numbers 0 and 1 for all else. */
function targetsOf(loss: string | undefined, rows: number): Tensor {
  const classes = Array.from({ length: rows }, (_, i) => i % 4);
  return loss === undefined || loss === 'cross-entropy'
    ? tensorOf('int64', [rows], classes)
    : tensorOf('float32', [rows, 4], oneHot(rows));
}

/** Targets of four classes, one after the other. */
export function oneHot(rows: number): number[] {
  return Array.from({ length: 4 * rows }, (_, i) => (Math.floor(i / 4) % 4 === i % 4 ? 1 : 0));
}

/** The largest difference of weights, as a part of how far the farthest of their tensor went. */
export function apart(
  network: Network,
  ours: Readonly<Record<string, Weight>>,
  theirs: ReadonlyMap<string, readonly number[]>,
): number {
  const parts = network.layers.flatMap(({ name, weights }) =>
    Object.entries(weights).map(([part, { values }]) => {
      const after = ours[`${name}/${part}`]!.values;
      const other = theirs.get(`${name}/${part}`)!;
      const moved = Math.max(...after.map((x, i) => Math.abs(x - values[i]!)));
      return Math.max(...after.map((x, i) => Math.abs(x - other[i]!) - 1e-6)) / moved;
    }),
  );
  return Math.max(...parts);
}
