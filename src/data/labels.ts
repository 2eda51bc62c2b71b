import { DataError } from '../graph/errors.ts';
import { sizeOf, type Tensor, tensorOf } from '../graph/tensor.ts';
import { createRandom } from '../random/random.ts';

/** What a loss wants to compare the output with; `shape` is the target's own shape. */
export type TargetKind =
  | { kind: 'classes'; classes: number; shape: readonly number[] }
  | { kind: 'binary'; shape: readonly number[] }
  | { kind: 'values'; shape: readonly number[] };

/**
 * A target drawn at random, for models probed without data: int64 labels below `classes`, float32 zeros and ones
 * with even odds, or float32 standard-normal values.
 */
export function drawTarget(wanted: TargetKind, seed: number): Tensor {
  const random = createRandom(seed).fork('target');
  const size = sizeOf(wanted.shape);
  const draw = (one: () => number) => Array.from({ length: size }, one);
  switch (wanted.kind) {
    case 'classes':
      if (!Number.isSafeInteger(wanted.classes) || wanted.classes < 1) {
        throw new DataError(`labels for ${wanted.classes} classes cannot be drawn`, { code: 'no-classes' });
      }
      return tensorOf(
        'int64',
        wanted.shape,
        draw(() => random.below(wanted.classes)),
      );
    case 'binary':
      return tensorOf(
        'float32',
        wanted.shape,
        draw(() => random.below(2)),
      );
    case 'values':
      return tensorOf('float32', wanted.shape, draw(random.normal));
  }
}

/** Throws DataError naming the first row whose label is not an integer from 0 to classes − 1. */
export function checkLabels(target: Tensor, classes: number, name = 'target'): void {
  const perRow = Math.max(1, sizeOf(target.dims.slice(1)));
  for (let i = 0; i < target.data.length; i++) {
    const label = target.data[i]!;
    const value = Number(label);
    if (Number.isInteger(value) && value >= 0 && value < classes) continue;
    const hint =
      value === classes && !target.data.some((other) => Number(other) === 0)
        ? 'labels count from 0: subtract 1'
        : `the model's output has ${classes} classes`;
    throw new DataError(`label ${label} in row ${Math.floor(i / perRow)} is not an integer from 0 to ${classes - 1}`, {
      code: 'label-range',
      where: name,
      hint,
    });
  }
}
