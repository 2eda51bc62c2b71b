import { describe, expect, test } from 'vitest';
import type { Graph, Node } from '../../src/graph/graph.ts';
import { sortGraph } from '../../src/graph/sort.ts';

const make = (name: string, inputs: string[], outputs: string[], attributes: Node['attributes'] = {}): Node => ({
  name,
  op: 'Op',
  domain: '',
  inputs,
  outputs,
  attributes,
});
const graphOf = (nodes: Node[], inputs = ['x'], outputs: string[] = []): Graph => ({
  name: 'g',
  inputs: inputs.map((name) => ({ name })),
  outputs: outputs.map((name) => ({ name })),
  nodes,
  initializers: new Map(),
  values: new Map(),
});
const order = (graph: Graph): string[] => {
  sortGraph(graph, 'm.onnx');
  return graph.nodes.map(({ name }) => name);
};

describe('sortGraph', () => {
  test('keeps an order that is topological, mends one that is not', () => {
    expect(
      order(graphOf([make('b', ['x'], ['1']), make('a', ['x'], ['2']), make('c', ['1', '', '2'], ['3'])])),
    ).toEqual(['b', 'a', 'c']);
    expect(order(graphOf([make('c', ['2'], ['3']), make('b', ['1'], ['2']), make('a', ['x'], ['1'])]))).toEqual([
      'a',
      'b',
      'c',
    ]);
  });

  test('a node waits for what its subgraph reads from outside', () => {
    const body = graphOf([make('inner', ['late', 'i'], ['o'])], ['i'], ['o']);
    expect(order(graphOf([make('loop', [], ['y'], { body }), make('first', ['x'], ['late'])]))).toEqual([
      'first',
      'loop',
    ]);
  });

  test('100 000 nodes in reverse do not exhaust the stack', () => {
    const nodes = Array.from({ length: 100_000 }, (_, i) => make(`n${i}`, [i === 0 ? 'x' : `v${i - 1}`], [`v${i}`]));
    expect(order(graphOf(nodes.reverse()))[0]).toBe('n0');
  });

  test.each<[string, Graph, RegExp]>([
    ['a cycle', graphOf([make('a', ['2'], ['1']), make('b', ['1'], ['2'])]), /cycle: Op "b" → Op "a" → Op "b"/],
    ['a node that reads itself', graphOf([make('a', ['1'], ['1'])]), /cycle: Op "a" → Op "a"/],
    [
      'a dangling input',
      graphOf([make('a', ['hiden'], ['1']), make('b', ['x'], ['hidden'])]),
      /"hiden", which nothing produces/,
    ],
    ['a dangling output', graphOf([], ['x'], ['y']), /"y", which nothing produces/],
    [
      'two producers',
      graphOf([make('a', ['x'], ['1']), make('b', ['x'], ['1'])]),
      /"1" is defined twice: by Op "a" and by Op "b"/,
    ],
    [
      'an output that is an input',
      graphOf([make('a', ['x'], ['x'])]),
      /"x" is defined twice: by a graph input and by Op "a"/,
    ],
  ])('%s is named', (_, graph, message) => {
    expect(() => sortGraph(graph, 'm.onnx')).toThrow(message);
    expect(() => sortGraph(graph, 'm.onnx')).toThrow(expect.objectContaining({ name: 'ReaderError' }));
  });

  test('a near name is proposed', () => {
    const graph = graphOf([make('a', ['hiden'], ['1']), make('b', ['x'], ['hidden'])]);
    expect(() => sortGraph(graph, 'm.onnx')).toThrow(expect.objectContaining({ hint: 'did you mean "hidden"?' }));
  });
});
