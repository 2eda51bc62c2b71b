import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import { normalizeAxis, range } from '../../graph/shapes.ts';
import { tensorOf } from '../../graph/tensor.ts';
import { type Context, type Rule, rule } from '../rule.ts';

/**
 * Fourier transforms: linear maps, whose gradient is the conjugate transpose. Complex numbers are pairs on the last
 * axis. With F the transform of length n and F⁻¹ its inverse (which divides by n): Fᴴ = n·F⁻¹.
 */
export const spectral: Record<string, Rule> = {
  // dX = n·F⁻¹ dY; of the inverse transform, F dY / n
  DFT: rule('input dft_length? axis? -> output', (context) => ({ input: () => throughTransform(context) })),
  // Each frame is windowed and transformed: dframe = window · Fᴴ dY, and where frames overlap they add up.
  STFT: rule('signal frame_step window? frame_length? -> output', (context) => {
    const { signal, window, g } = context;
    return {
      signal: () => {
        const { gradient, places, length } = frameGradients(context);
        const windowed = window ? g.mul(gradient, g.reshape(window, [length, 1])) : gradient;
        const [batch, , ...rest] = signal.shape;
        const flat = g.reshape(windowed, [batch!, places.length, ...rest]);
        const column = g.constant(tensorOf('int64', [1, places.length, 1], places));
        return g.scatterAdd(g.zerosLike(signal), g.expand(column, flat.shape), flat, 1);
      },
      window: () => {
        const { gradient, places, frames, length } = frameGradients(context);
        const framed = g.gather(signal, g.constant(tensorOf('int64', [frames, length], places)), 1);
        return g.reshape(g.reduceSum(g.mul(gradient, framed), [0, 1, 3]), window!.shape);
      },
    };
  }),
};

function throughTransform(context: Context<'input dft_length? axis? -> output'>): Value {
  const { input: X, dft_length, axis, doutput: dY, g, attributes, integers } = context;
  const along = normalizeAxis(axis ? integers(axis)[0]! : -2, X.shape.length);
  const inverse = attributes.number('inverse', 0) !== 0;
  const halved = attributes.number('onesided', 0) !== 0;
  const given = dft_length ? integers(dft_length)[0]! : undefined;
  if (inverse && halved) return throughRealInverse(g, X, dY, along);
  const length = given ?? X.shape[along]!;
  const full = resized(g, dY, along, length);
  return toInput(g, adjoint(g, full, along, inverse), X, along);
}

/** Fᴴ along an axis of complex numbers, or (F⁻¹)ᴴ. */
function adjoint(g: GraphBuilder, dY: Value, axis: number, inverse: boolean): Value {
  const length = dY.shape[axis]!;
  const inputs = [dY, null, g.scalar(axis, 'int64')];
  const spec = [dY.type, [...dY.shape.slice(0, -1), 2]] as const;
  const transformed = g.add('DFT', inputs, [spec], { inverse: inverse ? 0 : 1, onesided: 0 })[0]!;
  return g.scale(transformed, inverse ? 1 / length : length);
}

/**
 * Real numbers from half a spectrum, y = (1/n)·Σ c·Re(X·e^…) with c = 2 but for the first and (n even) the last
 * frequency, which have no mirror image: dX = c/n · F dY.
 */
function throughRealInverse(g: GraphBuilder, X: Value, dY: Value, axis: number): Value {
  const length = dY.shape[axis]!;
  const spectrum = adjoint(g, dY, axis, true);
  const bins = Math.floor(length / 2) + 1;
  const counts = range(bins).map((k) => (k === 0 || 2 * k === length ? 1 : 2));
  const shape = X.shape.map((_, i) => (i === axis ? bins : 1));
  const half = resized(g, spectrum, axis, bins);
  return toInput(g, g.mul(half, g.constant(tensorOf(X.type, shape, counts))), X, axis);
}

/** Zeros added or elements dropped at the end of an axis. */
function resized(g: GraphBuilder, X: Value, axis: number, length: number): Value {
  const more = X.shape.map((dim, i) => (i === axis ? length - dim : 0));
  return g.pad(
    X,
    more.map(() => 0),
    more,
  );
}

/** A complex gradient in the input's length; its real part where the input is real. */
function toInput(g: GraphBuilder, gradient: Value, X: Value, axis: number): Value {
  const sized = resized(g, gradient, axis, X.shape[axis]!);
  const last = X.shape.length - 1;
  return g.slice(sized, [last], [0], [X.shape[last]!]);
}

interface Frames {
  /** [batch, frames, length, 1 or 2]: the gradient of each windowed frame. */
  readonly gradient: Value;
  /** Where in the signal each element of each frame stands, frame by frame. */
  readonly places: number[];
  readonly frames: number;
  readonly length: number;
}

function frameGradients(context: Context<'signal frame_step window? frame_length? -> output'>): Frames {
  const { signal, frame_step, window, frame_length, doutput: dY, g, integers } = context;
  const step = integers(frame_step)[0]!;
  const length = window ? window.shape[0]! : frame_length ? integers(frame_length)[0]! : signal.shape[1]!;
  const frames = dY.shape[1]!;
  const full = adjoint(g, resized(g, dY, 2, length), 2, false);
  const gradient = g.slice(full, [3], [0], [signal.shape[2] ?? 1]);
  return {
    gradient,
    places: range(frames * length).map((k) => Math.floor(k / length) * step + (k % length)),
    frames,
    length,
  };
}
