import { differentiate } from '../../autodiff/differentiate.ts';
import { GraphBuilder } from '../../graph/builder.ts';
import { type Binding, cloneGraph, type Model } from '../../graph/graph.ts';
import { scalarOf, tensorOf, toFloat64 } from '../../graph/tensor.ts';
import { buildSpec } from '../../readers/spec/index.ts';
import { bindShapes } from '../../runtime/bind.ts';
import type { Runtime } from '../../runtime/runtime.ts';

export interface Curve {
  readonly z: readonly number[];
  readonly value: readonly number[];
  readonly slope: readonly number[];
}

/** An elementwise layer of a network spec at some points, and its derivative there, both run by the runtime. */
export function measureCurve(runtime: Runtime, layer: unknown, z: readonly number[]): Promise<Curve> {
  return curveOf(runtime, buildSpec({ input: 1, layers: [layer] }), z);
}

/** The same of an operator without attributes. */
export function measureOperator(runtime: Runtime, op: string, z: readonly number[]): Promise<Curve> {
  const model = buildSpec({ input: 1, layers: ['relu'] });
  const nodes = model.graph.nodes.map((node) => ({ ...node, op }));
  return curveOf(runtime, { ...model, graph: { ...model.graph, nodes } }, z);
}

async function curveOf(runtime: Runtime, model: Model, z: readonly number[]): Promise<Curve> {
  const input = model.graph.inputs[0]!.name;
  const points = tensorOf('float32', [z.length, 1], z);
  const { graph, binding } = await bindShapes(runtime, model, new Map([[input, points]]));
  const output = graph.outputs[0]!.name;
  // The derivative of a sum over points is, at each point, that of its own term.
  const g = new GraphBuilder(cloneGraph(graph), binding.values());
  const total = g.reduceSum(g.value(output), [0, 1], false);
  const bound: Binding = new Map([...g.values, ...binding]);
  const backward = differentiate(g.graph, bound, {
    loss: total.name,
    wrt: [input],
    opset: model.opset,
    exactTails: true,
  });
  const slope = backward.gradients.get(input)!;
  backward.graph.outputs = [output, slope].map((name) => ({ name, type: 'float32', shape: [z.length, 1] }));
  const session = await runtime.load({ ...model, graph: backward.graph });
  try {
    const feeds = new Map([
      [input, points],
      [backward.seed, scalarOf('float32', 1)],
    ]);
    const results = await session.run(feeds, [output, slope]);
    return { z, value: [...toFloat64(results.get(output)!)], slope: [...toFloat64(results.get(slope)!)] };
  } finally {
    await session.release();
  }
}

/** Points from `low` to `high`, `step` apart, on whole multiples of it. */
export function gridOf(low: number, high: number, step: number): number[] {
  const [from, to] = [Math.round(low / step), Math.round(high / step)];
  // Divided, not multiplied: 5 / 20 is 0.25, 5 · 0.05 is not.
  return Array.from({ length: to - from + 1 }, (_, i) => (from + i) / Math.round(1 / step));
}
