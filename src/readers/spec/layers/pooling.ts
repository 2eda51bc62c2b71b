import type { Value } from '../../../graph/graph.ts';
import { type Layer, sampleOf, shown } from '../network.ts';
import { padding, sizes } from '../schema.ts';
import { type LayerKind, layerKind } from './kind.ts';
import { spatialAttributes, windowOf } from './window.ts';

/** [channels, ...spatial] of the input; throws when there is no spatial axis. */
function spatialSample(layer: Layer, X: Value): readonly number[] {
  const sample = sampleOf(X);
  if (sample.length === 2 || sample.length === 3) return sample;
  throw layer.error(`expected an input of [channels, length] or [channels, height, width], found ${shown(sample)}`, {
    hint: 'pooling goes before "flatten"',
  });
}

const pool = (op: string): LayerKind =>
  layerKind({
    main: 'kernel',
    options: { kernel: sizes.optional(), stride: sizes.optional(), padding: padding.optional() },
    build(layer, X, { kernel = 2, stride = kernel, padding = 'valid' }) {
      const [channels, ...spatial] = spatialSample(layer, X);
      const window = windowOf(layer, spatial, { kernel, stride, padding, dilation: 1 });
      if (window.kernel.some((size, i) => window.before[i]! >= size || window.after[i]! >= size)) {
        const message = `expected a padding below the kernel ${shown(window.kernel)}, found ${shown(window.before)}`;
        throw layer.error(message, { option: 'padding' });
      }
      return layer.node(op, [X], [channels!, ...window.output], spatialAttributes(window));
    },
  });

const globalPool = (op: string): LayerKind =>
  layerKind({
    options: {},
    build(layer, X) {
      const [channels, ...spatial] = spatialSample(layer, X);
      const pooled = layer.node(op, [X], [channels!, ...spatial.map(() => 1)], {}, 'pool');
      return layer.node('Flatten', [pooled], [channels!], { axis: 1 });
    },
  });

/** Layers that summarize neighbourhoods. */
export const pooling: Record<string, LayerKind> = {
  'max-pool': pool('MaxPool'),
  'average-pool': pool('AveragePool'),
  'global-max-pool': globalPool('GlobalMaxPool'),
  'global-average-pool': globalPool('GlobalAveragePool'),
};

/** Other names of these layers. */
export const poolingAliases: Record<string, string> = {
  'avg-pool': 'average-pool',
  'global-avg-pool': 'global-average-pool',
};
