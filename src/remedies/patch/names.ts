import type { LayerNode } from '../../flow/layers.ts';
import type { Model } from '../../graph/graph.ts';

/** Names that exporters make up: no module of the user's has them. */
const madeUp = /^(onnx::|_|val_|const|\d)/i;

/** A dotted PyTorch name as Python: `hidden.0.weight` → `model.hidden[0].weight`, `0.weight` → `model[0].weight`. */
export function torchPath(name: string): string {
  const parts = name.split('.');
  if (parts.every((part) => /^([A-Za-z_]\w*|\d+)$/.test(part))) {
    return `model${parts.map((part) => (/^\d/.test(part) ? `[${part}]` : `.${part}`)).join('')}`;
  }
  return `model.get_submodule(${JSON.stringify(name)})`;
}

/** A statement that puts a module in the place of another. */
export function torchAssignment(name: string, value: string): string {
  const path = torchPath(name);
  if (!path.endsWith(')')) return `${path} = ${value}`;
  const at = name.lastIndexOf('.');
  const parent = at < 0 ? 'model' : torchPath(name.slice(0, at));
  return `setattr(${parent}, ${JSON.stringify(name.slice(at + 1))}, ${value})`;
}

/** A parameter of a layer as Python; where its name is made up, the layer's module and the attribute it has there. */
export function torchParameter(name: string, { name: layer }: LayerNode, attribute: 'weight' | 'bias'): string {
  if (!madeUp.test(name) && name.includes('.')) return torchPath(name);
  // What nn.TransformerEncoderLayer and its like call their nn.MultiheadAttention.
  const isAttention = /(^|\.)(self|multihead)_attn$/.test(layer);
  return `${torchPath(layer)}.${isAttention ? 'in_proj_' : ''}${attribute}`;
}

/** What is said where PyTorch's exporter made a convolution and the normalization behind it one, as in evaluation. */
export function foldedNote(weights: readonly string[]): string[] {
  if (!weights.some((name) => /^onnx::Conv_/.test(name))) return [];
  return [
    '# Not covered: normalizations that the exporter folded into convolutions. What is said of such a layer holds behind',
    '# its normalization; exported with training=torch.onnx.TrainingMode.TRAINING, the file has both.',
  ];
}

/**
 * A list of Python expressions; runs that differ by a counter become slices:
 * `*(layer.weight for layer in model.hidden[0:10])`.
 */
export function pythonList(expressions: readonly string[]): string {
  const parts = expressions.map((text) => /^(.*)\[(\d+)\]((?:\.\w+)*)$/.exec(text));
  const items: string[] = [];
  for (let i = 0; i < expressions.length; ) {
    const part = parts[i];
    let end = i + 1;
    while (part && end < parts.length && follows(part, parts[end], end - i)) end++;
    if (part && end - i >= 3) {
      const from = Number(part[2]);
      const slice = `${part[1]}[${from}:${from + end - i}]`;
      items.push(part[3] ? `*(layer${part[3]} for layer in ${slice})` : `*${slice}`);
    } else items.push(...expressions.slice(i, end));
    i = end;
  }
  const line = `[${items.join(', ')}]`;
  return line.length <= 80 ? line : `[\n${items.map((item) => `    ${item},\n`).join('')}]`;
}

function follows(first: RegExpExecArray, next: RegExpExecArray | null | undefined, by: number): boolean {
  return !!next && next[1] === first[1] && next[3] === first[3] && Number(next[2]) === Number(first[2]) + by;
}

/**
 * A layer's name in Keras and TensorFlow.js, where it has no "/": TensorFlow's exporters put the scopes of models around
 * it, `sequential/dense_1`.
 */
export function kerasName(layer: string): string {
  return layer.slice(layer.lastIndexOf('/') + 1);
}

/**
 * The layer of Keras or TensorFlow.js that computes an activation function, by the scope TensorFlow's exporters give its
 * node: `sequential/act_1/Tanh` → `act_1`; where a node is named otherwise, the layer before it.
 */
export function kerasLayerOf(node: string, layer: string): string {
  const [, scope] = /^[^/].*?([^/]+)\/[^/]+$/.exec(node) ?? [];
  return layer.includes('/') && scope !== undefined ? scope : kerasName(layer);
}

/** Names as a list literal that Python and JavaScript share. */
export function nameList(names: readonly string[]): string {
  const quoted = names.map((name) => JSON.stringify(name));
  const line = `[${quoted.join(', ')}]`;
  if (line.length <= 90) return line;
  const rows: string[] = [];
  for (let i = 0; i < quoted.length; i += 6) rows.push(`    ${quoted.slice(i, i + 6).join(', ')},\n`);
  return `[\n${rows.join('')}]`;
}

/** Whether a model's last step, which no remedy touches, is this operator. */
export function endsIn({ graph }: Model, op: string): boolean {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  return graph.nodes.some((node) => node.op === op && node.outputs.some((name) => outputs.has(name)));
}
