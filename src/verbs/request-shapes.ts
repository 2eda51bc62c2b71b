import type { BatchRequest } from '../data/index.ts';
import { suggest } from '../graph/did-you-mean.ts';
import { UsageError } from '../graph/errors.ts';
import type { ValueInfo } from '../graph/graph.ts';
import { filledTensor } from '../graph/tensor.ts';

/** Inputs of given shapes, filled with zeros: enough where only shapes matter. Throws UsageError for unknown names. */
export function requestShapes(
  inputs: readonly ValueInfo[],
  shapes: ReadonlyMap<string, readonly number[]> | undefined,
): BatchRequest {
  if (!shapes || shapes.size === 0) return { kind: 'none' };
  const names = inputs.map((input) => input.name);
  for (const name of shapes.keys()) {
    if (names.includes(name)) continue;
    throw new UsageError(`the model has no input "${name}"`, {
      code: 'unknown-input',
      where: '--shape',
      hint: suggest(name, names, 'its inputs'),
    });
  }
  return {
    kind: 'tensors',
    from: 'the given shapes',
    inputs: new Map(
      inputs
        .filter(({ name }) => shapes.has(name))
        .map(({ name, type }) => [name, filledTensor(type ?? 'float32', shapes.get(name)!, 0)]),
    ),
  };
}
