import { createHash } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { DataError } from '../../graph/errors.ts';
import { AppendFile } from '../../runtime/node/append-file.ts';
import { describeFileError, readBytes, writeFileSafely } from '../../runtime/node/files.ts';
import type { TrialResult } from '../trial.ts';
import { decodeResult, encodeResult } from '../trial-json.ts';
import { type Lock, takeLock } from './lock.ts';

const SCHEMA = 'gradient-doctor/trials@1';
const FILE = 'trials.jsonl';
const DAMAGED = 'trials.damaged.jsonl';
const LOCK = 'trials.lock';

/** What trials of a store have in common; a store of anything else is refused. */
export interface TrialStoreIdentity {
  /** Content hash of the patient's model. */
  readonly model: string;
  /** Of this package. */
  readonly version: string;
  /** Plain JSON: data, seeds, whatever decides on the trials. */
  readonly settings: { readonly [name: string]: unknown };
}

/** A line that holds no result: it was kept aside, and its trial is run again. */
export interface DamagedLine {
  /** Counted from 1. */
  readonly line: number;
  readonly reason: string;
}

/**
 * Results of trials in a run folder, one line of JSON each with a checksum, on the disk before they count. Whatever
 * moment its process dies at, opening it again finds every result that counted.
 */
export class TrialStore {
  readonly path: string;
  /** By the task's id: trainings that ended or broke down. What could not be run is not here, and is tried again. */
  readonly results: ReadonlyMap<string, TrialResult>;
  readonly damaged: readonly DamagedLine[];
  readonly #results: Map<string, TrialResult>;
  readonly #file: AppendFile;
  readonly #lock: Lock;

  /** For `openTrialStore`. */
  constructor(
    path: string,
    results: Map<string, TrialResult>,
    damaged: readonly DamagedLine[],
    file: AppendFile,
    lock: Lock,
  ) {
    this.path = path;
    this.results = results;
    this.damaged = damaged;
    this.#results = results;
    this.#file = file;
    this.#lock = lock;
  }

  /** Keeps a result; when this resolves it is on the disk. Throws DataError (a full disk). */
  async add(result: TrialResult): Promise<void> {
    let line: Uint8Array | undefined = new TextEncoder().encode(lineOf(result));
    await this.#file.flush(() => {
      const bytes = line ?? new Uint8Array();
      line = undefined;
      return bytes;
    });
    await this.#file.sync();
    if (result.status !== 'failed') this.#results.set(result.id, result);
  }

  /** Closes the file and gives the folder to others. */
  async close(): Promise<void> {
    try {
      await this.#file.close(() => new Uint8Array());
    } finally {
      await this.#lock.release();
    }
  }
}

/**
 * Opens the trial store of a run folder, creating both where missing. Without `resume` a store that is there already is
 * refused. Throws DataError for that, for a store of another model, version or settings, and for one that another
 * process works on; a refused store stays as it was.
 */
export async function openTrialStore(
  folder: string,
  identity: TrialStoreIdentity,
  { resume = false }: { readonly resume?: boolean } = {},
): Promise<TrialStore> {
  const path = join(folder, FILE);
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw describeFileError(error, folder, 'written');
  }
  const lock = await takeLock(join(folder, LOCK), 'the trials in this folder');
  try {
    const lines = await wholeLines(path);
    const header = headerOf(identity);
    const results = new Map<string, TrialResult>();
    const damaged: DamagedLine[] = [];
    if (lines.length === 0) {
      await writeFileSafely(path, `${JSON.stringify(header)}\n`, { overwrite: true });
      await syncFolder(folder);
    } else {
      if (!resume) {
        throw new DataError('the folder holds trials already', {
          code: 'trials-exist',
          where: path,
          hint: 'go on with them (--resume), or name another folder',
        });
      }
      checkHeader(lines[0]!, header, path);
      const good = [lines[0]!];
      const bad: string[] = [];
      lines.slice(1).forEach((line, i) => {
        try {
          const result = readLine(line);
          if (result.status !== 'failed') results.set(result.id, result);
          good.push(line);
        } catch (error) {
          damaged.push({ line: i + 2, reason: (error as Error).message });
          bad.push(line);
        }
      });
      if (bad.length > 0) await setAside(folder, good, bad);
    }
    return new TrialStore(path, results, damaged, await AppendFile.openLines(path), lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

function headerOf({ model, version, settings }: TrialStoreIdentity) {
  return JSON.parse(JSON.stringify({ schema: SCHEMA, model, version, settings })) as {
    schema: string;
    model: string;
    version: string;
    settings: Record<string, unknown>;
  };
}

/** The lines that end; a last one that a crash tore never counted. latin1 keeps damaged bytes as they are. */
async function wholeLines(path: string): Promise<string[]> {
  let bytes: Uint8Array;
  try {
    bytes = await readBytes(path);
  } catch (error) {
    if (error instanceof DataError && error.code === 'no-file') return [];
    throw error;
  }
  return Buffer.from(bytes).toString('latin1').split('\n').slice(0, -1);
}

function lineOf(result: TrialResult): string {
  const text = encodeResult(result);
  return `{"check":"${checkOf(text)}","result":${text}}\n`;
}

const LINE = /^\{"check":"([0-9a-f]{16})","result":(.*)\}$/s;

function readLine(line: string): TrialResult {
  const [, check, raw] = LINE.exec(line) ?? [];
  if (check === undefined) throw new DataError('is not a line of a trial store', { code: 'trial-line' });
  const text = Buffer.from(raw!, 'latin1').toString('utf8');
  if (checkOf(text) !== check) throw new DataError('does not match its checksum', { code: 'trial-line' });
  return decodeResult(text);
}

function checkOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Moves damaged lines to a file of their own; killed in between, they stand in both. */
async function setAside(folder: string, good: readonly string[], bad: readonly string[]): Promise<void> {
  const bytes = (lines: readonly string[]) => Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1');
  const file = await AppendFile.openLines(join(folder, DAMAGED));
  let aside: Uint8Array | undefined = bytes(bad);
  try {
    await file.flush(() => {
      const some = aside ?? new Uint8Array();
      aside = undefined;
      return some;
    });
    await file.sync();
  } finally {
    await file.close(() => new Uint8Array());
  }
  await writeFileSafely(join(folder, FILE), bytes(good), { overwrite: true });
}

function checkHeader(line: string, wanted: ReturnType<typeof headerOf>, path: string): void {
  let found: Partial<ReturnType<typeof headerOf>>;
  try {
    found = (JSON.parse(Buffer.from(line, 'latin1').toString('utf8')) ?? {}) as typeof found;
  } catch {
    found = {};
  }
  const refuse = (message: string, hint: string) => {
    throw new DataError(message, { code: 'trials-of-another-run', where: path, hint });
  };
  if (found.schema !== wanted.schema) {
    refuse(
      `expected "schema": "${SCHEMA}" in its first line, found ${JSON.stringify(found.schema)}`,
      'name another folder',
    );
  }
  if (found.version !== wanted.version) {
    const hint = 'trials of different versions cannot be compared: name another folder, or use that version';
    refuse(`its trials were run by version ${found.version}, this is ${wanted.version}`, hint);
  }
  if (found.model !== wanted.model) {
    const [was, is] = [found.model, wanted.model].map((hash) => String(hash).slice(0, 12));
    refuse(`its trials are of the model ${was}…, this is ${is}…`, 'resume with that model, or name another folder');
  }
  const settings = found.settings ?? {};
  const names = new Set([...Object.keys(settings), ...Object.keys(wanted.settings)]);
  for (const name of names) {
    if (isDeepStrictEqual(settings[name], wanted.settings[name])) continue;
    const [was, is] = [settings[name], wanted.settings[name]].map((value) => JSON.stringify(value) ?? 'not given');
    refuse(`its trials had ${name} ${was}, now it is ${is}`, 'resume with the same settings, or name another folder');
  }
}

/** Makes a new file's name survive the machine; what cannot sync folders (Windows) does without. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // Not possible here.
  }
}
