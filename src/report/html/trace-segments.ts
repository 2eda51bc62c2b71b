import { Graph, layout } from '@dagrejs/dagre';
import type { TraceEdge, TraceGraph } from './trace-graph.ts';

/** Size of every node, and the space between two. */
export interface NodeSize {
  readonly width: number;
  readonly height: number;
  readonly gap: number;
}

export type Point = readonly [x: number, y: number];

/** A line of a picture and the points it passes. */
export interface DrawnEdge {
  readonly edge: TraceEdge;
  readonly points: readonly Point[];
}

/**
 * A stretch of the network between two nodes that everything passes, both counted: the first at (0, 0), the last
 * straight below. Nodes by the middle of their upper edge.
 */
export interface Segment {
  readonly first: number;
  readonly last: number;
  /** From the first node's middle to both sides. */
  readonly left: number;
  readonly right: number;
  readonly height: number;
  readonly nodes: ReadonlyMap<number, Point>;
  readonly edges: readonly DrawnEdge[];
}

/** Beyond this dagre takes seconds: such a stretch is drawn as a list with arcs. */
const MOST_EDGES_PER_NODE = 4;
const LARGE = 120;

/**
 * Cuts the network at the nodes that everything passes and lays out what is between them: long networks stay fast, and
 * can be wrapped there.
 */
export function layoutSegments({ nodes, edges }: TraceGraph, size: NodeSize): Segment[] {
  const leaving: TraceEdge[][] = nodes.map(() => []);
  for (const edge of edges) leaving[edge.from]!.push(edge);
  const segments: Segment[] = [];
  let start = 0;
  let reach = 0;
  for (let i = 0; i < nodes.length; i++) {
    if (i > 0 && (reach <= i || i === nodes.length - 1)) {
      const inside: TraceEdge[] = [];
      for (let from = start; from < i; from++) inside.push(...leaving[from]!);
      segments.push(layoutSegment(start, i, inside, size));
      start = i;
    }
    for (const { to } of leaving[i]!) reach = Math.max(reach, to);
  }
  return segments;
}

function layoutSegment(first: number, last: number, edges: readonly TraceEdge[], size: NodeSize): Segment {
  const count = last - first + 1;
  if (count === 2 || (count > LARGE && edges.length > MOST_EDGES_PER_NODE * count)) {
    return listSegment(first, last, edges, size);
  }
  const { width, height, gap } = size;
  const graph = new Graph();
  graph.setGraph({ rankdir: 'TB', nodesep: 16, edgesep: 12, ranksep: gap });
  graph.setDefaultEdgeLabel(() => ({}));
  for (let i = first; i <= last; i++) graph.setNode(String(i), { width, height });
  for (const { from, to } of edges) graph.setEdge(String(from), String(to), { weight: to === from + 1 ? 3 : 1 });
  layout(graph);
  const place = (i: number) => graph.node(String(i)) as { x: number; y: number };
  const [origin, end] = [place(first), place(last)];
  const top = origin.y - height / 2;
  const nodes = new Map<number, Point>();
  for (let i = first; i < last; i++) nodes.set(i, [place(i).x - origin.x, place(i).y - height / 2 - top]);
  nodes.set(last, [0, end.y - height / 2 - top]);
  const drawn = edges.map((edge): DrawnEdge => {
    const { points } = graph.edge(String(edge.from), String(edge.to)) as { points: { x: number; y: number }[] };
    const shifted = points.map(({ x, y }): Point => [x - origin.x, y - top]);
    // The last node stands alone in its row, so that it can be moved below the first.
    if (edge.to === last)
      shifted[shifted.length - 1] = [
        Math.max(-width / 2, Math.min(width / 2, shifted.at(-1)![0] - (end.x - origin.x))),
        shifted.at(-1)![1],
      ];
    return { edge, points: shifted };
  });
  const xs = [
    ...[...nodes.values()].flatMap(([x]) => [x - width / 2, x + width / 2]),
    ...drawn.flatMap(({ points }) => points.map(([x]) => x)),
  ];
  const [left, right] = xs.reduce(([low, high], x) => [Math.min(low, x), Math.max(high, x)], [0, 0]);
  return { first, last, left: -left, right, height: nodes.get(last)![1] + height, nodes, edges: drawn };
}

/** One below the other: what has nothing beside it, and what has more connections than can be untangled (as arcs). */
function listSegment(
  first: number,
  last: number,
  edges: readonly TraceEdge[],
  { width, height, gap }: NodeSize,
): Segment {
  const step = height + gap;
  const nodes = new Map<number, Point>();
  for (let i = first; i <= last; i++) nodes.set(i, [0, (i - first) * step]);
  const drawn = edges.map((edge): DrawnEdge => {
    const [from, to] = [(edge.from - first) * step, (edge.to - first) * step];
    if (edge.to === edge.from + 1)
      return {
        edge,
        points: [
          [0, from + height],
          [0, to],
        ],
      };
    const side = width / 2;
    const bow = side + 8 + Math.min(28, edge.to - edge.from);
    const [a, b] = [from + height / 2, to + height / 2];
    return {
      edge,
      points: [
        [side, a],
        [bow, a],
        [bow, b],
        [side, b],
      ],
    };
  });
  const arcs = edges.some(({ from, to }) => to > from + 1) ? 40 : 0;
  return {
    first,
    last,
    left: width / 2,
    right: width / 2 + arcs,
    height: (last - first) * step + height,
    nodes,
    edges: drawn,
  };
}
