import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Model } from '../../src/graph/graph.ts';
import { findParameters } from '../../src/graph/parameters.ts';
import { type Tensor, tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import { createRandom } from '../../src/random/random.ts';
import { readModelSource } from '../../src/readers/index.ts';
import type { Design, Patient } from '../../src/remedies/remedy.ts';
import { openSource } from '../../src/runtime/node/files.ts';
import { examinePatient } from '../../src/verbs/patient.ts';
import { patientTools } from '../../src/verbs/treat-tools.ts';
import { draws, norms, remedyOf, skips, swaps } from './pasted.ts';
import { findPython, PythonPartner } from './python-partner.ts';
import { reread, run, runtime } from './structure/patient.ts';

const python = findPython(['torch'], 'torch-patch.test.ts: no python3 has torch (python3-torch): patches are not run');

/** Networks of torch_patch.py, and the plans pasted into each. */
const plans: Readonly<Record<string, readonly string[]>> = {
  sigmoid: [
    ...swaps,
    ...norms,
    ...skips,
    ...draws,
    'remove-layers',
    'use-prelu+add-batch-norm',
    'add-layer-norm+add-scaled-residual',
  ],
  relu: ['use-leaky-relu', 'use-prelu', ...skips, 'use-he-init', 'add-batch-norm+add-residual', 'remove-layers'],
  dead: ['zero-biases', 'use-leaky-relu'],
  equal: ['randomize-init', 'add-batch-norm', 'use-relu'],
  shared: ['use-relu', 'add-batch-norm', 'use-he-init'],
  lists: ['use-prelu', 'use-selu', 'add-rms-norm', ...skips, 'use-critical-init'],
  'lists-relu': ['use-prelu', ...skips, 'add-layer-norm'],
  calls: [...skips, ...norms, 'use-he-init', 'remove-layers'],
  residual: ['use-fixup-init', 'add-layer-norm'],
  convolutions: ['use-relu', 'use-prelu', 'add-batch-norm', 'add-layer-norm', 'add-group-norm', ...skips, ...draws],
  'convolutions-norm': ['use-prelu', ...skips, 'use-he-init'],
  rnn: ['use-lstm', 'use-gru', 'use-orthogonal-recurrence', 'use-identity-recurrence'],
  'rnn-no-bias': ['use-lstm', 'use-gru', 'use-identity-recurrence'],
  'rnn-both-ways': ['use-lstm', 'use-gru', 'use-orthogonal-recurrence', 'use-identity-recurrence'],
  lstm: ['open-forget-gate', 'use-orthogonal-recurrence'],
  transformer: ['use-pre-norm'],
  'transformer-norm': ['use-pre-norm'],
  blocks: ['use-pre-norm'],
  // Without names for weights that the exporter folded: what is compared are patches that draw none of them.
  'sigmoid-folded': ['add-batch-norm', 'add-scaled-residual', 'use-prelu', 'remove-layers'],
  'lists-folded': ['add-scaled-residual', 'add-rms-norm'],
  'convolutions-folded': ['add-group-norm', 'add-scaled-residual', 'use-prelu'],
  'rnn-folded': ['use-identity-recurrence'],
  'lstm-folded': ['open-forget-gate'],
  'blocks-folded': ['use-pre-norm'],
};

/** What cannot be written as code for a module: the patch says so. */
const uncovered: Readonly<Record<string, readonly string[]>> = {
  'calls-tanh': ['add-residual', 'add-scaled-residual', 'use-prelu'],
  shared: ['add-residual', 'use-prelu'],
  'lstm-no-bias': ['open-forget-gate'],
  'convolutions-norm-folded': ['add-residual', 'add-batch-norm'],
};

interface Network {
  readonly shape: readonly number[];
  readonly input: readonly number[];
  readonly state: Readonly<Record<string, readonly number[]>>;
}

interface Case {
  readonly network: string;
  readonly patches: readonly string[];
  readonly parameters: Readonly<Record<string, readonly number[]>>;
}

interface Drawn {
  readonly size: number;
  readonly mean: number;
  readonly square: number;
}

type Answer =
  | {
      readonly drawn: Readonly<Record<string, Drawn>>;
      readonly unknown: readonly string[];
      readonly missing: readonly string[];
      readonly output: readonly number[];
    }
  | { readonly error: string };

/** What the treated network holds and computes. */
interface Treated {
  readonly drawn: Readonly<Record<string, Drawn>>;
  readonly output: readonly number[];
}

const names = Object.entries(plans).flatMap(([network, list]) => list.map((plan) => `${network}: ${plan}`));

describe.skipIf(!python)('patches pasted into PyTorch', () => {
  const treated = new Map<string, Treated | Error>();
  const answers = new Map<string, Answer>();
  const texts = new Map<string, string>();
  let partner: PythonPartner | undefined;

  beforeAll(async () => {
    partner = new PythonPartner(python!, 'torch_patch.py');
    const { folder } = partner;
    const { networks } = await partner.hear<{ networks: Record<string, Network> }>();
    const cases: (Case & { name: string })[] = [];
    for (const [network, list] of Object.entries(plans)) {
      const about = networks[network]!;
      const inputs = new Map([['input', tensorOf('float32', about.shape, about.input)]]);
      const model = await readModelSource(await openSource(join(folder, `${network}.onnx`)));
      const patient = await examine(model, inputs);
      for (const plan of list) {
        const name = `${network}: ${plan}`;
        try {
          const { patches, parameters, ...rest } = await treat(patient, plan.split('+'), inputs, about.state);
          treated.set(name, rest);
          cases.push({ name, network, patches, parameters });
        } catch (error) {
          treated.set(name, error as Error);
        }
      }
    }
    for (const [network, list] of Object.entries(uncovered)) {
      const { shape, input } = networks[network]!;
      const model = await readModelSource(await openSource(join(folder, `${network}.onnx`)));
      const patient = await examine(model, new Map([['input', tensorOf('float32', shape, input)]]));
      for (const id of list) texts.set(`${network}: ${id}`, remedyOf(id).patch(patient).pytorch);
    }
    const results = await partner.ask<Answer[]>(cases);
    for (const [i, { name }] of cases.entries()) answers.set(name, results[i]!);
  }, 180_000);

  afterAll(() => partner?.stop());

  test.each(names)('%s', (name) => {
    const ours = treated.get(name)!;
    if (ours instanceof Error) throw ours;
    const answer = answers.get(name)!;
    if ('error' in answer) throw new Error(answer.error);
    // Every parameter has its place in the patched module, and the module has no other.
    expect(answer.unknown).toEqual([]);
    if (!name.includes('-folded')) expect(answer.missing).toEqual([]);
    // The patch changes the parameters that the remedy changes, to numbers of the same distribution.
    const changed = Object.keys(answer.drawn).filter((key) => !name.includes('-folded') || key in ours.drawn);
    expect(changed.sort()).toEqual(Object.keys(ours.drawn).sort());
    for (const [key, { size, mean, square }] of Object.entries(ours.drawn)) {
      const theirs = answer.drawn[key]!;
      expect(theirs.size, key).toBe(size);
      expect(Math.abs(theirs.square - square), `${key} mean square`).toBeLessThan(
        1e-6 + 7 * Math.sqrt(2 / size) * Math.max(square, theirs.square),
      );
      expect(Math.abs(theirs.mean - mean), `${key} mean`).toBeLessThan(1e-6 + 7 * Math.sqrt(square / size));
    }
    const scale = Math.max(...ours.output.map(Math.abs));
    const errors = ours.output.map((y, i) => Math.abs(y - answer.output[i]!) / scale);
    expect(answer.output.length).toBe(ours.output.length);
    expect(Math.max(...errors)).toBeLessThan(1e-5);
  });

  const said = Object.entries(uncovered).flatMap(([network, list]) => list.map((id) => `${network}: ${id}`));
  test.each(said)('%s is said not to be covered', (name) => {
    expect(texts.get(name)).toMatch(/not covered/i);
  });
});

async function examine(model: Model, inputs: ReadonlyMap<string, Tensor>): Promise<Patient> {
  const rows = [...inputs.values()][0]!.dims[0]!;
  const target = tensorOf(
    'int64',
    [rows],
    Array.from({ length: rows }, (_, i) => i % 4),
  );
  const batch = { kind: 'tensors', from: 'torch', inputs: new Map(inputs), target } as const;
  const options = { runtime, batch, size: rows, seed: 1 };
  return (await examinePatient(model, { ...options, tools: () => patientTools(options) })).patient;
}

/** A plan carried out: the patches, the numbers to give the patched module, and what the treated network computes with them. */
async function treat(
  patient: Patient,
  plan: readonly string[],
  inputs: ReadonlyMap<string, Tensor>,
  state: Network['state'],
): Promise<Treated & Pick<Case, 'patches' | 'parameters'>> {
  const own = plan.map(remedyOf);
  let design: Design = patient.design;
  for (const remedy of own) design = await remedy.apply(design, patient);
  const before = patient.design.model.graph.initializers;
  const { graph } = design.model;
  const kept = [...graph.initializers.keys()].filter((name) => name in state || /running_(mean|var)$/.test(name));
  // Names that the exporter made up are not known to the module, which keeps its own numbers.
  const named = findParameters(design.model).filter((name) => !/^onnx::/.test(name));
  const parameters = new Set([...named, ...kept]);
  const drawn: Record<string, Drawn> = {};
  const initializers = new Map(graph.initializers);
  const random = createRandom(5);
  for (const name of parameters) {
    const tensor = initializers.get(name)!;
    const values = toFloat64(tensor);
    if (sameValues(values, before.get(name))) continue;
    const mean = (of: (x: number) => number) => values.reduce((sum, x) => sum + of(x), 0) / values.length;
    drawn[name] = { size: values.length, mean: mean((x) => x), square: mean((x) => x * x) };
    // A branch times zero would hide what the branch computes.
    if (/running_(mean|var)$/.test(name)) continue;
    const own = random.fork(name);
    initializers.set(
      name,
      tensorOf(
        tensor.type,
        tensor.dims,
        values.map((x) => x + 0.2 * own.normal()),
      ),
    );
  }
  const model = await reread({ ...design.model, graph: { ...graph, initializers } });
  const [output] = await run(model, inputs);
  return {
    patches: own.map((remedy) => remedy.patch(patient).pytorch),
    parameters: Object.fromEntries([...parameters].map((name) => [name, valuesOf(model, name)])),
    drawn,
    output: Array.from(toFloat64(output!)),
  };
}

function sameValues(values: Float64Array, tensor: Tensor | undefined): boolean {
  if (tensor?.data.length !== values.length) return false;
  return toFloat64(tensor).every((x, i) => x === values[i]);
}

function valuesOf({ graph }: Model, name: string): number[] {
  return Array.from(toFloat64(graph.initializers.get(name)!));
}
