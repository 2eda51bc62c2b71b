import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../graph/errors.ts';
import { describeFileError, readBytes, writeFileSafely } from '../runtime/node/files.ts';
import type { RunOptions } from './commands/treat.ts';

const SCHEMA = 'gradient-doctor/treatment-run@1';
const FILE = 'treatment.json';

/** Options that a run keeps: those that decide on its trials. */
const kept = [
  'data',
  'input',
  'target',
  'missing',
  'loss',
  'modelOutput',
  'batch',
  'seed',
  'init',
  'optimizer',
  'lr',
  'steps',
  'budget',
  'seeds',
  'samples',
  'validation',
  'remedy',
  'anyway',
] as const satisfies readonly (keyof RunOptions)[];

/** Keeps the options of a run in its folder, creating it where missing. Throws DataError. */
export async function writeRunOptions(folder: string, options: RunOptions): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    if (['EEXIST', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      throw new DataError('is not a folder', {
        code: 'not-a-folder',
        where: folder,
        hint: 'name a folder for the run',
      });
    }
    throw describeFileError(error, folder, 'written');
  }
  const own = Object.fromEntries(kept.map((name) => [name, options[name]]).filter(([, value]) => value !== undefined));
  const text = `${JSON.stringify({ schema: SCHEMA, options: own }, undefined, 2)}\n`;
  await writeFileSafely(join(folder, FILE), text, { overwrite: true });
}

/** The options that a run was started with. Throws DataError where there is no run. */
export async function readRunOptions(folder: string): Promise<Partial<RunOptions>> {
  const path = join(folder, FILE);
  const refuse = (message: string, cause?: unknown) =>
    new DataError(message, {
      code: 'no-run',
      where: path,
      hint: 'start one: gradient-doctor treat MODEL --data … --out FOLDER',
      cause,
    });
  let config: { schema?: unknown; options?: unknown };
  try {
    config = (JSON.parse(new TextDecoder().decode(await readBytes(path))) ?? {}) as typeof config;
  } catch (error) {
    if (error instanceof SyntaxError) throw refuse('is not JSON: there is no run to go on with', error);
    if (error instanceof DataError && error.code === 'no-file') throw refuse('there is no run to go on with', error);
    throw error;
  }
  if (config.schema !== SCHEMA || typeof config.options !== 'object' || config.options === null) {
    throw refuse(`expected "schema": "${SCHEMA}", found ${JSON.stringify(config.schema) ?? 'none'}`);
  }
  const options = config.options as Record<string, unknown>;
  return Object.fromEntries(kept.filter((name) => name in options).map((name) => [name, options[name]]));
}
