import { type BatchRequest, isDataSet, type Missing, memoryAccess } from '../data/index.ts';
import { DataError } from '../graph/errors.ts';
import type { ValueInfo } from '../graph/graph.ts';
import type { FileAccess } from '../runtime/file-access.ts';
import { checkNames, type DataNames } from './data-names.ts';
import { openRows } from './open-rows.ts';

export type { DataNames } from './data-names.ts';

/** Reads a file whole. Throws DataError with code `no-file` where there is none. */
export type ReadFile = (path: string) => Promise<Uint8Array>;

/**
 * Turns names of data sets and files into what `makeBatch` takes. Rows of files stay open until their source is closed.
 * Throws DataError for files that are missing or unreadable, UsageError for names that do not go together.
 */
export async function requestBatch(
  names: DataNames,
  modelInputs: readonly ValueInfo[],
  files: FileAccess | ReadFile,
  { missing }: { readonly missing?: Missing } = {},
): Promise<BatchRequest> {
  checkNames(names);
  const { data, inputs = [], target } = names;
  if (data !== undefined && isDataSet(data)) return { kind: 'named', name: data };
  if (data === undefined && inputs.length === 0 && target === undefined) return { kind: 'none' };
  const access = typeof files === 'function' ? filesRead(files) : files;
  return { kind: 'rows', source: await openRows(names, modelInputs, { files: access, missing }), missing };
}

/** Files that can only be read whole: there are no folders among them. */
function filesRead(read: ReadFile): FileAccess {
  const none = async () => {
    throw new DataError('folders cannot be read here', { code: 'no-folder' });
  };
  return {
    read,
    open: async (path) => memoryAccess(path, await read(path)),
    async kindOf(path) {
      try {
        await read(path);
        return 'file';
      } catch (error) {
        if (error instanceof DataError && error.code === 'no-file') return undefined;
        throw error;
      }
    },
    list: none,
    images: none,
  };
}
