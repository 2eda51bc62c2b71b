import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import { range } from '../../graph/shapes.ts';
import { filledTensor, sizeOf, tensorOf } from '../../graph/tensor.ts';
import type { AttributeReader } from '../attributes.ts';
import { type Rule, rule } from '../rule.ts';
import { paddingAfter, transposedWindows, type Window, windowsOf } from './windows.ts';

/** Pooling. A gradient whose maximum is tied goes to the first of the tied inputs in row-major order, as in PyTorch. */
export const pooling: Record<string, Rule> = {
  // dX[i] = Σ dY[o] over the windows o whose maximum is at i. Windows overlap, so the scatter adds.
  MaxPool: rule('X -> Y Indices?', ({ X, Y, dY, g, node, attributes, extraOutput }) => ({
    X: () => {
      const rowMajor = attributes.number('storage_order', 0) === 0;
      const indices = rowMajor ? extraOutput(1, 'int64', Y.shape) : rowMajorIndices(g, X, Y, node.attributes);
      return scatterFlat(g, X.shape, indices, dY);
    },
  })),
  // Y is zero but for Y[Indices] = X: dX = dY[Indices].
  MaxUnpool: rule('X I output_shape? -> output', ({ X, I, doutput, g }) => ({
    X: () => g.reshape(g.gather(flat(g, doutput), flat(g, I), 0), X.shape),
  })),
  // dX[i] = Σ dY[o] / count[o] over the windows o that cover i.
  AveragePool: rule('X -> Y', ({ X, dY, g, attributes, refuse }) => {
    const kernel = attributes.numbers('kernel_shape')!;
    const windows = windowsOf({ attributes, refuse }, kernel, X.shape.slice(2), dY.shape.slice(2));
    return { X: () => spread(g, divideByCounts(g, dY, windows, attributes), X.shape, windows) };
  }),
  // dX = X·|X|^(p−2) · Σ dY[o]·Y[o]^(1−p) over the windows o that cover X. Where Y is 0 all its X are 0, and so is dX.
  LpPool: rule('X -> Y', ({ X, Y, dY, g, attributes, refuse }) => {
    const kernel = attributes.numbers('kernel_shape')!;
    const windows = windowsOf({ attributes, refuse }, kernel, X.shape.slice(2), dY.shape.slice(2));
    const p = attributes.number('p', 2);
    return { X: () => g.mul(signedPower(g, X, p - 1), spread(g, shareOfNorm(g, Y, dY, p), X.shape, windows)) };
  }),

  // dX = dY / n, broadcast.
  GlobalAveragePool: rule('X -> Y', ({ X, dY, g }) => ({
    X: () => g.expand(g.scale(dY, 1 / sizeOf(X.shape.slice(2))), X.shape),
  })),
  // dX = dY at the maximum.
  GlobalMaxPool: rule('X -> Y', ({ X, dY, g }) => ({
    X: () => {
      const [batch, channels, ...space] = X.shape as [number, number, ...number[]];
      const size = sizeOf(space);
      const rows = g.reshape(X, [batch, channels, size]);
      const attributes = { axis: 2, keepdims: 1 };
      const first = g.add('ArgMax', [rows], [['int64', [batch, channels, 1]]], attributes)[0]!;
      const isFirst = g.equal(g.ints(range(size)), first);
      return g.reshape(g.where(isFirst, g.reshape(dY, [batch, channels, 1]), g.scalar(0, dY.type)), X.shape);
    },
  })),
  // As LpPool with one window.
  GlobalLpPool: rule('X -> Y', ({ X, Y, dY, g, attributes }) => {
    const p = attributes.number('p', 2);
    return { X: () => g.mul(signedPower(g, X, p - 1), shareOfNorm(g, Y, dY, p)) };
  }),
};

/** Zeros of a shape with `updates` added at `indices`, which count through the whole tensor. */
function scatterFlat(g: GraphBuilder, shape: readonly number[], indices: Value, updates: Value): Value {
  const zeros = g.full([sizeOf(shape)], 0, updates.type);
  return g.reshape(g.scatterAdd(zeros, flat(g, indices), flat(g, updates), 0), shape);
}

function flat(g: GraphBuilder, X: Value): Value {
  return g.reshape(X, [g.size(X)]);
}

/** Indices of a MaxPool whose own are counted column by column. */
function rowMajorIndices(g: GraphBuilder, X: Value, Y: Value, attributes: Record<string, unknown>): Value {
  const outputs = [
    [X.type, Y.shape],
    ['int64', Y.shape],
  ] as const;
  return g.add('MaxPool', [X], outputs, { ...attributes, storage_order: 0 } as Record<string, number>)[1]!;
}

/** Each window's value added to every input the window covers: the transpose of summing over windows. */
function spread(g: GraphBuilder, values: Value, shape: readonly number[], windows: readonly Window[]): Value {
  const channels = shape[1]!;
  const kernel = windows.map((window) => window.kernel);
  const ones = g.constant(filledTensor(values.type, [channels, 1, ...kernel], 1));
  const attributes = transposedWindows(windows, channels);
  return g.add('ConvTranspose', [values, ones], [[values.type, shape]], attributes)[0]!;
}

/** dY over the number of elements each window averages; ceil_mode and excluded padding make it vary at the borders. */
function divideByCounts(g: GraphBuilder, dY: Value, windows: readonly Window[], attributes: AttributeReader): Value {
  const includePad = attributes.number('count_include_pad', 0) !== 0;
  const padsByShape = attributes.string('auto_pad', 'NOTSET').startsWith('SAME');
  const pads = attributes.numbers('pads') ?? [];
  // Padding counts where it was asked for; what ceil_mode adds beyond it never does.
  const counts = windows.map((window, axis) =>
    countsAlong(
      window,
      includePad,
      padsByShape ? Math.max(0, paddingAfter(window)) : (pads[windows.length + axis] ?? 0),
    ),
  );
  const constant = counts.every((list) => list.every((count) => count === list[0]));
  if (constant) return g.scale(dY, 1 / counts.reduce((product, list) => product * list[0]!, 1));
  const perWindow = counts.reduce<number[]>((grid, list) => grid.flatMap((a) => list.map((b) => a * b)), [1]);
  return g.div(dY, g.constant(tensorOf(dY.type, dY.shape.slice(2), perWindow)));
}

function countsAlong(window: Window, includePad: boolean, after: number): number[] {
  const low = includePad ? -window.before : 0;
  const high = window.input + (includePad ? after : 0);
  return range(window.output).map((o) => {
    const start = o * window.stride - window.before;
    return range(window.kernel).filter((k) => {
      const at = start + k * window.dilation;
      return at >= low && at < high;
    }).length;
  });
}

/** sign(X)·|X|^q. */
function signedPower(g: GraphBuilder, X: Value, q: number): Value {
  if (q === 1) return X;
  if (q === 0) return g.sign(X);
  return g.mul(g.sign(X), g.pow(g.abs(X), g.scalar(q, X.type)));
}

/** dY·Y^(1−p), zero where the norm Y is zero. */
function shareOfNorm(g: GraphBuilder, Y: Value, dY: Value, p: number): Value {
  if (p === 1) return dY;
  const zero = g.scalar(0, Y.type);
  const share = p === 2 ? g.div(dY, Y) : g.mul(dY, g.pow(Y, g.scalar(1 - p, Y.type)));
  return g.where(g.greater(Y, zero), share, zero);
}
