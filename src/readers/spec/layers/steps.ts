import type { Value } from '../../../graph/graph.ts';
import { type Layer, sampleOf, shown } from '../network.ts';
import { type LayerKind, layerKind } from './kind.ts';

/** Steps and features of a sample, which must be a sequence. */
export function requireSteps(layer: Layer, X: Value, also?: string): readonly [steps: number, features: number] {
  const [steps, features, ...rest] = sampleOf(X);
  if (steps !== undefined && features !== undefined && rest.length === 0) return [steps, features];
  throw layer.error(`expected an input of [steps, features], found ${shown(sampleOf(X))}`, {
    hint: `give "input" that shape, or put a "- reshape" before it${also ? `; ${also}` : ''}`,
  });
}

const stepAt = (place: 'first' | 'last'): LayerKind =>
  layerKind({
    options: {},
    build(layer, X) {
      const [steps, features] = requireSteps(layer, X);
      const start = place === 'first' ? 0 : steps - 1;
      const bounds = [layer.integers('start', [start]), layer.integers('end', [start + 1])];
      const axis = layer.integers('axis', [1]);
      const step = layer.node('Slice', [X, ...bounds, axis], [1, features], {}, 'step');
      return layer.node('Squeeze', [step, axis], [features]);
    },
  });

/** What makes one vector of a sequence. */
export const steps: Record<string, LayerKind> = {
  'mean-pool': layerKind({
    options: {},
    build(layer, X) {
      const [, features] = requireSteps(layer, X);
      const axis = layer.integers('axis', [1]);
      return layer.node('ReduceMean', [X, axis], [features], { keepdims: 0 });
    },
  }),
  'first-step': stepAt('first'),
  'last-step': stepAt('last'),
};
