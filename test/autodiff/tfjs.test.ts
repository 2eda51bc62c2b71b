import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import type { Attribute } from '../../src/graph/graph.ts';
import { sizeOf } from '../../src/graph/tensor.ts';
import { normals, seeded } from '../helpers/random.ts';
import { type Given, pullBack } from './pull-back.ts';
import { expectClose } from './torch-cases.ts';

/** One operator, as TensorFlow.js has it: a second opinion on what its gradient is. */
interface Comparison {
  op: string;
  /** Shapes of the inputs that have a gradient, in the order of the operator's inputs. */
  shapes: number[][];
  tf: (...inputs: tf.Tensor[]) => tf.Tensor;
  attributes?: Record<string, Attribute>;
  /** Integer inputs behind the others. */
  ints?: number[][];
  /** Numbers to draw from; default: standard normal. */
  draw?: (x: number) => number;
  /** Axis orders by which TF.js takes inputs and gives its output, where it wants channels last. */
  layout?: { inputs: number[][]; output: number[] };
  opset?: number;
}

const positive = (x: number) => 0.5 + Math.abs(x);
const inside = (x: number) => 0.9 * Math.tanh(x);
/** At least 0.1 from 0 and from the other whole numbers that activations bend at. */
const offKinks = (x: number) => x + (Math.abs(x - Math.round(x)) < 0.1 ? 0.2 : 0);

const unary = (
  op: string,
  apply: (x: tf.Tensor) => tf.Tensor,
  draw?: Comparison['draw'],
  attributes?: Comparison['attributes'],
) => ({ op, shapes: [[3, 4]], tf: apply, draw, attributes });
const binary = (op: string, apply: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor, draw?: Comparison['draw']) => ({
  op,
  shapes: [
    [2, 3, 4],
    [3, 1],
  ],
  tf: apply as Comparison['tf'],
  draw,
});
const reduce = (op: string, apply: (x: tf.Tensor) => tf.Tensor, draw?: Comparison['draw']) => ({
  op,
  shapes: [[2, 3, 4]],
  ints: [[0, 2]],
  attributes: { keepdims: 1 },
  tf: apply,
  draw,
});

const NHWC = { inputs: [[0, 2, 3, 1]], output: [0, 3, 1, 2] };
const image = (attributes: Record<string, Attribute>, apply: (x: tf.Tensor4D) => tf.Tensor) => ({
  shapes: [[2, 3, 7, 6]],
  attributes,
  tf: apply as Comparison['tf'],
  layout: NHWC,
});
/** Filters [M, C, h, w] as TF.js has them, [h, w, C, M]. */
const withFilter = {
  inputs: [
    [0, 2, 3, 1],
    [2, 3, 1, 0],
  ],
  output: [0, 3, 1, 2],
};

/** TF.js 4.22 exchanges height and width in the gradient of bilinear resizing. */
const square = [[2, 3, 6, 6]];

/** A filter [h, w, C, M] with zeros between its taps, for TF.js has no gradient of a dilated convolution. */
function dilated(w: tf.Tensor4D, [down, across]: [number, number]): tf.Tensor4D {
  const [height, width, channels, filters] = w.shape;
  const apart = tf.reshape(w, [height, 1, width, 1, channels * filters]);
  const none: [number, number] = [0, 0];
  const filled = tf.pad(apart, [none, [0, down - 1], none, [0, across - 1], none]);
  const spread = tf.reshape(filled, [height * down, width * across, channels, filters]) as tf.Tensor4D;
  return tf.slice(spread, [0, 0, 0, 0], [(height - 1) * down + 1, (width - 1) * across + 1, channels, filters]);
}

/**
 * Left out is what TF.js 4.22 does not differentiate (DepthToSpace, strided slices) or gets wrong, as differences show:
 * reflecting pads (it takes the border for constants), averages whose windows reach over the border (it divides by the
 * whole window), extrema of shapes that broadcast.
 */
const comparisons: Comparison[] = [
  unary('Abs', tf.abs, offKinks),
  unary('Acos', tf.acos, inside),
  unary('Acosh', tf.acosh, (x) => 1.2 + Math.abs(x)),
  unary('Asin', tf.asin, inside),
  unary('Asinh', tf.asinh),
  unary('Atan', tf.atan),
  unary('Atanh', tf.atanh, inside),
  unary('Cos', tf.cos),
  unary('Cosh', tf.cosh),
  unary('Erf', tf.erf),
  unary('Exp', tf.exp),
  unary('Log', tf.log, positive),
  unary('Neg', tf.neg),
  unary('Reciprocal', tf.reciprocal, positive),
  unary('Sin', tf.sin),
  unary('Sinh', tf.sinh),
  unary('Sqrt', tf.sqrt, positive),
  unary('Tan', tf.tan, inside),

  unary('Elu', tf.elu),
  unary('LeakyRelu', (x) => tf.leakyRelu(x, 0.3), offKinks, { alpha: 0.3 }),
  unary('LogSoftmax', (x) => tf.logSoftmax(x)),
  unary('Relu', tf.relu, offKinks),
  unary('Selu', tf.selu, offKinks),
  unary('Sigmoid', tf.sigmoid),
  unary('Softmax', (x) => tf.softmax(x)),
  unary('Softplus', tf.softplus),
  unary('Tanh', tf.tanh),
  { ...unary('PRelu', tf.relu), shapes: [[3, 4], [4]], tf: (x, a) => tf.prelu(x!, a!), draw: offKinks },

  binary('Add', tf.add),
  binary('Div', tf.div, positive),
  {
    ...binary('Max', tf.maximum),
    shapes: [
      [3, 4],
      [3, 4],
    ],
  },
  {
    ...binary('Min', tf.minimum),
    shapes: [
      [3, 4],
      [3, 4],
    ],
  },
  binary('Mul', tf.mul),
  binary('Pow', tf.pow, positive),
  binary('Sub', tf.sub),

  reduce('ReduceMax', (x) => tf.max(x, [0, 2], true)),
  reduce('ReduceMean', (x) => tf.mean(x, [0, 2], true)),
  reduce('ReduceMin', (x) => tf.min(x, [0, 2], true)),
  reduce('ReduceProd', (x) => tf.prod(x, [0, 2], true)),
  reduce('ReduceSum', (x) => tf.sum(x, [0, 2], true)),
  reduce('ReduceL2', (x) => tf.norm(x, 'euclidean', [0, 2], true)),
  reduce('ReduceL1', (x) => tf.sum(tf.abs(x), [0, 2], true), offKinks),
  reduce('ReduceLogSumExp', (x) => tf.logSumExp(x, [0, 2], true)),
  {
    op: 'CumSum',
    shapes: [[3, 4]],
    ints: [[1]],
    attributes: { exclusive: 1, reverse: 1 },
    tf: (x) => tf.cumsum(x!, 1, true, true),
  },

  {
    op: 'MatMul',
    shapes: [
      [2, 3, 4],
      [2, 4, 5],
    ],
    tf: (a, b) => tf.matMul(a!, b!),
  },
  {
    op: 'Gemm',
    shapes: [[4, 3], [5, 4], [5]],
    attributes: { transA: 1, transB: 1 },
    tf: (a, b, c) => tf.add(tf.matMul(a!, b!, true, true), c!),
  },
  {
    op: 'Einsum',
    shapes: [
      [2, 3, 4],
      [2, 5, 4],
    ],
    attributes: { equation: 'bij,bkj->bik' },
    tf: (a, b) => tf.matMul(a!, b!, false, true),
  },

  {
    op: 'Concat',
    shapes: [
      [2, 3],
      [2, 1],
      [2, 2],
    ],
    attributes: { axis: 1 },
    tf: (...all) => tf.concat(all, 1),
  },
  { op: 'Expand', shapes: [[3, 1]], ints: [[2, 3, 4]], tf: (x) => tf.broadcastTo(x!, [2, 3, 4]) },
  { op: 'Reshape', shapes: [[3, 4]], ints: [[2, 6]], tf: (x) => tf.reshape(x!, [2, 6]) },
  {
    op: 'Slice',
    shapes: [[5, 6]],
    ints: [
      [1, 2],
      [4, 5],
    ],
    tf: (x) => tf.slice(x!, [1, 2], [3, 3]),
  },
  { op: 'Slice', shapes: [[5, 6]], ints: [[-1], [-99], [1], [-1]], tf: (x) => tf.reverse(x!, 1) },
  { op: 'Tile', shapes: [[2, 3]], ints: [[2, 3]], tf: (x) => tf.tile(x!, [2, 3]) },
  { op: 'Transpose', shapes: [[2, 3, 4]], attributes: { perm: [2, 0, 1] }, tf: (x) => tf.transpose(x!, [2, 0, 1]) },
  {
    op: 'Gather',
    shapes: [[4, 3]],
    ints: [[2, 0, 2, 2]],
    tf: (x) => tf.gather(x!, tf.tensor1d([2, 0, 2, 2], 'int32')),
  },
  {
    op: 'Pad',
    shapes: [[2, 3]],
    ints: [[1, 0, 2, 3]],
    tf: (x) =>
      tf.pad(x!, [
        [1, 2],
        [0, 3],
      ]),
  },

  ...[[1, 1] as [number, number], [2, 3] as [number, number]].map((strides) => ({
    op: 'Conv',
    shapes: [
      [2, 3, 7, 6],
      [4, 3, 3, 2],
    ],
    attributes: { strides },
    tf: ((x: tf.Tensor4D, w: tf.Tensor4D) => tf.conv2d(x, w, strides, 'valid')) as Comparison['tf'],
    layout: withFilter,
  })),
  {
    op: 'Conv',
    shapes: [
      [2, 3, 7, 6],
      [4, 3, 3, 2],
    ],
    attributes: { strides: [1, 2], dilations: [2, 3] },
    tf: ((x: tf.Tensor4D, w: tf.Tensor4D) => tf.conv2d(x, dilated(w, [2, 3]), [1, 2], 'valid')) as Comparison['tf'],
    layout: withFilter,
  },
  {
    op: 'Conv',
    shapes: [
      [2, 3, 7, 6],
      [4, 3, 3, 3],
    ],
    attributes: { strides: [2, 2], auto_pad: 'SAME_UPPER' },
    tf: ((x: tf.Tensor4D, w: tf.Tensor4D) => tf.conv2d(x, w, 2, 'same')) as Comparison['tf'],
    layout: withFilter,
  },
  {
    op: 'Conv',
    shapes: [
      [2, 3, 7, 6],
      [6, 1, 3, 2],
    ],
    attributes: { group: 3 },
    // Filter 2c + k of channel c: [h, w, C, k].
    tf: ((x: tf.Tensor4D, w: tf.Tensor4D) =>
      tf.depthwiseConv2d(x, tf.reshape(w, [3, 2, 3, 2]), 1, 'valid')) as Comparison['tf'],
    layout: withFilter,
  },
  {
    op: 'ConvTranspose',
    shapes: [
      [2, 3, 4, 3],
      [3, 4, 3, 2],
    ],
    attributes: { strides: [2, 1] },
    tf: ((x: tf.Tensor4D, w: tf.Tensor4D) =>
      tf.conv2dTranspose(x, w, [2, 9, 4, 4], [2, 1], 'valid')) as Comparison['tf'],
    layout: withFilter,
  },
  { op: 'MaxPool', ...image({ kernel_shape: [3, 2], strides: [2, 1] }, (x) => tf.maxPool(x, [3, 2], [2, 1], 'valid')) },
  {
    op: 'AveragePool',
    ...image({ kernel_shape: [3, 2], strides: [2, 2] }, (x) => tf.avgPool(x, [3, 2], [2, 2], 'valid')),
  },
  { op: 'GlobalAveragePool', ...image({}, (x) => tf.mean(x, [1, 2], true)) },
  {
    op: 'Resize',
    ...image({ mode: 'linear', coordinate_transformation_mode: 'asymmetric' }, (x) =>
      tf.image.resizeBilinear(x, [9, 4]),
    ),
    shapes: square,
    ints: [[2, 3, 9, 4]],
  },
  {
    op: 'Resize',
    ...image({ mode: 'linear', coordinate_transformation_mode: 'align_corners' }, (x) =>
      tf.image.resizeBilinear(x, [9, 13], true),
    ),
    shapes: square,
    ints: [[2, 3, 9, 13]],
  },
  {
    op: 'Resize',
    ...image({ mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }, (x) =>
      tf.image.resizeNearestNeighbor(x, [12, 18]),
    ),
    // Of the first image only: TF.js looks for the others' upstream gradient at the wrong place.
    shapes: [[1, 3, 6, 6]],
    ints: [[1, 3, 12, 18]],
  },
  {
    op: 'LRN',
    ...image({ size: 3, alpha: 0.3, beta: 0.75, bias: 1.5 }, (x) =>
      tf.localResponseNormalization(x, 1, 1.5, 0.1, 0.75),
    ),
  },
];

describe('gradients, against TensorFlow.js', () => {
  beforeAll(() => tf.setBackend('cpu'));

  it.each(comparisons.map((comparison, i) => [`${comparison.op} ${i}`, comparison] as const))(
    '%s',
    async (_, given) => {
      const { op, shapes, attributes, ints = [], draw = (x) => x, layout, opset } = given;
      const random = seeded(3);
      const data = shapes.map((shape) => normals(random, sizeOf(shape)).map((x) => Math.fround(draw(x))));
      const tensors = shapes.map((shape, i) => tf.tensor(data[i]!, shape));

      const forward = (...inputs: tf.Tensor[]): tf.Tensor => {
        const laid = layout ? inputs.map((x, i) => tf.transpose(x, layout.inputs[i])) : inputs;
        const Y = given.tf(...laid);
        return layout ? tf.transpose(Y, layout.output) : Y;
      };
      const Y = forward(...tensors);
      const upstream = normals(random, Y.size).map(Math.fround);
      const expected = tf.grads(forward)(tensors, tf.tensor(upstream, Y.shape));

      const inputs: Record<string, Given | null> = {};
      shapes.forEach((shape, i) => {
        inputs[`X${i}`] = { shape, data: data[i]! };
      });
      if (op === 'Resize') Object.assign(inputs, { roi: null, scales: null });
      ints.forEach((list, i) => {
        const shape = op === 'CumSum' ? [] : [list.length];
        inputs[`ints${i}`] = { shape, data: list, type: 'int64', constant: true };
      });
      const actual = await pullBack(op, inputs, upstream, { attributes, type: 'float32', opset });
      expectClose(actual.Y, Array.from(Y.dataSync()), 2e-5, `${op}: output`);
      for (const [i, gradient] of expected.entries()) {
        expectClose(actual[`dX${i}`]!, Array.from(gradient.dataSync()), 1e-4, `${op}: gradient of input ${i}`);
      }
    },
  );
});
