import type { Graph, Node, ValueInfo } from './graph.ts';
import { carriedNames } from './onnx/proto.ts';
import { mapSubgraphs, ownNames } from './subgraphs.ts';

type Rename = (name: string) => string;
const same: Rename = (name) => name;

export interface CopyNames {
  /** New names of some of the graph's own values. */
  readonly given?: ReadonlyMap<string, string>;
  /** A new name for every other value and node that the graph or one of its subgraphs defines. Default: the old one. */
  readonly fresh?: Rename;
  /** The names, where the copy will stand, of the values it reads from around it. Default: as they are. */
  readonly outer?: Rename;
}

/**
 * A copy of a graph under other names, its subgraphs included; tensors are shared. Tensors that the graph carries
 * unread (exotic types) keep theirs.
 */
export function copyGraph(graph: Graph, { given, fresh = same, outer = same }: CopyNames): Graph {
  const carried = carriedNames(graph);
  const local = new Map<string, string>([['', '']]);
  for (const name of ownNames(graph)) local.set(name, given?.get(name) ?? fresh(name));
  for (const name of carried) local.set(name, name);
  const rename: Rename = (name) => local.get(name) ?? outer(name);
  const info = (value: ValueInfo): ValueInfo => ({ ...value, name: rename(value.name) });
  return {
    name: graph.name,
    inputs: graph.inputs.map(info),
    outputs: graph.outputs.map(info),
    nodes: graph.nodes.map((node) => ({
      ...renameNode(node, rename, fresh),
      name: fresh === same ? node.name : fresh(node.name || node.op),
    })),
    initializers: new Map(Array.from(graph.initializers, ([name, tensor]) => [rename(name), tensor])),
    values: new Map(Array.from(graph.values.values(), (value) => [rename(value.name), info(value)])),
    ...(carried.length > 0 ? { source: graph.source } : {}),
  };
}

/** A copy of a node whose inputs and outputs, and the values its subgraphs read from around it, have other names. */
export function renameNode(node: Node, rename: Rename, fresh: Rename = same): Node {
  return {
    ...node,
    inputs: node.inputs.map((name) => (name === '' ? '' : rename(name))),
    outputs: node.outputs.map((name) => (name === '' ? '' : rename(name))),
    attributes: mapSubgraphs(node, (graph) => copyGraph(graph, { fresh, outer: rename })),
  };
}
