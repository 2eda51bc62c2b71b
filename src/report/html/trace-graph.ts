import type { FlowProfile, FlowValue } from '../../flow/profile.ts';
import { totalNonFinite } from '../layer-rows.ts';
import { counted, showCount, showDecades, showPercent, showPower } from '../numbers.ts';

/** A node of the picture: a value of the network, or several neighbouring ones folded into one. */
export interface TraceNode {
  /** What the node is called: its layer, or its operator. */
  readonly title: string;
  /** Whether a weight layer's own output stands here. */
  readonly weighty: boolean;
  /** NaN and ±∞ as they are. */
  readonly decades: number;
  readonly tip: string;
}

/** Data flow from node to node, by index; `share` of the gradient that came back this way where several met. */
export interface TraceEdge {
  readonly from: number;
  readonly to: number;
  readonly share: number;
}

/** The network from input to output: every edge leads from a lower index to a higher one. */
export interface TraceGraph {
  readonly nodes: readonly TraceNode[];
  readonly edges: readonly TraceEdge[];
  /** What one node stands for. */
  readonly folding: 'value' | 'layer' | 'layers';
}

/** More nodes than this and the picture says less than its fold by layer. */
const MOST_NODES = 400;

/** The values on the gradient's path and what flows between them, folded until it can be drawn. */
export function traceGraph(profile: FlowProfile): TraceGraph {
  const values = profile.values.filter((value) => !value.inner).toReversed();
  const decades = trueDecadesOf(profile);
  const own = new Map(profile.layers.map((layer) => [layer.value, layer.name]));
  const single = values.map((value) => [value]);
  if (values.length <= MOST_NODES) return fold(profile, single, own, decades, 'value');
  const runs: FlowValue[][] = [];
  for (const value of values) {
    const run = runs.at(-1);
    if (run && run[0]!.layer === value.layer) run.push(value);
    else runs.push([value]);
  }
  if (runs.length <= MOST_NODES) return fold(profile, runs, own, decades, 'layer');
  const each = Math.ceil(runs.length / MOST_NODES);
  const groups = Array.from({ length: Math.ceil(runs.length / each) }, (_, i) =>
    runs.slice(i * each, (i + 1) * each).flat(),
  );
  return fold(profile, groups, own, decades, 'layers');
}

/** One node for each group of neighbours; an interval of a topological order folds into no cycle. */
function fold(
  profile: FlowProfile,
  groups: readonly (readonly FlowValue[])[],
  own: ReadonlyMap<string, string>,
  decades: (value: FlowValue) => number,
  folding: TraceGraph['folding'],
): TraceGraph {
  const place = new Map(groups.flatMap((group, i) => group.map((value) => [value.name, i] as const)));
  const merged = new Map<string, { from: number; to: number; share: number }>();
  for (const { value, outputs, share, inner } of profile.edges) {
    const from = place.get(value);
    if (inner || from === undefined) continue;
    for (const output of outputs) {
      const to = place.get(output);
      if (to === undefined || to <= from) continue;
      const id = `${from} ${to}`;
      const known = merged.get(id);
      // Shares of different values do not add up: a fold keeps none.
      merged.set(id, { from, to, share: known ? 1 : share });
    }
  }
  const nodes = groups.map((group) => nodeOf(group, own, decades));
  const edges = [...merged.values()];
  return { nodes, edges: folding === 'value' ? edges : edges.map((edge) => ({ ...edge, share: 1 })), folding };
}

function nodeOf(
  group: readonly FlowValue[],
  own: ReadonlyMap<string, string>,
  decades: (value: FlowValue) => number,
): TraceNode {
  const layers = [...new Set(group.map((value) => value.layer))];
  // What a layer's gradient is called is measured at its own output; several layers are judged by the one nearest the input.
  const shown = group.find((value) => own.has(value.name)) ?? group[0]!;
  if (group.length === 1) {
    const layer = own.get(shown.name);
    return {
      title: layer ?? titleOf(shown),
      weighty: layer !== undefined,
      decades: decades(shown),
      tip: tipOf(shown, decades(shown)),
    };
  }
  const title = layers.length === 1 ? layers[0]! || titleOf(shown) : `${layers[0]} … ${layers.at(-1)}`;
  const all = group.map(decades);
  const range = `${showDecades(all[0]!)} to ${showDecades(all.at(-1)!)} decades`;
  return {
    title,
    weighty: own.has(shown.name),
    decades: decades(shown),
    tip: `${title}: ${counted(group.length, 'value')}, ${range}; ${tipOf(shown, decades(shown))}`,
  };
}

function titleOf({ op, block, name }: FlowValue): string {
  return block ?? (op === '' ? name : op);
}

function tipOf(value: FlowValue, decades: number): string {
  const { name, op, node, layer, shape, gradient, block } = value;
  const broken = totalNonFinite(gradient);
  const facts = [
    `${name} [${shape.join(', ')}]`,
    `${block === undefined ? op : `${block} (${op})`} ${node}${layer === '' ? '' : `, layer ${layer}`}`,
    `‖∂C/∂x‖ = ${broken > 0 ? `not finite in ${showCount(broken)} of ${showCount(gradient.count)} elements` : showPower(gradient.log10L2)}`,
    `${showDecades(decades)} decades from the output`,
    ...(gradient.zeroFraction > 0 ? [`${showPercent(gradient.zeroFraction)} exactly zero`] : []),
  ];
  return facts.join('; ');
}

/** Decades from the output with what is not finite kept: statistics are those of the finite elements. */
function trueDecadesOf(profile: FlowProfile): (value: FlowValue) => number {
  const output = profile.values.find((value) => value.name === profile.output)?.gradient;
  const blind = output !== undefined && totalNonFinite(output) > 0;
  return ({ gradient, decadesFromOutput }) => {
    if (blind || gradient.nonFinite.nan > 0) return Number.NaN;
    return totalNonFinite(gradient) > 0 ? Number.POSITIVE_INFINITY : decadesFromOutput;
  };
}
