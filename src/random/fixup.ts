import { consumers, type Graph, type Node } from '../graph/graph.ts';
import { findResidualBranches, findWeightNodes, type ResidualBranch } from '../graph/residual-branches.ts';
import { readNames } from '../graph/subgraphs.ts';

/** Fixup initialization of a network: what each weight is scaled by. */
export interface FixupPlan {
  /** Weight → factor on He's standard deviation; 1 where it is not listed. */
  readonly gains: ReadonlyMap<string, number>;
  /** L: residual branches with weights of their own. */
  readonly branches: number;
}

/**
 * Zhang, Dauphin & Ma 2019, section 3: of L residual branches of m layers each, the last layer is zero and the others
 * are L^(−1/(2m−2)) times He's; the classifier is zero; all else is He's. m is the most layers on a path through the
 * branch: 2 for attention. A weight inside nested branches counts for the innermost.
 */
export function planFixup(graph: Graph, parameters: readonly string[]): FixupPlan {
  const all = findWeightNodes(graph, parameters);
  const found = findResidualBranches(graph, parameters);
  const holder = new Map<Node, ResidualBranch>();
  // Outer branches hold more nodes than those inside them, and are overwritten.
  for (const branch of [...found].sort((a, b) => b.branch.length - a.branch.length)) {
    for (const { node } of branch.weights) holder.set(node, branch);
  }
  const own = new Map<ResidualBranch, Set<Node>>();
  for (const [node, branch] of holder) own.set(branch, (own.get(branch) ?? new Set()).add(node));
  const L = own.size;
  const gainAt = new Map<Node, number>();
  for (const [{ branch }, layers] of own) {
    const { depth, last } = layersAlong(branch, layers);
    for (const node of layers) gainAt.set(node, last.has(node) ? 0 : L ** (-1 / (2 * depth - 2)));
  }
  const shortcuts = new Set(found.flatMap(({ shortcut }) => shortcut));
  const { last } = layersAlong(graph.nodes, new Set(all.map(({ node }) => node)));
  for (const node of last) if (!holder.has(node) && !shortcuts.has(node)) gainAt.set(node, 0);

  const uses = new Map<string, number[]>();
  const use = (parameter: string, gain: number) => uses.set(parameter, [...(uses.get(parameter) ?? []), gain]);
  for (const { node, parameters: read } of all) for (const name of read) use(name, gainAt.get(node) ?? 1);
  // A classifier that is the embedding too cannot be zero.
  const readers = consumers(graph);
  for (const name of uses.keys()) if (readers.get(name)?.some(({ node }) => node.op === 'Gather')) use(name, 1);
  const gains = new Map<string, number>();
  for (const [name, list] of uses) {
    const positive = list.filter((gain) => gain > 0);
    gains.set(name, positive.length === 0 ? 0 : Math.min(...positive));
  }
  return { gains, branches: L };
}

/** Of nodes in order: the most layers on one path, and the layers that no other follows. */
function layersAlong(nodes: readonly Node[], layers: ReadonlySet<Node>): { depth: number; last: Set<Node> } {
  /** Value → the most layers from it to the end. */
  const ahead = new Map<string, number>();
  const last = new Set<Node>();
  let depth = 0;
  for (const node of [...nodes].reverse()) {
    const after = Math.max(0, ...node.outputs.map((output) => ahead.get(output) ?? 0));
    if (layers.has(node) && after === 0) last.add(node);
    const count = layers.has(node) ? after + 1 : after;
    depth = Math.max(depth, count);
    for (const input of readNames(node)) ahead.set(input, Math.max(ahead.get(input) ?? 0, count));
  }
  return { depth, last };
}
