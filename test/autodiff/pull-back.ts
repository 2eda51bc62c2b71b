import { differentiate } from '../../src/autodiff/differentiate.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import type { DataType } from '../../src/graph/data-type.ts';
import { type Attribute, cloneGraph, DIALECT_OPSET, type Graph, modelOf } from '../../src/graph/graph.ts';
import { sizeOf, type Tensor, tensorOf, toNumbers } from '../../src/graph/tensor.ts';
import { bindShapes } from '../../src/runtime/bind.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';

const runtime = nodeRuntime({ threads: 1 });

/** An input as its numbers (one axis), or with a shape, a type, or as a constant of the graph. */
export type Given = number[] | { shape: number[]; data: number[]; type?: DataType; constant?: boolean };

export interface PulledBack {
  /** The first output of the node. */
  Y: number[];
  /** Every output's tensor. */
  outputs: Tensor[];
  /** The gradient of each float input that is not constant, by name; undefined where none reaches it. */
  [gradient: `d${string}`]: number[];
  backwardOps: string[];
}

/**
 * Runs one node forward and pulls `dY`, given exactly (infinities included), back through it.
 * Only the first output has a gradient.
 */
export async function pullBack(
  op: string,
  inputs: Record<string, Given | null>,
  dY: number[] | undefined,
  options: { attributes?: Record<string, Attribute>; type?: DataType; outputs?: string[]; opset?: number } = {},
): Promise<PulledBack> {
  const { attributes = {}, type = 'float64', outputs = ['Y'] } = options;
  const graph: Graph = { name: op, inputs: [], outputs: [], nodes: [], initializers: new Map(), values: new Map() };
  const feeds = new Map<string, Tensor>();
  const wrt: string[] = [];
  for (const [name, given] of Object.entries(inputs)) {
    if (given === null) continue;
    const { shape, data, constant, ...rest } = Array.isArray(given)
      ? { shape: [given.length], data: given, constant: false }
      : given;
    const own = 'type' in rest && rest.type ? rest.type : type;
    const tensor = tensorOf(own, shape, data);
    if (constant) graph.initializers.set(name, tensor);
    else {
      feeds.set(name, tensor);
      graph.inputs.push({ name, type: own, shape });
      if (own.startsWith('float')) wrt.push(name);
    }
  }
  const names = Object.entries(inputs).map(([name, given]) => (given === null ? '' : name));
  graph.nodes.push({ name: op, op, domain: '', inputs: names, outputs, attributes });
  return pullBackGraph(graph, feeds, wrt, dY, options.opset);
}

/** The same for a graph whose last node's first output is Y. */
export async function pullBackGraph(
  forward: Graph,
  feeds: Map<string, Tensor>,
  wrt: string[],
  dY: number[] | undefined,
  opset = DIALECT_OPSET,
): Promise<PulledBack> {
  const { graph, binding } = await bindShapes(runtime, { ...modelOf(forward), opset }, feeds);
  const builder = new GraphBuilder(cloneGraph(graph), binding.values());
  const outputs = graph.nodes.at(-1)!.outputs.filter((name) => name !== '');
  const Y = builder.value(outputs[0]!);
  const cotangent = builder.input('cotangent', Y.type, Y.shape);
  const loss = builder.reduceSum(
    builder.mul(Y, cotangent),
    Y.shape.map((_, i) => i),
    false,
  );
  const values = new Map([...builder.values].map(([name, value]) => [name, { ...binding.get(name), ...value }]));
  const forwardNodes = builder.graph.nodes.length;
  const backward = differentiate(builder.graph, values, { loss: loss.name, wrt, opset });
  const full = cloneGraph(backward.graph);
  const reached = wrt.filter((name) => backward.gradients.has(name));
  const gradients = reached.map((name) => backward.gradients.get(name)!);
  const fetched = [...new Set([...gradients, ...outputs])];
  full.outputs = fetched.map((name) => ({ name }));
  const session = await runtime.load({ ...modelOf(full), opset });
  const ones = Array.from({ length: sizeOf(Y.shape) }, () => 1);
  const results = await session.run(
    new Map([
      ...feeds,
      ['cotangent', tensorOf(Y.type, Y.shape, dY ?? ones)] as const,
      [backward.seed, tensorOf(Y.type, [], [1])] as const,
    ]),
    fetched,
  );
  await session.release();
  const result: PulledBack = {
    Y: toNumbers(results.get(outputs[0]!)!),
    outputs: outputs.map((name) => results.get(name)!),
    backwardOps: full.nodes.slice(forwardNodes).map((node) => node.op),
  };
  reached.forEach((name, i) => {
    result[`d${name}`] = toNumbers(results.get(gradients[i]!)!);
  });
  return result;
}

/** f′(x) of a function of one number, by a five-point difference in float64 (error about 1e-11). */
export function slope(f: (x: number) => number, x: number, h = 1e-3): number {
  return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h);
}
