import {
  columnOf,
  columnsSource,
  type DataSet,
  type DataSetOptions,
  dataSetOf,
  isDataSet,
  openNamed,
  requestFromArrays,
} from '../data/index.ts';
import type { DigitLoader } from '../data/mnist.ts';
import type { Dim, ValueInfo } from '../graph/graph.ts';
import type { FileAccess } from '../runtime/file-access.ts';
import { checkNames, type DataNames } from './data-names.ts';
import { openRows, rowAxesOf } from './open-rows.ts';

export interface OpenDataOptions extends Omit<DataSetOptions, 'missing'> {
  readonly files: FileAccess;
  /** Rows that lack a value, default error. */
  readonly missing?: 'error' | 'leave-out';
  /** The model's output, which tells built-in data sets how many classes to draw. */
  readonly output?: { readonly shape?: readonly Dim[] };
  readonly loadDigits?: DigitLoader;
}

/**
 * Opens what someone names as a stream of batches: a built-in data set; .npy and idx files, read where they lie; a .csv
 * of any size; a .npz, held in memory; a folder of images. Throws DataError, UsageError for names that do not go together.
 */
export async function openData(
  names: DataNames,
  modelInputs: readonly ValueInfo[],
  options: OpenDataOptions,
): Promise<DataSet> {
  checkNames(names);
  if (names.data !== undefined && isDataSet(names.data)) {
    return openNamed(names.data, modelInputs, { seed: 0, ...options, rows: options.samples });
  }
  const source = await openRows(names, modelInputs, options);
  try {
    return await dataSetOf(source, modelInputs, options);
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** A data set of tensors in memory, as a page or a program has them. Throws DataError. */
export async function tensorData(
  name: string,
  tensors: Parameters<typeof requestFromArrays>[0],
  modelInputs: readonly ValueInfo[],
  options: DataSetOptions = {},
): Promise<DataSet> {
  const request = requestFromArrays(tensors, modelInputs, name);
  if (request.kind !== 'tensors') throw new Error('arrays are tensors');
  const axisOf = rowAxesOf(modelInputs);
  const inputs = new Map([...request.inputs].map(([key, tensor]) => [key, columnOf(tensor, axisOf(key))]));
  return dataSetOf(
    columnsSource(name, inputs, request.target && columnOf(request.target), request.notes),
    modelInputs,
    options,
  );
}
