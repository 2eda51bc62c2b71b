import type { Attribute, Graph, Node } from './graph.ts';
import { carriedNames } from './onnx/proto.ts';

/** The subgraphs among a node's attributes: the branches of If, the bodies of Loop and Scan. */
export function subgraphsOf(node: Node): Graph[] {
  return Object.values(node.attributes).flatMap((value): Graph[] => {
    if (Array.isArray(value)) return value.filter((item): item is Graph => typeof item === 'object');
    return isGraph(value) ? [value] : [];
  });
}

/** A node's attributes with each subgraph replaced by what `change` makes of it. */
export function mapSubgraphs(node: Node, change: (graph: Graph) => Graph): Record<string, Attribute> {
  const mapped = (value: Attribute): Attribute => {
    if (isGraph(value)) return change(value);
    if (Array.isArray(value) && typeof value[0] === 'object') return (value as Graph[]).map(change);
    return value;
  };
  return Object.fromEntries(Object.entries(node.attributes).map(([name, value]) => [name, mapped(value)]));
}

function isGraph(value: Attribute): value is Graph {
  return typeof value === 'object' && 'nodes' in value;
}

/** The names that a graph defines itself, those of its subgraphs apart. */
export function ownNames(graph: Graph): Set<string> {
  const names = new Set([
    ...graph.inputs.map(({ name }) => name),
    ...graph.initializers.keys(),
    ...carriedNames(graph),
    ...graph.nodes.flatMap(({ outputs }) => outputs),
  ]);
  names.delete('');
  return names;
}

/** Values that a subgraph reads from the scopes around it. */
export function freeNames(graph: Graph): Set<string> {
  const own = ownNames(graph);
  const read = new Set(graph.outputs.map(({ name }) => name));
  for (const node of graph.nodes) for (const name of readNames(node)) read.add(name);
  return new Set([...read].filter((name) => name !== '' && !own.has(name)));
}

/** Values of the graph around a node that its subgraphs read: they are not among its inputs. */
export function capturedNames(node: Node): string[] {
  const graphs = subgraphsOf(node);
  return graphs.length === 0 ? [] : [...new Set(graphs.flatMap((graph) => [...freeNames(graph)]))];
}

/** Every value a node reads: its inputs, then what its subgraphs capture. Omitted inputs are left out. */
export function readNames(node: Node): string[] {
  const inputs = node.inputs.filter((name) => name !== '');
  const captured = capturedNames(node);
  return captured.length === 0 ? inputs : [...inputs, ...captured];
}

/** Adds every value name of a graph and its subgraphs to `names`. */
export function collectNames(graph: Graph, names: Set<string>): void {
  for (const name of ownNames(graph)) names.add(name);
  for (const node of graph.nodes) for (const subgraph of subgraphsOf(node)) collectNames(subgraph, names);
}

/** Operators whose result follows from the shape of their input: through them nothing depends on its numbers. */
const shapeReaders = new Set(['Shape', 'Size']);

/** `roots` and every value whose numbers depend on one of them. */
export function dependentOn(graph: Graph, roots: Iterable<string>): Set<string> {
  const dependent = new Set(roots);
  for (const node of graph.nodes) {
    if (node.domain === '' && shapeReaders.has(node.op)) continue;
    if (!readNames(node).some((name) => dependent.has(name))) continue;
    for (const output of node.outputs) if (output !== '') dependent.add(output);
  }
  return dependent;
}
