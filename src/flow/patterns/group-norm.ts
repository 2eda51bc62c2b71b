import type { Node } from '../../graph/graph.ts';
import type { GraphView } from './graph-view.ts';

/**
 * Group normalization as exporters write it: Reshape to groups, InstanceNormalization, Reshape back, then scale and
 * bias. Returns its nodes, the last one last; undefined where the normalization stands alone.
 */
export function findGroupNorm(view: GraphView, normalization: Node): Node[] | undefined {
  const before = view.producer(normalization.inputs[0]!);
  const after = onlyReader(view, normalization);
  if (before?.op !== 'Reshape' || view.readers(before.outputs[0]!).length !== 1 || after?.op !== 'Reshape') {
    return undefined;
  }
  const nodes = [before, normalization, after];
  for (const op of ['Mul', 'Add']) {
    const last = nodes.at(-1)!;
    const next = onlyReader(view, last);
    if (next?.op === op && next.inputs.every((name) => name === last.outputs[0] || !view.isData(name)))
      nodes.push(next);
  }
  return nodes;
}

function onlyReader(view: GraphView, node: Node): Node | undefined {
  const value = node.outputs[0]!;
  const readers = view.readers(value);
  return readers.length === 1 && !view.isGraphOutput(value) ? readers[0] : undefined;
}
