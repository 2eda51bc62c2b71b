import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attribute } from '../../src/flow/attribution.ts';
import { findCuts } from '../../src/flow/cuts.ts';
import type { FactorKind } from '../../src/flow/kinds.ts';
import type { FlowEdge, FlowProfile } from '../../src/flow/profile.ts';
import { measureTensor } from '../../src/flow/statistics.ts';
import { tensorOf } from '../../src/graph/tensor.ts';

type Vector = number[];
type Link = {
  from: string;
  to: string;
  op: string;
  kind: FactorKind;
  map: (g: Vector) => Vector;
  inner?: boolean;
};

/** A profile of a made-up graph: values in forward order, the last one the output, links with their backward maps. */
function profileOf(values: string[], links: Link[], seed: Vector): FlowProfile {
  const gradients = new Map<string, Vector>([[values.at(-1)!, seed]]);
  const edges: FlowEdge[] = [];
  for (const value of [...values].reverse().slice(1)) {
    const own = links
      .filter((link) => link.from === value && gradients.has(link.to))
      .map((link) => ({ link, contribution: link.map(gradients.get(link.to)!) }));
    if (own.length === 0) continue;
    const total = seed.map((_, i) => own.reduce((sum, { contribution }) => sum + contribution[i]!, 0));
    gradients.set(value, total);
    const squares = total.reduce((sum, x) => sum + x * x, 0);
    for (const { link, contribution } of own) {
      const inner = contribution.reduce((sum, x, i) => sum + x * total[i]!, 0);
      edges.push({
        node: `${link.op}:${link.from}>${link.to}`,
        op: link.op,
        kind: link.kind,
        layer: link.to,
        value,
        outputs: [link.to],
        log10L2: Math.log10(Math.hypot(...contribution)),
        share: squares > 0 ? inner / squares : 0,
        ...(link.inner && { inner: true }),
      });
    }
  }
  const order = [...values].reverse().filter((name) => gradients.has(name));
  return {
    loss: 1,
    output: values.at(-1)!,
    values: order.map((name) => ({
      name,
      node: name,
      op: '',
      kind: 'arithmetic',
      layer: name,
      shape: [seed.length],
      gradient: measureTensor(tensorOf('float64', [seed.length], gradients.get(name)!)),
      value: measureTensor(tensorOf('float64', [seed.length], seed)),
      decadesFromOutput: 0,
    })),
    parameters: [],
    edges,
    layers: [],
    cuts: [],
    seen: { batch: 1, batches: 1, step: 0 },
  };
}

const times =
  (factor: number) =>
  (g: Vector): Vector =>
    g.map((x) => factor * x);
const sumOfKinds = (byKind: Partial<Record<FactorKind, number>>) => Object.values(byKind).reduce((a, b) => a + b, 0);

describe('attribution', () => {
  it('telescopes on a chain: 0.25 per sigmoid, 2 per weight matrix', () => {
    const values = ['a0', 'z1', 'a1', 'z2', 'a2'];
    const links: Link[] = [
      { from: 'a0', to: 'z1', op: 'Gemm', kind: 'weight-matrix', map: times(2) },
      { from: 'z1', to: 'a1', op: 'Sigmoid', kind: 'activation-derivative', map: times(0.25) },
      { from: 'a1', to: 'z2', op: 'Gemm', kind: 'weight-matrix', map: times(2) },
      { from: 'z2', to: 'a2', op: 'Sigmoid', kind: 'activation-derivative', map: times(0.25) },
    ];
    const { totalDecades, byKind, byLayer } = attribute(profileOf(values, links, [1, -3]), 'a0');
    expect(totalDecades).toBeCloseTo(Math.log10(0.25), 12);
    expect(byKind['activation-derivative']).toBeCloseTo(2 * Math.log10(0.25), 12);
    expect(byKind['weight-matrix']).toBeCloseTo(2 * Math.log10(2), 12);
    expect(byLayer.map(({ layer }) => layer).sort()).toEqual(['a1', 'a2', 'z1', 'z2']);
  });

  it('gives a skip connection its share of the gradient', () => {
    // y = x + f(x) with f′ = 0.5: the branch brings c = 0.5 g, the skip g: shares 1/3 and 2/3, and ‖g_x‖ = 1.5 ‖g‖.
    const links: Link[] = [
      { from: 'x', to: 'f', op: 'Gemm', kind: 'weight-matrix', map: times(0.5) },
      { from: 'f', to: 'y', op: 'Add', kind: 'arithmetic', map: times(1) },
      { from: 'x', to: 'y', op: 'Add', kind: 'arithmetic', map: times(1) },
    ];
    const profile = profileOf(['x', 'f', 'y'], links, [1, 2, 3]);
    const { totalDecades, byKind, merges } = attribute(profile, 'x');
    expect(totalDecades).toBeCloseTo(Math.log10(1.5), 12);
    expect(merges).toHaveLength(1);
    const shares = new Map(merges[0]!.branches.map((branch) => [branch.op, branch.share]));
    expect(shares.get('Add')).toBeCloseTo(2 / 3, 12);
    expect(shares.get('Gemm')).toBeCloseTo(1 / 3, 12);
    expect(byKind['weight-matrix']).toBeCloseTo(Math.log10(0.5) / 3, 12);
    expect(sumOfKinds(byKind)).toBeCloseTo(totalDecades, 12);
  });

  const link = (from: string, to: string, op: string, kind: FactorKind, factor = 1): Link => ({
    from,
    to,
    op,
    kind,
    map: times(factor),
  });
  /** The kinds that the meetings of a made-up graph belong to, and what they took. */
  const meet = (values: string[], links: Link[]) => {
    const { merges, byKind, totalDecades } = attribute(profileOf(values, links, [1, 2]), values[0]!);
    expect(sumOfKinds(byKind)).toBeCloseTo(totalDecades, 12);
    return { kinds: merges.map(({ kind }) => kind), byKind };
  };

  it('tells projections of one value from a skip connection', () => {
    const projections = ['q', 'k', 'v'].flatMap((name) => [
      link('x', name, 'MatMul', 'weight-matrix', 0.5),
      link(name, 'y', 'Attention', 'attention', 0.5),
    ]);
    const { kinds, byKind } = meet(['x', 'q', 'k', 'v', 'y'], projections);
    expect(kinds).toEqual(['branching']);
    // Three equal branches: ‖g‖ = 3 ‖c‖.
    expect(byKind.branching).toBeCloseTo(Math.log10(3), 12);
    expect(byKind['skip-connection']).toBeUndefined();
    const around = [link('x', 'z', 'Add', 'arithmetic'), link('y', 'z', 'Add', 'arithmetic')];
    expect(meet(['x', 'q', 'k', 'v', 'y', 'z'], [...projections, ...around]).kinds).toEqual(['skip-connection']);
  });

  it('takes slices of one tensor for a matter of layout', () => {
    const slices = ['q', 'k', 'v'].flatMap((name) => [
      link('x', name, 'Slice', 'reshape'),
      link(name, 'y', 'Attention', 'attention'),
    ]);
    expect(meet(['x', 'q', 'k', 'v', 'y'], slices).kinds).toEqual(['reshape']);
  });

  it('takes branches of elementwise operators for a formula, also where an Add ends it', () => {
    const rotary = [
      link('x', 'a', 'Mul', 'arithmetic', 0.5),
      link('x', 'b', 'Slice', 'reshape'),
      link('b', 'c', 'Mul', 'arithmetic', 0.5),
      link('a', 'y', 'Add', 'arithmetic'),
      link('c', 'y', 'Add', 'arithmetic'),
    ];
    expect(meet(['x', 'a', 'b', 'c', 'y'], rotary).kinds).toEqual(['arithmetic']);
    const swish = [
      link('x', 'y', 'Mul', 'arithmetic'),
      link('x', 's', 'Sigmoid', 'activation-derivative'),
      link('s', 'y', 'Mul', 'arithmetic'),
    ];
    expect(meet(['x', 's', 'y'], swish).kinds).toEqual(['arithmetic']);
  });

  it('knows a skip connection behind a reshape or a dropout, and an Add that rejoins nothing for none', () => {
    const block = [link('x', 'f', 'Conv', 'weight-matrix', 0.5), link('f', 'y', 'Add', 'arithmetic')];
    const skip = [link('x', 'd', 'Dropout', 'dropout'), link('d', 'y', 'Add', 'arithmetic')];
    expect(meet(['x', 'd', 'f', 'y'], [...block, ...skip]).kinds).toEqual(['skip-connection']);
    // Two towers, the second of which begins with a bias: nothing goes unchanged to where they meet.
    const towers = [
      link('x', 'a', 'Add', 'arithmetic'),
      link('a', 'b', 'Gemm', 'weight-matrix', 0.5),
      link('b', 'y', 'Add', 'arithmetic'),
      link('x', 'c', 'Gemm', 'weight-matrix', 0.5),
      link('c', 'y', 'Add', 'arithmetic'),
    ];
    expect(meet(['x', 'a', 'b', 'c', 'y'], towers).kinds).toEqual(['branching']);
  });

  it('gives meetings within a block to its kind and does not list them', () => {
    const inside = (from: string, to: string, factor: number): Link => ({
      ...link(from, to, 'Mul', 'normalization', factor),
      inner: true,
    });
    const links = [inside('c', 's', 0.3), inside('s', 'y', 0.5), inside('c', 'y', 0.8)];
    const { kinds, byKind } = meet(['c', 's', 'y'], links);
    expect(kinds).toEqual([]);
    expect(Object.keys(byKind)).toEqual(['normalization']);
    expect(byKind.normalization).toBeCloseTo(Math.log10(0.95), 12);
  });

  it('adds up to the total on any graph, by kind and by layer', () => {
    const kinds: FactorKind[] = ['activation-derivative', 'weight-matrix', 'normalization', 'arithmetic', 'reshape'];
    const extraLink = fc.record({
      op: fc.constantFrom('X', 'Add', 'Concat'),
      inner: fc.boolean(),
      from: fc.nat(7),
      span: fc.integer({ min: 1, max: 7 }),
      kind: fc.constantFrom(...kinds),
      scale: fc.double({ min: -3, max: 3, noNaN: true }).filter((x) => Math.abs(x) > 1e-3),
      turn: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(extraLink, { maxLength: 12 }),
        fc.array(fc.double({ min: 0.1, max: 1, noNaN: true }), { minLength: 8, maxLength: 8 }),
        (extra, chain) => {
          const values = Array.from({ length: 9 }, (_, i) => `v${i}`);
          const links: Link[] = chain.map((scale, i) => ({
            from: `v${i}`,
            to: `v${i + 1}`,
            op: 'Mul',
            kind: kinds[i % kinds.length]!,
            map: times(scale),
          }));
          for (const { from, span, op, inner, kind, scale, turn } of extra) {
            const to = Math.min(8, from + span);
            if (to > from)
              links.push({
                from: `v${from}`,
                to: `v${to}`,
                op,
                inner,
                kind,
                map: (g) => (turn ? [-scale * g[1]!, scale * g[0]!] : times(scale)(g)),
              });
          }
          const profile = profileOf(values, links, [1, 0.5]);
          const { totalDecades, byKind, byLayer } = attribute(profile, 'v0');
          if (!Number.isFinite(totalDecades)) return;
          const magnitude = Object.values(byKind).reduce((sum, x) => sum + Math.abs(x), 1);
          expect(Math.abs(sumOfKinds(byKind) - totalDecades)).toBeLessThan(1e-9 * magnitude);
          expect(Math.abs(byLayer.reduce((sum, layer) => sum + layer.decades, 0) - totalDecades)).toBeLessThan(
            1e-9 * magnitude,
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('names what blocks a gradient that is exactly zero', () => {
    const links: Link[] = [
      { from: 'a', to: 'b', op: 'Gemm', kind: 'weight-matrix', map: times(1) },
      { from: 'b', to: 'c', op: 'Relu', kind: 'activation-derivative', map: times(0) },
    ];
    const { totalDecades, blockedBy } = attribute(profileOf(['a', 'b', 'c'], links, [1]), 'a');
    expect(totalDecades).toBe(Number.NEGATIVE_INFINITY);
    expect(blockedBy.map(({ op }) => op)).toEqual(['Relu']);
  });
});

describe('cuts', () => {
  const edge = (value: string, ...outputs: string[]): FlowEdge => ({
    node: '',
    op: '',
    kind: 'arithmetic',
    layer: '',
    value,
    outputs,
    log10L2: 0,
    share: 1,
  });

  it('are the values that no edge jumps over', () => {
    // a → b → d → e with a skip b → e, and c beside b: a → c → d
    const edges = [edge('a', 'b'), edge('a', 'c'), edge('b', 'd'), edge('c', 'd'), edge('d', 'e'), edge('e', 'f')];
    expect(findCuts(['f', 'e', 'd', 'c', 'b', 'a'], edges, 'a', 'f')).toEqual(['f', 'e', 'd', 'a']);
    expect(findCuts(['f', 'e', 'd', 'c', 'b', 'a'], [...edges, edge('b', 'e')], 'a', 'f')).toEqual(['f', 'e', 'a']);
  });

  it('agree with removing each value and asking whether the output is still reached', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(6), fc.integer({ min: 1, max: 4 })), { maxLength: 10 }), (extra) => {
        const names = Array.from({ length: 8 }, (_, i) => `v${i}`);
        const pairs = [
          ...names.slice(0, -1).map((_, i) => [i, i + 1] as const),
          ...extra.map(([from, span]) => [from, Math.min(7, from + span)] as const),
        ];
        const edges = pairs.map(([from, to]) => edge(names[from]!, names[to]!));
        const reaches = (without: number) => {
          const seen = new Set([0]);
          for (let i = 0; i < 8; i++)
            for (const [from, to] of pairs) if (from === i && seen.has(i) && to !== without) seen.add(to);
          return without === 0 ? false : seen.has(7);
        };
        const expected = names.filter((_, i) => !reaches(i)).reverse();
        expect(findCuts([...names].reverse(), edges, 'v0', 'v7')).toEqual(expected);
      }),
    );
  });
});
