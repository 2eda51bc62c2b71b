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
  // Turning a filter round costs as much per element as ConvTranspose costs more per input; a constant is turned once.
  const cheap = g.graph.initializers.has(W.name) || sizeOf(W.shape) <= sizeOf(shape);
  if (!direct || !cheap) {
    return g.add('ConvTranspose', [dY, W], [[dY.type, shape]], transposedWindows(windows, group))[0]!;
  }
  // With stride 1 it is a convolution of dY with the filter turned round, which onnxruntime runs up to twice as fast.
  return g.add('Conv', [dY, turnedRound(g, W, group)], [[dY.type, shape]], {
    kernel_shape: windows.map((window) => window.kernel),
    dilations: windows.map((window) => window.dilation),
    pads: [...before, ...after],
    group,
  })[0]!;
}

/** W[m, c, k] as W′[c, m, −k] within each group. */
function turnedRound(g: GraphBuilder, W: Value, group: number): Value {
  const [filters, channels, ...kernel] = W.shape as [number, number, ...number[]];
  const size = sizeOf(kernel);
  const exchanged = g.transpose(g.reshape(W, [group, filters / group, channels, size]), [0, 2, 1, 3]);
  return g.reshape(reversed(g, exchanged, 3), [group * channels, filters / group, ...kernel]);
}

function reversed(g: GraphBuilder, X: Value, axis: number): Value {
  if (X.shape[axis] === 1) return X;
  const before = -X.shape[axis]! - 1; // one before the first, counted from the end
  const inputs = [X, g.ints([-1]), g.ints([before]), g.ints([axis]), g.ints([-1])];
  return g.add('Slice', inputs, [[X.type, X.shape]])[0]!;
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

/** Copying an element costs as much as this many multiply-adds (onnxruntime 1.30 on two cores: 0.43 ns and 6 ps). */
const COPY_COST = 70;

/** dW[m, c, k] = Σ_{n,o} dY[n, m, o]·X[n, c, o·stride + k·dilation − pad], by the strategy that suits the shape. */
function filterGradient(
  g: GraphBuilder,
  X: Value,
  dY: Value,
  shape: readonly number[],
  windows: readonly Window[],
  group: number,
): Value {
  const [filters, channels, ...kernel] = shape as [number, number, ...number[]];
  const taps = sizeOf(kernel);
  const [first] = windows as [Window];
  // Cost per channel, tap and output, in multiply-adds: all taps shifting X, or those of the first axis shifting dY.
  const perGroup = filters / group;
  const allOnX = COPY_COST + perGroup;
  const stretched = spanOf(first) / first.output;
  const split = (COPY_COST * (1 / first.kernel + (perGroup * first.kernel) / (channels * taps)) + perGroup) * stretched;
  const splits = windows.length > 1 && first.kernel > 1 && first.stride === 1 && split < allOnX;

  const shifts = splits ? taps / first.kernel + first.kernel : taps;
  const thin = group > 1 && Math.min(channels, perGroup) < 4;
  if (thin || shifts > 25) return filterGradientByConvolution(g, X, dY, shape, windows, group);
  return filterGradientByProduct(g, X, dY, shape, windows, group, splits);
}

/**
 * The filter gradient as a convolution of X with dY: batch and channels change places, strides become dilations.
 * Good where the product's matrices would be thin (depthwise) or its copies many (large kernels).
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
  const spatial = range(windows.length);
  const grouped = g.transpose(g.reshape(X, [batch, group, channels, ...input]), [
    2,
    1,
    0,
    ...spatial.map((i) => i + 3),
  ]);
  const roles = windows.map((window) => ({
    ...window,
    kernel: window.output,
    output: window.kernel,
    stride: window.dilation,
    dilation: window.stride,
  }));
  const swapped = convolve(
    g,
    g.reshape(grouped, [channels, group * batch, ...input]),
    exchangeFirstTwo(g, dY),
    [channels, filters, ...kernel],
    roles,
    group,
  );
  return exchangeFirstTwo(g, swapped);
}

/**
 * The filter gradient as one matrix product over batch and space of dY with the shifted copies of X, one per tap.
 * With `split`, the taps of the first axis (stride 1) shift dY instead: kernel₁ + kernel₂ copies, not kernel₁·kernel₂.
 */
function filterGradientByProduct(
  g: GraphBuilder,
  X: Value,
  dY: Value,
  shape: readonly number[],
  windows: readonly Window[],
  group: number,
  split: boolean,
): Value {
  const [filters, channels, ...kernel] = shape as [number, number, ...number[]];
  const spatial = range(windows.length);
  const none = [0, 0, 0];
  let shiftedX = [
    {
      taps: [] as number[],
      part: g.pad(
        channelsFirst(g, X),
        [...none, ...windows.map((window) => window.before)],
        [...none, ...windows.map((window) => Math.max(0, paddingAfter(window)))],
      ),
    },
  ];
  // The last axis first: its strided copies are the slow ones, and so are made once.
  for (const axis of [...spatial].reverse()) {
    const window = windows[axis]!;
    const steps = split && axis === 0 ? [0] : range(window.kernel);
    const stride = split && axis === 0 ? 1 : window.stride;
    const length = split && axis === 0 ? spanOf(window) : (window.output - 1) * stride + 1;
    shiftedX = steps.flatMap((k) =>
      shiftedX.map(({ taps, part }) => ({
        taps: [k, ...taps],
        part: g.slice(part, [axis + 3], [k * window.dilation], [k * window.dilation + length], [stride]),
      })),
    );
  }
  const [first] = windows as [Window];
  const slack = first.dilation * (first.kernel - 1);
  const rest = spatial.slice(1).map(() => 0);
  const transposed = channelsFirst(g, dY);
  const shiftedY = split
    ? range(first.kernel).map((k) =>
        g.pad(transposed, [...none, k * first.dilation, ...rest], [...none, slack - k * first.dilation, ...rest]),
      )
    : [transposed];

  // Rows stand as [filters, taps of dY] and [channels, taps of X]: the product is in the filter's own layout at once.
  const Ys = rows(g, shiftedY, group);
  const Xs = rows(
    g,
    shiftedX.map(({ part }) => part),
    group,
  );
  const product = group === 1 ? g.gemm(Ys, Xs, { transB: true }) : g.matmul(Ys, g.transposeMatrix(Xs));
  const onY = shiftedY.length;
  const parts = g.reshape(product, [filters, onY, channels, sizeOf(kernel) / onY]);
  return g.reshape(onY > 1 ? g.transpose(parts, [0, 2, 1, 3]) : parts, shape);
}

/** Shifted copies [channels, 1, batch, …space] as rows ([group,] channels/group · copies, batch · space), copies fastest. */
function rows(g: GraphBuilder, copies: readonly Value[], group: number): Value {
  const [channels, , ...rest] = copies[0]!.shape as [number, number, ...number[]];
  const matrix = [(channels / group) * copies.length, sizeOf(rest)];
  return g.reshape(g.concat(copies, 1), group === 1 ? matrix : [group, ...matrix]);
}

/** [batch, channels, …space] as [channels, 1, batch, …space]: room on axis 1 for the shifted copies. */
function channelsFirst(g: GraphBuilder, X: Value): Value {
  const [batch, channels, ...space] = X.shape as [number, number, ...number[]];
  return g.reshape(exchangeFirstTwo(g, X), [channels, 1, batch, ...space]);
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
