import type { Model, Node } from '../../graph/graph.ts';
import { filledTensor } from '../../graph/tensor.ts';
import { orthogonalMatrix } from '../../random/orthogonal.ts';
import { createRandom } from '../../random/random.ts';
import { findingNaming, findingOf } from '../evidence.ts';
import { gateBias, predictSteps, type Step, sigmoid, slopeOf, squareGain } from '../recurrent/decades.ts';
import { type Design, type Patient, type Remedy, RemedyError } from '../remedy.ts';
import { GraphEditor } from '../rewrite/editor.ts';
import { type StoredElements, traceElements, valuesOf, writeElements } from '../rewrite/stored-elements.ts';
import { type PatchedRecurrence, patchForgetGate, patchIdentity, patchOrthogonal } from './recurrence-patch.ts';

/** The layers with a recurrence of their own, and how many gates each has. */
const gates: Readonly<Record<string, number>> = { RNN: 1, GRU: 3, LSTM: 4 };

const recurrentFinding = (patient: Patient) =>
  findingOf(patient, 'vanishing-through-time', 'exploding-through-time') ??
  findingNaming(patient, 'use-orthogonal-recurrence');

/** Recurrent weights whose powers neither shrink nor grow. */
export const useOrthogonalRecurrence: Remedy = {
  id: 'use-orthogonal-recurrence',
  title: 'orthogonal recurrent weights, each gate its own',
  changes: 'changes-training',
  why: 'Going back through time multiplies by the same matrix once per step: of an orthogonal one every power has all singular values 1. The recurrent weights alone are drawn anew: what they had learnt is lost.',
  removes: ['recurrence', 'weight-matrix'],
  conflicts: ['use-identity-recurrence', 'use-lsuv-init'],
  references: ['Saxe, McClelland & Ganguli 2014', 'Henaff, Szlam & LeCun 2016, Recurrent Orthogonal Networks'],
  applies(patient) {
    const finding = recurrentFinding(patient);
    const nodes = writable(patient.design.model, /^(RNN|GRU|LSTM)$/, 2).filter(
      (node) => !isOrthogonal(patient.design.model, node),
    );
    return finding && nodes.length > 0
      ? `${finding.title}, and the recurrent weights of ${placesOf(patient, nodes)} are not orthogonal`
      : undefined;
  },
  apply(design, { seed }) {
    const random = createRandom(seed).fork('orthogonal recurrence');
    return rewrite(design, 'use-orthogonal-recurrence', /^(RNN|GRU|LSTM)$/, (node, initializers) => {
      const R = traceElements(design.model.graph, node.inputs[2]!)!;
      const [directions = 1, , hidden = 1] = R.dims;
      const count = directions * gates[node.op]!;
      const matrices = Array.from({ length: count }, (_, i) =>
        orthogonalMatrix(hidden, hidden, random.fork(`${node.name} ${i}`)),
      );
      const size = hidden * hidden;
      writeElements(initializers, R, (index) => matrices[Math.floor(index / size)]![index % size]);
    });
  },
  predict: (patient) =>
    predictSteps(patient, writable(patient.design.model, /^(RNN|GRU|LSTM)$/, 2), (node) =>
      stepOf(patient, node, { gain: 1 }),
    ),
  patch: (patient) => patchOrthogonal(recurrencesOf(patient, /^(RNN|GRU|LSTM)$/)),
};

/** ReLU units that at first only add up what comes in. */
export const useIdentityRecurrence: Remedy = {
  id: 'use-identity-recurrence',
  title: 'identity recurrent weights, zero biases and ReLU (IRNN)',
  changes: 'changes-model',
  why: "With the identity for recurrent weights and ReLU for tanh a state stays what it is until something comes in: the factor of each step on the way back is 1 where tanh's derivative and the weights' gain made it smaller. What the recurrent weights and the biases had learnt is lost; the input's weights stay.",
  removes: ['recurrence', 'activation-derivative', 'weight-matrix'],
  conflicts: ['use-orthogonal-recurrence', 'use-lstm', 'use-gru', 'use-lsuv-init'],
  references: ['Le, Jaitly & Hinton 2015, A simple way to initialize recurrent networks of rectified linear units'],
  applies(patient) {
    const finding = recurrentFinding(patient);
    const nodes = writable(patient.design.model, /^RNN$/, 2);
    const other = nodes.filter((node) => !isIdentity(patient.design.model, node));
    return finding && other.length > 0
      ? `${finding.title}, and ${placesOf(patient, other)} can start as the identity in time`
      : undefined;
  },
  apply(design) {
    const named = rewrite(design, 'use-identity-recurrence', /^RNN$/, (node, initializers) => {
      const R = traceElements(design.model.graph, node.inputs[2]!)!;
      const [, , hidden = 1] = R.dims;
      writeElements(initializers, R, (index) => (index % hidden === Math.floor(index / hidden) % hidden ? 1 : 0));
      const B = biasesAt(design.model, node);
      if (B) writeElements(initializers, B, () => 0);
    });
    const changed = new Set(writable(design.model, /^RNN$/, 2).map(({ name }) => name));
    const { graph } = named.model;
    const nodes = graph.nodes.map((node) =>
      changed.has(node.name)
        ? { ...node, attributes: { ...node.attributes, activations: directionsOf(node).map(() => 'Relu') } }
        : node,
    );
    return { ...named, model: { ...named.model, graph: { ...graph, nodes } } };
  },
  predict: (patient) =>
    predictSteps(patient, writable(patient.design.model, /^RNN$/, 2), (node) => ({
      hoards: true,
      weights: squareGain(patient, node, 1, 0, 1),
    })),
  patch: (patient) => patchIdentity(recurrencesOf(patient, /^RNN$/)),
};

/** Forget gates that start open. */
export const openForgetGate: Remedy = {
  id: 'open-forget-gate',
  title: 'forget gates that start open: bias 1',
  changes: 'changes-training',
  why: 'The cell state goes back through time by the forget gate alone: σ(0) = 1/2 a step loses three decades in ten steps, σ(1) = 0.73 keeps the gradient more than twice as long, until training opens the gate further. Nothing but that bias changes.',
  removes: ['recurrence'],
  conflicts: [],
  references: ['Gers, Schmidhuber & Cummins 2000, Learning to Forget', 'Jozefowicz, Zaremba & Sutskever 2015'],
  applies(patient) {
    const finding = findingOf(patient, 'vanishing-through-time') ?? findingNaming(patient, 'open-forget-gate');
    const closed = lstmsOf(patient.design.model).filter((node) => forgetBias(patient.design.model, node) < OPEN);
    return finding && closed.length > 0
      ? `${finding.title}, and the forget gates of ${placesOf(patient, closed)} start half closed`
      : undefined;
  },
  apply(design) {
    const { model } = design;
    const nodes = lstmsOf(model);
    if (nodes.length === 0) throw nothing('open-forget-gate', model, 'an LSTM');
    const editor = new GraphEditor(model);
    for (const { name } of nodes) {
      const node = editor.node(name);
      const hidden = hiddenOf(node);
      if (!node.inputs[3]) {
        const type = typeOfWeights(model, node);
        const B = filledTensor(type, [directionsOf(node).length, 8 * hidden], 0);
        while (node.inputs.length < 3) node.inputs.push('');
        node.inputs[3] = editor.parameter(`${name}.bias`, B);
      }
      const B = traceElements(editor.graph, node.inputs[3]!)!;
      // Wb and Rb of the gates i, o, f, c: their sum is what the gate sees.
      writeElements(editor.graph.initializers, B, (index) => {
        const gate = Math.floor((index % (8 * hidden)) / hidden);
        return gate === FORGET ? 1 : gate === 4 + FORGET ? 0 : undefined;
      });
    }
    return { ...design, model: editor.done() };
  },
  predict: (patient) =>
    predictSteps(patient, lstmsOf(patient.design.model), (node) => stepOf(patient, node, { forget: 1 })),
  patch: (patient) => patchForgetGate(recurrencesOf(patient, /^LSTM$/)),
};

/**
 * A layer's step with its gates as their stored biases leave them: i, o, f of an LSTM, whose state is c, z and r of a GRU,
 * the measured slope of an RNN's function. Recurrent weights beyond a gain of 1 saturate what reads them: 1 is all they do.
 */
function stepOf(patient: Patient, node: Node, { gain, forget }: { gain?: number; forget?: number }): Step {
  const count = gates[node.op]!;
  // The gate that takes the state in stands last: c of i, o, f, c, and h of z, r, h.
  const state = count - 1;
  const weights = squareGain(patient, node, 1, state, count);
  const mixing = gain ?? Math.min(1, Math.sqrt(squareGain(patient, node, 2, state, count)));
  const gate = (index: number) => sigmoid(gateBias(patient, node, index, count));
  switch (node.op) {
    case 'LSTM': {
      const enter = gate(0) * gate(1);
      return { keep: sigmoid(forget ?? gateBias(patient, node, FORGET, count)), mix: enter * mixing, enter, weights };
    }
    case 'GRU':
      return { keep: gate(0), mix: (1 - gate(0)) * gate(1) * mixing, enter: 1 - gate(0), weights };
    default:
      return { keep: 0, mix: slopeOf(node, patient) * mixing, enter: slopeOf(node, patient), weights };
  }
}

/** ONNX orders an LSTM's gates i, o, f, c. */
const FORGET = 2;
/** A bias nearer to 1 than this is open. */
const OPEN = 0.9;

/** The LSTM nodes whose bias can be written: stored, moved about, or absent. */
function lstmsOf({ graph }: Model): Node[] {
  return graph.nodes.filter(
    (node) =>
      node.op === 'LSTM' &&
      node.domain === '' &&
      (!node.inputs[3] || traceElements(graph, node.inputs[3]) !== undefined),
  );
}

/** Mean bias of the forget gate. */
function forgetBias(model: Model, node: Node): number {
  const B = biasesAt(model, node);
  if (!B) return 0;
  const hidden = hiddenOf(node);
  const values = valuesOf(model.graph, B);
  const gate = (index: number) => Math.floor((index % (8 * hidden)) / hidden);
  const sum = values.reduce((total, x, i) => (gate(i) === FORGET || gate(i) === 4 + FORGET ? total + x : total), 0);
  return sum / (hidden * directionsOf(node).length);
}

/** Recurrent nodes of an operator of which one input is stored, in whatever order. */
function writable({ graph }: Model, op: RegExp, input: number): Node[] {
  return graph.nodes.filter(
    (node) =>
      op.test(node.op) && node.domain === '' && traceElements(graph, node.inputs[input] ?? '')?.dims.length === 3,
  );
}

function biasesAt({ graph }: Model, node: Node): StoredElements | undefined {
  return node.inputs[3] ? traceElements(graph, node.inputs[3]) : undefined;
}

function rewrite(
  design: Design,
  id: string,
  op: RegExp,
  change: (node: Node, initializers: Model['graph']['initializers']) => void,
): Design {
  const { model } = design;
  const nodes = writable(model, op, 2);
  if (nodes.length === 0) throw nothing(id, model, 'a recurrent layer whose weights are stored');
  const initializers = new Map(model.graph.initializers);
  for (const node of nodes) change(node, initializers);
  return { ...design, model: { ...model, graph: { ...model.graph, initializers } } };
}

function nothing(id: string, { name }: Model, hint: string): RemedyError {
  return new RemedyError(`${id} finds nothing to change in ${name}`, { code: 'remedy-place', hint });
}

const TOLERANCE = 1e-3;

/** Whether R Rᵀ = 1 for every gate. */
function isOrthogonal(model: Model, node: Node): boolean {
  const R = traceElements(model.graph, node.inputs[2]!)!;
  const values = valuesOf(model.graph, R);
  const hidden = R.dims[2]!;
  for (let from = 0; from < values.length; from += hidden * hidden) {
    for (let i = 0; i < hidden; i++) {
      for (let j = 0; j <= i; j++) {
        let dot = 0;
        for (let k = 0; k < hidden; k++) dot += values[from + i * hidden + k]! * values[from + j * hidden + k]!;
        if (Math.abs(dot - (i === j ? 1 : 0)) > TOLERANCE) return false;
      }
    }
  }
  return true;
}

function isIdentity(model: Model, node: Node): boolean {
  const R = traceElements(model.graph, node.inputs[2]!)!;
  const hidden = R.dims[2]!;
  const isOne = (index: number) => index % hidden === Math.floor(index / hidden) % hidden;
  const functions = node.attributes.activations as string[] | undefined;
  return (
    functions?.every((name) => name === 'Relu') === true &&
    valuesOf(model.graph, R).every((x, index) => Math.abs(x - (isOne(index) ? 1 : 0)) < TOLERANCE)
  );
}

function directionsOf(node: Node): string[] {
  return node.attributes.direction === 'bidirectional' ? ['forward', 'reverse'] : ['forward'];
}

function hiddenOf(node: Node): number {
  return Number(node.attributes.hidden_size);
}

function typeOfWeights({ graph }: Model, node: Node) {
  const { names } = traceElements(graph, node.inputs[1] ?? '') ?? { names: [] };
  return graph.initializers.get(names[0] ?? '')?.type ?? 'float32';
}

/** Layers as reports name them. */
function placesOf({ profile }: Patient, nodes: readonly Node[]): string {
  const layers = new Map(profile.recurrent?.map(({ node, layer }) => [node, layer]));
  return nodes.map(({ name }) => layers.get(name) ?? name).join(', ');
}

function recurrencesOf(patient: Patient, op: RegExp): PatchedRecurrence[] {
  const { model } = patient.design;
  return model.graph.nodes
    .filter((node) => op.test(node.op))
    .map((node) => ({
      op: node.op,
      layer: placesOf(patient, [node]),
      hidden: hiddenOf(node),
      gates: gates[node.op]!,
      parameters: [1, 2, 3].flatMap((i) => traceElements(model.graph, node.inputs[i] ?? '')?.names ?? []),
    }));
}
