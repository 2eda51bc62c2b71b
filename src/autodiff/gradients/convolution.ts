import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import { range } from '../../graph/shapes.ts';
import { sizeOf } from '../../graph/tensor.ts';
import type { AttributeReader } from '../attributes.ts';
import { type Rule, rule } from '../rule.ts';
import { extentOf, paddingAfter, spanOf, transposedWindows, type Window, windowsOf } from './windows.ts';

/** Convolutions: Y[m, o] = Σ_{c,k} W[m, c, k]·X[c, o·stride + k·dilation − pad] + B[m]. */
export const convolution: Record<string, Rule> = {
  Conv: rule('X W B? -> Y', ({ X, W, dY, g, attributes, refuse }) => {
    const windows = windowsOf({ attributes, refuse }, W.shape.slice(2), X.shape.slice(2), dY.shape.slice(2));
    const group = attributes.number('group', 1);
    return {
      X: () => inputGradient(g, dY, W, X.shape, windows, group),
      W: () => filterGradient(g, X, dY, W.shape, windows, group),
      B: () => biasGradient(g, dY),
    };
  }),

  // The transpose of the convolution that takes Y to X: input and output change places, the filter keeps its layout.
  ConvTranspose: rule('X W B? -> Y', ({ X, W, dY, g, attributes }) => {
    const windows = windowsOfTransposed(attributes, W.shape.slice(2), X.shape.slice(2), dY.shape.slice(2));
    const group = attributes.number('group', 1);
    return {
      X: () => convolve(g, dY, W, X.shape, windows, group),
      W: () => filterGradient(g, dY, X, W.shape, windows, group),
      B: () => biasGradient(g, dY),
    };
  }),
};

function biasGradient(g: GraphBuilder, dY: Value): Value {
  const axes = range(dY.shape.length).filter((axis) => axis !== 1);
  return g.reduceSum(dY, axes, false);
}

/** Images with fewer outputs than this make thin matrix products one by one; onnxruntime multiplies image by image. */
const SMALL_IMAGE = 400;

/** dX[c] = Σ_{m,k} W[m, c, k]·dY[m, (i + pad − k·dilation) / stride]. */
function inputGradient(
  g: GraphBuilder,
  dY: Value,
  W: Value,
  shape: readonly number[],
  windows: readonly Window[],
  group: number,
): Value {
  const before = windows.map((window) => extentOf(window) - 1 - window.before);
  const after = windows.map((window) => extentOf(window) - 1 - paddingAfter(window));
  const direct = windows.every((window) => window.stride === 1) && [...before, ...after].every((n) => n >= 0);
  // With stride 1 it is a convolution of dY with the filter turned round, which onnxruntime runs up to twice as fast.
  if (direct && shape[0]! > 1 && sizeOf(shape.slice(2)) < SMALL_IMAGE) {
    return inputGradientOfBatch(g, dY, W, shape, windows, group);
  }
  // Turning a filter round costs as much per element as ConvTranspose costs more per input; a constant is turned once.
  const cheap = g.graph.initializers.has(W.name) || sizeOf(W.shape) <= sizeOf(shape);
  if (!direct || !cheap) {
    return g.add('ConvTranspose', [dY, W], [[dY.type, shape]], transposedWindows(windows, group))[0]!;
  }
  const spatial = range(2, W.shape.length);
  return g.add('Conv', [dY, reversed(g, exchanged(g, W, group), spatial)], [[dY.type, shape]], {
    kernel_shape: windows.map((window) => window.kernel),
    dilations: windows.map((window) => window.dilation),
    pads: [...before, ...after],
    group,
  })[0]!;
}

/**
 * The input gradient with stride 1, all images at once: the batch runs along the last axis, and taps lie that far
 * apart. dY and the result are turned round and not the filter, which is larger where images are small.
 */
function inputGradientOfBatch(
  g: GraphBuilder,
  dY: Value,
  W: Value,
  shape: readonly number[],
  windows: readonly Window[],
  group: number,
): Value {
  const [batch, channels, ...input] = shape as [number, number, ...number[]];
  const spatial = range(1, windows.length + 1);
  const last = windows.length - 1;
  const apart = (sizes: readonly number[]) => sizes.map((size, axis) => (axis === last ? size * batch : size));
  const batchLast = reversed(g, g.transpose(dY, [1, ...spatial.map((axis) => axis + 1), 0]), spatial);
  const folded = g.reshape(batchLast, [1, dY.shape[1]!, ...apart(dY.shape.slice(2))]);
  // Turned round, what stands after the image comes before it.
  const before = windows.map((window) => extentOf(window) - 1 - paddingAfter(window));
  const after = windows.map((window) => extentOf(window) - 1 - window.before);
  const dX = g.add('Conv', [folded, exchanged(g, W, group)], [[dY.type, [1, channels, ...apart(input)]]], {
    kernel_shape: windows.map((window) => window.kernel),
    dilations: apart(windows.map((window) => window.dilation)),
    pads: [...apart(before), ...apart(after)],
    group,
  })[0]!;
  const unfolded = reversed(g, g.reshape(dX, [channels, ...input, batch]), spatial);
  return g.transpose(unfolded, [windows.length + 1, 0, ...spatial]);
}

/** W[m, c, k] as W′[c, m, k] within each group. */
function exchanged(g: GraphBuilder, W: Value, group: number): Value {
  const [filters, channels, ...kernel] = W.shape as [number, number, ...number[]];
  const parts = rearranged(g, W, [group, filters / group, channels, sizeOf(kernel)], [0, 2, 1, 3]);
  return g.reshape(parts, [group * channels, filters / group, ...kernel]);
}

/** X turned round along axes that lie side by side. */
function reversed(g: GraphBuilder, X: Value, axes: readonly number[]): Value {
  const long = axes.filter((axis) => X.shape[axis] !== 1);
  if (long.length === 0) return X;
  const all = (n: number) => g.ints(long.map(() => n));
  const before = g.ints(long.map((axis) => -X.shape[axis]! - 1)); // one before the first, counted from the end
  return g.add('Slice', [X, all(-1), before, g.ints(long), all(-1)], [[X.type, X.shape]])[0]!;
}

/** The convolution by W of X into the given shape: inputs that no window covers are left out first. */
function convolve(
  g: GraphBuilder,
  X: Value,
  W: Value,
  shape: readonly number[],
  windows: readonly Window[],
  group: number,
): Value {
  const after = windows.map(paddingAfter);
  const axes = range(2, X.shape.length);
  const zeros = axes.map(() => 0);
  const covered = windows.map((window, i) => Math.max(1, window.input + Math.min(0, after[i]!)));
  // Windows over padding alone cover nothing; one input is kept for them, and the windows it adds are cut off again.
  const made = windows.map((window, i) => {
    const padded = covered[i]! + window.before + Math.max(0, after[i]!);
    return Math.floor((padded - extentOf(window)) / window.stride) + 1;
  });
  const Y = g.add('Conv', [g.slice(X, axes, zeros, covered), W], [[X.type, [...shape.slice(0, 2), ...made]]], {
    kernel_shape: windows.map((window) => window.kernel),
    strides: windows.map((window) => window.stride),
    dilations: windows.map((window) => window.dilation),
    pads: [...windows.map((window) => window.before), ...after.map((n) => Math.max(0, n))],
    group,
  })[0]!;
  return g.slice(Y, axes, zeros, shape.slice(2));
}

/** dW[m, c, k] = Σ_{n,o} dY[n, m, o]·X[n, c, o·stride + k·dilation − pad]. */
function filterGradient(
  g: GraphBuilder,
  X: Value,
  dY: Value,
  shape: readonly number[],
  windows: readonly Window[],
  group: number,
): Value {
  const pointwise = windows.every((window) => window.kernel === 1 && window.before === 0 && paddingAfter(window) <= 0);
  return (pointwise ? filterGradientByProduct : filterGradientByConvolution)(g, X, dY, shape, windows, group);
}

/** Kernel 1 without padding: one product over batch and space of dY with the inputs that were read. */
function filterGradientByProduct(
  g: GraphBuilder,
  X: Value,
  dY: Value,
  shape: readonly number[],
  windows: readonly Window[],
  group: number,
): Value {
  const [filters, channels] = shape as [number, number];
  // The last axis first: its strided copies are the slow ones, and so are made on the others' leavings no more than once.
  const read = range(windows.length).reduceRight((part, i) => {
    const { output, stride } = windows[i]!;
    return g.slice(part, [i + 2], [0], [(output - 1) * stride + 1], [stride]);
  }, X);
  const columns = sizeOf(dY.shape) / filters;
  const rows = (value: Value, height: number) =>
    g.reshape(exchangeFirstTwo(g, value), group === 1 ? [height, columns] : [group, height, columns]);
  const [Ys, Xs] = [rows(dY, filters / group), rows(read, channels)];
  const product = group === 1 ? g.gemm(Ys, Xs, { transB: true }) : g.matmul(Ys, g.transposeMatrix(Xs));
  return g.reshape(product, shape);
}

/**
 * The filter gradient as a convolution of X with dY as its filter: the batch takes the part of the channels, strides
 * that of dilations. The channels are one more spatial axis, the last: one wide matrix product, and no copy of X for
 * each tap is ever stored. A fourth spatial axis is slow in onnxruntime: there they share the last one. Few channels, or
 * dilated windows that would make them skip each other on a shared axis, are the batch instead.
 */
function filterGradientByConvolution(
  g: GraphBuilder,
  X: Value,
  dY: Value,
  shape: readonly number[],
  windows: readonly Window[],
  group: number,
): Value {
  const [filters, channels, ...kernel] = shape as [number, number, ...number[]];
  const [batch, , ...input] = X.shape as [number, number, ...number[]];
  const spatial = range(3, input.length + 3);
  const roles = windows.map((window) => ({
    ...window,
    kernel: window.output,
    output: window.kernel,
    stride: window.dilation,
    dilation: window.stride,
  }));
  const grouped = [batch, group, channels, ...input];
  const filter = exchangeFirstTwo(g, dY);
  const shared = windows.length > 2;
  if (channels < 4 || (shared && windows.at(-1)!.dilation > 1)) {
    const images = g.reshape(rearranged(g, X, grouped, [2, 1, 0, ...spatial]), [channels, group * batch, ...input]);
    return exchangeFirstTwo(g, convolve(g, images, filter, [channels, filters, ...kernel], roles, group));
  }
  const across = { input: channels, output: channels, kernel: 1, stride: 1, dilation: 1, before: 0 };
  const axes = shared ? [...roles.slice(0, -1), stretched(roles.at(-1)!, channels)] : [...roles, across];
  const dW = convolve(
    g,
    g.reshape(rearranged(g, X, grouped, [1, 0, ...spatial, 2]), [1, group * batch, ...axes.map(({ input: n }) => n)]),
    g.reshape(filter, [...filter.shape.slice(0, 2), ...axes.map((axis) => axis.kernel)]),
    [1, filters, ...axes.map(({ output }) => output)],
    axes,
    group,
  );
  return g.reshape(rearranged(g, dW, [filters, sizeOf(kernel), channels], [0, 2, 1]), shape);
}

/** Windows of stride 1 over `count` things at each position, side by side: each window sees its own of them only. */
function stretched(window: Window, count: number): Window {
  const { input, output, before, dilation } = window;
  return {
    ...window,
    input: input * count,
    output: output * count,
    before: before * count,
    dilation: dilation * count,
  };
}

/** X seen in another shape, its axes exchanged; axes of size 1 are left out, or onnxruntime takes a slower way. */
function rearranged(g: GraphBuilder, X: Value, shape: readonly number[], permutation: readonly number[]): Value {
  const kept = permutation.filter((axis) => shape[axis] !== 1);
  const inOrder = [...kept].sort((a, b) => a - b);
  const view = g.reshape(
    X,
    inOrder.map((axis) => shape[axis]!),
  );
  return g.transpose(
    view,
    kept.map((axis) => inOrder.indexOf(axis)),
  );
}

function exchangeFirstTwo(g: GraphBuilder, X: Value): Value {
  return g.transpose(X, [1, 0, ...range(2, X.shape.length)]);
}

/**
 * The windows of a ConvTranspose, seen from the convolution it transposes: its input is Y. The padding follows from
 * the output's size where output_shape or auto_pad leave it open (ONNX ConvTranspose specification).
 */
function windowsOfTransposed(
  attributes: AttributeReader,
  kernel: readonly number[],
  input: readonly number[],
  output: readonly number[],
): Window[] {
  const strides = attributes.numbers('strides') ?? kernel.map(() => 1);
  const dilations = attributes.numbers('dilations') ?? kernel.map(() => 1);
  const extra = attributes.numbers('output_padding') ?? kernel.map(() => 0);
  const pads = attributes.numbers('pads') ?? kernel.flatMap(() => [0, 0]);
  const autoPad = attributes.string('auto_pad', 'NOTSET');
  const derived = attributes.has('output_shape') || autoPad.startsWith('SAME');
  return kernel.map((size, axis) => {
    const window = {
      input: output[axis]!,
      output: input[axis]!,
      kernel: size,
      stride: strides[axis]!,
      dilation: dilations[axis]!,
    };
    const total = Math.max(0, spanOf(window) + extra[axis]! - window.input);
    const half = autoPad === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
    return { ...window, before: derived ? half : autoPad === 'VALID' ? 0 : pads[axis]! };
  });
}
