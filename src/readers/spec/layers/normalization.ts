import type { Value } from '../../../graph/graph.ts';
import { range } from '../../../graph/shapes.ts';
import { filledTensor } from '../../../graph/tensor.ts';
import { BATCH, type Layer, sampleOf, shown } from '../network.ts';
import { axis, count, fraction, positive } from '../schema.ts';
import { batchAxis } from './activations.ts';
import { type LayerKind, layerKind } from './kind.ts';

/** Added to the variance: 1e-5 in PyTorch and ONNX (Keras: 1e-3). */
const EPSILON = 1e-5;

function scaleAndShift(layer: Layer, X: Value, dims: readonly number[]): [Value, Value] {
  return [
    layer.parameter('weight', X.type, dims, { scheme: 'ones' }),
    layer.parameter('bias', X.type, dims, { scheme: 'zeros' }),
  ];
}

/** Normalizes over the axes from `axis` on; its parameters are the `owner`'s. */
export function layerNorm(
  layer: Layer,
  X: Value,
  { epsilon = EPSILON, axis = -1, owner = layer }: { epsilon?: number; axis?: number; owner?: Layer } = {},
): Value {
  const first = batchAxis(layer, X, axis);
  const [scale, B] = scaleAndShift(owner, X, X.shape.slice(first));
  return layer.node('LayerNormalization', [X, scale, B], sampleOf(X), { axis: first, epsilon });
}

/** Normalizations, by their operators in training mode. */
export const normalization: Record<string, LayerKind> = {
  'batch-norm': layerKind({
    options: { epsilon: positive.optional(), momentum: fraction.optional() },
    // The running statistics keep `momentum` of their old value (ONNX, Keras); PyTorch counts the other share.
    build(layer, X, { epsilon = EPSILON, momentum = 0.9 }) {
      const { graph } = layer.network;
      const sample = sampleOf(X);
      const channels = [sample[0]!];
      const [scale, B] = scaleAndShift(layer, X, channels);
      const mean = layer.constant('running_mean', filledTensor(X.type, channels, 0));
      const variance = layer.constant('running_var', filledTensor(X.type, channels, 1));
      const [Y] = graph.add(
        'BatchNormalization',
        [X, scale, B, mean, variance],
        [
          [X.type, X.shape],
          [X.type, channels],
          [X.type, channels],
        ],
        { epsilon, momentum, training_mode: 1 },
        {
          node: layer.name,
          outputs: [layer.name, `${layer.name}.running_mean.next`, `${layer.name}.running_var.next`],
        },
      );
      graph.graph.values.set(layer.name, { name: layer.name, type: X.type, shape: [BATCH, ...sample] });
      return Y!;
    },
  }),
  'layer-norm': layerKind({
    options: { epsilon: positive.optional(), axis: axis.optional() },
    build: (layer, X, options) => layerNorm(layer, X, options),
  }),
  // Y = X / √(mean X² + ε) · weight, written out: the operator of that name is newer than the dialect.
  'rms-norm': layerKind({
    options: { epsilon: positive.optional(), axis: axis.optional() },
    build(layer, X, { epsilon = EPSILON, axis = -1 }) {
      const first = batchAxis(layer, X, axis);
      const sample = sampleOf(X);
      const reduced = sample.map((size, i) => (i + 1 < first ? size : 1));
      const square = layer.node('Mul', [X, X], sample, {}, 'square');
      const axes = layer.integers('axes', range(first, X.shape.length));
      const mean = layer.node('ReduceMean', [square, axes], reduced, { keepdims: 1 }, 'mean');
      const shifted = layer.node('Add', [mean, layer.scalar('epsilon', X.type, epsilon)], reduced, {}, 'shifted');
      const root = layer.node('Sqrt', [shifted], reduced, {}, 'root');
      const weight = layer.parameter('weight', X.type, X.shape.slice(first), { scheme: 'ones' });
      return layer.node('Mul', [layer.node('Div', [X, root], sample, {}, 'normalized'), weight], sample);
    },
  }),
  'group-norm': layerKind({
    main: 'groups',
    options: { groups: count, epsilon: positive.optional() },
    build(layer, X, { groups, epsilon = EPSILON }) {
      const sample = sampleOf(X);
      const [channels] = sample as [number];
      if (channels % groups !== 0) {
        throw layer.error(`expected groups to divide ${channels} channels, found ${groups}`, { option: 'groups' });
      }
      const [scale, B] = scaleAndShift(layer, X, [channels]);
      return layer.node('GroupNormalization', [X, scale, B], sample, { num_groups: groups, epsilon });
    },
  }),
  'instance-norm': layerKind({
    options: { epsilon: positive.optional() },
    build(layer, X, { epsilon = EPSILON }) {
      const sample = sampleOf(X);
      if (sample.length < 2) {
        throw layer.error(`expected an input of [channels, …], found ${shown(sample)}`, {
          hint: 'for [features] take "- layer-norm"',
        });
      }
      const [scale, B] = scaleAndShift(layer, X, [sample[0]!]);
      return layer.node('InstanceNormalization', [X, scale, B], sample, { epsilon });
    },
  }),
};

/** Other names of these layers. */
export const normalizationAliases: Record<string, string> = {
  batchnorm: 'batch-norm',
  layernorm: 'layer-norm',
  rmsnorm: 'rms-norm',
  groupnorm: 'group-norm',
  instancenorm: 'instance-norm',
};
