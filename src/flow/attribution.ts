import type { FactorKind } from './kinds.ts';
import { Meetings } from './meetings.ts';
import type { FlowEdge, FlowProfile } from './profile.ts';

/** How many decades each factor of the chain rule took, between the output and the first layer. */
export interface Attribution {
  /** The value where the account ends: the first layer's output. */
  readonly from: string;
  /** The value where it begins: the output the loss reads. */
  readonly to: string;
  /** log₁₀ ‖∂L/∂from‖ − log₁₀ ‖∂L/∂to‖; the parts below add up to it. −Infinity when nothing arrives. */
  readonly totalDecades: number;
  readonly byKind: Partial<Record<FactorKind, number>>;
  readonly byLayer: readonly LayerShare[];
  /** Between neighbouring cuts with several branches: how much of the gradient came by each. */
  readonly merges: readonly Merge[];
  /** Edges that let nothing through although a gradient arrived: dead units, zero weights. */
  readonly blockedBy: readonly { readonly node: string; readonly op: string; readonly kind: FactorKind }[];
}

export interface LayerShare {
  readonly layer: string;
  readonly decades: number;
  readonly byKind: Partial<Record<FactorKind, number>>;
}

/** A value where several branches' gradients meet. */
export interface Merge {
  readonly value: string;
  /** What the meeting is: a skip connection, other branches, slices of one tensor, a formula. */
  readonly kind: FactorKind;
  readonly branches: readonly {
    readonly node: string;
    readonly op: string;
    readonly share: number;
    readonly decades: number;
  }[];
}

/**
 * Splits the decades between the output's gradient and one value's exactly. With φ(v) = log₁₀ ‖∂L/∂v‖ and the shares
 * s_e = ⟨c_e, g⟩ / ‖g‖² of the contributions c_e to the gradient g of v (they add to 1),
 *
 *     φ(v) = Σ_e s_e · (φ(output of e) + gain_e + log₁₀ ‖g‖ / ‖c_e‖),   gain_e = log₁₀ ‖c_e‖ / ‖gradient of e's output‖.
 *
 * The gains belong to the operators, the last term to the meeting of branches (its kind: see Meetings). On a chain
 * every share is 1 and the sum telescopes: the chain rule, term by term. A branch that brings nothing has share 0 and
 * drops out of the sum.
 */
export function attribute(profile: FlowProfile, from: string): Attribution {
  const account = new Account();
  const phi = new Map(profile.values.map((value) => [value.name, value.gradient.log10L2]));
  const end = phi.get(profile.output) ?? 0;
  const incoming = new Map<string, FlowEdge[]>();
  for (const edge of profile.edges) push(incoming, edge.value, edge);
  const start = phi.get(from) ?? Number.NEGATIVE_INFINITY;
  const merges: Merge[] = [];
  const order = profile.values.map((value) => value.name);
  const meetings = new Meetings(profile.edges, order);

  const weights = new Map<string, number>([[from, 1]]);
  // Values stand from output to input; the weights flow from the first layer to the output.
  for (const { name } of [...profile.values].reverse()) {
    const weight = weights.get(name);
    if (weight === undefined || weight === 0 || name === profile.output) continue;
    const edges = incoming.get(name) ?? [];
    const here = phi.get(name)!;
    const meeting = edges.length > 1 ? meetings.kindAt(edges) : undefined;
    if (meeting && !edges.every((edge) => edge.inner)) merges.push(mergeAt(name, meeting, edges, phi));
    if (edges.length === 0) {
      account.add('loss', '', weight * (here - end));
      continue;
    }
    for (const edge of edges) {
      if (edge.share === 0 || !Number.isFinite(edge.log10L2)) continue;
      const share = weight * edge.share;
      const norms = edge.outputs.map((output) => phi.get(output) ?? Number.NEGATIVE_INFINITY);
      const upstream = jointLog10(norms);
      account.add(edge.kind, edge.layer, share * (edge.log10L2 - upstream));
      if (meeting) account.add(meeting, edge.layer, share * (here - edge.log10L2));
      edge.outputs.forEach((output, i) => {
        const part = 10 ** (2 * (norms[i]! - upstream));
        if (part === 0) return;
        // Several outputs of one node (Split): the joint norm against each one's own.
        account.add('reshape', edge.layer, share * part * (upstream - norms[i]!));
        weights.set(output, (weights.get(output) ?? 0) + share * part);
      });
    }
  }
  const blockedBy = profile.edges
    .filter((edge) => edge.log10L2 === Number.NEGATIVE_INFINITY && !edge.inner)
    .filter((edge) =>
      edge.outputs.some((output) => (phi.get(output) ?? Number.NEGATIVE_INFINITY) > Number.NEGATIVE_INFINITY),
    )
    .map(({ node, op, kind }) => ({ node, op, kind }));
  return {
    from,
    to: profile.output,
    totalDecades: start - end,
    byKind: account.byKind,
    byLayer: account.layers(profile.layers.map((layer) => layer.name)),
    merges: merges.reverse(),
    blockedBy,
  };
}

/** The value whose decades sum a network up: the output of the layer that lies deepest, farthest from the loss. */
export function deepestLayerValue(profile: FlowProfile): string | undefined {
  const onPath = new Set(profile.values.map((value) => value.name));
  const layers = profile.layers.filter((layer) => onPath.has(layer.value));
  const mixing = layers.filter((layer) => layer.mixes);
  return (mixing[0] ?? layers[0])?.value;
}

class Account {
  readonly byKind: Partial<Record<FactorKind, number>> = {};
  private readonly perLayer = new Map<string, Partial<Record<FactorKind, number>>>();

  add(kind: FactorKind, layer: string, decades: number): void {
    if (decades === 0) return;
    this.byKind[kind] = (this.byKind[kind] ?? 0) + decades;
    let kinds = this.perLayer.get(layer);
    if (!kinds) {
      kinds = {};
      this.perLayer.set(layer, kinds);
    }
    kinds[kind] = (kinds[kind] ?? 0) + decades;
  }

  layers(order: readonly string[]): LayerShare[] {
    const rank = new Map(order.map((name, i) => [name, i]));
    return [...this.perLayer]
      .map(([layer, byKind]) => ({
        layer,
        decades: Object.values(byKind).reduce((sum, decades) => sum + decades, 0),
        byKind,
      }))
      .sort((a, b) => (rank.get(b.layer) ?? -1) - (rank.get(a.layer) ?? -1));
  }
}

function mergeAt(value: string, kind: FactorKind, edges: readonly FlowEdge[], phi: ReadonlyMap<string, number>): Merge {
  const branches = edges.map((edge) => ({
    node: edge.node,
    op: edge.op,
    share: edge.share,
    decades: edge.log10L2 - jointLog10(edge.outputs.map((output) => phi.get(output) ?? Number.NEGATIVE_INFINITY)),
  }));
  return { value, kind, branches };
}

/** log₁₀ √(Σ 10^(2 aᵢ)) without leaving the range of float64. */
function jointLog10(logs: readonly number[]): number {
  if (logs.length === 1) return logs[0]!;
  const largest = Math.max(...logs);
  if (!Number.isFinite(largest)) return largest;
  return largest + 0.5 * Math.log10(logs.reduce((sum, log) => sum + 10 ** (2 * (log - largest)), 0));
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
