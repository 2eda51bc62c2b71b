import type { GraphBuilder } from '../graph/builder.ts';
import { type Binding, consumers, type Graph, type Node, type Value } from '../graph/graph.ts';
import { collectNames } from '../graph/subgraphs.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';

/** A running mean or variance as training state. */
export interface RunningStatistic {
  /** The model's initializer, or the node's own where `separateStatistics` made one. */
  readonly name: string;
  readonly initial: Tensor;
  readonly node: string;
  readonly which: 'mean' | 'variance';
}

const isTraining = (node: Node) =>
  node.op === 'BatchNormalization' && node.domain === '' && node.attributes.training_mode === 1;

const positions = [
  [3, 'mean'],
  [4, 'variance'],
] as const;

/**
 * Gives every running statistic an initializer of its own, in place: exporters store equal tensors once, and one that is
 * another's statistic or scale too would change with it. A model treated so takes trained state back by name.
 */
export function separateStatistics(graph: Graph): void {
  const readers = consumers(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const taken = new Set<string>();
  collectNames(graph, taken);
  for (const node of graph.nodes.filter(isTraining)) {
    for (const [position, which] of positions) {
      const original = node.inputs[position]!;
      const tensor = graph.initializers.get(original);
      const reads = readers.get(original) ?? [];
      if (!tensor || (reads.length === 1 && !outputs.has(original))) continue;
      let name = `${node.name || node.outputs[0]}.running_${which}`;
      while (taken.has(name)) name += '_';
      taken.add(name);
      graph.initializers.set(name, tensor);
      node.inputs[position] = name;
    }
  }
}

/**
 * Makes the running statistics of every BatchNormalization in training mode graph inputs, in place: as initializers
 * onnxruntime 1.30 would write over them. Statistics that are computed within the graph stay.
 */
export function feedStatistics(graph: Graph, binding: Binding): RunningStatistic[] {
  separateStatistics(graph);
  return graph.nodes.filter(isTraining).flatMap((node) =>
    positions.flatMap(([position, which]): RunningStatistic[] => {
      const name = node.inputs[position]!;
      const initial = graph.initializers.get(name);
      if (!initial) return [];
      graph.initializers.delete(name);
      graph.inputs.push({ name, type: initial.type, shape: [...initial.dims] });
      binding.set(name, { name, type: initial.type, shape: initial.dims });
      return [{ name, initial, node: node.outputs[0]!, which }];
    }),
  );
}

/**
 * The statistic after this batch: r ← m r + (1 − m) s. The operator takes the batch's population variance; PyTorch and
 * Keras keep the unbiased one, n/(n − 1) of it, so that is put right here.
 */
export function nextStatistic(g: GraphBuilder, { name, node: output, which }: RunningStatistic): Value {
  const node = g.graph.nodes.find(({ outputs }) => outputs[0] === output)!;
  const old = g.value(name);
  const next = g.extraOutput(node, which === 'mean' ? 1 : 2, old.type, old.shape);
  if (which === 'mean') return next;
  const n = sizeOf(g.value(node.inputs[0]!).shape) / sizeOf(old.shape);
  if (!(n > 1)) return next;
  const momentum = typeof node.attributes.momentum === 'number' ? node.attributes.momentum : 0.9;
  const correction = n / (n - 1);
  return g.sub(g.scale(next, correction), g.scale(old, (correction - 1) * momentum));
}
