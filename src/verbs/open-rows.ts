import {
  type Column,
  columnOf,
  columnsSource,
  decodeNpz,
  fixedBatchOf,
  isGzip,
  isIdx,
  isNpy,
  isZip,
  type Missing,
  openCsv,
  openIdx,
  openImages,
  openNpy,
  type RowSource,
  requestFromArrays,
  rowAxisOf,
  tableDims,
} from '../data/index.ts';
import { DataError, UsageError } from '../graph/errors.ts';
import type { ValueInfo } from '../graph/graph.ts';
import type { FileAccess, RandomAccess } from '../runtime/file-access.ts';
import { baseName, type DataNames, neitherSetNorFile, splitInput } from './data-names.ts';

export interface OpenRowsOptions {
  readonly files: FileAccess;
  /** With `leave-out`, cells of a table may be missing. */
  readonly missing?: Missing;
}

/**
 * Opens the files that someone names as rows, read where they lie: .npy, idx, .csv of any size, a folder of images; .npz
 * is held in memory. Throws DataError for files that are missing or unreadable, UsageError for names that do not go together.
 */
export async function openRows(
  { data, inputs = [], target }: DataNames,
  modelInputs: readonly ValueInfo[],
  options: OpenRowsOptions,
): Promise<RowSource> {
  return data === undefined
    ? openColumns(inputs, target, modelInputs, options.files)
    : openPath(data, modelInputs, options);
}

async function openPath(path: string, modelInputs: readonly ValueInfo[], options: OpenRowsOptions): Promise<RowSource> {
  const { files, missing } = options;
  const kind = await files.kindOf(path);
  if (kind === undefined) throw neitherSetNorFile(path, '.npz .npy .csv, idx, a folder of images');
  if (kind === 'folder') return openImages(files, path, modelInputs);
  const file = await files.open(path);
  try {
    const head = await file.read(0, Math.min(4096, file.size));
    if (isNpy(head)) {
      const axis = rowAxesOf(modelInputs)('');
      return columnsSource(baseName(path), new Map([['', await openNpy(file, axis)]]));
    }
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
    return shapeTable(await openCsv(file, { missing }), modelInputs);
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
    return columnsSource(name, new Map([['', images]]), await openColumn(stem + candidate, files, 0), [
      `labels: ${candidate}`,
    ]);
  }
  return columnsSource(name, new Map([['', images]]));
}

function openArchive(path: string, bytes: Uint8Array, modelInputs: readonly ValueInfo[]): RowSource {
  const request = requestFromArrays(decodeNpz(bytes, path), modelInputs, baseName(path));
  if (request.kind !== 'tensors') throw new Error('an archive holds tensors');
  const axisOf = rowAxesOf(modelInputs);
  const inputs = new Map([...request.inputs].map(([name, tensor]) => [name, columnOf(tensor, axisOf(name))]));
  return columnsSource(request.from, inputs, request.target && columnOf(request.target), request.notes);
}

async function openColumns(
  inputs: readonly string[],
  target: string | undefined,
  modelInputs: readonly ValueInfo[],
  files: FileAccess,
): Promise<RowSource> {
  if (inputs.length === 0) {
    if (target === undefined) {
      throw new UsageError('no data were named', { code: 'no-data', hint: '--data NAME|FILE, or --input FILE.npy' });
    }
    throw new UsageError('--target needs the inputs it belongs to', {
      code: 'target-alone',
      hint: 'add --input FILE.npy',
    });
  }
  const names = modelInputs.map((info) => info.name);
  const axisOf = rowAxesOf(modelInputs);
  const opened: Column[] = [];
  try {
    const columns = new Map<string, Column>();
    const paths: string[] = [];
    for (const input of inputs) {
      const { name, path } = splitInput(input, names);
      if (columns.has(name)) {
        const twice = name === '' ? 'the input is given twice without a name' : `the input "${name}" is given twice`;
        const hint = 'name each: --input name=FILE.npy';
        throw new UsageError(twice, { code: 'input-twice', where: '--input', hint });
      }
      const column = await openColumn(path, files, axisOf(name));
      opened.push(column);
      columns.set(name, column);
      paths.push(path);
    }
    const goal = target === undefined ? undefined : await openColumn(target, files, 0);
    if (goal) opened.push(goal);
    return columnsSource(paths.map(baseName).join(', '), columns, goal);
  } catch (error) {
    for (const column of opened) await column.close();
    throw error;
  }
}

async function openColumn(path: string, files: FileAccess, axis: number | undefined): Promise<Column> {
  const file = await files.open(path);
  try {
    const head = await file.read(0, Math.min(16, file.size));
    if (isNpy(head)) return await openNpy(file, axis);
    if (isIdx(head) || isGzip(head)) return await openIdx(file);
    throw new DataError('is neither a .npy nor an idx file', {
      code: 'not-npy',
      where: path,
      hint: isZip(head)
        ? 'a .npz archive goes to --data'
        : 'write it with numpy.save; tables and archives go to --data',
    });
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Where each input of a model counts its rows, by name; '' is the only one. */
export function rowAxesOf(modelInputs: readonly ValueInfo[]): (name: string) => number | undefined {
  const fixed = fixedBatchOf(modelInputs);
  const axes = new Map(modelInputs.map(({ name, shape }) => [name, shape ? rowAxisOf(shape, fixed) : 0]));
  const [only] = modelInputs;
  if (only && modelInputs.length === 1) axes.set('', axes.get(only.name));
  // What is no input is refused later, with its name.
  return (name) => (axes.has(name) ? axes.get(name) : 0);
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
