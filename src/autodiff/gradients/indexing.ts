import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import { normalizeAxis, range } from '../../graph/shapes.ts';
import { tensorOf, toNumbers } from '../../graph/tensor.ts';
import { type Context, type Rule, rule } from '../rule.ts';
import { slicePlaces } from './scattering.ts';

/** More runs than this and a scatter is cheaper than slices. */
const MOST_RUNS = 8;

/** Operators that choose elements. The gradient puts them back: padded where the place is known, scattered otherwise. */
export const indexing: Record<string, Rule> = {
  // dX = dY at the places taken, zeros elsewhere
  Slice: rule('X starts ends axes? steps? -> Y', (context) => ({ X: () => unslice(context) })),
  // constant: dX = dY without the border, dvalue = Σ dY on the border; edge, reflect, wrap: the border is folded back
  Pad: rule('X pads value? axes? -> Y', (context) => ({
    X: () => unpad(context),
    value: () => {
      const { X, pads, axes, dY, g } = context;
      const inside = g.full(X.shape, 0, X.type);
      const border = g.add('Pad', [inside, pads, g.scalar(1, X.type), axes], [[X.type, dY.shape]])[0]!;
      return g.where(g.cast(border, 'bool'), dY, g.scalar(0, X.type));
    },
  })),
  // dX = dY added up at the indices
  Gather: rule('X indices -> Y', (context) => ({ X: () => ungather(context) })),
  // dX = dY added up at the indices
  GatherElements: rule('X indices -> Y', ({ X, indices, dY, g, attributes }) => ({
    X: () => g.scatterAdd(g.zerosLike(X), indices, dY, normalizeAxis(attributes.number('axis', 0), X.shape.length)),
  })),
  // dX = dY at the elements kept
  Compress: rule('input condition -> output', (context) => ({ input: () => uncompress(context) })),
  // dX = dY added up at the indices
  GatherND: rule('X indices -> Y', (context) => ({ X: () => ungatherND(context) })),
  // dX = dValues at the places they were taken from
  TopK: rule('X K -> Values Indices?', ({ X, Values, Indices, dValues, g, attributes, extraOutput }) => ({
    X: () => {
      const places = Indices ?? extraOutput(1, 'int64', Values.shape);
      return g.scatterAdd(
        g.zerosLike(X),
        places,
        dValues,
        normalizeAxis(attributes.number('axis', -1), X.shape.length),
      );
    },
  })),
  // values = [off, on]: dvalues = Σ dY where Y is off, Σ dY where Y is on
  OneHot: rule('indices depth values -> Y', ({ indices, depth, values, Y, dY, g, attributes }) => ({
    indices: () => null,
    depth: () => null,
    values: () => {
      const flags = g.constant(tensorOf(values.type, [2], [0, 1]));
      const axis = attributes.number('axis', -1);
      const on = g.cast(g.add('OneHot', [indices, depth, flags], [[Y.type, Y.shape]], { axis })[0]!, 'bool');
      const zero = g.scalar(0, dY.type);
      const total = (part: Value) => g.reshape(g.reduceSum(part, range(Y.shape.length)), [1]);
      return g.concat([total(g.where(on, zero, dY)), total(g.where(on, dY, zero))], 0);
    },
  })),
  // dX = dY cropped where X was padded, padded where X was cropped
  CenterCropPad: rule('X shape -> Y', ({ X, Y, dY, g }) => ({
    X: () => {
      const excess = X.shape.map((dim, axis) => dim - Y.shape[axis]!);
      // The middle: floor of half the difference comes first, whichever side is larger.
      const before = excess.map((n) => Math.sign(n) * Math.floor(Math.abs(n) / 2));
      return g.pad(
        dY,
        before,
        excess.map((n, axis) => n - before[axis]!),
      );
    },
  })),
};

function unslice({ X, starts, axes, steps, Y, dY, g, integers }: Context<'X starts ends axes? steps? -> Y'>): Value {
  if (g.size(Y) === 0) return g.zerosLike(X);
  const from = integers(starts);
  const along = axes ? integers(axes).map((axis) => normalizeAxis(axis, X.shape.length)) : range(from.length);
  const stride = steps ? integers(steps) : along.map(() => 1);

  // Along each axis Y's element k is X's element first + k · step; a negative step is a reversed positive one.
  let gradient = dY;
  const backwards = along.filter((_, i) => stride[i]! < 0);
  if (backwards.length > 0) gradient = reverse(g, gradient, backwards);
  const before = X.shape.map(() => 0);
  const after = X.shape.map(() => 0);
  const spread = X.shape.map(() => 1);
  along.forEach((axis, i) => {
    const dim = X.shape[axis]!;
    const count = Y.shape[axis]!;
    const step = Math.abs(stride[i]!);
    const start = Math.min(Math.max(from[i]! < 0 ? from[i]! + dim : from[i]!, 0), dim - 1);
    const first = stride[i]! > 0 ? start : start - (count - 1) * step;
    spread[axis] = step;
    before[axis] = first;
    after[axis] = dim - first - count * step;
  });
  return g.pad(interleaveZeros(g, gradient, spread), before, after);
}

/** X with `spread − 1` zeros after each element along each axis. */
function interleaveZeros(g: GraphBuilder, X: Value, spread: readonly number[]): Value {
  if (spread.every((step) => step === 1)) return X;
  const split: number[] = [];
  const zeros: number[] = [];
  X.shape.forEach((dim, axis) => {
    split.push(dim);
    zeros.push(0);
    if (spread[axis]! > 1) {
      split.push(1);
      zeros.push(spread[axis]! - 1);
    }
  });
  const spaced = g.pad(
    g.reshape(X, split),
    split.map(() => 0),
    zeros,
  );
  return g.reshape(
    spaced,
    X.shape.map((dim, axis) => dim * spread[axis]!),
  );
}

function unpad(context: Context<'X pads value? axes? -> Y'>): Value {
  const { X, pads, axes, dY, g, attributes, integers, refuse } = context;
  const amounts = integers(pads);
  const rank = X.shape.length;
  const along = axes ? integers(axes).map((axis) => normalizeAxis(axis, rank)) : range(rank);
  const before = X.shape.map(() => 0);
  const after = X.shape.map(() => 0);
  along.forEach((axis, i) => {
    before[axis] = amounts[i]!;
    after[axis] = amounts[i + along.length]!;
  });
  const mode = attributes.string('mode', 'constant');
  if (mode === 'constant') {
    return g.pad(
      dY,
      before.map((n) => -n),
      after.map((n) => -n),
    );
  }
  return range(rank).reduce((gradient, axis) => {
    const [p, q, dim] = [before[axis]!, after[axis]!, X.shape[axis]!];
    if (p === 0 && q === 0) return gradient;
    if ((p < 0 || q < 0) && p + q !== Math.min(p, q)) {
      refuse(`padding by ${p} and ${q} with mode "${mode}" crops one side and fills the other`);
    }
    const sources = range(-p, dim + q).map((position) => sourceOf(position, dim, mode));
    return putBack(g, gradient, sources, axis, dim);
  }, dY);
}

/** The element of an axis that padding shows at a position outside it. */
function sourceOf(position: number, dim: number, mode: string): number {
  if (mode === 'edge') return Math.min(Math.max(position, 0), dim - 1);
  if (mode === 'wrap') return ((position % dim) + dim) % dim;
  const period = Math.max(1, 2 * (dim - 1));
  const phase = ((position % period) + period) % period;
  return Math.min(phase, period - phase) % Math.max(dim, 1);
}

function ungather({ X, indices, dY, g, content, attributes }: Context<'X indices -> Y'>): Value {
  const axis = normalizeAxis(attributes.number('axis', 0), X.shape.length);
  const dim = X.shape[axis]!;
  const count = g.size(indices);
  const rows = [...X.shape.slice(0, axis), count, ...X.shape.slice(axis + 1)];
  const gradient = g.reshape(dY, rows);
  // Indices that were computed may differ with the next batch: only constants are places.
  const constant = g.graph.initializers.has(indices.name) ? content(indices) : undefined;
  if (constant && count > 0) {
    const sources = toNumbers(constant).map((index) => (index < 0 ? index + dim : index));
    if (runsOf(sources).length <= MOST_RUNS) return putBack(g, gradient, sources, axis, dim);
  }
  const column = X.shape.map((_, i) => (i === axis ? count : 1));
  return g.scatterAdd(g.zerosLike(X), g.expand(g.reshape(indices, column), rows), gradient, axis);
}

/** The condition must be known: another batch may keep another number of elements. */
function uncompress({ input: X, condition, doutput, g, content, attributes, refuse }: Compressed): Value {
  const flags = g.graph.initializers.has(condition.name) ? content(condition) : undefined;
  if (!flags) return refuse('its condition is computed, so the number of elements it keeps changes with the data');
  const kept = toNumbers(flags).flatMap((flag, i) => (flag ? [i] : []));
  if (kept.length === 0) return g.zerosLike(X);
  const flat = !attributes.has('axis');
  const shape = flat ? [g.size(X)] : X.shape;
  const axis = flat ? 0 : normalizeAxis(attributes.number('axis', 0), X.shape.length);
  if (runsOf(kept).length <= MOST_RUNS) {
    return g.reshape(putBack(g, doutput, kept, axis, shape[axis]!), X.shape);
  }
  const column = shape.map((_, i) => (i === axis ? kept.length : 1));
  const places = g.expand(g.constant(tensorOf('int64', column, kept)), doutput.shape);
  return g.reshape(g.scatterAdd(g.full(shape, 0, X.type), places, doutput, axis), X.shape);
}

type Compressed = Context<'input condition -> output'>;

function ungatherND({ X, indices, dY, g, attributes }: Context<'X indices -> Y'>): Value {
  const { places, slots } = slicePlaces(g, indices, X.shape, attributes.number('batch_dims', 0));
  const flat = g.full([slots, places.shape[1]!], 0, X.type);
  return g.reshape(g.scatterAdd(flat, places, g.reshape(dY, places.shape), 0), X.shape);
}

/**
 * The adjoint of picking elements along an axis: element k of `gradient` is added at sources[k].
 * Runs of neighbouring sources are moved together.
 */
function putBack(g: GraphBuilder, gradient: Value, sources: readonly number[], axis: number, dim: number): Value {
  const terms = runsOf(sources).map(({ from, to, step }) => {
    let part = g.slice(gradient, [axis], [from], [to]);
    if (step === 0) part = g.reduceSum(part, [axis]);
    if (step === -1) part = reverse(g, part, [axis]);
    const first = Math.min(sources[from]!, sources[to - 1]!);
    const before = gradient.shape.map((_, i) => (i === axis ? first : 0));
    const after = gradient.shape.map((_, i) => (i === axis ? dim - first - part.shape[axis]! : 0));
    return g.pad(part, before, after);
  });
  return g.sum(terms);
}

interface Run {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  readonly step: number;
}

/** Splits a list of indices into stretches that stay, rise by one or fall by one. */
function runsOf(sources: readonly number[]): Run[] {
  const runs: Run[] = [];
  let from = 0;
  while (from < sources.length) {
    let to = from + 1;
    const difference = to < sources.length ? sources[to]! - sources[from]! : 1;
    const step = Math.abs(difference) <= 1 ? difference : 1;
    while (to < sources.length && sources[to]! - sources[to - 1]! === step) to++;
    runs.push({ from, to, step });
    from = to;
  }
  return runs;
}

function reverse(g: GraphBuilder, X: Value, axes: readonly number[]): Value {
  const each = (value: number) => g.constant(tensorOf('int64', [axes.length], new Array(axes.length).fill(value)));
  return g.add('Slice', [X, each(-1), each(-(2 ** 53)), g.ints(axes), each(-1)], [[X.type, X.shape]])[0]!;
}
