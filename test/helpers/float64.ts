import { codeOf } from '../../src/graph/data-type.ts';
import { cloneGraph, type Graph, type Model, type ValueInfo } from '../../src/graph/graph.ts';
import { type Tensor, tensorOf, toFloat64 } from '../../src/graph/tensor.ts';

/** A tensor in float64; integers stay. */
export function widen(tensor: Tensor): Tensor {
  return tensor.type === 'float32' ? tensorOf('float64', tensor.dims, toFloat64(tensor)) : tensor;
}

/** The same network in float64: for checks that rounding of float32 would hide. */
export function inFloat64(model: Model): Model {
  const graph: Graph = cloneGraph(model.graph);
  const info = (value: ValueInfo): ValueInfo =>
    value.type === 'float32' ? { ...value, type: 'float64', source: undefined } : value;
  graph.inputs = graph.inputs.map(info);
  graph.outputs = graph.outputs.map(info);
  graph.values = new Map();
  for (const [name, tensor] of graph.initializers) graph.initializers.set(name, widen(tensor));
  for (const node of graph.nodes) {
    if (node.attributes.to === codeOf('float32')) node.attributes = { ...node.attributes, to: codeOf('float64') };
  }
  return { ...model, graph };
}
