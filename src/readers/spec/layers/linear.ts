import type { Value } from '../../../graph/graph.ts';
import { fansOf, type Initialization } from '../../../random/initializers.ts';
import type { Values } from '../initialization.ts';
import { type Layer, sampleOf, shown } from '../network.ts';
import { anything, count, padding, sizes } from '../schema.ts';
import { type LayerKind, layerKind } from './kind.ts';
import { spatialAttributes, windowOf } from './window.ts';

const parameterOptions = {
  activation: anything.optional(),
  init: anything.optional(),
  weights: anything.optional(),
  bias: anything.optional(),
};

/** The weight's values: written out, or drawn. */
function weightValues(layer: Layer): Initialization | Values {
  const { weights, init } = layer.options;
  if (weights !== undefined && init !== undefined) {
    throw layer.error('expected "weights" or "init", found both', { option: 'init' });
  }
  if (weights !== undefined) return { raw: weights, path: layer.pathOf('weights') };
  return layer.initialization('init', layer.network.defaults.weights, 'weights');
}

/** How a bias is drawn: not at all, zeros by default, and with `pytorch-default` weights as PyTorch draws it. */
export function biasScheme(layer: Layer, weights: Initialization | Values): Initialization | false {
  const { defaults } = layer.network;
  const { bias } = layer.options;
  if ((bias ?? (defaults.bias === false ? false : undefined)) === false) return false;
  const scheme = 'scheme' in weights && weights.scheme === 'pytorch-default' ? 'pytorch-default' : 'zeros';
  return layer.initialization('bias', defaults.bias || { scheme }, 'bias');
}

/** The bias: absent, written out, or drawn. */
function biasOf(layer: Layer, X: Value, weights: Initialization | Values, dims: readonly number[], groups = 1) {
  const { bias } = layer.options;
  const values = Array.isArray(bias) ? { raw: bias, path: layer.pathOf('bias') } : biasScheme(layer, weights);
  if (values === false) return undefined;
  return layer.parameter('bias', X.type, [dims[0]!], values, { fans: fansOf(dims, groups) });
}

/** y = W x + b over the last axis, W stored [out, in] for flat samples and [in, out] for sequences; the `owner`'s. */
export function dense(layer: Layer, X: Value, units: number, owner = layer): Value {
  const sample = sampleOf(X);
  if (sample.length > 2) {
    throw layer.error(`expected an input of [features] or [steps, features], found ${shown(sample)}`, {
      hint: 'put "- flatten" before it',
    });
  }
  const dims = [units, sample.at(-1)!];
  const values = weightValues(layer);
  const W = owner.parameter('weight', X.type, dims, values, { transpose: sample.length > 1 });
  const B = biasOf(owner, X, values, dims);
  const shape = [...sample.slice(0, -1), units];
  if (sample.length === 1) return layer.node('Gemm', [X, W, B], shape, { transB: 1 });
  if (!B) return layer.node('MatMul', [X, W], shape);
  return layer.node('Add', [layer.node('MatMul', [X, W], shape, {}, 'product'), B], shape);
}

const convolution = (rank: number): LayerKind =>
  layerKind({
    main: 'filters',
    options: {
      filters: count,
      kernel: sizes.optional(),
      stride: sizes.optional(),
      padding: padding.optional(),
      dilation: sizes.optional(),
      groups: count.optional(),
      ...parameterOptions,
    },
    build(layer, X, { filters, kernel = 3, stride = 1, padding = 'valid', dilation = 1, groups = 1 }) {
      const [channels, ...spatial] = requireImage(layer, X, rank);
      if (channels! % groups !== 0 || filters % groups !== 0) {
        const message = `expected groups to divide ${channels} channels and ${filters} filters, found ${groups}`;
        throw layer.error(message, { option: 'groups' });
      }
      const window = windowOf(layer, spatial, { kernel, stride, padding, dilation });
      const dims = [filters, channels! / groups, ...window.kernel];
      const values = weightValues(layer);
      const W = layer.parameter('weight', X.type, dims, values, { groups });
      const B = biasOf(layer, X, values, dims, groups);
      const attributes = { ...spatialAttributes(window), dilations: window.dilation, group: groups };
      return layer.activation(layer.node('Conv', [X, W, B], [filters, ...window.output], attributes));
    },
  });

/** The sample's shape, which must be channels and `rank` spatial axes. */
export function requireImage(layer: Layer, X: Value, rank: number): readonly number[] {
  const sample = sampleOf(X);
  if (sample.length === rank + 1) return sample;
  const wanted = rank === 1 ? '[channels, length]' : '[channels, height, width]';
  const example = rank === 1 ? `1, ${sample.at(-1)}` : '1, 28, 28';
  throw layer.error(`expected an input of ${wanted}, found ${shown(sample)}`, {
    hint: `give "input" that shape, or put "- reshape: [${example}]" before it`,
  });
}

/** Layers with a weight matrix or filters. */
export const linear: Record<string, LayerKind> = {
  dense: layerKind({
    main: 'units',
    options: { units: count, ...parameterOptions },
    build: (layer, X, { units }) => layer.activation(dense(layer, X, units)),
  }),
  conv1d: convolution(1),
  conv2d: convolution(2),
};

/** Other names of these layers. */
export const linearAliases: Record<string, string> = { linear: 'dense', conv: 'conv2d' };
