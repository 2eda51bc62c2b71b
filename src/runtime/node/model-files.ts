import { basename, dirname, join } from 'node:path';
import type { Model } from '../../graph/graph.ts';
import { encodeModelFiles } from '../../graph/onnx/encode.ts';
import { writeFileSafely } from './files.ts';

/**
 * Writes a model as ONNX, each file whole or not at all; weights beyond protobuf's 2 GiB go to `<file>.data` beside it.
 * Returns the paths written. Throws DataError when a file exists and `overwrite` is not set.
 */
export async function writeModel(model: Model, path: string, options: { overwrite?: boolean } = {}): Promise<string[]> {
  const { bytes, files } = encodeModelFiles(model, { name: `${basename(path)}.data` });
  const paths: string[] = [];
  for (const { name, parts } of files) {
    const beside = join(dirname(path), name);
    await writeFileSafely(beside, parts, options);
    paths.push(beside);
  }
  await writeFileSafely(path, bytes, options);
  return [path, ...paths];
}
