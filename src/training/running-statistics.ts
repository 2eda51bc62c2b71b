import type { GraphBuilder } from '../graph/builder.ts';
import type { Binding, Graph, Node, Value } from '../graph/graph.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';

/** A running mean or variance as training state. */
export interface RunningStatistic {
  /** The model's initializer; with a suffix where several nodes share one, for each keeps its own. */
  readonly name: string;
  readonly initial: Tensor;
  readonly node: string;
  readonly which: 'mean' | 'variance';
}

const isTraining = (node: Node) =>
  node.op === 'BatchNormalization' && node.domain === '' && node.attributes.training_mode === 1;

/**
 * Makes the running statistics of every BatchNormalization in training mode graph inputs, in place: as initializers
 * onnxruntime 1.30 would write over them. Statistics that are computed within the graph stay.
 */
export function feedStatistics(
  graph: Graph,
  binding: Binding,
  uniqueName: (base: string) => string,
): RunningStatistic[] {
  const found: RunningStatistic[] = [];
  const initializers = new Map<string, Tensor>();
  for (const node of graph.nodes.filter(isTraining)) {
    for (const [position, which] of [
      [3, 'mean'],
      [4, 'variance'],
    ] as const) {
      const original = node.inputs[position]!;
      const initial = initializers.get(original) ?? graph.initializers.get(original);
      if (!initial) continue;
      const name = initializers.has(original) ? uniqueName(`${original}:${node.name || node.outputs[0]}`) : original;
      initializers.set(original, initial);
      graph.initializers.delete(original);
      graph.inputs.push({ name, type: initial.type, shape: [...initial.dims] });
      binding.set(name, { name, type: initial.type, shape: initial.dims });
      node.inputs[position] = name;
      found.push({ name, initial, node: node.outputs[0]!, which });
    }
  }
  return found;
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
