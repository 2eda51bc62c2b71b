import { effectiveDecades } from '../diagnosis/decay.ts';
import { consumers, type Graph, type Model, type Node, producers } from '../graph/graph.ts';
import { anyFinding } from './evidence.ts';
import { pairLossPatch, singleSoftmaxPatch } from './outputs-patch.ts';
import { kerasLayerOf } from './patch/names.ts';
import { type Design, type Patient, type Remedy, RemedyError } from './remedy.ts';
import { GraphEditor } from './rewrite/editor.ts';
import { mixingLayers } from './rewrite/redraw.ts';

/** Operators that give the same numbers another shape. */
const reshaping: ReadonlySet<string> = new Set(['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);

/** The node that makes an output's numbers. */
function finalNode({ graph }: Model, output: string): Node | undefined {
  const made = producers(graph);
  let node = made.get(output);
  while (node && reshaping.has(node.op) && node.domain === '') node = made.get(node.inputs[0]!);
  return node?.domain === '' ? node : undefined;
}

interface Pairing {
  readonly loss: 'cross-entropy' | 'binary-cross-entropy';
  readonly node: Node;
}

/** The loss that belongs to the output's function; undefined where it is there already, or none is known. */
function pairingOf({ model, training }: Design): Pairing | undefined {
  const node = finalNode(model, training.output);
  if (node?.op === 'Sigmoid' && training.loss === 'mse') return { loss: 'binary-cross-entropy', node };
  const isOther = training.loss === 'mse' || training.loss === 'binary-cross-entropy';
  return node?.op === 'Softmax' && isOther ? { loss: 'cross-entropy', node } : undefined;
}

const lossNames: Readonly<Record<string, string>> = {
  mse: 'the mean squared error',
  'binary-cross-entropy': 'binary cross-entropy',
};

/** Cross-entropy from logits for probabilities that were scored otherwise. */
export const pairLoss: Remedy = {
  id: 'pair-loss',
  title: 'cross-entropy, read from the logits, in place of a loss that does not fit the output',
  changes: 'changes-training',
  why: 'Removes the derivative of the last function: with σ under the mean squared error δ = (p − t) · p (1 − p), which is flat where the answer is most wrong; with cross-entropy from logits δ = p − t. The model keeps its output: only what is minimized changes, and with it the unit of the loss.',
  removes: ['loss-saturation'],
  conflicts: [],
  references: [
    'Solla, Levin & Fleisher 1988, Accelerated learning in layered neural networks',
    'Golik, Doetsch & Ney 2013, Cross-entropy vs. squared error training',
    'Bishop 2006, Pattern recognition and machine learning, section 4.3.6: canonical link functions',
  ],
  applies(patient) {
    const finding = anyFinding(patient);
    const pairing = pairingOf(patient.design);
    if (!finding || !pairing) return undefined;
    const loss = lossNames[patient.design.training.loss];
    return `${finding.title}, and ${loss} reads the output of a ${pairing.node.op.toLowerCase()}`;
  },
  apply(design) {
    const pairing = pairingOf(design);
    if (pairing) return { ...design, training: { ...design.training, loss: pairing.loss } };
    const { output, loss } = design.training;
    const last = finalNode(design.model, output)?.op ?? 'an input';
    throw new RemedyError(`pair-loss finds ${last} under ${loss}, which it has no better loss for`, {
      code: 'remedy-place',
      where: output,
      hint: 'it pairs Sigmoid with binary cross-entropy and Softmax with cross-entropy',
    });
  },
  predict: (patient) => withoutNodes(patient, [pairingOf(patient.design)?.node.name]),
  patch(patient) {
    const { design } = patient;
    const pairing = pairingOf(design);
    return pairLossPatch(pairing?.loss ?? 'cross-entropy', design.training, kerasPlace(design.model, pairing?.node));
  },
};

/** The layer of Keras or TensorFlow.js that computes a function at the end. */
function kerasPlace(model: Model, node: Node | undefined): string {
  return kerasLayerOf(node?.name ?? '', mixingLayers(model).at(-1)?.name ?? '');
}

/** A softmax, or a sigmoid, whose result another softmax reads. */
interface Double {
  readonly inner: Node;
  /** The node that reads it, on the way to the other softmax; undefined where that is the loss's own. */
  readonly reader: Node | undefined;
  readonly outer: string;
}

/** Functions that do a softmax of their own. A logarithm before it changes nothing: softmax(log p) = p. */
const softmaxes: ReadonlySet<string> = new Set(['Softmax', 'LogSoftmax', 'SoftmaxCrossEntropyLoss']);

function doublesIn({ model, training }: Design, rankOf: (value: string) => number | undefined): Double[] {
  const { graph } = model;
  const made = producers(graph);
  const readers = consumers(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const found: Double[] = [];
  for (const outer of graph.nodes) {
    if (!softmaxes.has(outer.op) || outer.domain !== '') continue;
    let reader = outer;
    let node = made.get(outer.inputs[0]!);
    while (
      node &&
      reshaping.has(node.op) &&
      readers.get(node.outputs[0]!)?.length === 1 &&
      !outputs.has(node.outputs[0]!)
    ) {
      reader = node;
      node = made.get(node.inputs[0]!);
    }
    if (node?.op !== 'Softmax' || node.domain !== '' || !sameAxis(node, outer, rankOf)) continue;
    found.push({ inner: node, reader, outer: outer.op });
  }
  const last = finalNode(model, training.output);
  // The loss takes a sigmoid's result for logits: between 0 and 1 no class can have more than e times another's chance.
  if (last?.op === 'Sigmoid' && training.loss === 'cross-entropy') {
    found.push({ inner: last, reader: undefined, outer: 'cross-entropy' });
  }
  return found;
}

/** Softmax over rows of a softmax over columns is something else (Sinkhorn 1967). */
function sameAxis(inner: Node, outer: Node, rankOf: (value: string) => number | undefined): boolean {
  const fromEnd = ({ op, attributes, inputs }: Node) => {
    const axis = op === 'SoftmaxCrossEntropyLoss' ? 1 : Number(attributes.axis ?? -1);
    const rank = rankOf(inputs[0]!);
    return axis < 0 ? axis : rank === undefined ? undefined : axis - rank;
  };
  const [a, b] = [fromEnd(inner), fromEnd(outer)];
  return a !== undefined && a === b;
}

/** One softmax where there were two. */
export const removeDoubleSoftmax: Remedy = {
  id: 'remove-double-softmax',
  title: 'one softmax where there are two',
  changes: 'changes-model',
  why: 'Removes the derivative diag(p) − p pᵀ of the inner function, at most a half and near zero where it is sure. What the outer one reads lies between 0 and 1: of C classes the likeliest gets e / (e + C − 1) at most, so that the loss cannot fall to zero however well the network knows.',
  removes: ['loss-saturation', 'attention'],
  conflicts: [],
  references: [
    'Goodfellow, Bengio & Courville 2016, Deep learning, section 6.2.2.3',
    'PyTorch, torch.nn.CrossEntropyLoss: the input is expected to contain unnormalized logits',
  ],
  applies(patient) {
    const finding = anyFinding(patient);
    const [double] = doublesIn(patient.design, rankIn(patient));
    if (!finding || !double) return undefined;
    const { inner, outer } = double;
    return `${finding.title}, and the ${inner.op.toLowerCase()} of ${inner.name} goes into ${outer}, which does a softmax itself`;
  },
  apply(design, patient) {
    const doubles = doublesIn(design, rankIn(patient));
    if (doubles.length === 0) {
      throw new RemedyError(`remove-double-softmax finds no softmax under another in ${design.model.name}`, {
        code: 'remedy-place',
      });
    }
    return { ...design, model: withoutInner(design.model, doubles) };
  },
  predict(patient) {
    const doubles = doublesIn(patient.design, rankIn(patient));
    return withoutNodes(
      patient,
      doubles.map(({ inner }) => inner.name),
    );
  },
  patch(patient) {
    const [double] = doublesIn(patient.design, rankIn(patient));
    return singleSoftmaxPatch(
      double?.inner.op ?? 'Softmax',
      double?.outer ?? 'Softmax',
      kerasPlace(patient.design.model, double?.inner),
    );
  },
};

function rankIn({ binding }: Patient): (value: string) => number | undefined {
  return (value) => binding.get(value)?.shape.length;
}

function withoutInner(model: Model, doubles: readonly Double[]): Model {
  const editor = new GraphEditor(model);
  for (const { inner, reader } of doubles) {
    const X = inner.inputs[0]!;
    const [Y] = inner.outputs as [string];
    if (reader) {
      const node = editor.node(reader.name);
      node.inputs = node.inputs.map((input) => (input === Y ? X : input));
      if (!isRead(editor.graph, Y)) editor.remove([inner.name]);
    } else {
      // It computes the output, whose name stays.
      const node = editor.node(inner.name);
      node.op = 'Identity';
      node.attributes = {};
    }
  }
  return editor.done();
}

function isRead(graph: Graph, value: string): boolean {
  return consumers(graph).has(value) || graph.outputs.some(({ name }) => name === value);
}

/** The measured effective decades less what some nodes took of the gradient; undefined where that was not measured. */
function withoutNodes({ profile, diagnosis }: Patient, nodes: readonly (string | undefined)[]): number | undefined {
  const byKind = diagnosis.attribution?.byKind;
  if (!byKind) return undefined;
  const values = new Map(profile.values.map((value) => [value.name, value]));
  let decades = effectiveDecades(byKind);
  for (const name of nodes) {
    const edge = profile.edges.find(({ node, inner }) => node === name && !inner);
    const output = edge?.outputs.map((value) => values.get(value)).find((value) => value !== undefined);
    if (!edge || !output) return undefined;
    decades -= edge.log10L2 - output.gradient.log10L2;
  }
  return Number.isFinite(decades) ? decades : undefined;
}

/** Remedies for what stands between the last layer and the loss. */
export const outputRemedies: readonly Remedy[] = [pairLoss, removeDoubleSoftmax];
