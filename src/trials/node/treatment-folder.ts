import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../graph/errors.ts';
import { readBytes, writeFileSafely } from '../../runtime/node/files.ts';
import type { Rung } from '../halving.ts';
import { takeLock } from './lock.ts';

/** Where the rounds are kept as they are decided: a resumed run must ask for the same trials. */
const ROUNDS = 'rounds.json';
/** What a run writes of its trials. */
const TRIALS = ['trials.jsonl', 'trials.damaged.jsonl', ROUNDS];

const count = z.int().min(1).max(1e9);
const rung = z.object({ steps: count, seeds: count, keep: count });
const round = z.object({ plans: z.array(z.string().max(10_000)).max(10_000), rungs: z.array(rung).min(1).max(100) });
const schema = z.array(round).max(100);

/** A round as it was decided: its plans, its rung and those foreseen after it. */
export interface KeptRound {
  readonly plans: readonly string[];
  readonly rungs: readonly Rung[];
}

/** Keeps the rounds of a run, whole or not at all. Throws DataError. */
export async function keepRounds(folder: string, rounds: readonly KeptRound[]): Promise<void> {
  await writeFileSafely(join(folder, ROUNDS), `${JSON.stringify(rounds)}\n`, { overwrite: true });
}

/** The rounds of a run as far as they were decided: none where it was broken off before. Throws DataError for a damaged file. */
export async function readRounds(folder: string): Promise<KeptRound[]> {
  const path = join(folder, ROUNDS);
  let bytes: Uint8Array;
  try {
    bytes = await readBytes(path);
  } catch (error) {
    if (error instanceof DataError && error.code === 'no-file') return [];
    throw error;
  }
  const damaged = (message: string, cause: unknown) =>
    new DataError(`holds no rounds of a treatment: ${message}`, {
      code: 'rounds',
      where: path,
      hint: 'without the file the run plans anew, and repeats the trials of other lengths',
      cause,
    });
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw damaged('not JSON', error);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw damaged(`${issue!.path.join('.') || 'it'}: ${issue!.message}`, parsed.error);
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
