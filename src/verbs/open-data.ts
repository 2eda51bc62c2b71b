import {
  type Column,
  columnOf,
  columnsSource,
  type DataSet,
  type DataSetOptions,
  dataSetOf,
  decodeNpz,
  isDataSet,
  isGzip,
  isIdx,
  isNpy,
  isZip,
  openCsv,
  openIdx,
  openImages,
  openNamed,
  openNpy,
  type RowSource,
  requestFromArrays,
  tableDims,
} from '../data/index.ts';
import type { DigitLoader } from '../data/mnist.ts';
import { DataError, UsageError } from '../graph/errors.ts';
import type { Dim, ValueInfo } from '../graph/graph.ts';
import type { FileAccess, RandomAccess } from '../runtime/file-access.ts';
import { baseName, type DataNames, neitherSetNorFile, splitInput } from './request-batch.ts';

export interface OpenDataOptions extends DataSetOptions {
  readonly files: FileAccess;
  /** The model's output, which tells built-in data sets how many classes to draw. */
  readonly output?: { readonly shape?: readonly Dim[] };
  readonly loadDigits?: DigitLoader;
  /** Rows of a built-in data set, where it has no end of its own. */
  readonly rows?: number;
}

/**
 * Opens what someone names as a stream of batches: a built-in data set; .npy and idx files, read where they lie; a .csv
 * of any size; a .npz, held in memory; a folder of images. Throws DataError, UsageError for names that do not go together.
 */
export async function openData(
  { data, inputs = [], target }: DataNames,
  modelInputs: readonly ValueInfo[],
  options: OpenDataOptions,
): Promise<DataSet> {
  if (data !== undefined && (inputs.length > 0 || target !== undefined)) {
    throw new UsageError(`--data and ${inputs.length > 0 ? '--input' : '--target'} both say what to feed`, {
      code: 'data-twice',
      hint: 'give --data alone, or --input FILE.npy with --target FILE.npy',
    });
  }
  if (data !== undefined && isDataSet(data)) {
    return openNamed(data, modelInputs, { seed: 0, ...options });
  }
  const source =
    data === undefined
      ? await openColumns(inputs, target, modelInputs, options.files)
      : await openPath(data, modelInputs, options.files);
  try {
    return await dataSetOf(source, modelInputs, options);
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function openPath(path: string, modelInputs: readonly ValueInfo[], files: FileAccess): Promise<RowSource> {
  const kind = await files.kindOf(path);
  if (kind === undefined) throw neitherSetNorFile(path, '.npz .npy .csv, idx, a folder of images');
  if (kind === 'folder') return openImages(files, path, modelInputs);
  const file = await files.open(path);
  try {
    const head = await file.read(0, Math.min(4096, file.size));
    if (isNpy(head)) return columnsSource(baseName(path), new Map([['', await openNpy(file)]]));
    if (isIdx(head) || isGzip(head)) return await openIdxPair(path, file, files);
    if (isZip(head)) {
      await file.close();
      return openArchive(path, await files.read(path), modelInputs);
    }
    if (head.includes(0)) {
      throw new DataError('is no data file this project reads', {
        code: 'data-format',
        where: path,
        hint: 'accepted: .npz .npy .csv, idx (.gz too), a folder of images',
      });
    }
    return shapeTable(await openCsv(file), modelInputs);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Images and the labels beside them, named as MNIST names them: train-images-idx3-ubyte, train-labels-idx1-ubyte. */
async function openIdxPair(path: string, file: RandomAccess, files: FileAccess): Promise<RowSource> {
  const images = await openIdx(file);
  const name = baseName(path);
  const stem = path.slice(0, path.length - name.length);
  const base = name.replace(/\.gz$/, '').replace('images', 'labels').replace('idx3', 'idx1');
  for (const candidate of [base, `${base}.gz`]) {
    if (candidate === name || (await files.kindOf(stem + candidate)) !== 'file') continue;
    return columnsSource(name, new Map([['', images]]), await openColumn(stem + candidate, files), [
      `labels: ${candidate}`,
    ]);
  }
  return columnsSource(name, new Map([['', images]]));
}

function openArchive(path: string, bytes: Uint8Array, modelInputs: readonly ValueInfo[]): RowSource {
  const request = requestFromArrays(decodeNpz(bytes, path), modelInputs, baseName(path));
  if (request.kind !== 'tensors') throw new Error('an archive holds tensors');
  const inputs = new Map([...request.inputs].map(([name, tensor]) => [name, columnOf(tensor)]));
  return columnsSource(request.from, inputs, request.target && columnOf(request.target), request.notes);
}

async function openColumns(
  inputs: readonly string[],
  target: string | undefined,
  modelInputs: readonly ValueInfo[],
  files: FileAccess,
): Promise<RowSource> {
  if (inputs.length === 0) {
    throw new UsageError(target === undefined ? 'no data were named' : '--target needs the inputs it belongs to', {
      code: 'no-data',
      hint: '--data NAME|FILE, or --input FILE.npy with --target FILE.npy',
    });
  }
  const names = modelInputs.map((info) => info.name);
  const opened: Column[] = [];
  try {
    const columns = new Map<string, Column>();
    const paths: string[] = [];
    for (const input of inputs) {
      const { name, path } = splitInput(input, names);
      if (columns.has(name)) {
        throw new UsageError(`the input "${name}" is given twice`, { code: 'input-twice', where: '--input' });
      }
      const column = await openColumn(path, files);
      opened.push(column);
      columns.set(name, column);
      paths.push(path);
    }
    const goal = target === undefined ? undefined : await openColumn(target, files);
    if (goal) opened.push(goal);
    return columnsSource(paths.map(baseName).join(', '), columns, goal);
  } catch (error) {
    for (const column of opened) await column.close();
    throw error;
  }
}

async function openColumn(path: string, files: FileAccess): Promise<Column> {
  const file = await files.open(path);
  try {
    const head = await file.read(0, Math.min(16, file.size));
    if (isNpy(head)) return await openNpy(file);
    if (isIdx(head) || isGzip(head)) return await openIdx(file);
    throw new DataError('is neither a .npy nor an idx file', {
      code: 'not-npy',
      where: path,
      hint: 'write it with numpy.save; tables and archives go to --data',
    });
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** A table's rows in the shape of the model's one input. */
function shapeTable(source: RowSource, modelInputs: readonly ValueInfo[]): RowSource {
  return {
    ...source,
    async read(rows) {
      const { inputs, target } = await source.read(rows);
      const features = inputs.get('')!;
      const dims = [rows.length, ...tableDims(features.dims[1]!, modelInputs)];
      return { inputs: new Map([['', { ...features, dims }]]), target };
    },
  };
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
  const inputs = new Map([...request.inputs].map(([key, tensor]) => [key, columnOf(tensor)]));
  return dataSetOf(
    columnsSource(name, inputs, request.target && columnOf(request.target), request.notes),
    modelInputs,
    options,
  );
}
