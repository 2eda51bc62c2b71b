import type { FlowProfile } from '../flow/profile.ts';
import { type LayerRow, layerRows, leadingRows, pickRows } from './layer-rows.ts';
import { counted, showDecades, showNumber, showPercent } from './numbers.ts';
import type { ReportSubject } from './subject.ts';
import { clean, shorten } from './text.ts';

/** A chart of the δ trace, and what of it had to be left out. */
export interface Trace {
  readonly chart: string;
  /** Layers drawn together with others. */
  readonly folded: number;
  /** Whether there were more branches than a chart can show: then layers stand in a row. */
  readonly straightened: boolean;
}

/** GitHub draws charts of up to 500 edges; people follow far fewer. */
const MOST_EDGES = 100;
/** Rows asked for: with the folded ones between them about 40 nodes. */
const MOST_ROWS = 26;
/** A chart from left to right is drawn as wide as the page: more nodes would be too small to read. */
const MOST_IN_A_LINE = 6;
const LONGEST_NAME = 40;
const START = 'start';

/** Colours by decades, readable on both of GitHub's backgrounds; every node has its figure too. */
const styles = {
  same: 'fill:#1b7837,stroke:#1b7837,color:#ffffff',
  less: 'fill:#a6dba0,stroke:#5aae61,color:#000000',
  low: 'fill:#fee08b,stroke:#d9a400,color:#000000',
  lost: 'fill:#f46d43,stroke:#a33a1a,color:#000000',
  gone: 'fill:#a50026,stroke:#67001f,color:#ffffff',
  more: 'fill:#c2a5cf,stroke:#762a83,color:#000000',
  huge: 'fill:#762a83,stroke:#40004b,color:#ffffff',
  zero: 'fill:#4d4d4d,stroke:#1a1a1a,color:#ffffff',
  broken: 'fill:#000000,stroke:#d7191c,color:#ffffff,stroke-width:4px',
};
type Style = keyof typeof styles;

/** What the colours mean, in a line below the chart. */
export const legend =
  'Green: within a decade of the output’s gradient; light green, yellow, orange, red: below by up to 2, 3, 5 and more ' +
  'decades; violet: above it; grey: exactly zero; black: not a number.';

interface Group {
  readonly id: string;
  readonly rows: readonly LayerRow[];
}

/**
 * The gradient's way from the loss to the input as a Mermaid flowchart: layers with their decades; on the edges what a
 * layer took or, where branches meet, the share of the gradient that came by each. Any subject gives a valid chart.
 */
export function drawTrace(subject: ReportSubject, limit = MOST_ROWS): Trace | undefined {
  const { profile } = subject;
  const all = layerRows(subject);
  const values = new Map(all.map((row, i) => [row, profile.layers[all.length - 1 - i]!.value]));
  const rows = all.length > limit ? leadingRows(all) : all;
  if (rows.length === 0) return undefined;
  const groups = groupRows(rows, limit);
  const groupOf = new Map(groups.flatMap((group) => group.rows.map((row) => [values.get(row)!, group] as const)));
  const known = profile.edges.length > 0;
  const branching = known ? connect(groups, groupOf, sourcesOf(profile, new Set(groupOf.keys())), values) : [];
  const straightened = branching.length > MOST_EDGES;
  const edges = straightened || !known ? inOrder(groups) : branching;
  const used = new Set<Style>();
  const lines = groups.map((group) => {
    const style = styleOf(group.rows.at(-1)!.decades);
    used.add(style);
    return `  ${nodeOf(group)}:::${style}`;
  });
  const chart = [
    `flowchart ${groups.length > MOST_IN_A_LINE ? 'TD' : 'LR'}`,
    `  ${START}(["loss ${mermaidText(showNumber(profile.loss))}"])`,
    ...lines,
    ...edges.map(({ from, to, label }) => `  ${from} -->${label === '' ? '' : `|"${mermaidText(label)}"|`} ${to}`),
    ...[...used].map((style) => `  classDef ${style} ${styles[style]}`),
  ];
  const foldedRows = groups.reduce((sum, group) => sum + (group.rows.length > 1 ? group.rows.length : 0), 0);
  return { chart: chart.join('\n'), folded: foldedRows + all.length - rows.length, straightened };
}

/** Everything that could be syntax, HTML or Markdown in a quoted Mermaid label: lists begin with `- `, `+ ` and `1. `. */
const special = /[^\p{L}\p{M}\p{N} _.,+/-]|^[+-](?= )|(?<=^\d+)\.(?= )|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu;

/** Text within a quoted Mermaid label; what is special there is written as a character code. */
export function mermaidText(text: string): string {
  return clean(text)
    .trim()
    .replace(special, (char) => `#${char.codePointAt(0)};`);
}

function groupRows(rows: readonly LayerRow[], limit: number): Group[] {
  let next = 0;
  return pickRows(rows, limit, true).map((picked, i) => {
    const count = 'hidden' in picked ? picked.hidden : 1;
    const group = { id: `n${i}`, rows: rows.slice(next, next + count) };
    next += count;
    return group;
  });
}

function nodeOf({ id, rows }: Group): string {
  const name = (row: LayerRow) => mermaidText(shorten(clean(row.name), LONGEST_NAME)) || 'no name';
  const decades = (row: LayerRow) => mermaidText(row.remark ?? showDecades(row.decades));
  const [first, last] = [rows[0]!, rows.at(-1)!];
  if (rows.length === 1) return `${id}["${name(first)}<br/>${decades(first)}"]`;
  const range = `${decades(first)} … ${decades(last)}`;
  return `${id}(["${counted(rows.length, 'layer')}<br/>${range}"])`;
}

function styleOf(decades: number): Style {
  if (Number.isNaN(decades) || decades === Number.POSITIVE_INFINITY) return 'broken';
  if (decades === Number.NEGATIVE_INFINITY) return 'zero';
  if (decades > 1) return decades > 3 ? 'huge' : 'more';
  if (decades >= -1) return 'same';
  if (decades >= -2) return 'less';
  if (decades >= -3) return 'low';
  return decades >= -5 ? 'lost' : 'gone';
}

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly label: string;
}

/** Where each layer's gradient comes from: other layers, or the loss (undefined), with their shares of it. */
type Sources = ReadonlyMap<string | undefined, number>;

/** Follows the backward pass from value to value until the next layer on the way to the loss. */
function sourcesOf({ edges, values }: FlowProfile, layers: ReadonlySet<string>): (value: string) => Sources {
  const leaving = new Map<string, FlowProfile['edges'][number][]>();
  for (const edge of edges) leaving.set(edge.value, [...(leaving.get(edge.value) ?? []), edge]);
  const beyond = new Map<string, Sources>();
  const add = (sums: Map<string | undefined, number>, source: string | undefined, share: number) =>
    sums.set(source, (sums.get(source) ?? 0) + share);
  const from = (value: string): Sources => {
    const sums = new Map<string | undefined, number>();
    const out = (leaving.get(value) ?? []).filter(({ outputs }) => outputs.length > 0);
    if (out.length === 0) sums.set(undefined, 1);
    for (const { outputs, share } of out) {
      for (const output of outputs) {
        const part = share / outputs.length;
        if (layers.has(output)) add(sums, output, part);
        else for (const [source, further] of beyond.get(output) ?? []) add(sums, source, part * further);
      }
    }
    return sums;
  };
  // Values stand from output to input: what a gradient comes from is known before it.
  for (const { name } of values) beyond.set(name, from(name));
  return (value) => beyond.get(value) ?? new Map();
}

function connect(
  groups: readonly Group[],
  groupOf: ReadonlyMap<string, Group>,
  sources: (value: string) => Sources,
  values: ReadonlyMap<LayerRow, string>,
): Edge[] {
  const edges: Edge[] = [];
  groups.forEach((group, i) => {
    const found = new Map<Group | undefined, number>();
    for (const row of group.rows) {
      for (const [source, share] of sources(values.get(row)!)) {
        const origin = source === undefined ? undefined : groupOf.get(source);
        if (origin !== group) found.set(origin, (found.get(origin) ?? 0) + share);
      }
    }
    if (found.size === 0) edges.push(follow(groups, i));
    for (const [origin, share] of found) {
      const single = group.rows.length === 1;
      const part = single && Number.isFinite(share) ? showPercent(share) : '';
      const label = found.size > 1 ? part : stepLabel(origin, group);
      edges.push({ from: origin?.id ?? START, to: group.id, label });
    }
  });
  return edges;
}

/** Layers in a row, as on a chain. */
function inOrder(groups: readonly Group[]): Edge[] {
  return groups.map((_, i) => follow(groups, i));
}

function follow(groups: readonly Group[], i: number): Edge {
  const [before, group] = [groups[i - 1], groups[i]!];
  return { from: before?.id ?? START, to: group.id, label: stepLabel(before, group) };
}

/** Decades from one node to the next. */
function stepLabel(before: Group | undefined, group: Group): string {
  const step = before ? group.rows[0]!.decades - before.rows.at(-1)!.decades : Number.NaN;
  return Number.isFinite(step) ? showDecades(step) : '';
}
