import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../../graph/errors.ts';
import { describeFileError, writeFileSafely } from '../../runtime/node/files.ts';
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from '../checkpoint.ts';

/** How many checkpoints are kept: should the disk damage the last, the one before serves. */
const KEPT = 2;
const PIECE = 2 ** 28;

/** The newest usable checkpoint of a folder, and what was wrong with newer ones. */
export interface LoadedCheckpoint {
  readonly checkpoint: Checkpoint | undefined;
  readonly skipped: readonly DataError[];
}

/**
 * Writes a checkpoint: to a temporary name, flushed to the disk, then renamed; only then the oldest are removed. At
 * any moment the folder holds a usable one. Throws DataError.
 */
export async function saveCheckpoint(directory: string, checkpoint: Checkpoint): Promise<void> {
  const parts = encodeCheckpoint(checkpoint);
  const path = join(directory, nameOf(checkpoint.step));
  try {
    await mkdir(directory, { recursive: true });
    await writeFileSafely(path, parts, { overwrite: true });
    await syncDirectory(directory);
    const older = (await listSteps(directory)).filter((step) => step < checkpoint.step);
    for (const step of older.slice(KEPT - 1)) await rm(join(directory, nameOf(step)), { force: true });
  } catch (error) {
    throw describeFileError(error, path, 'written');
  }
}

/** Reads the newest checkpoint that is whole and undamaged. Throws DataError when the folder itself cannot be read. */
export async function loadCheckpoint(directory: string): Promise<LoadedCheckpoint> {
  const skipped: DataError[] = [];
  for (const step of await listSteps(directory)) {
    const path = join(directory, nameOf(step));
    try {
      return { checkpoint: decodeCheckpoint(await readLarge(path), path), skipped };
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      skipped.push(error);
    }
  }
  return { checkpoint: undefined, skipped };
}

/** Removes what a crash left half-written and, with `all`, every checkpoint. Throws DataError. */
export async function clearCheckpoints(directory: string, { all }: { all: boolean }): Promise<void> {
  try {
    for (const name of await namesIn(directory)) {
      if (/^\.step-\d+\.safetensors\..*\.tmp$/.test(name) || (all && stepOf(name) !== undefined)) {
        await rm(join(directory, name), { force: true });
      }
    }
  } catch (error) {
    throw describeFileError(error, directory, 'written');
  }
}

function nameOf(step: number): string {
  return `step-${String(step).padStart(12, '0')}.safetensors`;
}

function stepOf(name: string): number | undefined {
  const digits = /^step-(\d{12,16})\.safetensors$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Steps with a checkpoint, newest first. */
async function listSteps(directory: string): Promise<number[]> {
  const steps = (await namesIn(directory)).map(stepOf).filter((step) => step !== undefined);
  return steps.sort((a, b) => b - a);
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw describeFileError(error, directory, 'read');
  }
}

/** A whole file, also over 2 GiB. */
async function readLarge(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path, 'r');
    try {
      const bytes = new Uint8Array((await file.stat()).size);
      for (let done = 0; done < bytes.length; ) {
        const { bytesRead } = await file.read(bytes, done, Math.min(PIECE, bytes.length - done), done);
        if (bytesRead === 0) throw new Error(`it ended at byte ${done}`);
        done += bytesRead;
      }
      return bytes;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw describeFileError(error, path, 'read');
  }
}

/** Makes a rename survive a power cut; where directories cannot be flushed (Windows) the system sees to it. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}
