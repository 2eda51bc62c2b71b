import type { Attribute, Value } from '../../graph/graph.ts';
import { normalizeAxis, range, sameShape } from '../../graph/shapes.ts';
import { sizeOf, tensorOf } from '../../graph/tensor.ts';
import { type Context, type Rule, rule } from '../rule.ts';

type ResizeContext = Context<'X roi? scales? sizes? -> Y'>;

/** Resampling images. */
export const resize: Record<string, Rule> = {
  // Resizing is linear and works on each axis by itself: Y = M X along an axis, so dX = Mᵀ dY.
  Resize: rule('X roi? scales? sizes? -> Y', (context) => ({
    X: () => {
      const { X, Y, dY } = context;
      // Whatever the scales, onnxruntime copies an image that keeps all its sizes.
      if (sameShape(X.shape, Y.shape)) return dY;
      return range(X.shape.length).reduce((gradient, axis) => {
        const resampling = resamplingOf(context, axis);
        return resampling ? alongAxis(context, gradient, resampling) : gradient;
      }, dY);
    },
    roi: () => context.refuse('its region of interest is not a parameter: its gradient is not written'),
    scales: () => context.refuse('its scales are not parameters: they set the shape of the result'),
  })),
};

/** What happens along one axis. */
interface Resampling {
  readonly axis: number;
  readonly from: number;
  readonly to: number;
  /** Given, or `to / from`. */
  readonly scale: number;
  /** Start and end of the part shown, in lengths of the axis (tf_crop_and_resize). */
  readonly region: readonly [number, number] | undefined;
}

/** How an axis is resampled; undefined where it stays as it is. */
function resamplingOf(context: ResizeContext, axis: number): Resampling | undefined {
  const { X, Y, roi, scales, attributes, integers } = context;
  const rank = X.shape.length;
  const axes = attributes.numbers('axes')?.map((given) => normalizeAxis(given, rank)) ?? range(rank);
  const position = axes.indexOf(axis);
  if (position < 0) return undefined;
  const [from, to] = [X.shape[axis]!, Y.shape[axis]!];
  const cropped = attributes.string('coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize';
  const bounds = cropped && roi ? integers(roi) : undefined;
  const region = bounds && ([bounds[position]!, bounds[axes.length + position]!] as const);
  const given = scales && scales.shape[0] !== 0 ? integers(scales)[position]! : undefined;
  const scale = given ?? scaleOfSizes(context, axes, axis);
  const whole = !region || (region[0] === 0 && region[1] === 1);
  return whole && scale === 1 ? undefined : { axis, from, to, scale, region };
}

/** The scale that sizes stand for. A policy has one for all axes, the least or greatest, and rounds the sizes by it. */
function scaleOfSizes(
  { X, Y, sizes, attributes, integers, refuse }: ResizeContext,
  axes: number[],
  axis: number,
): number {
  const policy = attributes.string('keep_aspect_ratio_policy', 'stretch');
  if (policy === 'stretch' || !sizes) return Y.shape[axis]! / X.shape[axis]!;
  const wanted = integers(sizes).map((size, i) => size / X.shape[axes[i]!]!);
  const scale = Math.fround(policy === 'not_larger' ? Math.min(...wanted) : Math.max(...wanted));
  if (Math.floor(Math.fround(X.shape[axis]! * scale)) !== Y.shape[axis]) {
    refuse(
      `keep_aspect_ratio_policy "${policy}" rounds a size up`,
      'give the sizes that come out, with policy stretch',
    );
  }
  return scale;
}

/** dX along one axis of a gradient whose later axes still have Y's size. */
function alongAxis(context: ResizeContext, gradient: Value, resampling: Resampling): Value {
  const { g } = context;
  const { axis, from, to } = resampling;
  const shape = gradient.shape.map((dim, i) => (i === axis ? from : dim));
  if (isRepetition(context, resampling)) {
    const split = gradient.shape.flatMap((dim, i) => (i === axis ? [from, to / from] : [dim]));
    return g.reduceSum(g.reshape(gradient, split), [axis + 1], false);
  }
  const rows = weights(context, resampling);
  const before = sizeOf(gradient.shape.slice(0, axis));
  const after = sizeOf(gradient.shape.slice(axis + 1));
  const product =
    after === 1
      ? g.gemm(g.reshape(gradient, [before, to]), rows, { transB: true })
      : g.matmul(rows, g.reshape(gradient, [before, to, after]));
  return g.reshape(product, shape);
}

/** Nearest neighbours that repeat each element as often: floor(x / scale), or the nearest centre of a half-pixel grid. */
function isRepetition({ attributes }: ResizeContext, { from, to, scale }: Resampling): boolean {
  if (attributes.string('mode', 'nearest') !== 'nearest' || to % from !== 0 || scale !== to / from) return false;
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
 * Mᵀ [from, to]: the forward node applied to the unit vectors of one axis. Whatever it does with coordinates, borders
 * and antialiasing, this is its own matrix. The constant it shows beyond the image is not X's, and left out.
 */
function weights(context: ResizeContext, { from, to, scale, region }: Resampling): Value {
  const { X, scales, g, node, attributes } = context;
  const type = X.type === 'float64' ? 'float32' : X.type;
  const unit = g.add('EyeLike', [g.full([from, from], 0, type)], [[type, [from, from]]])[0]!;
  const floats = (values: number[]) => g.constant(tensorOf('float32', [values.length], values));
  // A second axis, doubled, where the first keeps its size: see the copy above.
  const beside = from === to ? 2 : 1;
  const byScale =
    (scales && scales.shape[0] !== 0) || attributes.string('keep_aspect_ratio_policy', 'stretch') !== 'stretch';
  const inputs = [
    g.reshape(unit, [from, 1, from, 1]),
    region && floats([region[0], 0, region[1], 1]),
    byScale ? floats([scale, beside]) : undefined,
    byScale ? undefined : g.ints([to, beside]),
  ];
  const settings: Record<string, Attribute> = { ...node.attributes, axes: [2, 3], extrapolation_value: 0 };
  delete settings.keep_aspect_ratio_policy;
  const made = g.add('Resize', inputs, [[type, [from, 1, to, beside]]], settings)[0]!;
  return g.cast(g.reshape(g.slice(made, [3], [0], [1]), [from, to]), X.type);
}
