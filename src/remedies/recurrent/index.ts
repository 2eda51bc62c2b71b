import { findingNaming, findingOf } from '../evidence.ts';
import { type Patient, type Remedy, RemedyError } from '../remedy.ts';
import { some } from '../structure/words.ts';
import { predictSteps, type Step, sigmoid } from './decades.ts';
import { patchGates } from './patch.ts';
import { useGates } from './rewrite.ts';
import { type RecurrentSite, recurrentSites } from './sites.ts';

const recurrences = ['use-orthogonal-recurrence', 'use-identity-recurrence'];

interface Kind {
  readonly id: string;
  readonly op: 'LSTM' | 'GRU';
  readonly times: string;
  readonly why: string;
  readonly references: readonly string[];
}

const kinds: readonly Kind[] = [
  {
    id: 'use-lstm',
    op: 'LSTM',
    times: 'four',
    why: 'The state goes from step to step as c ← f · c + i · g: the factor of the chain rule is the forget gate f, which starts at σ(1) = 0.73 and can learn to be 1, in place of diag(φ′) · R at every step.',
    references: [
      'Hochreiter & Schmidhuber 1997, Long short-term memory',
      'Gers, Schmidhuber & Cummins 2000, Learning to forget',
      'Jozefowicz, Zaremba & Sutskever 2015, An empirical exploration of recurrent network architectures',
    ],
  },
  {
    id: 'use-gru',
    op: 'GRU',
    times: 'three',
    why: 'The state goes from step to step as h ← z · h + (1 − z) · h̃: the factor of the chain rule has z on its diagonal, which starts at a half and can learn to be 1, in place of diag(φ′) · R at every step.',
    references: ['Cho et al. 2014, Learning phrase representations using RNN encoder-decoder, section 2.3'],
  },
];

/** Gated layers in the place of plain recurrent ones. */
export const recurrentRemedies: readonly Remedy[] = kinds.map(({ id, op, times, why, references }) => ({
  id,
  title: `${op} of the same hidden size in place of the plain recurrence`,
  changes: 'changes-model',
  why: `${why} It has ${times} times the weights and takes about that many times as long; what the plain recurrence had learnt is lost.`,
  removes: ['recurrence'],
  conflicts: [...kinds.map((kind) => kind.id).filter((other) => other !== id), ...recurrences],
  references,
  applies(patient) {
    const finding = findingFor(patient);
    const layers = recurrentSites(patient.design.model).map(({ layer }) => layer);
    if (!finding || layers.length === 0) return undefined;
    return `${finding.title}, and ${some(layers)} ${layers.length === 1 ? 'has' : 'have'} no gates`;
  },
  apply(design, patient) {
    if (recurrentSites(design.model).length === 0) {
      throw new RemedyError(`${id} finds no plain recurrence in ${design.model.name}`, {
        code: 'remedy-place',
        hint: 'it replaces the ONNX operator RNN, with weights that the file stores',
      });
    }
    return { ...design, model: useGates(design.model, op, patient.seed) };
  },
  predict(patient) {
    const sites = new Map(recurrentSites(patient.design.model).map((site) => [site.node, site]));
    return predictSteps(patient, [...sites.keys()], (node) => firstStep(op, sites.get(node)!));
  },
  patch: ({ design: { model } }) => patchGates(recurrentSites(model), op),
}));

/**
 * The step of a layer as it is drawn: gates at σ of their biases, 1 for an LSTM's forget gate and 0 for all others;
 * orthogonal R; W Glorot, whose variance 2 / (F + H) makes ‖W‖²_F / H = 2 F / (F + H).
 */
function firstStep(op: Kind['op'], { features, hidden }: RecurrentSite): Step {
  const weights = (2 * features) / (features + hidden);
  const half = sigmoid(0);
  return op === 'LSTM'
    ? { keep: sigmoid(1), mix: half * half, enter: half * half, weights }
    : { keep: half, mix: half * half, enter: half, weights };
}

/** What a recurrence without gates does through time, or a loss that stands still because of it. */
function findingFor(patient: Patient) {
  return (
    findingOf(patient, 'vanishing-through-time', 'exploding-through-time') ??
    findingNaming(patient, 'use-lstm') ??
    findingOf(patient, 'loss-plateau')
  );
}
