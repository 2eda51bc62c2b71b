import type { Node } from '../../graph/graph.ts';
import { toNumbers } from '../../graph/tensor.ts';
import { elementwise } from './elementwise.ts';
import type { GraphView } from './graph-view.ts';

/** Nodes that together turn one value into another: everything between them, and nothing else. */
export interface Region {
  readonly input: string;
  readonly output: string;
  /** In the graph's order. */
  readonly nodes: readonly Node[];
  /** Stored tensors of more than one element that enter on the way: scale and bias. */
  readonly tensors: readonly string[];
  /** Axes of the averages on the way, '' where there are none. All averages have the same. */
  readonly axes: string;
}

/** A written-out layer normalization with its casts has 13 nodes, a GELU at most 9. */
const LARGEST = 20;

/**
 * The regions that end in a node and begin in a single value, smallest first. They hold elementwise operators and
 * averages only, and nothing outside reads what lies inside.
 */
export function* regionsEndingIn(view: GraphView, last: Node): Generator<Region> {
  const nodes = new Set<Node>();
  const frontier = new Set<string>();
  const tensors = new Set<string>();
  let axes = '';
  const absorb = (node: Node): boolean => {
    if (node.domain !== '') return false;
    const inputs = node.op === 'ReduceMean' || node.op === 'Dropout' ? node.inputs.slice(0, 1) : node.inputs;
    if (node.op === 'ReduceMean') {
      const own = axesOf(view, node);
      if (own === undefined || (axes !== '' && axes !== own)) return false;
      axes = own;
    } else if (!elementwise[node.op]) return false;
    nodes.add(node);
    for (const name of inputs) {
      if (name === '') continue;
      if (view.isData(name)) frontier.add(name);
      else if (view.numberOf(name) === undefined) tensors.add(name);
    }
    return true;
  };
  if (!absorb(last)) return;
  while (nodes.size < LARGEST && frontier.size > 0 && tensors.size <= 2) {
    if (frontier.size === 1 && nodes.size > 1) {
      const [input] = frontier as Set<string> & Iterable<string>;
      const region = [...nodes].sort((a, b) => view.positionOf(a) - view.positionOf(b));
      if (isClosed(view, region, last)) {
        yield { input: input!, output: last.outputs[0]!, nodes: region, tensors: [...tensors], axes };
      }
    }
    // The value made last cannot be made of the others; if it cannot be opened, the others never meet in one.
    const next = latest(view, frontier);
    frontier.delete(next);
    const node = view.producer(next);
    if (!node || node.outputs[0] !== next || !absorb(node)) return;
  }
}

function latest(view: GraphView, values: ReadonlySet<string>): string {
  let found = '';
  let place = -2;
  for (const value of values) {
    const node = view.producer(value);
    const at = node ? view.positionOf(node) : -1;
    if (at > place) [found, place] = [value, at];
  }
  return found;
}

/** Whether no node outside, and no output of the graph, reads what lies between a region's ends. */
export function isClosed(view: GraphView, nodes: readonly Node[], last: Node): boolean {
  const inside = new Set(nodes);
  return nodes.every(
    (node) =>
      node === last ||
      node.outputs.every(
        (name) => !view.isGraphOutput(name) && view.readers(name).every((reader) => inside.has(reader)),
      ),
  );
}

function axesOf(view: GraphView, node: Node): string | undefined {
  const tensor = node.inputs[1] ? view.graph.initializers.get(node.inputs[1]) : undefined;
  if (!tensor || node.attributes.keepdims === 0) return undefined;
  return toNumbers(tensor).sort().join();
}

/**
 * Runs a region on the points given for its input and its tensors, element by element; an average is the average of
 * all points.
 */
export function evaluate(
  view: GraphView,
  region: Region,
  points: readonly number[],
  tensors: readonly (readonly number[])[],
): number[] {
  const known = new Map<string, readonly number[]>([[region.input, points]]);
  region.tensors.forEach((name, i) => {
    known.set(name, tensors[i]!);
  });
  const at = (name: string): readonly number[] => {
    const values = known.get(name) ?? [view.numberOf(name) ?? Number.NaN];
    known.set(name, values);
    return values;
  };
  for (const node of region.nodes) {
    const inputs = node.inputs.map((name) => (name === '' ? [Number.NaN] : at(name)));
    known.set(node.outputs[0]!, node.op === 'ReduceMean' ? [mean(inputs[0]!)] : applyTo(node, inputs));
  }
  const result = known.get(region.output)!;
  return result.length === 1 ? points.map(() => result[0]!) : [...result];
}

function applyTo(node: Node, inputs: readonly (readonly number[])[]): number[] {
  const length = Math.max(...inputs.map((input) => input.length));
  const apply = elementwise[node.op]!;
  return Array.from({ length }, (_, i) =>
    apply(
      inputs.map((input) => (input.length === 1 ? input[0]! : input[i]!)),
      node,
    ),
  );
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}
