import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decadeClass } from '../../../src/report/html/colours.ts';
import { placeInColumns } from '../../../src/report/html/trace-columns.ts';
import { type TraceEdge, type TraceGraph, traceGraph } from '../../../src/report/html/trace-graph.ts';
import { layoutSegments } from '../../../src/report/html/trace-segments.ts';
import { chainOf, numbered } from './pages.ts';

const size = { width: 120, height: 22, gap: 12 };
const nodesOf = (count: number) => numbered(count).map((title) => ({ title, weighty: true, decades: 0, tip: title }));
const edge = (from: number, to: number): TraceEdge => ({ from, to, share: 1 });

/** Networks as they come: a chain with ways around parts of it. */
const networks: fc.Arbitrary<TraceGraph> = fc.integer({ min: 1, max: 40 }).chain((count) =>
  fc.array(fc.tuple(fc.nat(count - 1), fc.integer({ min: 2, max: 6 })), { maxLength: 15 }).map((skips) => {
    const chain = Array.from({ length: count - 1 }, (_, i) => edge(i, i + 1));
    const around = skips.filter(([from, step]) => from + step < count).map(([from, step]) => edge(from, from + step));
    const unique = new Map([...chain, ...around].map((one) => [`${one.from} ${one.to}`, one]));
    return { nodes: nodesOf(count), edges: [...unique.values()], folding: 'value' as const };
  }),
);

describe('the layout of the trace', () => {
  it('shows every node once, apart from the others, and every connection, downwards', () => {
    fc.assert(
      fc.property(
        networks,
        fc.integer({ min: 200, max: 900 }),
        fc.integer({ min: 100, max: 600 }),
        (graph, room, tall) => {
          const placed = placeInColumns(layoutSegments(graph, size), size, { room, tall });
          const own = placed.nodes.filter(({ again }) => !again).map(({ index }) => index);
          expect([...own].sort((a, b) => a - b)).toEqual(graph.nodes.map((_, i) => i));
          const boxes = placed.nodes;
          boxes.forEach((a, i) => {
            expect(a.x).toBeGreaterThanOrEqual(0);
            expect(a.x + size.width).toBeLessThanOrEqual(placed.width + 0.5);
            expect(a.y + size.height).toBeLessThanOrEqual(placed.height);
            for (const b of boxes.slice(i + 1)) {
              const apart = Math.abs(a.x - b.x) >= size.width || Math.abs(a.y - b.y) >= size.height;
              expect(apart, `${a.index} and ${b.index}`).toBe(true);
            }
          });
          // A turn stands for the only way between two columns.
          expect(placed.edges.length + placed.turns.length).toBeGreaterThanOrEqual(graph.edges.length);
          const drawn = new Set(placed.edges.map(({ edge: { from, to } }) => `${from} ${to}`));
          const missing = graph.edges.filter(({ from, to }) => !drawn.has(`${from} ${to}`));
          expect(missing.length).toBeLessThanOrEqual(placed.turns.length);
          for (const { points } of placed.edges) expect(points.at(-1)![1]).toBeGreaterThan(points[0]![1]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('wraps a long chain within the room there is', () => {
    const graph: TraceGraph = {
      nodes: nodesOf(300),
      edges: nodesOf(299).map((_, i) => edge(i, i + 1)),
      folding: 'layer',
    };
    const placed = placeInColumns(layoutSegments(graph, size), size, { room: 900, tall: 900 });
    expect(placed.width).toBeLessThanOrEqual(900);
    expect(new Set(placed.nodes.map(({ x }) => x)).size).toBe(6);
    expect(placed.turns).toHaveLength(5);
  });

  it('survives connections that cannot be untangled', () => {
    const count = 200;
    const edges = Array.from({ length: count }, (_, to) =>
      Array.from({ length: Math.min(to, 20) }, (_, k) => edge(to - 1 - k, to)),
    ).flat();
    const placed = placeInColumns(layoutSegments({ nodes: nodesOf(count), edges, folding: 'value' }, size), size, {
      room: 900,
      tall: 900,
    });
    expect(placed.nodes).toHaveLength(count);
    expect(placed.edges).toHaveLength(edges.length);
  });
});

describe('the graph of the trace', () => {
  it('keeps the network’s values and what flows between them', () => {
    const { nodes, edges, folding } = traceGraph(chainOf(['a', 'b', 'c'], (i) => i - 2).profile);
    expect(folding).toBe('value');
    expect(nodes.map(({ title }) => title)).toEqual(['a', 'b', 'c']);
    expect(nodes[2]!.decades).toBe(0);
    expect(nodes[0]!.decades).toBeCloseTo(-2, 6);
    expect(edges).toEqual([edge(1, 2), edge(0, 1)]);
  });

  it('folds by layer, then by neighbouring layers, in order and without losing the connection', () => {
    const { profile } = chainOf(numbered(250), (i) => (i - 249) / 100);
    const doubled = {
      ...profile,
      values: profile.values.flatMap((value) => [
        { ...value, name: `${value.name}~`, op: 'Relu', node: `${value.node}~` },
        value,
      ]),
      edges: profile.edges.flatMap((one) => [
        { ...one, outputs: one.outputs, value: `${one.value}~` },
        { ...one, outputs: [`${one.value}~`], value: one.value },
      ]),
    };
    const layers = traceGraph(doubled);
    expect(layers.folding).toBe('layer');
    expect(layers.nodes.map(({ title }) => title)).toEqual(numbered(250));
    expect(layers.edges).toHaveLength(249);
    const many = traceGraph(chainOf(numbered(1000), () => 0).profile);
    expect(many.folding).toBe('layers');
    expect(many.nodes.length).toBeLessThanOrEqual(400);
    expect(many.nodes[0]!.title).toBe('hidden.0 … hidden.2');
    expect(many.nodes.at(-1)!.title).toContain('hidden.999');
    expect(many.edges).toHaveLength(many.nodes.length - 1);
  });
});

describe('the colours of decades', () => {
  it('change where the shown figure does, and at the rule’s limit', () => {
    expect([0, -0.44, 0.4, -0.46, -1, -2.94, -2.96, -3, -1000].map(decadeClass)).toEqual([
      'f0',
      'f0',
      'f0',
      'd1',
      'd2',
      'd3',
      'd4',
      'd4',
      'd7',
    ]);
    expect([3, 10, Number.NEGATIVE_INFINITY, Number.NaN, Number.POSITIVE_INFINITY].map(decadeClass)).toEqual([
      'g4',
      'g7',
      'fz',
      'fn',
      'fn',
    ]);
  });
});
