import { describe, expect, it } from 'vitest';
import { groupEdges } from '../../src/flow/blocks.ts';
import type { Composite } from '../../src/flow/composites.ts';

// x → n1 → a, x, a → n2 → y: a SiLU; y → n3 → z.
const silu: Composite = {
  id: 'silu',
  op: 'Swish',
  kind: 'activation-derivative',
  nodes: ['n1', 'n2'],
  input: 'x',
  output: 'y',
};
const outputs: Record<string, string[]> = { n1: ['a'], n2: ['y'], n3: ['z'], n4: ['w'] };
const edge = (node: string, op: string, value: string) => ({
  node,
  op,
  value,
  outputs: outputs[node]!,
  contribution: `${value} by ${node}`,
});
const edges = [edge('n3', 'Relu', 'y'), edge('n2', 'Mul', 'x'), edge('n2', 'Mul', 'a'), edge('n1', 'Sigmoid', 'x')];
const group = (list = edges, composites = [silu]) => groupEdges(list, composites, (node) => outputs[node] ?? []);

describe('edges of blocks', () => {
  it('are one from the output to each value that enters', () => {
    const [relu, block, inner, ...rest] = group();
    expect(rest).toEqual([]);
    expect(relu).toMatchObject({ node: 'n3', inner: false, composite: undefined });
    expect(block).toMatchObject({ node: 'n2', op: 'Swish', value: 'x', outputs: ['y'], inner: false });
    expect(block!.contributions).toEqual(['x by n2', 'x by n1']);
    expect(inner).toMatchObject({ node: 'n2', op: 'Mul', value: 'a', outputs: ['y'], inner: true });
  });

  it('stay apart where a gradient enters the block from elsewhere', () => {
    const groups = group([edge('n4', 'Gemm', 'a'), ...edges]);
    expect(groups.map(({ node, op, value }) => [node, op, value])).toEqual([
      ['n4', 'Gemm', 'a'],
      ...edges.map(({ node, op, value }) => [node, op, value]),
    ]);
    expect(groups.every(({ inner, contributions }) => !inner && contributions.length === 1)).toBe(true);
  });

  it('are those of the operators where there is no block', () => {
    expect(group(edges, []).map(({ contributions }) => contributions)).toEqual(edges.map((e) => [e.contribution]));
  });
});
