import type { Graph } from './graph.ts';
import { readNames } from './subgraphs.ts';

/** A copy of a graph reduced to the nodes and initializers that `outputs` need, with those outputs declared. */
export function pruneGraph(graph: Graph, outputs: readonly string[]): Graph {
  const needed = new Set(outputs);
  const nodes = graph.nodes
    .toReversed()
    .filter((node) => {
      if (!node.outputs.some((name) => needed.has(name))) return false;
      for (const name of readNames(node)) needed.add(name);
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
