import type { Attribute, Value } from '../../graph/graph.ts';
import { normalizeAxis, range } from '../../graph/shapes.ts';
import { sizeOf, tensorOf } from '../../graph/tensor.ts';
import { type Context, type Rule, rule } from '../rule.ts';

type ResizeContext = Context<'X roi? scales? sizes? -> Y'>;

/** Resampling images. */
export const resize: Record<string, Rule> = {
  // Resizing is linear and works on each axis by itself: Y = M X along an axis, so dX = Mᵀ dY.
  Resize: rule('X roi? scales? sizes? -> Y', (context) => ({
    X: () => {
      const { X, Y, dY } = context;
      return range(X.shape.length)
        .filter((axis) => changes(context, axis) || X.shape[axis] !== Y.shape[axis])
        .reduce((gradient, axis) => alongAxis(context, gradient, axis), dY);
    },
    roi: () => context.refuse('its region of interest is not a parameter: its gradient is not written'),
    scales: () => context.refuse('its scales are not parameters: they set the shape of the result'),
  })),
};

/** dX along one axis of a gradient whose later axes still have Y's size. */
function alongAxis(context: ResizeContext, gradient: Value, axis: number): Value {
  const { X, g } = context;
  const [n, m] = [X.shape[axis]!, gradient.shape[axis]!];
  const shape = gradient.shape.map((dim, i) => (i === axis ? n : dim));
  if (isRepetition(context, n, m)) {
    const split = gradient.shape.flatMap((dim, i) => (i === axis ? [n, m / n] : [dim]));
    return g.reduceSum(g.reshape(gradient, split), [axis + 1], false);
  }
  const rows = weights(context, axis, m);
  const before = sizeOf(gradient.shape.slice(0, axis));
  const after = sizeOf(gradient.shape.slice(axis + 1));
  const product =
    after === 1
      ? g.gemm(g.reshape(gradient, [before, m]), rows, { transB: true })
      : g.matmul(rows, g.reshape(gradient, [before, m, after]));
  return g.reshape(product, shape);
}

/** Nearest neighbours that repeat each element m/n times: floor(x·n/m), or the nearest centre of a half-pixel grid. */
function isRepetition({ attributes }: ResizeContext, n: number, m: number): boolean {
  if (attributes.string('mode', 'nearest') !== 'nearest' || m % n !== 0) return false;
  const rounding = attributes.string('nearest_mode', 'round_prefer_floor');
  switch (attributes.string('coordinate_transformation_mode', 'half_pixel')) {
    case 'asymmetric':
      return rounding === 'floor';
    case 'half_pixel':
    case 'half_pixel_symmetric':
      return rounding.startsWith('round');
    default:
      return false;
  }
}

/**
 * Mᵀ [n, m]: the forward node applied to the unit vectors of one axis, which the runtime folds to a constant. Whatever
 * it does with coordinates, borders and antialiasing, this is its own matrix. The constant beyond the image is not X's.
 */
function weights(context: ResizeContext, axis: number, m: number): Value {
  const { X, g, node } = context;
  const n = X.shape[axis]!;
  const type = X.type === 'float64' ? 'float32' : X.type;
  const square = g.full([n, n], 0, type);
  const identity = g.reshape(g.add('EyeLike', [square], [[type, [n, n]]])[0]!, [n, 1, n, 1]);
  const { roi, scales, sizes } = settingsOf(context, axis, m);
  const attributes: Record<string, Attribute> = { ...node.attributes, axes: [2], extrapolation_value: 0 };
  delete attributes.keep_aspect_ratio_policy;
  const inputs = [identity, roi, scales, sizes];
  const made = g.add('Resize', inputs, [[type, [n, 1, m, 1]]], attributes)[0]!;
  return g.cast(g.reshape(made, [n, m]), X.type);
}

/** Region, scale or size of one axis, as inputs of a Resize of that axis. */
function settingsOf(context: ResizeContext, axis: number, m: number): { roi?: Value; scales?: Value; sizes?: Value } {
  const { X, Y, scales, sizes, g, refuse } = context;
  const settings: { roi?: Value; scales?: Value; sizes?: Value } = {};
  const position = resizedAxes(context).indexOf(axis);
  const region = regionOf(context);
  if (region) {
    const count = region.length / 2;
    settings.roi = g.constant(tensorOf('float32', [2], [region[position]!, region[count + position]!]));
  }
  if (scales && scales.shape[0] !== 0) {
    const given = context.integers(scales);
    settings.scales = g.constant(tensorOf('float32', [1], [given[position]!]));
    return settings;
  }
  const policy = context.attributes.string('keep_aspect_ratio_policy', 'stretch');
  if (policy === 'stretch' || !sizes) return { ...settings, sizes: g.ints([m]) };
  // One scale for all axes: the smallest or largest of the wanted ones; the sizes follow from it, rounded.
  const wanted = context.integers(sizes).map((size, i) => size / X.shape[resizedAxes(context)[i]!]!);
  const scale = Math.fround(policy === 'not_larger' ? Math.min(...wanted) : Math.max(...wanted));
  if (Math.floor(Math.fround(X.shape[axis]! * scale)) !== Y.shape[axis]) {
    refuse(
      `keep_aspect_ratio_policy "${policy}" rounds a size up`,
      'give the sizes that come out, with policy stretch',
    );
  }
  return { ...settings, scales: g.constant(tensorOf('float32', [1], [scale])) };
}

function resizedAxes({ X, attributes }: ResizeContext): number[] {
  const rank = X.shape.length;
  return attributes.numbers('axes')?.map((axis) => normalizeAxis(axis, rank)) ?? range(rank);
}

/** Starts and ends of the region that tf_crop_and_resize shows; undefined in other modes. */
function regionOf({ roi, attributes, integers }: ResizeContext): number[] | undefined {
  if (attributes.string('coordinate_transformation_mode', 'half_pixel') !== 'tf_crop_and_resize') return undefined;
  return roi ? integers(roi) : undefined;
}

/** Whether an axis that keeps its size is resampled all the same: cropped by a region, or scaled by a little. */
function changes(context: ResizeContext, axis: number): boolean {
  const { scales } = context;
  const position = resizedAxes(context).indexOf(axis);
  if (position < 0) return false;
  const region = regionOf(context);
  if (region && (region[position] !== 0 || region[region.length / 2 + position] !== 1)) return true;
  return scales !== undefined && scales.shape[0] !== 0 && context.integers(scales)[position] !== 1;
}
