import { expect } from 'vitest';
import { differentiate } from '../../src/autodiff/differentiate.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import type { DataType } from '../../src/graph/data-type.ts';
import { isFloat } from '../../src/graph/data-type.ts';
import { type Attribute, cloneGraph, DIALECT_OPSET, type Graph, modelOf, type Value } from '../../src/graph/graph.ts';
import { sizeOf, type Tensor, tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import { bindShapes } from '../../src/runtime/bind.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { normals, seeded } from '../helpers/random.ts';

/** Numbers an input may be drawn from, so that kinks and poles are stepped around. */
export type Domain = (random: () => number) => number;
export const normal: Domain = (random) => normals(random, 1)[0]!;
export const positive: Domain = (random) => 0.5 + 1.5 * random();
/** Standard normal, at least `gap` away from each kink. */
export const awayFrom =
  (kinks: number[], gap = 0.05): Domain =>
  (random) => {
    for (;;) {
      const x = normal(random) * 1.5;
      if (kinks.every((kink) => Math.abs(x - kink) > gap)) return x;
    }
  };
/** Distinct numbers at least 0.1 apart within a tensor, in random order: maxima without ties. */
export const distinct = (count: number): Domain => {
  let order: number[] | undefined;
  let next = 0;
  return (random) => {
    order ??= Array.from({ length: count }, (_, i) => i)
      .map((i) => [random(), i] as const)
      .sort((a, b) => a[0] - b[0])
      .map(([, i]) => i);
    return (order[next++ % count]! - count / 2) * 0.1;
  };
};

export interface CheckedInput {
  name: string;
  shape: readonly number[];
  domain?: Domain;
  /** A tensor given as an initializer instead of drawn: axes, shapes, pads, indices. */
  constant?: Tensor;
  /** Not differentiated although it is a float. */
  frozen?: boolean;
}

export interface NodeCase {
  op: string;
  inputs: (CheckedInput | null)[];
  attributes?: Record<string, Attribute>;
  /** Number of outputs, default 1. Only float outputs enter the loss. */
  outputs?: number;
  type?: DataType;
  tolerance?: number;
  step?: number;
  seed?: number;
  /** For operators newer than the dialect. */
  opset?: number;
}

/** An int64 initializer. */
export const ints = (name: string, values: number[], shape = [values.length]): CheckedInput => ({
  name,
  shape,
  constant: tensorOf('int64', shape, values),
});

const runtime = nodeRuntime({ threads: 1 });

/**
 * Checks one operator's gradient along a random direction v against a central difference of L = Σ R ⊙ Y with random R:
 * ⟨∂L/∂x, v⟩ = (L(x + hv) − L(x − hv)) / 2h, for each float input by itself.
 */
export async function checkNode(test: NodeCase): Promise<void> {
  const graph: Graph = {
    name: test.op,
    inputs: [],
    outputs: [],
    nodes: [],
    initializers: new Map(),
    values: new Map(),
  };
  const type = test.type ?? 'float64';
  const random = seeded(test.seed ?? 1);
  const feeds = new Map<string, Tensor>();
  for (const input of test.inputs) {
    if (!input) continue;
    if (input.constant) {
      graph.initializers.set(input.name, input.constant);
      continue;
    }
    const domain = input.domain ?? normal;
    feeds.set(
      input.name,
      tensorOf(
        type,
        input.shape,
        Array.from({ length: sizeOf(input.shape) }, () => domain(random)),
      ),
    );
    graph.inputs.push({ name: input.name, type, shape: [...input.shape] });
  }
  const outputs = Array.from({ length: test.outputs ?? 1 }, (_, i) => `Y${i}`);
  graph.nodes.push({
    name: test.op,
    op: test.op,
    domain: '',
    inputs: test.inputs.map((input) => input?.name ?? ''),
    outputs,
    attributes: test.attributes ?? {},
  });
  const wrt = test.inputs.filter((input) => input && !input.constant && !input.frozen).map((input) => input!.name);
  await checkGraph(graph, feeds, wrt, { ...test, random });
}

/** The same check for a whole graph whose float outputs, weighted at random, make the loss. */
export async function checkGraph(
  forward: Graph,
  feeds: Map<string, Tensor>,
  wrt: string[],
  options: { tolerance?: number; step?: number; opset?: number; random?: () => number } = {},
): Promise<void> {
  const { tolerance, step, opset = DIALECT_OPSET, random = seeded(7) } = options;
  const { graph, binding } = await bindShapes(runtime, { ...modelOf(forward), opset }, feeds);
  const builder = new GraphBuilder(cloneGraph(graph), binding.values());
  const made = graph.outputs.length > 0 ? graph.outputs.map((output) => output.name) : graph.nodes.at(-1)!.outputs;
  const outputs = made.filter((name) => name !== '' && isFloat(builder.value(name).type));
  const weights = new Map<string, number[]>();
  const terms: Value[] = outputs.map((name) => {
    const Y = builder.value(name);
    const weight = normals(random, sizeOf(Y.shape));
    weights.set(name, weight);
    const weighted = builder.mul(Y, builder.constant(tensorOf(Y.type, Y.shape, weight)));
    return builder.reshape(
      builder.reduceSum(
        weighted,
        Y.shape.map((_, i) => i),
      ),
      [],
    );
  });
  const loss = builder.sum(terms);
  const allValues = new Map([...builder.values].map(([name, value]) => [name, { ...binding.get(name), ...value }]));
  const backward = differentiate(builder.graph, allValues, { loss: loss.name, wrt, opset });

  const full = cloneGraph(backward.graph);
  const names = wrt.map((name) => backward.gradients.get(name)!);
  full.outputs = [...new Set([...names, ...outputs])].map((name) => ({ name }));
  const session = await runtime.load({ ...modelOf(full), opset }, { optimization: 'basic' });
  const seedFeed = [backward.seed, tensorOf(loss.type, [], [1])] as const;
  const gradients = await session.run(new Map([...feeds, seedFeed]), names);

  const exact = loss.type === 'float64';
  const lossAt = async (changed: Map<string, Tensor>): Promise<number> => {
    const results = await session.run(new Map([...changed, seedFeed]), outputs);
    let total = 0;
    for (const name of outputs) {
      const Y = toFloat64(results.get(name)!);
      const weight = weights.get(name)!;
      for (let i = 0; i < Y.length; i++) total += Y[i]! * (exact ? weight[i]! : Math.fround(weight[i]!));
    }
    return total;
  };
  for (const [index, name] of wrt.entries()) {
    const x = feeds.get(name)!;
    const gradient = gradients.get(names[index]!)!;
    expect(gradient.dims, `shape of the gradient of ${name}`).toEqual([...x.dims]);
    const double = x.type === 'float64';
    const direction = normals(random, x.data.length);
    const h = step ?? (double ? 1e-5 : 1e-2);
    const moved = (sign: number): Map<string, Tensor> => {
      const base = toFloat64(x);
      const data = direction.map((v, i) => base[i]! + sign * h * v);
      return new Map(feeds).set(name, tensorOf(x.type, x.dims, data));
    };
    const numeric = ((await lossAt(moved(1))) - (await lossAt(moved(-1)))) / (2 * h);
    const values = toFloat64(gradient);
    let analytic = 0;
    let scale = 0;
    for (let i = 0; i < values.length; i++) {
      analytic += values[i]! * direction[i]!;
      scale += Math.abs(values[i]! * direction[i]!);
    }
    const allowed = (tolerance ?? (double ? 1e-6 : 5e-3)) * Math.max(scale, Math.abs(numeric), 1e-3);
    expect(
      Math.abs(analytic - numeric),
      `∂/∂${name}: analytic ${analytic}, central difference ${numeric}, allowed ${allowed}`,
    ).toBeLessThanOrEqual(allowed);
  }
  await session.release();
}
