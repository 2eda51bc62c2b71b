import { counted, showDecades, showPercent } from '../numbers.ts';
import type { ReportSubject } from '../subject.ts';
import { decadeClass, decadeLegend } from './colours.ts';
import { html, type Markup } from './escape.ts';
import { NARROW, name, numbers, section, WIDE } from './figure.ts';
import { minus, px, shortNames, svg } from './svg.ts';
import { type PlacedNode, placeInColumns, type TraceLayout } from './trace-columns.ts';
import { type TraceEdge, type TraceGraph, type TraceNode, traceGraph } from './trace-graph.ts';
import { layoutSegments, type NodeSize, type Point } from './trace-segments.ts';

/** How nodes are drawn, by how many there are: `tall` is what a column should not exceed while there is room beside it. */
interface Look {
  readonly upTo: number;
  readonly size: NodeSize;
  readonly font: number;
  readonly tall: number;
}

const wideLooks: readonly Look[] = [
  { upTo: 60, size: { width: 164, height: 26, gap: 16 }, font: 12, tall: 340 },
  { upTo: 160, size: { width: 148, height: 22, gap: 12 }, font: 11, tall: 640 },
  { upTo: Number.POSITIVE_INFINITY, size: { width: 122, height: 18, gap: 8 }, font: 10, tall: 900 },
];
/** A larger graph is laid out once: that is what takes time. */
const MOST_TRIED = 250;
const narrowLook: Look = { upTo: 0, size: { width: 144, height: 22, gap: 11 }, font: 11, tall: 420 };

/** The δ trace: the network's own graph, every node coloured by what is left of the gradient there. */
export function traceSection({ profile }: ReportSubject): Markup {
  const graph = traceGraph(profile);
  if (graph.nodes.length === 0) return html``;
  const used = new Set(graph.nodes.map((node) => decadeClass(node.decades)));
  const each = { value: 'one value of the network', layer: 'one layer', layers: 'a few neighbouring layers' }[
    graph.folding
  ];
  const rows = graph.nodes.map((node) => [name(node.title), showDecades(node.decades), node.tip]).reverse();
  const columns = [
    { title: 'node, from output to input' },
    { title: 'decades', numeric: true },
    { title: 'what was measured' },
  ];
  const body = html`<figure>${decadeLegend(used)}<div class="scroll trace wide" tabindex="0">${drawWide(graph)}</div><div class="scroll trace narrow" tabindex="0">${draw(graph, place(graph, NARROW, narrowLook), narrowLook, false)}</div></figure>${numbers('Every node with its numbers', { columns, rows })}`;
  return section({
    id: 'trace',
    title: 'Where in the network it happens',
    lead: html`The network's own graph; each box is ${each}. Data flow along the lines from the top left to the bottom right, the gradient the other way. The figure in a box says how many decades (powers of ten) its gradient lies below or above the output's; the colour says the same.${graph.edges.some((edge) => edge.share !== 1) && ' Where ways meet, a thicker line carried more of the gradient.'}`,
    body,
  });
}

/** Wide blocks leave room for one column only: smaller nodes may make it two. */
function drawWide(graph: TraceGraph): Markup {
  const from = wideLooks.findIndex(({ upTo }) => graph.nodes.length <= upTo);
  const look = wideLooks[from]!;
  const placed = place(graph, WIDE, look);
  const smallest = wideLooks.at(-1)!;
  if (placed.height <= 1.5 * look.tall || look === smallest || graph.edges.length > MOST_TRIED) {
    return draw(graph, placed, look, true);
  }
  const denser = place(graph, WIDE, smallest);
  return denser.height < 0.7 * placed.height ? draw(graph, denser, smallest, true) : draw(graph, placed, look, true);
}

function place(graph: TraceGraph, room: number, { size, tall }: Look): TraceLayout {
  return placeInColumns(layoutSegments(graph, size), size, { room, tall });
}

function draw(graph: TraceGraph, placed: TraceLayout, { size, font }: Look, tips: boolean): Markup {
  const figures = graph.nodes.map((node) => minus(showDecades(node.decades)));
  const widest = figures.reduce((most, figure) => Math.max(most, figure.length), 0);
  const cells = Math.max(3, Math.floor((size.width - 14) / (0.605 * font)) - widest - 1);
  const titles = shortNames(
    graph.nodes.map((node) => node.title),
    cells,
  );
  const content = [
    ...placed.edges.map(({ edge, points }) => drawEdge(edge, points, graph)),
    ...placed.turns.map((points) => html`<path class="edge" d="${rounded(points)}"/>`),
    ...placed.nodes.map((node) =>
      drawNode(graph.nodes[node.index]!, node, { title: titles[node.index]!, size, font, tips }),
    ),
  ];
  return svg(Math.max(placed.width, NARROW), placed.height, inWords(graph), content);
}

interface NodeLook {
  /** What fits. */
  readonly title: string;
  readonly size: NodeSize;
  readonly font: number;
  /** Whether pointing at it tells its numbers: a finger does not point. */
  readonly tips: boolean;
}

function drawNode(node: TraceNode, { x, y, again }: PlacedNode, { title, size, font, tips }: NodeLook): Markup {
  const { width, height } = size;
  const figure = minus(showDecades(node.decades));
  const base = y + height / 2 + font * 0.35;
  const kind = decadeClass(node.decades);
  return html`<g class="node${again && ' again'}">${tips && html`<title>${node.tip}</title>`}<rect class="${kind}" x="${px(x)}" y="${px(y)}" width="${width}" height="${height}" rx="4"/><text class="name${node.weighty && ' strong'}" font-size="${font}" x="${px(x + 7)}" y="${px(base)}">${title}</text><text class="on ${kind} fig" font-size="${font}" x="${px(x + width - 6)}" y="${px(base)}" text-anchor="end">${figure}</text></g>`;
}

function drawEdge({ from, to, share }: TraceEdge, points: readonly Point[], { nodes }: TraceGraph): Markup {
  const path = rounded(points);
  if (share === 1) return html`<path class="edge" d="${path}"/>`;
  const width = 1 + 3 * Math.min(1, Math.abs(Number.isFinite(share) ? share : 0));
  const tip = `${nodes[to]!.title} → ${nodes[from]!.title}: ${showPercent(share)} of the gradient there`;
  return html`<path class="edge" style="stroke-width:${px(width)}" d="${path}"><title>${tip}</title></path>`;
}

/** Straight lines with rounded corners. */
function rounded(points: readonly Point[]): string {
  const [start] = points;
  let path = `M${px(start![0])} ${px(start![1])}`;
  for (let i = 1; i < points.length - 1; i++) {
    const [before, here, after] = [points[i - 1]!, points[i]!, points[i + 1]!];
    const [a, b] = [towards(here, before), towards(here, after)];
    path += `L${px(a[0])} ${px(a[1])}Q${px(here[0])} ${px(here[1])} ${px(b[0])} ${px(b[1])}`;
  }
  const end = points.at(-1)!;
  return `${path}L${px(end[0])} ${px(end[1])}`;
}

function towards([x, y]: Point, [toX, toY]: Point): Point {
  const distance = Math.hypot(toX - x, toY - y) || 1;
  const part = Math.min(8, distance / 2) / distance;
  return [x + (toX - x) * part, y + (toY - y) * part];
}

function inWords({ nodes }: TraceGraph): string {
  const [first, last] = [nodes[0]!, nodes.at(-1)!];
  return `Graph of the network, ${counted(nodes.length, 'node')}: gradient ${showDecades(last.decades)} decades at ${last.title}, ${showDecades(first.decades)} at ${first.title}`;
}
