import type { Value } from '../../../graph/graph.ts';
import { sizeOf, tensorOf } from '../../../graph/tensor.ts';
import { type Layer, sampleOf, shown } from '../network.ts';
import { fraction, targetShape } from '../schema.ts';
import { type LayerKind, layerKind } from './kind.ts';

/** Drops units with probability `rate` and scales the others by 1 / (1 − rate). */
export function drop(layer: Layer, X: Value, rate: number): Value {
  const ratio = layer.scalar('ratio', X.type, rate);
  const training = layer.constant('training', tensorOf('bool', [], [1]));
  // A seed of its own makes two sessions drop the same units.
  const seed = layer.network.random.fork(layer.name).below(2 ** 31);
  return layer.node('Dropout', [X, ratio, training], sampleOf(X), { seed });
}

/** Layers without arithmetic of their own: form, and dropout. */
export const shaping: Record<string, LayerKind> = {
  flatten: layerKind({
    options: {},
    build: (layer, X) => layer.node('Flatten', [X], [sizeOf(sampleOf(X))], { axis: 1 }),
  }),
  reshape: layerKind({
    main: 'shape',
    options: { shape: targetShape },
    build(layer, X, { shape }) {
      const sample = sampleOf(X);
      const size = sizeOf(sample);
      const rest = size / sizeOf(shape.filter((dim) => dim !== -1));
      const target = shape.map((dim) => (dim === -1 ? rest : dim));
      if (!Number.isInteger(rest) || sizeOf(target) !== size) {
        throw layer.error(`expected a shape of ${size} elements, as ${shown(sample)} has, found ${shown(shape)}`, {
          option: 'shape',
        });
      }
      // A 0 keeps the batch as it is.
      const dims = layer.constant('shape', tensorOf('int64', [target.length + 1], [0, ...target]));
      return layer.node('Reshape', [X, dims], target);
    },
  }),
  dropout: layerKind({
    main: 'rate',
    options: { rate: fraction },
    build: (layer, X, { rate }) => drop(layer, X, rate),
  }),
};
