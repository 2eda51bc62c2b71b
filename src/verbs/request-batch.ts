import {
  type BatchRequest,
  decodeCsv,
  decodeNpy,
  decodeNpz,
  isDataSet,
  isNpy,
  isZip,
  listDataSets,
  requestFromArrays,
  requestFromTable,
} from '../data/index.ts';
import { nearest } from '../graph/did-you-mean.ts';
import { DataError, UsageError } from '../graph/errors.ts';
import type { ValueInfo } from '../graph/graph.ts';
import type { Tensor } from '../graph/tensor.ts';

/** What someone names on a command line or in a call: nothing at all is allowed. */
export interface DataNames {
  /** A built-in data set, or a .npz, .npy or .csv file. */
  readonly data?: string;
  /** `FILE.npy` or `name=FILE.npy`, one for each model input. */
  readonly inputs?: readonly string[];
  /** `FILE.npy`: labels or values, one row for each sample. */
  readonly target?: string;
}

/** Reads a file whole. Throws DataError with code `no-file` where there is none. */
export type ReadFile = (path: string) => Promise<Uint8Array>;

/**
 * Turns names of data sets and files into what `makeBatch` takes. Throws DataError for files that are missing or
 * unreadable, UsageError for names that do not go together.
 */
export async function requestBatch(
  { data, inputs = [], target }: DataNames,
  modelInputs: readonly ValueInfo[],
  read: ReadFile,
): Promise<BatchRequest> {
  if (data !== undefined) {
    if (inputs.length > 0 || target !== undefined) {
      const other = inputs.length > 0 ? '--input' : '--target';
      throw new UsageError(`--data and ${other} both say what to feed`, {
        code: 'data-twice',
        hint: 'give --data alone, or --input FILE.npy with --target FILE.npy',
      });
    }
    return isDataSet(data) ? { kind: 'named', name: data } : readDataFile(data, modelInputs, read);
  }
  if (inputs.length === 0) {
    if (target === undefined) return { kind: 'none' };
    throw new UsageError('--target needs the inputs it belongs to', {
      code: 'target-alone',
      hint: 'add --input FILE.npy',
    });
  }
  const tensors = new Map<string, Tensor>();
  const files: string[] = [];
  for (const input of inputs) {
    const { name, path } = splitInput(
      input,
      modelInputs.map((info) => info.name),
    );
    if (tensors.has(name)) {
      const twice = name === '' ? 'the input is given twice without a name' : `the input "${name}" is given twice`;
      throw new UsageError(twice, { code: 'input-twice', where: '--input', hint: 'name each: --input name=FILE.npy' });
    }
    tensors.set(name, await readArray(path, read));
    files.push(path);
  }
  return {
    kind: 'tensors',
    from: files.map(baseName).join(', '),
    inputs: tensors,
    target: target === undefined ? undefined : await readArray(target, read),
  };
}

/** `name=FILE` at the equals sign that ends an input's name; a path may hold equals signs of its own. */
export function splitInput(input: string, names: readonly string[]): { name: string; path: string } {
  const known = names.find((name) => input.startsWith(`${name}=`));
  const at = known?.length ?? input.indexOf('=');
  const isPath = known === undefined && /[\\/]/.test(input.slice(0, Math.max(0, at)));
  const [name, path] = at < 0 || isPath ? ['', input] : [input.slice(0, at), input.slice(at + 1)];
  if (path !== '') return { name, path };
  throw new UsageError(`"${input}" names no file`, {
    code: 'input-form',
    where: '--input',
    hint: '--input FILE.npy or --input name=FILE.npy',
  });
}

async function readDataFile(path: string, modelInputs: readonly ValueInfo[], read: ReadFile): Promise<BatchRequest> {
  let bytes: Uint8Array;
  try {
    bytes = await read(path);
  } catch (error) {
    if (!(error instanceof DataError) || error.code !== 'no-file') throw error;
    throw neitherSetNorFile(path, '.npz .npy .csv', error);
  }
  const from = baseName(path);
  if (isZip(bytes)) return requestFromArrays(decodeNpz(bytes, path), modelInputs, from);
  if (isNpy(bytes)) return { kind: 'tensors', from, inputs: new Map([['', decodeNpy(bytes, path)]]) };
  if (bytes.subarray(0, 4096).includes(0)) {
    throw new DataError('is no data file this project reads', {
      code: 'data-format',
      where: path,
      hint: 'accepted: .npz .npy .csv',
    });
  }
  return requestFromTable(decodeCsv(bytes, path), modelInputs, from);
}

async function readArray(path: string, read: ReadFile): Promise<Tensor> {
  const bytes = await read(path);
  if (isNpy(bytes)) return decodeNpy(bytes, path);
  throw new DataError('is not a .npy file', {
    code: 'not-npy',
    where: path,
    hint: isZip(bytes) ? 'a .npz archive goes to --data' : 'write it with numpy.save; tables and archives go to --data',
  });
}

/** The error of a name that stands for nothing. */
export function neitherSetNorFile(path: string, accepted: string, cause?: unknown): DataError {
  const sets = listDataSets().map((set) => set.name);
  const near = nearest(path, sets);
  const names = near !== undefined ? `did you mean "${near}"?` : `data sets: ${sets.join(', ')};`;
  return new DataError(`"${path}" is neither a built-in data set nor a file`, {
    code: 'no-data',
    where: '--data',
    hint: `${names} or a file: ${accepted}`,
    cause,
  });
}

/** A path's last part. */
export function baseName(path: string): string {
  return path.replace(/^.*[\\/](?=.)/, '');
}
