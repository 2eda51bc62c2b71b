import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import { normalizeAxis, range, reducedShape } from '../../graph/shapes.ts';
import { sizeOf, tensorOf } from '../../graph/tensor.ts';
import { type Context, type Rule, rule } from '../rule.ts';

/**
 * Normalization. Most standardize X over some axes, x̂ = (X − μ)·s with s = 1/√(σ² + ε) and population variance σ²;
 * the gradient of x̂ = standardize(X) is in `throughStandardization`. What is computed twice is shared by the builder.
 */
export const normalization: Record<string, Rule> = {
  // Training: statistics of the batch, through which the gradient flows; the running ones are buffers without gradient,
  // as in PyTorch. Inference: a fixed affine map per channel, dX = dY·γ·s.
  BatchNormalization: rule(
    'X scale B input_mean input_var -> Y running_mean? running_var?',
    ({ X, scale, input_mean, input_var, dY, g, attributes }) => {
      const epsilon = attributes.number('epsilon', 1e-5);
      const axes = range(X.shape.length).filter((axis) => axis !== 1);
      const gamma = perChannel(g, scale, X);
      const sumOverBatch = (value: Value) => g.reshape(g.reduceSum(value, axes), scale.shape);
      const B = () => sumOverBatch(dY);

      if (attributes.number('training_mode', 0) !== 0) {
        const statistics = () => standardize(g, X, axes, epsilon);
        return {
          X: () => {
            const { xHat, s } = statistics();
            return throughStandardization(g, dY, xHat, g.mul(gamma, s), axes);
          },
          scale: () => sumOverBatch(g.mul(dY, statistics().xHat)),
          B,
        };
      }
      const s = () => inverseDeviation(g, perChannel(g, input_var, X), epsilon);
      const slope = () => g.mul(gamma, s());
      // Centred before summing: Σ dY·X − μ·Σ dY would cancel.
      const sumWithCentred = () => g.reduceSum(g.mul(dY, g.sub(X, perChannel(g, input_mean, X))), axes);
      return {
        X: () => g.mul(dY, slope()),
        scale: () => g.reshape(g.mul(sumWithCentred(), s()), scale.shape),
        B,
        input_mean: () => g.reshape(g.neg(g.mul(g.reduceSum(dY, axes), slope())), input_mean.shape),
        // ds/dσ² = −s³/2
        input_var: () => {
          const cube = g.mul(slope(), g.mul(s(), s()));
          return g.reshape(g.scale(g.mul(sumWithCentred(), cube), -0.5), input_var.shape);
        },
      };
    },
  ),

  // Y = x̂·Scale + B: d x̂ = dY·Scale, dScale = dY·x̂, dB = dY, summed to their shapes.
  LayerNormalization: rule('X Scale B? -> Y Mean? InvStdDev?', (context) => {
    const { Scale, dY, dMean, dInvStdDev, g, refuse } = context;
    if (dMean || dInvStdDev) refuse('its saved statistics are used in the forward pass');
    const axes = axesFrom(context);
    return {
      X: () => {
        const { xHat, s } = layerStatistics(context, axes);
        return throughStandardization(g, g.mul(dY, Scale), xHat, s, axes);
      },
      Scale: () => g.mul(dY, layerStatistics(context, axes).xHat),
      B: () => dY,
    };
  }),

  // Y = (X − μ)/σ over the axes (batch and space by default), each standardized with its own numbers.
  MeanVarianceNormalization: rule('X -> Y', ({ X, dY, g, attributes }) => ({
    X: () => {
      const axes = (attributes.numbers('axes') ?? [0, 2, 3]).map((axis) => normalizeAxis(axis, X.shape.length));
      const { xHat, s } = standardize(g, X, axes, 0);
      return throughStandardization(g, dY, xHat, s, axes);
    },
  })),

  // Over each channel's space.
  InstanceNormalization: rule('input scale B -> output', ({ input, scale, doutput, g, attributes }) => {
    const space = range(2, input.shape.length);
    const statistics = () => standardize(g, input, space, attributes.number('epsilon', 1e-5));
    return {
      input: () => {
        const { xHat, s } = statistics();
        return throughStandardization(g, doutput, xHat, g.mul(perChannel(g, scale, input), s), space);
      },
      scale: () => g.reduceSum(g.mul(doutput, statistics().xHat), [0, ...space], false),
      B: () => g.reduceSum(doutput, [0, ...space], false),
    };
  }),

  // Over the channels of a group and space; scale and bias per channel (opset 21).
  GroupNormalization: rule('X scale bias -> Y', ({ X, scale, dY, g, attributes }) => {
    const [batch, channels, ...space] = X.shape as [number, number, ...number[]];
    const groups = attributes.number('num_groups', 1);
    const byGroup = [batch, groups, (channels / groups) * sizeOf(space)];
    const overBatch = [0, ...range(2, X.shape.length)];
    const statistics = () => standardize(g, g.reshape(X, byGroup), [2], attributes.number('epsilon', 1e-5));
    return {
      X: () => {
        const { xHat, s } = statistics();
        const dXHat = g.reshape(g.mul(dY, perChannel(g, scale, X)), byGroup);
        return g.reshape(throughStandardization(g, dXHat, xHat, s, [2]), X.shape);
      },
      scale: () => g.reduceSum(g.mul(dY, g.reshape(statistics().xHat, X.shape)), overBatch, false),
      bias: () => g.reduceSum(dY, overBatch, false),
    };
  }),

  // x̂ = X·s, s = 1/√(mean(X²) + ε); h = dY·scale: dX = s·(h − x̂·mean(h·x̂)).
  RMSNormalization: rule('X scale -> Y', ({ X, scale, dY, g, attributes }) => {
    const axes = range(normalizeAxis(attributes.number('axis', -1), X.shape.length), X.shape.length);
    const s = () => inverseDeviation(g, g.reduceMean(g.mul(X, X), axes), attributes.number('epsilon', 1e-5));
    const xHat = () => g.mul(X, s());
    return {
      X: () => {
        const h = g.mul(dY, scale);
        return g.mul(s(), g.sub(h, g.mul(xHat(), g.reduceMean(g.mul(h, xHat()), axes))));
      },
      scale: () => g.mul(dY, xHat()),
    };
  }),

  // Y = X/‖X‖: p = 2: dX = (dY − Y·Σ dY·Y)/‖X‖; p = 1: sign(X) in place of the first factor Y. Zero at X = 0, as Y is.
  LpNormalization: rule('input -> output', ({ input, output, doutput, g, attributes }) => ({
    input: () => {
      const axes = [normalizeAxis(attributes.number('axis', -1), input.shape.length)];
      const first = attributes.number('p', 2) === 1;
      const norm = g.reduce(first ? 'ReduceL1' : 'ReduceL2', input, axes);
      const direction = first ? g.sign(input) : output;
      const tangent = g.sub(doutput, g.mul(direction, g.reduceSum(g.mul(doutput, output), axes)));
      const zero = g.scalar(0, input.type);
      return g.where(g.greater(norm, zero), g.div(tangent, norm), zero);
    },
  })),

  // Y = X·D^−β, D = bias + α/n·Σ X² over n neighbouring channels: dX = dY·D^−β − 2αβ/n·X·Σ dY·X·D^(−β−1) over the
  // channels that X[c] is a neighbour of. Both sums are products with the band matrix of neighbours.
  LRN: rule('X -> Y', ({ X, dY, g, attributes }) => ({
    X: () => {
      const size = attributes.number('size', 1);
      const alpha = attributes.number('alpha', 1e-4);
      const beta = attributes.number('beta', 0.75);
      const [batch, channels, ...space] = X.shape as [number, number, ...number[]];
      const rows = [batch, channels, sizeOf(space)];
      const [x, dy] = [g.reshape(X, rows), g.reshape(dY, rows)];
      const neighbours = neighbourMatrix(g, X, channels, size);
      const squares = g.matmul(neighbours, g.mul(x, x));
      const D = g.shift(g.scale(squares, alpha / size), attributes.number('bias', 1));
      const share = g.mul(dy, g.pow(D, g.scalar(-beta, X.type)));
      const sums = g.matmul(g.transposeMatrix(neighbours), g.div(g.mul(share, x), D));
      return g.reshape(g.sub(share, g.scale(g.mul(x, sums), (2 * alpha * beta) / size)), X.shape);
    },
  })),
};

/**
 * dX = s·(h − mean(h) − x̂·mean(h·x̂)) for x̂ = (X − μ)·s and h = dx̂; `factor` is s, times what is constant over `axes`.
 * A sum divided by n, not ReduceMean: the same sums are the gradients of shift and scale.
 */
function throughStandardization(g: GraphBuilder, h: Value, xHat: Value, factor: Value, axes: readonly number[]): Value {
  const count = sizeOf(axes.map((axis) => h.shape[axis]!));
  const mean = g.scale(g.reduceSum(h, axes), 1 / count);
  const along = g.scale(g.reduceSum(g.mul(h, xHat), axes), 1 / count);
  return g.mul(factor, g.sub(h, g.plus(g.mul(xHat, along), mean)));
}

interface Standardized {
  readonly xHat: Value;
  /** 1/√(σ² + ε), with the reduced axes kept. */
  readonly s: Value;
}

/** x̂ and s over the axes; the variance in two passes, since E[X²] − μ² cancels when μ is large. */
function standardize(g: GraphBuilder, X: Value, axes: readonly number[], epsilon: number): Standardized {
  const centred = g.sub(X, g.reduceMean(X, axes));
  const s = inverseDeviation(g, g.reduceMean(g.mul(centred, centred), axes), epsilon);
  return { xHat: g.mul(centred, s), s };
}

function inverseDeviation(g: GraphBuilder, variance: Value, epsilon: number): Value {
  return g.reciprocal(g.sqrt(g.shift(variance, epsilon)));
}

type LayerContext = Context<'X Scale B? -> Y Mean? InvStdDev?'>;

function axesFrom({ X, attributes }: LayerContext): number[] {
  return range(normalizeAxis(attributes.number('axis', -1), X.shape.length), X.shape.length);
}

/** The forward node's own statistics. It saves them in float32 (stash_type), too coarse for a float64 X. */
function layerStatistics({ X, g, attributes, extraOutput }: LayerContext, axes: readonly number[]): Standardized {
  if (X.type === 'float64') return standardize(g, X, axes, attributes.number('epsilon', 1e-5));
  const shape = reducedShape(X.shape, axes, true);
  const mean = extraOutput(1, 'float32', shape);
  const s = g.cast(extraOutput(2, 'float32', shape), X.type);
  return { xHat: g.mul(g.sub(X, g.cast(mean, X.type)), s), s };
}

/** A vector over channels, shaped to broadcast against X [N, C, …]. */
function perChannel(g: GraphBuilder, vector: Value, X: Value): Value {
  return g.reshape(vector, [X.shape[1]!, ...X.shape.slice(2).map(() => 1)]);
}

/** Row c has a one at each channel in LRN's window around c: ⌊(n−1)/2⌋ before to ⌈(n−1)/2⌉ after. */
function neighbourMatrix(g: GraphBuilder, X: Value, channels: number, size: number): Value {
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  const band = range(channels).flatMap((c) => range(channels).map((j) => +(j >= c - before && j <= c + after)));
  return g.constant(tensorOf(X.type, [channels, channels], band));
}
