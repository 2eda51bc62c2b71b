import { GraphBuilder } from '../../src/graph/builder.ts';
import { type Model, modelOf, type Value } from '../../src/graph/graph.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { normals, seeded } from './random.ts';

type Activation = 'Sigmoid' | 'Tanh' | 'Relu' | 'Identity';

/** x → (activation(W a + b)) n times → the sum of the last activations: a network whose output is its own loss. */
export function chain(
  n: number,
  activation: Activation,
  weight: number[][],
  bias: number[] = weight.map(() => 0),
): Model {
  const g = new GraphBuilder();
  const width = weight.length;
  let a = g.input('x', 'float32', [1, width]);
  for (let i = 0; i < n; i++) {
    const W = g.initializer(`layer${i}.weight`, tensorOf('float32', [width, width], weight.flat()));
    const B = g.initializer(`layer${i}.bias`, tensorOf('float32', [width], bias));
    const z = g.add(
      'Gemm',
      [a, W, B],
      [['float32', [1, width]]],
      { transB: 1 },
      { node: `layer${i}`, outputs: [`z${i}`] },
    )[0]!;
    a = g.add(activation, [z], [['float32', [1, width]]], {}, { node: `act${i}`, outputs: [`a${i}`] })[0]!;
  }
  g.output(g.reduceSum(a, [0, 1], false));
  return modelOf(g.graph, `${activation.toLowerCase()}-chain-${n}`);
}

export interface MlpOptions {
  depth: number;
  width?: number;
  inputs?: number;
  outputs?: number;
  activation?: Activation;
  /** Standard deviation of the weights, times √fan-in. */
  gain?: number;
  bias?: number;
  seed?: number;
}

/** A dense network with normal weights of standard deviation gain / √fan-in and logits without activation. */
export function mlp({
  depth,
  width = 32,
  inputs = 16,
  outputs = 10,
  activation = 'Sigmoid',
  gain = 1,
  bias = 0,
  seed = 1,
}: MlpOptions): Model {
  const random = seeded(seed);
  const g = new GraphBuilder();
  const dense = (x: Value, name: string, size: number, b: number): Value => {
    const fan = x.shape[1]!;
    const weights = normals(random, size * fan).map((w) => (w * gain) / Math.sqrt(fan));
    const W = g.initializer(`${name}.weight`, tensorOf('float32', [size, fan], weights));
    const B = g.initializer(`${name}.bias`, tensorOf('float32', [size], new Array(size).fill(b)));
    return g.add(
      'Gemm',
      [x, W, B],
      [['float32', [x.shape[0]!, size]]],
      { transB: 1 },
      { node: name, outputs: [`${name}.z`] },
    )[0]!;
  };
  let a = g.input('x', 'float32', [16, inputs]);
  for (let i = 0; i < depth; i++) {
    const z = dense(a, `hidden.${i}`, width, bias);
    a = g.add(
      activation,
      [z],
      [['float32', z.shape]],
      {},
      { node: `hidden.${i}.${activation}`, outputs: [`hidden.${i}.a`] },
    )[0]!;
  }
  g.output(dense(a, 'out', outputs, 0));
  return modelOf(g.graph, `${activation.toLowerCase()}-${depth}`);
}
