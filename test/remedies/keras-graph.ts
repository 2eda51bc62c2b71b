import { GraphBuilder } from '../../src/graph/builder.ts';
import type { Model, Value } from '../../src/graph/graph.ts';
import { tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import { reread } from './structure/patient.ts';

/** A weight of a layer as Keras and TensorFlow.js hold it. */
export interface Weight {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** A layer of Keras or TensorFlow.js as plain data. */
export interface Layer {
  readonly name: string;
  readonly kind: string;
  /** Names of the layers it reads. */
  readonly reads: readonly string[];
  readonly activation?: string;
  readonly strides?: readonly number[];
  readonly shape?: readonly number[];
  readonly weights: Readonly<Record<string, Weight>>;
}

export interface Network {
  /** From input to output; the first is the input, the last gives the output. */
  readonly layers: readonly Layer[];
  readonly input: Weight;
}

const functions: Readonly<Record<string, string>> = {
  sigmoid: 'Sigmoid',
  tanh: 'Tanh',
  relu: 'Relu',
  softmax: 'Softmax',
};

/**
 * The network as an ONNX file that names things as tf2onnx does, each node by the scope of its layer: kernels [in, out]
 * of `net/dense/MatMul`, convolutions between transpositions. Recurrent layers, whose names tf2onnx makes up, are
 * called as network specs call them.
 */
export async function graphOf({ layers, input }: Network): Promise<Model> {
  const graph = new GraphBuilder();
  const made = new Map<string, Value>();
  for (const layer of layers)
    made.set(
      layer.name,
      add(
        graph,
        layer,
        layer.reads.map((name) => made.get(name)!),
        input,
      ),
    );
  const last = made.get(layers.at(-1)!.name)!;
  graph.output(
    graph.add('Identity', [last], [[last.type, last.shape]], {}, { node: 'output', outputs: ['output'] })[0]!,
  );
  const { inputs } = graph.graph;
  inputs[0]!.shape = ['N', ...inputs[0]!.shape!.slice(1)];
  graph.graph.outputs[0]!.shape = ['N', ...last.shape.slice(1)];
  graph.graph.values.clear();
  return reread({
    graph: graph.graph,
    opset: 21,
    sourceOpset: 21,
    domains: new Map(),
    constants: new Set(),
    format: 'onnx',
    name: 'net',
  });
}

function add(graph: GraphBuilder, layer: Layer, reads: readonly Value[], input: Weight): Value {
  const [X] = reads as [Value];
  const { name, weights } = layer;
  const node = (op: string, from: readonly (Value | undefined)[], shape: readonly number[], attributes = {}, as = op) =>
    graph.add(op, from, [['float32', shape]], attributes, {
      node: `net/${name}/${as}`,
      outputs: [`net/${name}/${as}:0`],
    })[0]!;
  const stored = (part: string, { shape, values }: Weight) =>
    graph.initializer(`net/${name}/${part}/ReadVariableOp:0`, tensorOf('float32', shape, values));
  const activated = (Y: Value) => {
    const op = functions[layer.activation ?? 'linear'];
    return op === undefined ? Y : node(op, [Y], Y.shape, op === 'Softmax' ? { axis: -1 } : {});
  };
  switch (layer.kind) {
    case 'input': {
      const value = graph.input('input', 'float32', input.shape);
      if (input.shape.length !== 4) return value;
      const [n, h, w, c] = input.shape as [number, number, number, number];
      return node('Transpose', [value], [n, c, h, w], { perm: [0, 3, 1, 2] });
    }
    case 'dense': {
      const shape = [...X.shape.slice(0, -1), weights.kernel!.shape[1]!];
      const product = node('MatMul', [X, stored('MatMul', weights.kernel!)], shape);
      return activated(
        weights.bias ? node('Add', [product, stored('BiasAdd', weights.bias)], shape, {}, 'BiasAdd') : product,
      );
    }
    case 'conv2d': {
      const [kh, kw, , out] = weights.kernel!.shape as [number, number, number, number];
      const [n, , ...size] = X.shape as [number, number, number, number];
      const strides = layer.strides!;
      const to = size.map((length, i) => Math.ceil(length / strides[i]!));
      // padding "same": what one side has more of is behind.
      const total = size.map((length, i) => Math.max(0, (to[i]! - 1) * strides[i]! + [kh, kw][i]! - length));
      const before = total.map((sum) => Math.floor(sum / 2));
      const pads = [...before, ...total.map((sum, i) => sum - before[i]!)];
      const W = stored('Conv2D', transposed(weights.kernel!, [3, 2, 0, 1]));
      const B = weights.bias && stored('BiasAdd', weights.bias);
      return activated(node('Conv', [X, W, B], [n, out, ...to], { kernel_shape: [kh, kw], strides, pads }, 'BiasAdd'));
    }
    case 'batch_norm': {
      const parts = ['gamma', 'beta', 'moving_mean', 'moving_variance'].map((part) => stored(part, weights[part]!));
      return graph.add(
        'BatchNormalization',
        [X, ...parts],
        [
          ['float32', X.shape],
          ['float32', [X.shape[1]!]],
          ['float32', [X.shape[1]!]],
        ],
        { epsilon: 1e-3, momentum: 0.99, training_mode: 1 },
        {
          node: `net/${name}/FusedBatchNormV3`,
          outputs: ['', ':1', ':2'].map((end) => `net/${name}/FusedBatchNormV3${end}`),
        },
      )[0]!;
    }
    case 'flatten': {
      if (X.shape.length !== 4) return node('Flatten', [X], [X.shape[0]!, X.shape.slice(1).reduce((a, b) => a * b)]);
      const [n, c, h, w] = X.shape as [number, number, number, number];
      const last = node('Transpose', [X], [n, h, w, c], { perm: [0, 2, 3, 1] });
      return node('Flatten', [last], [n, h * w * c], {}, 'Reshape');
    }
    case 'global_average_pooling2d':
      return node('ReduceMean', [X, graph.ints([2, 3])], X.shape.slice(0, 2), { keepdims: 0 }, 'Mean');
    case 'activation':
      return activated(X);
    case 'add':
      return node('Add', reads, X.shape, {}, 'add');
    case 'simple_rnn':
    case 'lstm':
      return recur(graph, layer, X);
    default:
      throw new Error(`no ${layer.kind}`);
  }
}

/** Keras' gates i, f, c, o in ONNX' order i, o, f, c. */
const order: Readonly<Record<string, readonly number[]>> = { simple_rnn: [0], lstm: [0, 3, 1, 2], gru: [0, 1, 2] };

function recur(graph: GraphBuilder, { name, kind, activation, weights, shape }: Layer, X: Value): Value {
  const [n, steps, features] = X.shape as [number, number, number];
  const isWhole = shape!.length === 3;
  const directions = weights.forward_kernel ? ['forward_', 'backward_'] : [''];
  const units = weights[`${directions[0]}recurrent_kernel`]!.shape[0]!;
  const gates = order[kind]!;
  const rows = gates.length * units;
  const stack = (part: string) =>
    directions.flatMap((direction) => gatesFirst(weights[`${direction}${part}`]!, gates, units));
  const biases = directions.flatMap((direction) => {
    const { values } = weights[`${direction}bias`]!;
    return [
      ...gates.flatMap((gate) => values.slice(gate * units, (gate + 1) * units)),
      ...Array.from({ length: rows }, () => 0),
    ];
  });
  const count = directions.length;
  const W = graph.initializer(`${name}.weight`, tensorOf('float32', [count, rows, features], stack('kernel')));
  const R = graph.initializer(
    `${name}.recurrent`,
    tensorOf('float32', [count, rows, units], stack('recurrent_kernel')),
  );
  const B = graph.initializer(`${name}.bias`, tensorOf('float32', [count, 2 * rows], biases));
  const attributes = {
    hidden_size: units,
    direction: count > 1 ? 'bidirectional' : 'forward',
    ...(kind === 'simple_rnn' && { activations: directions.map(() => functions[activation!]!) }),
  };
  const turned = graph.transpose(X, [1, 0, 2]);
  const [Y, last] = graph.add(
    kind === 'lstm' ? 'LSTM' : 'RNN',
    [turned, W, R, B],
    [
      ['float32', [steps, count, n, units]],
      ['float32', [count, n, units]],
    ],
    attributes,
    { node: name, outputs: [`${name}.states`, `${name}.final`] },
  );
  const inner = isWhole ? [n, steps, count, units] : [n, count, units];
  const perm = isWhole ? [2, 0, 1, 3] : [1, 0, 2];
  const [back] = graph.add('Transpose', [isWhole ? Y : last], [['float32', inner]], { perm });
  const flat = [0, ...inner.slice(1, -2), count * units];
  return graph.add('Reshape', [back, graph.ints(flat)], [['float32', [n, ...flat.slice(1)]]])[0]!;
}

/** A kernel [in, gates · units] as rows [gates · units, in], gates in ONNX' order. */
function gatesFirst({ shape, values }: Weight, gates: readonly number[], units: number): number[] {
  const [rows, columns] = shape as [number, number];
  return gates.flatMap((gate) =>
    Array.from({ length: units * rows }, (_, i) => {
      const [unit, row] = [Math.floor(i / rows), i % rows];
      return values[row * columns + gate * units + unit]!;
    }),
  );
}

export function transposed({ shape, values }: Weight, perm: readonly number[]): Weight {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const to = perm.map((axis) => shape[axis]!);
  const out = values.map((_, at) => {
    let rest = at;
    let from = 0;
    for (let i = to.length - 1; i >= 0; i--) {
      from += (rest % to[i]!) * strides[perm[i]!]!;
      rest = Math.floor(rest / to[i]!);
    }
    return values[from]!;
  });
  return { shape: to, values: out };
}

/** A parameter of a treated file as weights of Keras' layers, by `layer/weight`. */
export function carried(model: Model, name: string): [string, Weight][] {
  const tensor = model.graph.initializers.get(name)!;
  const weight: Weight = { shape: tensor.dims, values: Array.from(toFloat64(tensor)) };
  const [, own, part] = /^net\/([^/]+)\/(.+)\/ReadVariableOp:0$/.exec(name) ?? [];
  if (own !== undefined) {
    const kernel = part === 'Conv2D' ? transposed(weight, [2, 3, 1, 0]) : weight;
    const key = part === 'MatMul' || part === 'Conv2D' ? 'kernel' : part === 'BiasAdd' ? 'bias' : part!;
    return [[`${own}/${key}`, kernel]];
  }
  const [, path, role] = /^(.+)\.(norm\.weight|norm\.bias|alpha|skip\.weight|prelu\.slope)$/.exec(name) ?? [];
  if (path !== undefined) {
    const layer = path.replace(/^net\//, '').split('/')[0]!;
    const isRms = !model.graph.initializers.has(`${path}.norm.bias`);
    switch (role) {
      case 'norm.weight':
        return [[`${layer}_norm/${isRms ? 'scale' : 'gamma'}`, weight]];
      case 'norm.bias':
        return [[`${layer}_norm/beta`, weight]];
      case 'alpha':
        return [[`${layer}_alpha/alpha`, weight]];
      case 'prelu.slope':
        // One per channel, which Keras has last.
        return [[`${layer}_prelu/alpha`, { ...weight, shape: [...weight.shape.slice(1), weight.shape[0]!] }]];
      default: {
        const perm = weight.shape.length === 4 ? [2, 3, 1, 0] : [1, 0];
        return [[`${layer}_skip/kernel`, transposed(weight, perm)]];
      }
    }
  }
  return carriedRecurrence(model, name, weight);
}

function carriedRecurrence({ graph }: Model, name: string, { shape, values }: Weight): [string, Weight][] {
  const [, layer, role] = /^(.+)\.(weight|recurrent|bias)$/.exec(name) ?? [];
  const node = graph.nodes.find(({ op, inputs }) => /^(RNN|LSTM|GRU)$/.test(op) && inputs.includes(name))!;
  if (layer === undefined || !node) throw new Error(`no place for ${name}`);
  const gates = { RNN: [0], LSTM: [0, 2, 3, 1], GRU: [0, 1, 2] }[node.op]!;
  const units = Number(node.attributes.hidden_size);
  const directions = shape[0]!;
  const each = values.length / directions;
  return Array.from({ length: directions }, (_, d) => {
    const prefix = directions > 1 ? ['forward_', 'backward_'][d]! : '';
    const own = values.slice(d * each, (d + 1) * each);
    if (role === 'bias') {
      const rows = gates.length * units;
      const half = (from: number) => gates.flatMap((gate) => own.slice(from + gate * units, from + (gate + 1) * units));
      const [input, recurrent] = [half(0), half(rows)];
      // Of a GRU Keras keeps both, as the reset gate stands behind one of them.
      return node.op === 'GRU'
        ? [`${layer}/${prefix}bias`, { shape: [2, rows], values: [...input, ...recurrent] }]
        : [`${layer}/${prefix}bias`, { shape: [rows], values: input.map((b, i) => b + recurrent[i]!) }];
    }
    const columns = shape[2]!;
    const rows = gates.flatMap((gate) => own.slice(gate * units * columns, (gate + 1) * units * columns));
    const key = role === 'weight' ? 'kernel' : 'recurrent_kernel';
    return [`${layer}/${prefix}${key}`, transposed({ shape: [shape[1]!, columns], values: rows }, [1, 0])];
  });
}
