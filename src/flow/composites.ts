import type { Graph, Node } from '../graph/graph.ts';
import type { FactorKind } from './kinds.ts';
import { findAttention } from './patterns/attention.ts';
import { functionOf } from './patterns/functions.ts';
import { GraphView } from './patterns/graph-view.ts';
import { findGroupNorm } from './patterns/group-norm.ts';
import { type Region, regionsEndingIn } from './patterns/regions.ts';

/**
 * What exporters write out as several primitive operators: its name for people, the ONNX operator that computes the
 * same, and its kind of factor. The ids are stable: they appear in JSON reports.
 */
export const composites = {
  gelu: { title: 'GELU', op: 'Gelu', kind: 'activation-derivative' },
  silu: { title: 'SiLU', op: 'Swish', kind: 'activation-derivative' },
  mish: { title: 'Mish', op: 'Mish', kind: 'activation-derivative' },
  'hard-swish': { title: 'HardSwish', op: 'HardSwish', kind: 'activation-derivative' },
  'layer-norm': { title: 'layer normalization', op: 'LayerNormalization', kind: 'normalization' },
  'rms-norm': { title: 'RMS normalization', op: 'RMSNormalization', kind: 'normalization' },
  'batch-norm': { title: 'batch normalization', op: 'BatchNormalization', kind: 'normalization' },
  'group-norm': { title: 'group normalization', op: 'GroupNormalization', kind: 'normalization' },
  attention: { title: 'attention', op: 'Attention', kind: 'attention' },
} as const satisfies Record<string, { title: string; op: string; kind: FactorKind }>;
export type CompositeId = keyof typeof composites;

/** A function that several nodes make up together. */
export interface Composite {
  readonly id: CompositeId;
  /** The ONNX operator that computes the same. */
  readonly op: string;
  readonly kind: FactorKind;
  /** Names of its nodes, in the graph's order. */
  readonly nodes: readonly string[];
  /** The value it is a function of; of attention, the queries before their scale. */
  readonly input: string;
  readonly output: string;
}

/** Operators in which a written-out activation function or normalization ends. */
const endings = new Set(['Mul', 'Div', 'Add', 'Sub']);

/**
 * Finds activation functions, normalizations and attention written out as primitives. No node is in two of them; where
 * two overlap, the one of more nodes stays. In the graph's order of their outputs.
 */
export function findComposites(graph: Graph): Composite[] {
  const view = new GraphView(graph);
  const found: { id: CompositeId; nodes: readonly Node[]; input: string; last: Node }[] = [];
  for (const node of graph.nodes) {
    if (node.domain !== '') continue;
    if (node.op === 'Softmax') {
      const nodes = findAttention(view, node);
      if (nodes) found.push({ id: 'attention', nodes, input: firstInput(view, nodes), last: nodes[0]! });
    } else if (node.op === 'InstanceNormalization') {
      const nodes = findGroupNorm(view, node);
      if (nodes) found.push({ id: 'group-norm', nodes, input: nodes[0]!.inputs[0]!, last: nodes.at(-1)! });
    } else if (endings.has(node.op)) {
      const match = smallestMatch(view, node);
      if (match) found.push({ id: match.id, nodes: match.region.nodes, input: match.region.input, last: node });
    }
  }
  found.sort((a, b) => b.nodes.length - a.nodes.length);
  const taken = new Set<Node>();
  return found
    .filter(({ nodes }) => {
      if (nodes.some((node) => taken.has(node))) return false;
      for (const node of nodes) taken.add(node);
      return true;
    })
    .sort((a, b) => view.positionOf(a.last) - view.positionOf(b.last))
    .map(({ id, nodes, input, last }) => ({
      id,
      op: composites[id].op,
      kind: composites[id].kind,
      nodes: [...nodes].sort((a, b) => view.positionOf(a) - view.positionOf(b)).map((node) => node.name),
      input,
      output: last.outputs[0]!,
    }));
}

/**
 * The smallest region ending in a node that computes a known function: of a scaled value a normalization is the same,
 * but the scale is none of it. Only the tail of a layer normalization, from the centered value on, is one too: RMS.
 */
function smallestMatch(view: GraphView, last: Node): { id: CompositeId; region: Region } | undefined {
  let match: { id: CompositeId; region: Region } | undefined;
  for (const region of regionsEndingIn(view, last)) {
    const id = functionOf(view, region);
    if (match) return id === 'layer-norm' || id === 'batch-norm' ? { id, region } : match;
    if (id === undefined) continue;
    match = { id, region };
    if (id !== 'rms-norm') return match;
  }
  return match;
}

/** The first value that enters attention from outside on the way of the queries. */
function firstInput(view: GraphView, nodes: readonly Node[]): string {
  const inside = new Set(nodes);
  let value = nodes[0]!.inputs[0]!;
  for (let node = view.producer(value); node && inside.has(node); node = view.producer(value)) {
    const next = node.inputs.find((name) => view.isData(name) && inside.has(view.producer(name)!));
    value = next ?? node.inputs.find((name) => view.isData(name)) ?? node.inputs[0]!;
  }
  return value;
}
