import type { Graph, Node } from './graph.ts';
import { copyGraph } from './rename.ts';
import { ownNames, subgraphsOf } from './subgraphs.ts';

/** Where a body is put: the node it stands for, and how new names are made unique there. */
export interface Place {
  readonly node: Node;
  /** What the body's inputs are called there; none for the branches of If, which have no inputs. */
  readonly inputs: readonly string[];
  readonly fresh: (name: string) => string;
}

/**
 * A body as it stands in place of a node: the node's outputs keep their names, everything else is called
 * `<node>/<name>`. Returns the nodes and the initializers that belong to the graph around it.
 */
export function placeBody(body: Graph, { node, inputs, fresh }: Place): Pick<Graph, 'nodes' | 'initializers'> {
  const own = ownNames(body);
  const given = new Map(body.inputs.map(({ name }, i) => [name, inputs[i] ?? '']));
  // An output that is an input, captured or given twice needs a node of its own to write the name it has outside.
  const again: { inner: string; name: string }[] = [];
  body.outputs.forEach(({ name: inner }, i) => {
    const name = node.outputs[i] ?? '';
    if (name === '') return;
    if (given.has(inner) || !own.has(inner)) again.push({ inner, name });
    else given.set(inner, name);
  });
  const copy = copyGraph(body, { given, fresh: (name) => fresh(`${node.name}/${name}`) });
  const copies = again.map(({ inner, name }): Node => {
    const input = given.get(inner) ?? inner;
    const own = fresh(`${node.name}/Identity`);
    return { name: own, op: 'Identity', domain: '', inputs: [input], outputs: [name], attributes: {} };
  });
  return { nodes: [...copy.nodes, ...copies], initializers: copy.initializers };
}

/**
 * Replaces every If of the graph whose condition is known by the branch it takes, in place. Says whether any was.
 * Nodes that stood in the branch come to the graph, so that a second call may find more of them.
 */
export function takeKnownBranches(graph: Graph, conditionOf: (name: string) => boolean | undefined): boolean {
  let names: Set<string> | undefined;
  const fresh = (base: string): string => {
    names ??= new Set([...ownNames(graph), ...graph.nodes.map(({ name }) => name)]);
    let name = base;
    for (let k = 1; names.has(name); k++) name = `${base}_${k}`;
    names.add(name);
    return name;
  };
  let taken = false;
  graph.nodes = graph.nodes.flatMap((node) => {
    if (node.op !== 'If' || node.domain !== '') return [node];
    const condition = conditionOf(node.inputs[0] ?? '');
    if (condition === undefined) return [node];
    const branch = node.attributes[condition ? 'then_branch' : 'else_branch'];
    if (!subgraphsOf(node).includes(branch as Graph)) return [node];
    taken = true;
    const { nodes, initializers } = placeBody(branch as Graph, { node, inputs: [], fresh });
    for (const [name, tensor] of initializers) graph.initializers.set(name, tensor);
    return nodes;
  });
  return taken;
}
