import { suggest } from '../graph/did-you-mean.ts';
import { DataError } from '../graph/errors.ts';
import type { ValueInfo } from '../graph/graph.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import type { BatchRequest } from './batch.ts';
import { batchAxisOf } from './dims.ts';

const inputKeys = ['x', 'X', 'input', 'inputs', 'data', 'features', 'x_train', 'X_train', 'arr_0'];
const targetKeys = ['y', 'Y', 'label', 'labels', 'target', 'targets', 'y_train', 'arr_1'];

/**
 * What a .npz archive asks for: arrays named like the model's inputs, or for a model of one input the usual names
 * (x, input, data, …); the target from y, label, target, …. Throws DataError when no array is the input's.
 */
export function requestFromArrays(
  arrays: ReadonlyMap<string, Tensor>,
  modelInputs: readonly ValueInfo[],
  from: string,
): BatchRequest {
  const names = modelInputs.map((info) => info.name);
  const inputs = new Map<string, Tensor>();
  for (const name of names) if (arrays.has(name)) inputs.set(name, arrays.get(name)!);
  const used = new Set(inputs.keys());
  const targetKey = targetKeys.find((key) => arrays.has(key) && !used.has(key));
  if (inputs.size === 0 && names.length === 1) {
    const others = [...arrays.keys()].filter((key) => key !== targetKey);
    const key = inputKeys.find((candidate) => arrays.has(candidate)) ?? (others.length === 1 ? others[0] : undefined);
    if (key !== undefined) {
      inputs.set(names[0]!, arrays.get(key)!);
      used.add(key);
    }
  }
  if (inputs.size === 0) {
    const wanted = names.map((name) => `"${name}"`).join(', ');
    const keys = [...arrays.keys()];
    const hint =
      names.length === 1 ? suggest(names[0]!, keys, 'arrays in the file') : `arrays in the file: ${keys.join(', ')}`;
    throw new DataError(`no array for the model's input ${wanted}`, { code: 'data-names', where: from, hint });
  }
  if (targetKey !== undefined) used.add(targetKey);
  const unused = [...arrays.keys()].filter((key) => !used.has(key));
  const notes = unused.length > 0 ? [`not used of ${from}: ${unused.join(', ')}`] : [];
  return { kind: 'tensors', from, inputs, target: targetKey === undefined ? undefined : arrays.get(targetKey), notes };
}

/** The shape of one row of a table of `columns` features: that of the model's one input where the counts agree. */
export function tableDims(columns: number, modelInputs: readonly ValueInfo[]): number[] {
  const shape = modelInputs.length === 1 ? modelInputs[0]!.shape : undefined;
  const rest = shape?.slice(1).filter((dim) => typeof dim === 'number') ?? [];
  const fits = shape && shape.length !== 2 && batchAxisOf(shape) === 0 && rest.length === shape.length - 1;
  return fits && sizeOf(rest) === columns ? rest : [columns];
}
