import type { Graph, Node } from '../graph/graph.ts';
import { readNames } from '../graph/subgraphs.ts';
import type { Composite } from './composites.ts';
import { type FactorKind, kindOf } from './kinds.ts';
import { layerNameOf } from './layer-names.ts';

/** Which layer each node belongs to, and what kind of factor it is. */
export interface LayerMap {
  /** The block of several operators that a node belongs to. */
  readonly compositeOf: ReadonlyMap<string, Composite>;
  readonly layerOf: ReadonlyMap<string, string>;
  readonly kindOf: ReadonlyMap<string, FactorKind>;
  /** Layers in graph order, each with the node that holds its weight. */
  readonly layers: readonly LayerNode[];
}

export interface LayerNode {
  readonly name: string;
  readonly node: Node;
  readonly parameters: readonly string[];
  readonly mixes: boolean;
}

/**
 * Groups nodes into layers. A node that reads parameters starts the layer they are named after (`hidden.0.weight` and
 * `hidden.0.bias` make `hidden.0`); nodes without parameters belong to the layer their first data input comes from.
 * A normalization written out as several operators is one layer, which its last node stands for.
 */
export function mapLayers(
  graph: Graph,
  parameters: ReadonlySet<string>,
  composites: readonly Composite[] = [],
): LayerMap {
  const compositeOf = new Map(composites.flatMap((block) => block.nodes.map((node) => [node, block] as const)));
  const sources = traceParameters(graph, parameters);
  const dependsOnInput = dependentOn(
    graph,
    graph.inputs.map((input) => input.name),
  );
  const layerOf = new Map<string, string>();
  const kinds = new Map<string, FactorKind>();
  const valueLayer = new Map<string, string>();
  const found = new Map<string, { node: Node; parameters: string[]; mixes: boolean }>();
  const ownOf = (node: Node) =>
    readNames(node)
      .filter((name) => !dependsOnInput.has(name))
      .flatMap((name) => sources.get(name) ?? []);
  const whole = findWholeLayers(graph, compositeOf, ownOf);
  for (const node of graph.nodes) {
    const block = compositeOf.get(node.name);
    const one = block && whole.get(block);
    const own = one?.own ?? ownOf(node);
    const fromData = readNames(node).find((name) => dependsOnInput.has(name) && valueLayer.has(name));
    const carriesData = node.outputs.some((name) => dependsOnInput.has(name));
    const previous = fromData !== undefined ? valueLayer.get(fromData)! : '';
    const layer = own.length > 0 && carriesData ? layerNameOf(own[0]!, one?.reader ?? node.name) : previous;
    if (own.length > 0 && carriesData) {
      const known = found.get(layer);
      const mixes = !one && own.some((name) => (graph.initializers.get(name)?.dims.length ?? 0) >= 2);
      if (!known) found.set(layer, { node: one?.last ?? node, parameters: [...own], mixes });
      else {
        for (const name of own) if (!known.parameters.includes(name)) known.parameters.push(name);
        known.mixes ||= mixes;
      }
    }
    layerOf.set(node.name, layer);
    kinds.set(node.name, block?.kind ?? kindOf(node.op, own.length > 0));
    for (const output of node.outputs) valueLayer.set(output, layer);
  }
  return {
    layerOf,
    kindOf: kinds,
    compositeOf,
    layers: [...found].map(([name, { node, parameters: names, mixes }]) => ({ name, node, parameters: names, mixes })),
  };
}

/** What makes a written-out normalization one layer: its parameters, a node that reads one, and its last node. */
interface WholeLayer {
  own: string[];
  reader: string;
  last: Node;
}

function findWholeLayers(
  graph: Graph,
  compositeOf: ReadonlyMap<string, Composite>,
  ownOf: (node: Node) => string[],
): Map<Composite, WholeLayer> {
  const whole = new Map<Composite, WholeLayer>();
  for (const node of graph.nodes) {
    const block = compositeOf.get(node.name);
    if (block?.kind !== 'normalization') continue;
    const entry = whole.get(block) ?? { own: [], reader: node.name, last: node };
    const own = ownOf(node).filter((name) => !entry.own.includes(name));
    if (entry.own.length === 0 && own.length > 0) entry.reader = node.name;
    entry.own.push(...own);
    entry.last = node;
    whole.set(block, entry);
  }
  return whole;
}

/** Each value that is computed from parameters alone (a transposed weight) → those parameters. */
function traceParameters(graph: Graph, parameters: ReadonlySet<string>): Map<string, string[]> {
  const sources = new Map<string, string[]>();
  for (const name of parameters) sources.set(name, [name]);
  for (const node of graph.nodes) {
    const reads = readNames(node);
    const own = reads.flatMap((name) => sources.get(name) ?? []);
    const foreign = reads.some((name) => !sources.has(name) && !graph.initializers.has(name));
    if (own.length === 0 || foreign) continue;
    for (const output of node.outputs) if (output !== '') sources.set(output, [...new Set(own)]);
  }
  return sources;
}

function dependentOn(graph: Graph, names: readonly string[]): Set<string> {
  const dependent = new Set(names.filter((name) => !graph.initializers.has(name)));
  for (const node of graph.nodes) {
    if (!readNames(node).some((name) => dependent.has(name))) continue;
    for (const output of node.outputs) if (output !== '') dependent.add(output);
  }
  return dependent;
}
