import type { Graph } from './graph.ts';

/** A copy of a graph reduced to the nodes and initializers that `outputs` need, with those outputs declared. */
export function pruneGraph(graph: Graph, outputs: readonly string[]): Graph {
  const needed = new Set(outputs);
  const nodes = graph.nodes
    .toReversed()
    .filter((node) => {
      if (!node.outputs.some((name) => needed.has(name))) return false;
      for (const name of node.inputs) needed.add(name);
      for (const name of outerNames(node.attributes)) needed.add(name);
      return true;
    })
    .reverse();
  const declared = new Map(graph.outputs.map((output) => [output.name, output]));
  return {
    ...graph,
    nodes,
    inputs: graph.inputs.filter((input) => needed.has(input.name)),
    initializers: new Map([...graph.initializers].filter(([name]) => needed.has(name))),
    outputs: outputs.map((name) => declared.get(name) ?? { name }),
  };
}

/** Names that subgraphs (of If, Loop, Scan) may read from the graph around them. */
function outerNames(attributes: Graph['nodes'][number]['attributes']): string[] {
  const graphs = Object.values(attributes).flatMap((attribute) => {
    if (typeof attribute !== 'object') return [];
    const list = Array.isArray(attribute) ? attribute : [attribute];
    return list.filter((item): item is Graph => typeof item === 'object' && 'nodes' in item);
  });
  return graphs.flatMap((graph) => [
    ...graph.outputs.map((output) => output.name),
    ...graph.nodes.flatMap((node) => [...node.inputs, ...outerNames(node.attributes)]),
  ]);
}
