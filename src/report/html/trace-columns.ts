import type { DrawnEdge, NodeSize, Point, Segment } from './trace-segments.ts';

/** Where everything stands, in pixels: nodes by their upper left corner. */
export interface TraceLayout {
  readonly width: number;
  readonly height: number;
  readonly nodes: readonly PlacedNode[];
  readonly edges: readonly DrawnEdge[];
  /** Ways from the end of a column to the beginning of the next. */
  readonly turns: readonly (readonly Point[])[];
}

export interface PlacedNode {
  readonly index: number;
  readonly x: number;
  readonly y: number;
  /** Shown again at the top of a column because several ways leave it there. */
  readonly again: boolean;
}

interface Column {
  left: number;
  right: number;
  bottom: number;
  readonly nodes: { index: number; x: number; y: number; again: boolean }[];
  readonly edges: DrawnEdge[];
}

/** Between two columns: the way to the next one runs here. */
const GUTTER = 30;

/** Stacks a network's stretches in columns that are read like a page's: at most `room` wide where that can be. */
export function placeInColumns(
  segments: readonly Segment[],
  size: NodeSize,
  { room, tall }: { room: number; tall: number },
): TraceLayout {
  const { width, height } = size;
  const widest = segments.reduce((most, { left, right }) => Math.max(most, left + right), width);
  const total = segments.reduce((sum, segment) => sum + segment.height - height, height);
  const fitting = Math.max(1, Math.floor((room - 2 + GUTTER) / (widest + GUTTER)));
  const wanted = Math.min(fitting, Math.ceil(total / tall));
  let limit = total / wanted + height;
  let filled = fillColumns(segments, size, limit);
  // Stretches are not cut: columns grow until there are few enough.
  while (filled.columns.length > wanted) {
    limit *= 1.04;
    filled = fillColumns(segments, size, limit);
  }
  return assemble(filled, size);
}

interface Filled {
  readonly columns: readonly Column[];
  /** Columns whose end leads to the beginning of the next. */
  readonly crossings: readonly { readonly from: number; readonly to: number }[];
}

function fillColumns(segments: readonly Segment[], { width, height }: NodeSize, limit: number): Filled {
  const fresh = (index: number, again: boolean): Column => ({
    left: width / 2,
    right: width / 2,
    bottom: height,
    nodes: [{ index, x: 0, y: 0, again }],
    edges: [],
  });
  const columns = [fresh(segments[0]?.first ?? 0, false)];
  const crossings: { from: number; to: number }[] = [];
  for (const segment of segments) {
    let column = columns.at(-1)!;
    const simple = segment.nodes.size === 2 && segment.edges.length < 2;
    if (column.bottom + segment.height - height > limit && column.nodes.length > 1) {
      column = fresh(simple ? segment.last : segment.first, !simple);
      columns.push(column);
      crossings.push({ from: columns.length - 2, to: columns.length - 1 });
      if (simple) continue;
    }
    const top = column.bottom - height;
    for (const [index, [x, y]] of segment.nodes) {
      if (index !== segment.first) column.nodes.push({ index, x, y: y + top, again: false });
    }
    for (const { edge, points } of segment.edges) {
      column.edges.push({ edge, points: points.map(([x, y]): Point => [x, y + top]) });
    }
    column.left = Math.max(column.left, segment.left);
    column.right = Math.max(column.right, segment.right);
    column.bottom = top + segment.height;
  }
  return { columns, crossings };
}

function assemble({ columns, crossings }: Filled, { width, height, gap }: NodeSize): TraceLayout {
  const middles: number[] = [];
  let x = 1;
  for (const { left, right } of columns) {
    middles.push(x + left);
    x += left + right + GUTTER;
  }
  const top = gap;
  const nodes = columns.flatMap((column, c) =>
    column.nodes.map((node) => ({ ...node, x: middles[c]! + node.x - width / 2, y: top + node.y })),
  );
  const edges = columns.flatMap((column, c) =>
    column.edges.map(({ edge, points }) => ({
      edge,
      points: points.map(([px, py]): Point => [middles[c]! + px, top + py]),
    })),
  );
  const turns = crossings.map(({ from, to }): Point[] => {
    const column = columns[from]!;
    const end = top + column.bottom;
    const lane = middles[from]! + column.right + GUTTER / 2;
    return [
      [middles[from]!, end],
      [middles[from]!, end + gap / 2],
      [lane, end + gap / 2],
      [lane, top / 2],
      [middles[to]!, top / 2],
      [middles[to]!, top],
    ];
  });
  const bottom = columns.reduce((most, column) => Math.max(most, column.bottom), height);
  return { width: x - GUTTER + 1, height: top + bottom + gap / 2 + 2, nodes, edges, turns };
}
