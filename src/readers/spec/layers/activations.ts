import type { Attribute, Value } from '../../../graph/graph.ts';
import type { Layer } from '../network.ts';
import { sampleOf, shown } from '../network.ts';
import { axis, number, oneOf } from '../schema.ts';
import { type LayerKind, layerKind } from './kind.ts';

/** An operator without options. */
const plain = (op: string): LayerKind =>
  layerKind({ options: {}, build: (layer, X) => layer.node(op, [X], sampleOf(X)) });

/** An operator with one number; where it is not given, the operator's own default is written out. */
const withNumber = (op: string, option: string, attribute: string, fallback: number): LayerKind =>
  layerKind({
    main: option,
    options: { [option]: number.optional() },
    build: (layer, X) =>
      layer.node(op, [X], sampleOf(X), { [attribute]: (layer.options[option] as number | undefined) ?? fallback }),
  });

const alongAxis = (op: string): LayerKind =>
  layerKind({
    main: 'axis',
    options: { axis: axis.optional() },
    build: (layer, X, options) => layer.node(op, [X], sampleOf(X), { axis: batchAxis(layer, X, options.axis ?? -1) }),
  });

/** An axis of one sample as an axis of the batch. */
export function batchAxis(layer: Layer, X: Value, axis: number): number {
  const rank = X.shape.length - 1;
  if (axis >= rank || axis < -rank) {
    throw layer.error(`expected an axis of ${shown(sampleOf(X))}, from ${-rank} to ${rank - 1}, found ${axis}`, {
      option: 'axis',
    });
  }
  return axis < 0 ? axis + rank + 1 : axis + 1;
}

function clip(layer: Layer, X: Value, low: number | undefined, high: number | undefined): Value {
  const bound = (name: string, value: number | undefined) =>
    value === undefined ? undefined : layer.scalar(name, X.type, value);
  return layer.node('Clip', [X, bound('min', low), bound('max', high)], sampleOf(X));
}

/** Activation functions, which may also be given as a layer's `activation`. */
export const activations: Record<string, LayerKind> = {
  relu: plain('Relu'),
  // Slope 0.01: ONNX and PyTorch (Keras: 0.3).
  'leaky-relu': withNumber('LeakyRelu', 'slope', 'alpha', 0.01),
  prelu: layerKind({
    main: 'slope',
    options: { slope: number.optional() },
    build(layer, X, { slope = 0.25 }) {
      // One slope for the layer, 0.25 at first: He et al. 2015, section 2.1, and PyTorch.
      return layer.node(
        'PRelu',
        [X, layer.parameter('weight', X.type, [1], { scheme: 'constant', value: slope })],
        sampleOf(X),
      );
    },
  }),
  elu: withNumber('Elu', 'alpha', 'alpha', 1),
  celu: withNumber('Celu', 'alpha', 'alpha', 1),
  selu: plain('Selu'),
  gelu: layerKind({
    main: 'approximate',
    options: { approximate: oneOf('none', 'tanh').optional() },
    build: (layer, X, { approximate = 'none' }) => layer.node('Gelu', [X], sampleOf(X), { approximate }),
  }),
  silu: layerKind({
    options: {},
    // x σ(x); the operator Swish is newer than the dialect.
    build(layer, X) {
      return layer.node('Mul', [X, layer.node('Sigmoid', [X], sampleOf(X), {}, 'sigmoid')], sampleOf(X));
    },
  }),
  mish: plain('Mish'),
  sigmoid: plain('Sigmoid'),
  tanh: plain('Tanh'),
  softplus: plain('Softplus'),
  softsign: plain('Softsign'),
  'hard-sigmoid': layerKind({
    options: {},
    // max(0, min(1, x/6 + 1/2)): PyTorch, Keras 3 and HardSwish (ONNX's own default slope is 0.2).
    build: (layer, X) =>
      layer.node('HardSigmoid', [X], sampleOf(X), { alpha: 1 / 6, beta: 0.5 } satisfies Record<string, Attribute>),
  }),
  'hard-swish': plain('HardSwish'),
  softmax: alongAxis('Softmax'),
  'log-softmax': alongAxis('LogSoftmax'),
  relu6: layerKind({ options: {}, build: (layer, X) => clip(layer, X, 0, 6) }),
  clip: layerKind({
    options: { min: number.optional(), max: number.optional() },
    build(layer, X, { min, max }) {
      if (min === undefined && max === undefined) throw layer.error('expected "min", "max" or both');
      if (min !== undefined && max !== undefined && min > max) {
        throw layer.error(`expected "min" to be at most "max", found ${min} and ${max}`);
      }
      return clip(layer, X, min, max);
    },
  }),
};

/** Other names of activations. */
export const activationAliases: Record<string, string> = { swish: 'silu', 'hard-silu': 'hard-swish' };
