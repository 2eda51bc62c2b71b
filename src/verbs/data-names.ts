import { listDataSets } from '../data/index.ts';
import { nearest } from '../graph/did-you-mean.ts';
import { DataError, UsageError } from '../graph/errors.ts';

/** What someone names on a command line or in a call: nothing at all is allowed. */
export interface DataNames {
  /** A built-in data set; a .npz, .npy, .csv or idx file; a folder of images. */
  readonly data?: string;
  /** `FILE` or `name=FILE`, .npy or idx, one for each model input. */
  readonly inputs?: readonly string[];
  /** .npy or idx: labels or values, one row for each sample. */
  readonly target?: string;
}

/** Throws UsageError where two options both say what to feed. */
export function checkNames({ data, inputs = [], target }: DataNames): void {
  if (data === undefined || (inputs.length === 0 && target === undefined)) return;
  throw new UsageError(`--data and ${inputs.length > 0 ? '--input' : '--target'} both say what to feed`, {
    code: 'data-twice',
    hint: 'give --data alone, or --input FILE.npy with --target FILE.npy',
  });
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
