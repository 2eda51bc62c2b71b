import { checkLabels, drawTarget } from '../data/index.ts';
import { isFloat } from '../graph/data-type.ts';
import { DataError } from '../graph/errors.ts';
import { type Tensor, tensorOf, toFloat64 } from '../graph/tensor.ts';
import type { LossGraph, LossPlan } from './losses.ts';

/** The kind of target that a planned loss wants, for drawing one. */
export function targetKind({ target }: LossPlan): Parameters<typeof drawTarget>[0] {
  const { kind, shape, classes } = target!;
  if (kind === 'classes' || kind === 'one-hot') return { kind: 'classes', classes, shape };
  return kind === 'binary' ? { kind, shape } : { kind: 'values', shape };
}

/** The batch's target as the loss wants it, drawn at random where there is none; undefined where the loss takes none. */
export function targetFor(
  lossGraph: LossGraph,
  plan: LossPlan,
  target: Tensor | undefined,
  seed: number,
): Tensor | undefined {
  if (lossGraph.target === undefined) return undefined;
  const wanted = lossGraph.binding.get(lossGraph.target)!;
  return fitTarget(target ?? drawTarget(targetKind(plan), seed), wanted.type, wanted.shape, plan);
}

/**
 * A target in the type and shape the loss wants: [N, 1] labels become [N], integers become floats.
 * Throws DataError for labels out of range and probabilities that are none.
 */
export function fitTarget(target: Tensor, type: Tensor['type'], shape: readonly number[], plan: LossPlan): Tensor {
  if (plan.target!.kind === 'classes') checkLabels(target, plan.target!.classes);
  if (plan.kind === 'binary-cross-entropy') {
    const values = toFloat64(target);
    const wrong = values.findIndex((x) => !(x >= 0 && x <= 1));
    if (wrong >= 0) {
      throw new DataError(`target ${values[wrong]} at position ${wrong} is not a probability`, {
        code: 'label-range',
        where: 'target',
        hint: 'binary cross-entropy takes targets from 0 to 1',
      });
    }
  }
  if (target.type === type) return { ...target, dims: shape };
  const values = toFloat64(target);
  if (isFloat(type) || values.every(Number.isInteger)) return tensorOf(type, shape, values);
  throw new DataError('the labels are not integers', { code: 'label-type', where: 'target' });
}
