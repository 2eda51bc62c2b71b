import type { Value } from '../../../graph/graph.ts';
import { type Layer, sampleOf } from '../network.ts';
import { number } from '../schema.ts';
import { type LayerKind, layerKind } from './kind.ts';

/** Y = a X with one number a that is learnt, `start` at first. */
export function scaled(layer: Layer, X: Value, start: number): Value {
  const a = layer.parameter('weight', X.type, [1], { scheme: 'constant', value: start });
  return layer.node('Mul', [X, a], sampleOf(X));
}

/** Layers that multiply. */
export const scaling: Record<string, LayerKind> = {
  scale: layerKind({
    main: 'start',
    options: { start: number.optional() },
    build: (layer, X, { start = 1 }) => scaled(layer, X, start),
  }),
};

/** Other names of these layers. */
export const scalingAliases: Record<string, string> = { multiply: 'scale' };
