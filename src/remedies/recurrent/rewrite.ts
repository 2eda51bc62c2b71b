import type { Model } from '../../graph/graph.ts';
import { pruneGraph } from '../../graph/prune.ts';
import { type Tensor, tensorOf } from '../../graph/tensor.ts';
import { createRandom, type Random } from '../../random/random.ts';
import { drawLayout } from '../../training/initialize.ts';
import { GraphEditor } from '../rewrite/editor.ts';
import { type Leaf, type RecurrentSite, recurrentSites } from './sites.ts';

/** A gated operator: how many matrices are stacked, and which is the forget gate. */
export interface Gated {
  readonly op: 'LSTM' | 'GRU';
  readonly gates: number;
  /** ONNX order: i, o, f, c and z, r, h. For each, its place in PyTorch's: i, f, g, o and r, z, n. */
  readonly torchOrder: readonly number[];
  /** The gate whose bias starts at 1, in ONNX order. */
  readonly forget?: number;
  readonly attributes: Readonly<Record<string, number>>;
}

export const gated: Record<'LSTM' | 'GRU', Gated> = {
  LSTM: { op: 'LSTM', gates: 4, torchOrder: [0, 3, 1, 2], forget: 2, attributes: {} },
  // The reset gate behind the matrix, as in cuDNN: torch.nn.GRU, and Keras with reset_after.
  GRU: { op: 'GRU', gates: 3, torchOrder: [1, 0, 2], attributes: { linear_before_reset: 1 } },
};

/** The first values of one layer, in ONNX order: W and R [directions, gates · hidden, …], B [directions, 2 · gates · hidden]. */
interface Drawn {
  readonly W: Tensor;
  readonly R: Tensor;
  readonly B: Tensor | undefined;
}

/**
 * Every RNN with stored weights as an LSTM or GRU of the same hidden size and directions. X, sequence_lens and initial_h
 * stay, an LSTM's initial_c is zero, Y and Y_h keep their names. Weights stay where they are stored: a file of
 * PyTorch's gets them in PyTorch's shapes, names and gate order.
 */
export function useGates(model: Model, op: 'LSTM' | 'GRU', seed: number): Model {
  const cell = gated[op];
  const random = createRandom(seed).fork(`use-${op}`);
  const editor = new GraphEditor(model);
  const drawnByName = new Map<string, Tensor>();
  for (const site of recurrentSites(model)) {
    const drawn = draw(site, cell, random.fork(site.node.name));
    const node = editor.node(site.node.name);
    const { activations: _, activation_alpha: __, activation_beta: ___, ...kept } = node.attributes;
    node.op = op;
    node.attributes = { ...kept, hidden_size: site.hidden, ...cell.attributes };
    const { storage } = site;
    // Omitted inputs at the end need not be written.
    while (node.inputs.length < 4) node.inputs.push('');
    if (storage.kind === 'torch') {
      for (const leaf of storage.leaves) storeAsTorch(editor, site, cell, leaf, drawn);
      if (!storage.hasBias && drawn.B) node.inputs[3] = addTorchBiases(editor, site, cell, storage.leaves, drawn);
    } else {
      const names = storage.kind === 'onnx' ? storage : { W: undefined, R: undefined, B: undefined };
      (['W', 'R', 'B'] as const).forEach((part, i) => {
        const tensor = drawn[part];
        if (!tensor) return;
        const name = names[part];
        // A tensor that several layers share is drawn once.
        if (name !== undefined) drawnByName.set(name, drawnByName.get(name) ?? tensor);
        node.inputs[1 + i] = name ?? editor.parameter(`${site.layer}.${partNames[part]}`, tensor);
      });
    }
    while (node.inputs.at(-1) === '') node.inputs.pop();
    forgetShapes(editor, site.node.inputs.slice(1, 4));
  }
  for (const [name, tensor] of drawnByName) editor.graph.initializers.set(name, tensor);
  // What put the old tensors together may be read no more.
  const { nodes } = pruneGraph(
    editor.graph,
    editor.graph.outputs.map(({ name }) => name),
  );
  const before = pruneGraph(
    model.graph,
    model.graph.outputs.map(({ name }) => name),
  ).nodes;
  const left = new Set(nodes.map(({ name }) => name));
  editor.remove(before.map(({ name }) => name).filter((name) => !left.has(name)));
  return editor.done();
}

const partNames = { W: 'weight', R: 'recurrent', B: 'bias' } as const;

/** Each gate Glorot from the input, orthogonal from the past; biases zero, 1 for the forget gate (Jozefowicz et al. 2015). */
function draw(site: RecurrentSite, { gates, forget }: Gated, random: Random): Drawn {
  const { directions, hidden, features, type, hasBias } = site;
  const matrix = (columns: number, recurrent: boolean) => {
    const view = [directions, gates, hidden, columns];
    const layout = { view, blocks: [0, 1], out: [2], in: [3], kernel: [], recurrent };
    const scheme = { scheme: recurrent ? 'orthogonal' : 'glorot-uniform' } as const;
    const values = drawLayout(layout, scheme, random.fork(recurrent ? 'R' : 'W'));
    return tensorOf(type, [directions, gates * hidden, columns], values);
  };
  const biases = new Float64Array(directions * 2 * gates * hidden);
  if (forget !== undefined) {
    for (let d = 0; d < directions; d++) {
      const from = d * 2 * gates * hidden + forget * hidden;
      biases.fill(1, from, from + hidden);
    }
  }
  // Without biases an LSTM forgets half of its state each step: it gets them all the same.
  const B = hasBias || forget !== undefined ? tensorOf(type, [directions, 2 * gates * hidden], biases) : undefined;
  return { W: matrix(features, false), R: matrix(hidden, true), B };
}

/** A tensor of one direction in PyTorch's gate order, and the nodes that put it into ONNX order, as its exporter writes them. */
function storeAsTorch(
  editor: GraphEditor,
  { hidden, type }: RecurrentSite,
  { gates, torchOrder }: Gated,
  leaf: Leaf,
  drawn: Drawn,
): void {
  const reader = editor.graph.nodes.find(({ inputs }) => inputs.includes(leaf.name))!;
  const ordered = writeAsTorch(editor, { hidden, type }, { gates, torchOrder }, leaf, drawn);
  reader.inputs = reader.inputs.map((input) => (input === leaf.name ? ordered : input));
}

/** The biases that a file without has not, called as PyTorch calls them: bias_ih_l0 beside weight_ih_l0. */
function addTorchBiases(
  editor: GraphEditor,
  site: RecurrentSite,
  cell: Gated,
  leaves: readonly Leaf[],
  drawn: Drawn,
): string {
  const weights = leaves.filter(({ part }) => part === 'W' || part === 'R');
  const parts = weights
    .map(({ name, part, direction }): Leaf => {
      const own = /weight(?=_[ih]h(_l\d+|$))/.test(name) ? name.replace(/weight(?=_[ih]h)/, 'bias') : `${name}.bias`;
      return { name: editor.fresh(own), part: part === 'W' ? 'Wb' : 'Rb', direction };
    })
    .sort((a, b) => a.direction - b.direction || (a.part === 'Wb' ? -1 : 1))
    .map((leaf) => writeAsTorch(editor, site, cell, leaf, drawn));
  const [joined] = editor.add('Concat', parts, `${site.layer}.biases`, { axis: 0 });
  const dims = editor.constant(
    `${site.layer}.biases.shape`,
    tensorOf('int64', [2], [site.directions, 2 * cell.gates * site.hidden]),
  );
  return editor.add('Reshape', [joined!, dims], `${site.layer}.biases.rows`)[0]!;
}

/** Stores a tensor in PyTorch's gate order, and gives the name of the value in ONNX order. */
function writeAsTorch(
  editor: GraphEditor,
  { hidden, type }: Pick<RecurrentSite, 'hidden' | 'type'>,
  { gates, torchOrder }: Pick<Gated, 'gates' | 'torchOrder'>,
  { name, part, direction }: Leaf,
  drawn: Drawn,
): string {
  const rows = gates * hidden;
  const source = part === 'W' || part === 'R' ? drawn[part] : drawn.B!;
  const columns = part === 'W' || part === 'R' ? source.dims[2]! : 1;
  const from = part === 'W' || part === 'R' ? direction * rows : (2 * direction + (part === 'Rb' ? 1 : 0)) * rows;
  const size = hidden * columns;
  const values = new Float64Array(rows * columns);
  torchOrder.forEach((place, gate) => {
    const at = from * columns + gate * size;
    for (let i = 0; i < size; i++) values[place * size + i] = Number(source.data[at + i]);
  });
  const dims = columns === 1 && (part === 'Wb' || part === 'Rb') ? [rows] : [rows, columns];
  editor.graph.initializers.set(name, tensorOf(type, dims, values));
  const axis = editor.constant(`${name}.axis`, tensorOf('int64', [1], [0]));
  const pieces = torchOrder.map((place, gate) => {
    const bound = (at: number, end: string) =>
      editor.constant(`${name}.gate${gate}.${end}`, tensorOf('int64', [1], [at * hidden]));
    return editor.add('Slice', [name, bound(place, 'from'), bound(place + 1, 'to'), axis], `${name}.gate${gate}`)[0]!;
  });
  const [ordered] = editor.add('Concat', pieces, `${name}.gates`, { axis: 0 });
  return ordered!;
}

/** What the file says of shapes between stored tensors and the operator holds no more. */
function forgetShapes(editor: GraphEditor, values: readonly string[]): void {
  const pending = [...values];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    editor.graph.values.delete(value);
    const node = editor.graph.nodes.find(({ outputs }) => value !== '' && outputs.includes(value!));
    if (node) pending.push(...node.inputs);
  }
  // A parameter may also be declared as an input with its shape.
  editor.graph.inputs = editor.graph.inputs.map((input) => {
    const tensor = editor.graph.initializers.get(input.name);
    return tensor ? { ...input, shape: [...tensor.dims], source: undefined } : input;
  });
}
