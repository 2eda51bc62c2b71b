import { cloneGraph, type Model } from '../graph/graph.ts';
import { readNames } from '../graph/subgraphs.ts';
import type { Tensor } from '../graph/tensor.ts';

/** Whether a network computes something else while it trains: batch statistics, dropout. */
export function hasTrainingForm({ graph }: Model): boolean {
  return graph.nodes.some(
    ({ op, domain, attributes, inputs }) =>
      domain === '' &&
      ((op === 'BatchNormalization' && attributes.training_mode === 1) ||
        (op === 'Dropout' && (inputs[2] ?? '') !== '')),
  );
}

/** The model as it is used: batch normalization by its running statistics, dropout off. The given model stays as it is. */
export function inferenceForm(model: Model): Model {
  const graph = cloneGraph(model.graph);
  const gone = new Set<string>();
  for (const node of graph.nodes) {
    if (node.domain !== '') continue;
    if (node.op === 'BatchNormalization' && node.attributes.training_mode === 1) {
      for (const name of node.outputs.slice(1)) gone.add(name);
      node.outputs = node.outputs.slice(0, 1);
      node.attributes = { ...node.attributes, training_mode: 0 };
    }
    // Without its third input Dropout passes everything.
    if (node.op === 'Dropout') node.inputs = node.inputs.slice(0, 2);
  }
  graph.outputs = graph.outputs.filter(({ name }) => !gone.has(name));
  const read = new Set(graph.nodes.flatMap(readNames));
  for (const { inputs } of model.graph.nodes) {
    const training = inputs[2];
    // The switches that no Dropout reads any more.
    if (training && !read.has(training) && graph.initializers.get(training)?.type === 'bool') {
      graph.initializers.delete(training);
    }
  }
  return { ...model, graph };
}

/** The model with tensors of a training state in place of its own; the others stay. The given model stays as it is. */
export function withState(model: Model, state: ReadonlyMap<string, Tensor>): Model {
  const initializers = new Map(model.graph.initializers);
  for (const [name, tensor] of state) {
    if (initializers.has(name)) initializers.set(name, { ...tensor, data: tensor.data.slice() as Tensor['data'] });
  }
  return { ...model, graph: { ...model.graph, initializers } };
}
