import type { Composite } from './composites.ts';

/** One edge of the backward pass, as differentiation gives it. */
interface Edge {
  readonly node: string;
  readonly op: string;
  readonly value: string;
  readonly outputs: readonly string[];
  readonly contribution: string;
}

/** What one operator, or one block of several, contributes to the gradient of a value. */
export interface EdgeGroup {
  /** The operator's node; of a block, the node that makes its output. */
  readonly node: string;
  /** The operator; of a block, the ONNX operator that computes the same. */
  readonly op: string;
  readonly value: string;
  readonly outputs: readonly string[];
  /** The tensors that add up to the contribution. */
  readonly contributions: readonly string[];
  readonly composite: Composite | undefined;
  /** Whether the value lies inside a block, whose own edge stands for this one. */
  readonly inner: boolean;
}

/**
 * Takes what a block contributes to one value as one edge from its output, so that its inner branches are no meeting
 * of branches: the gradient of x·Φ(x) is φ′(x)·dY, not a sum of two. Edges between a block's inner values stay as they
 * are. A block is taken whole only if no gradient enters it but by its output; `outputOf` gives a node's first output.
 */
export function groupEdges(
  edges: readonly Edge[],
  composites: readonly Composite[],
  outputsOf: (node: string) => readonly string[],
): EdgeGroup[] {
  const ofNode = new Map(composites.flatMap((composite) => composite.nodes.map((node) => [node, composite] as const)));
  const inside = new Map<string, Composite>();
  for (const composite of composites) {
    for (const value of composite.nodes.flatMap(outputsOf))
      if (value !== composite.output) inside.set(value, composite);
  }
  const open = new Set<Composite>();
  for (const { node, value } of edges) {
    const owner = inside.get(value);
    if (owner && ofNode.get(node) !== owner) open.add(owner);
  }
  const groups: EdgeGroup[] = [];
  const whole = new Map<string, { group: EdgeGroup; contributions: string[] }>();
  for (const edge of edges) {
    const composite = ofNode.get(edge.node);
    const { node, op, value, outputs } = edge;
    if (!composite || open.has(composite) || inside.get(value) === composite) {
      const inner = inside.has(value) && !open.has(inside.get(value)!);
      groups.push({ node, op, value, outputs, contributions: [edge.contribution], composite, inner });
      continue;
    }
    const key = `${composite.output}\u0000${value}`;
    const known = whole.get(key);
    if (known) {
      known.contributions.push(edge.contribution);
      continue;
    }
    const contributions = [edge.contribution];
    const last = composite.nodes.at(-1)!;
    const group = { node: last, op: composite.op, value, outputs: [composite.output], contributions, composite };
    whole.set(key, { group: { ...group, inner: false }, contributions });
    groups.push(whole.get(key)!.group);
  }
  return groups;
}
