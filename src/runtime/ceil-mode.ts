import type { Binding, Graph, Node } from '../graph/graph.ts';

/**
 * Under ceil_mode onnxruntime's pooling drops a last window that would lie in padding alone, as PyTorch does, but its
 * shape inference (1.30) keeps it, and then refuses any node that relies on the true shape. Where a window was dropped,
 * this writes the node so that the two agree: plain flooring, or less padding after. Windows with gaps between them on
 * one axis beside a kept last window on another stay as they are. Changes the nodes in place.
 */
export function settleCeilMode(graph: Graph, binding: Binding): void {
  for (const node of graph.nodes) {
    if (node.attributes.ceil_mode !== 1) continue;
    const input = binding.get(node.inputs[0]!)?.shape.slice(2);
    const output = binding.get(node.outputs[0]!)?.shape.slice(2);
    if (input && output) settle(node, input, output);
  }
}

function settle(node: Node, input: readonly number[], output: readonly number[]): void {
  const rank = input.length;
  const list = (name: string, fallback: number): number[] =>
    (node.attributes[name] as number[] | undefined) ?? Array<number>(rank).fill(fallback);
  const kernel = list('kernel_shape', 1);
  const strides = list('strides', 1);
  const dilations = list('dilations', 1);
  const pads = [...((node.attributes.pads as number[] | undefined) ?? Array<number>(2 * rank).fill(0))];
  const axes = input.map((size, axis) => {
    const room = size + pads[axis]! + pads[rank + axis]! - dilations[axis]! * (kernel[axis]! - 1) - 1;
    return { floor: Math.floor(room / strides[axis]!) + 1, rest: room % strides[axis]! };
  });
  if (axes.every(({ floor }, axis) => floor === output[axis])) {
    node.attributes = { ...node.attributes, ceil_mode: 0 };
    return;
  }
  axes.forEach(({ floor, rest }, axis) => {
    if (floor === output[axis]) pads[rank + axis]! -= rest;
  });
  if (pads.every((pad) => pad >= 0)) node.attributes = { ...node.attributes, pads };
}
