import type { Value } from '../../../graph/graph.ts';
import { filledTensor } from '../../../graph/tensor.ts';
import { BATCH, type Layer, sampleOf } from '../network.ts';
import { axis, fraction, positive } from '../schema.ts';
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
    build(layer, X, { epsilon = EPSILON, axis = -1 }) {
      const first = batchAxis(layer, X, axis);
      const [scale, B] = scaleAndShift(layer, X, X.shape.slice(first));
      return layer.node('LayerNormalization', [X, scale, B], sampleOf(X), { axis: first, epsilon });
    },
  }),
};

/** Other names of these layers. */
export const normalizationAliases: Record<string, string> = { batchnorm: 'batch-norm', layernorm: 'layer-norm' };
