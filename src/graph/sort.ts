import { nearest } from './did-you-mean.ts';
import { ReaderError } from './errors.ts';
import type { Graph, Node } from './graph.ts';
import { carriedNames } from './onnx/proto.ts';
import { freeNames, subgraphsOf } from './subgraphs.ts';

/**
 * Puts the nodes of a graph and its subgraphs in topological order, keeping the given order where it already is one.
 * Throws ReaderError naming values that are defined twice or never, and nodes that form a cycle.
 */
export function sortGraph(graph: Graph, file: string, outer: ReadonlySet<string> = new Set()): void {
  const makers = makersOf(graph, file);
  const given = new Set([
    ...graph.inputs.map(({ name }) => name),
    ...graph.initializers.keys(),
    ...carriedNames(graph),
  ]);
  const isKnown = (name: string): boolean => given.has(name) || makers.has(name) || outer.has(name);
  const dangling = (name: string, where: string): ReaderError => {
    const near = nearest(name, [...given, ...makers.keys()]);
    return new ReaderError(`reads the value "${name}", which nothing produces`, {
      code: 'onnx-dangling',
      where: `${file}, ${where}`,
      hint: near !== undefined ? `did you mean "${near}"?` : 'the graph was cut or edited by hand; export it again',
    });
  };

  const inner = graph.nodes.some((node) => subgraphsOf(node).length > 0);
  const visible = inner ? new Set([...outer, ...given, ...makers.keys()]) : outer;
  const reads = new Map<Node, string[]>();
  for (const node of graph.nodes) {
    const names = node.inputs.filter((name) => name !== '');
    for (const subgraph of subgraphsOf(node)) {
      sortGraph(subgraph, file, visible);
      names.push(...freeNames(subgraph));
    }
    for (const name of names) if (!isKnown(name)) throw dangling(name, describe(node));
    reads.set(node, names);
  }
  for (const { name } of graph.outputs) {
    if (!isKnown(name)) throw dangling(name, `output "${name}" of graph "${graph.name}"`);
  }
  graph.nodes = order(graph.nodes, (node) => reads.get(node)!.flatMap((name) => makers.get(name) ?? []), file);
}

/** Value name → its node. Throws ReaderError when a value is defined twice. */
function makersOf(graph: Graph, file: string): Map<string, Node> {
  const makers = new Map<string, Node>();
  const origins = new Map<string, string>();
  const define = (name: string, origin: string): void => {
    const before = origins.get(name);
    if (before !== undefined) {
      throw new ReaderError(`the value "${name}" is defined twice: by ${before} and by ${origin}`, {
        code: 'onnx-duplicate',
        where: file,
        hint: 'every value of an ONNX graph has one name and one producer; export the model again',
      });
    }
    origins.set(name, origin);
  };
  for (const { name } of graph.inputs) define(name, 'a graph input');
  for (const name of graph.initializers.keys()) define(name, 'an initializer');
  for (const name of carriedNames(graph)) define(name, 'an initializer');
  for (const node of graph.nodes) {
    for (const name of node.outputs) {
      if (name === '') continue;
      define(name, describe(node));
      makers.set(name, node);
    }
  }
  return makers;
}

/** Depth-first, with its own stack: a chain of 100 000 nodes must not exhaust the call stack. */
function order(nodes: readonly Node[], dependencies: (node: Node) => Node[], file: string): Node[] {
  const sorted: Node[] = [];
  const state = new Map<Node, 'open' | 'done'>();
  for (const start of nodes) {
    const stack: { node: Node; rest: Node[] }[] = [];
    const enter = (node: Node): void => {
      state.set(node, 'open');
      stack.push({ node, rest: dependencies(node).reverse() });
    };
    if (!state.has(start)) enter(start);
    while (stack.length > 0) {
      const { node, rest } = stack.at(-1)!;
      const next = rest.pop();
      if (next === undefined) {
        state.set(node, 'done');
        sorted.push(node);
        stack.pop();
      } else if (state.get(next) === 'open') {
        const loop = stack.slice(stack.findIndex((entry) => entry.node === next)).map((entry) => describe(entry.node));
        const [first = ''] = loop.reverse();
        const shown = loop.length > 6 ? [...loop.slice(0, 5), `… ${loop.length - 5} more`] : loop;
        throw new ReaderError(`the nodes form a cycle: ${[...shown, first].join(' → ')}`, {
          code: 'onnx-cycle',
          where: file,
          hint: 'recurrence is written with RNN, LSTM, GRU, Scan or Loop; export the model again',
        });
      } else if (!state.has(next)) {
        enter(next);
      }
    }
  }
  return sorted;
}

function describe(node: Node): string {
  const name = node.name || node.outputs.find((output) => output !== '') || '';
  return `${node.op} "${name}"`;
}
