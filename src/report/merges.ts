import type { Attribution, Merge } from '../flow/attribution.ts';
import type { FactorKind } from '../flow/kinds.ts';
import type { FlowEdge, FlowProfile } from '../flow/profile.ts';

/** How much of the gradient a value received straight through a skip connection. */
export interface SkipShare {
  readonly value: string;
  readonly layer: string;
  /** ⟨c, g⟩ / ‖g‖² of the skip's contribution; the block's own is 1 minus it. */
  readonly share: number;
}

/** Operators at which a skip connection rejoins: their gradient towards it is the identity, or a slice of it. */
const joins = new Set(['Add', 'Sum', 'Concat']);
/** Kinds of factors that make the other way a block: a formula of elementwise operators (GELU) is none. */
const blockKinds: ReadonlySet<FactorKind> = new Set<FactorKind>(['weight-matrix', 'attention', 'recurrence']);

/** The merges at which a block and a connection around it meet, from output to input. */
export function skipShares(profile: FlowProfile, attribution: Attribution): SkipShare[] {
  const leaving = new Map<string, FlowEdge[]>();
  for (const edge of profile.edges) leaving.set(edge.value, [...(leaving.get(edge.value) ?? []), edge]);
  const layerOf = new Map(profile.values.map((value) => [value.name, value.layer]));
  return attribution.merges.flatMap((merge) => {
    const skips = merge.branches.filter((branch) => joins.has(branch.op));
    if (skips.length === 0 || !hasBlock(merge, leaving)) return [];
    const share = skips.reduce((sum, branch) => sum + branch.share, 0);
    return [{ value: merge.value, layer: layerOf.get(merge.value) ?? '', share }];
  });
}

/** Whether a way other than the skip goes through a weight, attention or recurrence before it rejoins. */
function hasBlock(merge: Merge, leaving: ReadonlyMap<string, readonly FlowEdge[]>): boolean {
  const edges = leaving.get(merge.value) ?? [];
  const rejoined = new Set(edges.filter((edge) => joins.has(edge.op)).flatMap((edge) => edge.outputs));
  const pending = edges.filter((edge) => !joins.has(edge.op));
  const seen = new Set(pending);
  for (let edge = pending.pop(); edge; edge = pending.pop()) {
    if (blockKinds.has(edge.kind)) return true;
    for (const output of edge.outputs) {
      if (rejoined.has(output)) continue;
      for (const next of leaving.get(output) ?? []) {
        if (seen.has(next)) continue;
        seen.add(next);
        pending.push(next);
      }
    }
  }
  return false;
}
