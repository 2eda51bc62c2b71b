import type { Model } from '../graph/graph.ts';

/**
 * The model with the running statistics of every BatchNormalization in training mode declared as outputs.
 * onnxruntime 1.30 writes them over the initializers they start from unless they are outputs; and it first merges equal
 * initializers, so that the first run would overwrite the scale of ones and every bias of zeros (measured).
 */
export function withoutAliases(model: Model): Model {
  const declared = new Set(model.graph.outputs.map((output) => output.name));
  const statistics = model.graph.nodes
    .filter((node) => node.op === 'BatchNormalization' && node.attributes.training_mode === 1)
    .flatMap((node) => node.outputs.slice(1))
    .filter((name) => name !== '' && !declared.has(name));
  if (statistics.length === 0) return model;
  const outputs = [...model.graph.outputs, ...statistics.map((name) => ({ name }))];
  return { ...model, graph: { ...model.graph, outputs } };
}
