import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../../graph/errors.ts';
import { readBytes, writeFileSafely } from '../../runtime/node/files.ts';
import { takeLock } from './lock.ts';

/** Where the length of the trials is kept: a resumed run must ask for the same ones. */
const SCHEDULE = 'schedule.json';
/** What a run writes of its trials. */
const TRIALS = ['trials.jsonl', 'trials.damaged.jsonl', SCHEDULE];

/** Keeps how many steps a run's trials have. Throws DataError. */
export async function keepSchedule(folder: string, steps: number): Promise<void> {
  await writeFileSafely(join(folder, SCHEDULE), `${JSON.stringify({ steps })}\n`, { overwrite: true });
}

/** How many steps a run's trials have; undefined where it was broken off before, or what was kept cannot be read. */
export async function readSchedule(folder: string): Promise<number | undefined> {
  try {
    const kept: unknown = JSON.parse(new TextDecoder().decode(await readBytes(join(folder, SCHEDULE))));
    const steps = (kept as { steps?: unknown } | null)?.steps;
    return Number.isSafeInteger(steps) && (steps as number) > 0 ? (steps as number) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error instanceof DataError && error.code === 'no-file')) return undefined;
    throw error;
  }
}

/** Removes the trials of a run and nothing else. Throws DataError where another process works on them. */
export async function clearTrials(folder: string): Promise<void> {
  let lock: Awaited<ReturnType<typeof takeLock>>;
  try {
    lock = await takeLock(join(folder, 'trials.lock'), 'the trials in this folder');
  } catch (error) {
    if (error instanceof DataError && error.code === 'no-file') return;
    throw error;
  }
  try {
    for (const name of TRIALS) await rm(join(folder, name), { force: true });
  } finally {
    await lock.release();
  }
}
