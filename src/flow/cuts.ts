import type { FlowEdge } from './profile.ts';

/**
 * The values that every path from `from` to the output passes through, from output to input. `order` lists the path's
 * values from output to input, `edges` its backward edges. In a topological order of a graph whose every value lies on
 * such a path, a value is a cut exactly when no edge jumps over it.
 */
export function findCuts(order: readonly string[], edges: readonly FlowEdge[], from: string, output: string): string[] {
  const forward = reachable(
    edges.map((edge) => [edge.value, edge.outputs] as const),
    from,
  );
  const position = new Map<string, number>();
  for (const name of [...order].reverse()) if (forward.has(name)) position.set(name, position.size);
  const end = position.get(output);
  if (end === undefined) return [];
  const inner = [...position.keys()];
  const farthest = new Array<number>(inner.length).fill(0);
  for (const edge of edges) {
    const start = position.get(edge.value);
    if (start === undefined) continue;
    for (const name of edge.outputs) farthest[start] = Math.max(farthest[start]!, position.get(name) ?? end);
  }
  const cuts: string[] = [];
  let reach = 0;
  inner.forEach((name, i) => {
    if (reach <= i && i <= end) cuts.push(name);
    reach = Math.max(reach, farthest[i]!);
  });
  return cuts.reverse();
}

function reachable(links: readonly (readonly [string, readonly string[]])[], from: string): Set<string> {
  const next = new Map<string, string[]>();
  for (const [source, targets] of links) {
    const list = next.get(source);
    if (list) list.push(...targets);
    else next.set(source, [...targets]);
  }
  const seen = new Set([from]);
  const stack = [from];
  while (stack.length > 0) {
    for (const target of next.get(stack.pop()!) ?? []) {
      if (seen.has(target)) continue;
      seen.add(target);
      stack.push(target);
    }
  }
  return seen;
}
