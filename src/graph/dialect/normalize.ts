import { type Attribute, DIALECT_OPSET, type Graph, type Model, type Node } from '../graph.ts';
import { isOpaque, isTensor } from '../onnx/attributes.ts';
import { collectNames, subgraphsOf } from '../subgraphs.ts';
import { type Tensor, tensorOf } from '../tensor.ts';
import { type Shared, UpgradeContext } from './context.ts';
import { upgrades } from './upgrades.ts';

/**
 * Brings a model as its file has it to the dialect, in place: Constant nodes become initializers, every operator takes
 * its opset-21 form, every node gets a unique name. `sort` runs once the constants are folded.
 * Throws ReaderError for forms that have no counterpart in the dialect.
 */
export function normalizeModel(model: Model, file: string, sort: () => void): void {
  foldConstants(model.graph, model.constants);
  sort();
  const names = new Set<string>();
  collectNames(model.graph, names);
  if (model.sourceOpset < DIALECT_OPSET) {
    upgradeGraph(model.graph, model.sourceOpset, { file, names, constants: model.constants });
  }
  nameNodes(model.graph, new Set(), new Map());
  model.opset = Math.max(DIALECT_OPSET, model.sourceOpset);
}

/** Constant nodes as initializers of the same name, their names in `constants`. Sparse and exotic ones stay nodes. */
export function foldConstants(graph: Graph, constants: Set<string>): void {
  graph.nodes = graph.nodes.filter((node) => {
    for (const subgraph of subgraphsOf(node)) foldConstants(subgraph, constants);
    if (node.op !== 'Constant' || node.domain !== '') return true;
    const [name] = node.outputs;
    const tensor = constantTensor(node.attributes);
    // A name that is defined twice stays a node: the sorter reports it.
    if (name === undefined || tensor === undefined || graph.initializers.has(name)) return true;
    graph.initializers.set(name, tensor);
    constants.add(name);
    return false;
  });
}

function constantTensor(attributes: Record<string, Attribute>): Tensor | undefined {
  const [entry] = Object.entries(attributes).filter(([name]) => name.startsWith('value'));
  if (entry === undefined) return undefined;
  const [kind, value] = entry;
  if (isOpaque(value)) return undefined;
  switch (kind) {
    case 'value':
      return isTensor(value) ? value : undefined;
    case 'value_float':
      return tensorOf('float32', [], [value as number]);
    case 'value_int':
      return tensorOf('int64', [], [value as number]);
    case 'value_floats':
      return tensorOf('float32', [(value as number[]).length], value as number[]);
    case 'value_ints':
      return tensorOf('int64', [(value as number[]).length], value as number[]);
    case 'value_string':
      return { type: 'string', dims: [], data: [value as string] };
    case 'value_strings':
      return { type: 'string', dims: [(value as string[]).length], data: value as string[] };
    default:
      return undefined;
  }
}

/** Brings the nodes of a graph and its subgraphs from `opset` to the dialect's form, in place. */
export function upgradeGraph(graph: Graph, opset: number, shared: Shared, outer?: UpgradeContext): void {
  const context = new UpgradeContext(graph, shared, outer);
  const nodes = graph.nodes.flatMap((node) => {
    for (const subgraph of subgraphsOf(node)) upgradeGraph(subgraph, opset, shared, context);
    return upgradeNode(node, opset, context);
  });
  graph.nodes = nodes;
}

function upgradeNode(node: Node, opset: number, context: UpgradeContext): Node[] {
  if (node.domain !== '') return [node];
  const step = Object.hasOwn(upgrades, node.op) ? upgrades[node.op]!.find(({ since }) => since > opset) : undefined;
  if (step === undefined) return [node];
  const changed = step.apply(node, context) ?? [node];
  return changed.flatMap((next) => upgradeNode(next, step.since, context));
}

/** Gives nameless nodes `<op>_<k>` and repeated names a number; statistics and errors refer to nodes by name. */
function nameNodes(graph: Graph, taken: Set<string>, counts: Map<string, number>): void {
  const all: Node[] = [];
  const visit = (part: Graph): void => {
    for (const node of part.nodes) {
      all.push(node);
      for (const subgraph of subgraphsOf(node)) visit(subgraph);
    }
  };
  visit(graph);
  const given = new Set(all.map(({ name }) => name));
  for (const node of all) {
    const base = node.name === '' ? node.op : node.name;
    let name = node.name;
    while (name === '' || taken.has(name)) {
      const k = counts.get(base) ?? 0;
      counts.set(base, k + 1);
      const candidate = `${base}_${k}`;
      if (!taken.has(candidate) && !given.has(candidate)) name = candidate;
    }
    taken.add(name);
    node.name = name;
  }
}
