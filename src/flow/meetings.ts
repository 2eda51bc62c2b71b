import type { FactorKind } from './kinds.ts';
import type { FlowEdge } from './profile.ts';

/** Operators at which a skip connection rejoins: their gradient towards it is the identity, or a slice of it. */
const joins = new Set(['Add', 'Sum', 'Concat']);
/** Kinds of factors through which a skip connection may pass and stay one: they change a layout at most. */
const plain: ReadonlySet<FactorKind> = new Set<FactorKind>(['reshape', 'dropout']);
/** Kinds of factors that make the way around a block worth the name: a formula of elementwise operators is none. */
const blockKinds: ReadonlySet<FactorKind> = new Set<FactorKind>(['weight-matrix', 'attention', 'recurrence']);
/** Kinds of which formulas are made: x · cos + rotated x · sin. */
const formula: ReadonlySet<FactorKind> = new Set<FactorKind>([
  'arithmetic',
  'activation-derivative',
  'reshape',
  'dropout',
]);

/** Decides to which kind of factor the meeting of several branches' gradients belongs. */
export class Meetings {
  private readonly leaving = new Map<string, FlowEdge[]>();
  private readonly place: ReadonlyMap<string, number>;

  /** `order` lists the values from output to input. */
  constructor(edges: readonly FlowEdge[], order: readonly string[]) {
    this.place = new Map(order.map((name, i) => [name, i]));
    for (const edge of edges) {
      const list = this.leaving.get(edge.value);
      if (list) list.push(edge);
      else this.leaving.set(edge.value, [edge]);
    }
  }

  /**
   * A skip connection, where a branch leads unchanged to an Add or Concat at which another branch, with a weight on
   * its way, rejoins it; slices of one tensor (Q, K and V of one product) are a matter of layout; branches of
   * elementwise operators are a formula; anything else is branches that meet: projections, gates, towers.
   */
  kindAt(edges: readonly FlowEdge[]): FactorKind {
    if (edges.every((edge) => edge.inner)) return edges[0]!.kind;
    if (edges.some((edge) => this.isSkip(edge, edges))) return 'skip-connection';
    if (edges.every((edge) => edge.kind === 'reshape')) return 'reshape';
    return edges.every((edge) => formula.has(edge.kind)) ? 'arithmetic' : 'branching';
  }

  private isSkip(edge: FlowEdge, among: readonly FlowEdge[]): boolean {
    const join = this.joinBehind(edge);
    return join !== undefined && among.some((other) => other !== edge && this.reachesThroughBlock(other, join));
  }

  /** The output of the Add or Concat to which an edge leads by reshapes at most. */
  private joinBehind(edge: FlowEdge): string | undefined {
    let next: FlowEdge | undefined = edge;
    for (let steps = 0; next && steps < 16; steps++) {
      if (joins.has(next.op)) return next.outputs[0];
      if (!plain.has(next.kind) || next.outputs.length !== 1) return undefined;
      const onward: readonly FlowEdge[] = this.leaving.get(next.outputs[0]!) ?? [];
      next = onward.length === 1 ? onward[0] : undefined;
    }
    return undefined;
  }

  /** Whether an edge leads to a value by way of a weight, attention or recurrence. */
  private reachesThroughBlock(start: FlowEdge, target: string): boolean {
    const end = this.place.get(target) ?? -1;
    const seen = [new Set<string>(), new Set<string>()];
    const pending: [FlowEdge, 0 | 1][] = [[start, 0]];
    for (let item = pending.pop(); item; item = pending.pop()) {
      const [edge, before] = item;
      const through = before === 1 || blockKinds.has(edge.kind) ? 1 : 0;
      for (const output of edge.outputs) {
        if (output === target) {
          if (through === 1) return true;
          continue;
        }
        // Values nearer the output than the target cannot lead to it.
        if ((this.place.get(output) ?? -1) < end || seen[through]!.has(output)) continue;
        seen[through]!.add(output);
        for (const next of this.leaving.get(output) ?? []) pending.push([next, through]);
      }
    }
    return false;
  }
}
