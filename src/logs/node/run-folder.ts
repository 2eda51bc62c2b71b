import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../../graph/errors.ts';
import { describeFileError, readBytes, writeFileSafely } from '../../runtime/node/files.ts';
import type { Checkpoint } from '../checkpoint.ts';
import { decodeJson, encodeJson, type JsonValue } from '../json-values.ts';
import { type MetricsLine, restartLine } from '../metrics.ts';
import type { SummaryForm } from '../tensorboard/event.ts';
import { isEventFileName, type StepValues } from '../tensorboard/writer.ts';
import { clearCheckpoints, loadCheckpoint, saveCheckpoint } from './checkpoint-folder.ts';
import { EventFileWriter } from './event-file.ts';
import { MetricsFileWriter } from './metrics-file.ts';

const SCHEMA = 'gradient-doctor/run@1';
const CONFIG = 'config.json';
const METRICS = 'metrics.jsonl';
const CHECKPOINTS = 'checkpoint';

/** What a run is: written once, compared when it is resumed. */
export interface RunConfig {
  /** The hash tells one model from another: `hashBytes` of its encoded form, for one. */
  readonly model: { readonly name: string; readonly hash: string };
  readonly data: JsonValue;
  readonly options: JsonValue;
  readonly seed: number;
  /** Of everything that decides on the numbers: this project, the runtime, Node. */
  readonly versions: { readonly [name: string]: string };
}

/**
 * What to do with a folder that is not empty: `new` refuses it, `resume` goes on with the run in it, `force` removes
 * the run in it (and nothing else) and starts anew.
 */
export type RunMode = 'new' | 'resume' | 'force';

export interface RunFolderOptions {
  readonly mode?: RunMode;
  readonly form?: SummaryForm;
}

/** A run on disk: its configuration, its logs, its checkpoints. */
export class RunFolder {
  readonly path: string;
  /** As the run was started. */
  readonly config: RunConfig;
  /** Where a resumed run goes on; undefined when it starts from the beginning. */
  readonly checkpoint: Checkpoint | undefined;
  /** Dotted paths at which a resumed run's configuration differs from that of its start: it may not be the same run. */
  readonly changes: readonly string[];
  /** Newer checkpoints that were passed over because they are damaged. */
  readonly skipped: readonly DataError[];
  readonly #events: EventFileWriter;
  readonly #metrics: MetricsFileWriter;

  /** For `openRunFolder`. */
  constructor(
    facts: Pick<RunFolder, 'path' | 'config' | 'checkpoint' | 'changes' | 'skipped'>,
    events: EventFileWriter,
    metrics: MetricsFileWriter,
  ) {
    ({ path: this.path, config: this.config, checkpoint: this.checkpoint } = facts);
    ({ changes: this.changes, skipped: this.skipped } = facts);
    this.#events = events;
    this.#metrics = metrics;
  }

  /** The path of another file of the run, the trained model for one. */
  file(name: string): string {
    return join(this.path, name);
  }

  /** Logs a step's scalars and histograms for TensorBoard, in memory until `drain`, `flush` or a checkpoint. */
  logStep(step: number, values: StepValues): void {
    this.#events.step(step, values);
  }

  /** Logs a line of metrics, in memory until `drain`, `flush` or a checkpoint. */
  logMetrics(line: MetricsLine): void {
    this.#metrics.add(line);
  }

  /** To be called after every step: writes the logs when enough waits or two seconds have passed. Throws DataError. */
  async drain(): Promise<void> {
    if (this.#events.isDue(this.#metrics.pending)) await this.flush();
  }

  /** Writes the logs. Throws DataError (a full disk); nothing is lost, the next call tries again. */
  async flush(): Promise<void> {
    await this.#metrics.flush();
    await this.#events.flush();
  }

  /** Writes the logs, then the checkpoint: the logs never lack a step that a checkpoint has. Throws DataError. */
  async saveCheckpoint(checkpoint: Checkpoint): Promise<void> {
    await this.flush();
    await saveCheckpoint(join(this.path, CHECKPOINTS), checkpoint);
  }

  /** Writes what is left and closes the logs, each also when the other fails. Throws DataError. */
  async close(): Promise<void> {
    try {
      await this.#metrics.close();
    } finally {
      await this.#events.close();
    }
  }
}

/**
 * Opens the folder of a run, creating it where missing. Throws DataError for a folder that `mode` does not allow, for
 * resuming where there is no run or a run of another model, and for what cannot be read or written; a refused folder
 * stays as it was.
 */
export async function openRunFolder(
  path: string,
  config: RunConfig,
  { mode = 'new', form }: RunFolderOptions = {},
): Promise<RunFolder> {
  const names = await namesIn(path);
  const earlier = names.includes(CONFIG) ? await readRunConfig(path) : undefined;
  if (mode === 'resume') return resume(path, config, names, earlier, form);
  if (mode === 'new' && names.length > 0) {
    const hint = earlier
      ? 'resume the run in it, force a new one in its place, or name another folder'
      : 'name another folder';
    throw new DataError(`the folder is not empty: it holds ${describeNames(names)}`, {
      code: 'run-folder-exists',
      where: path,
      hint,
    });
  }
  if (mode === 'force' && names.length > 0 && !earlier) {
    throw new DataError(`the folder holds ${describeNames(names)} and no run, so nothing in it is replaced`, {
      code: 'run-folder-foreign',
      where: path,
      hint: 'name another folder, or empty this one yourself',
    });
  }
  try {
    await mkdir(join(path, CHECKPOINTS), { recursive: true });
    await removeRun(path);
  } catch (error) {
    throw describeFileError(error, path, 'written');
  }
  const text = `${encodeJson({ schema: SCHEMA, ...config } as unknown as JsonValue, 2)}\n`;
  await writeFileSafely(join(path, CONFIG), text, { overwrite: mode === 'force' });
  const facts = { path, config, checkpoint: undefined, changes: [], skipped: [] };
  return openLogs(facts, form);
}

/** The configuration of the run in a folder. Throws DataError. */
export async function readRunConfig(path: string): Promise<RunConfig> {
  const where = join(path, CONFIG);
  const hint = 'expected the configuration of a run, as training writes it';
  const text = new TextDecoder().decode(await readBytes(where));
  let value: unknown;
  try {
    value = decodeJson(text);
  } catch (cause) {
    throw new DataError('is not JSON', { code: 'run-config', where, hint, cause });
  }
  const { schema, ...config } = (value ?? {}) as { schema?: unknown } & Partial<RunConfig>;
  if (schema !== SCHEMA) {
    throw new DataError(`expected "schema": "${SCHEMA}", found ${JSON.stringify(schema)}`, {
      code: 'run-config',
      where,
      hint,
    });
  }
  if (typeof config.model?.hash !== 'string' || typeof config.model.name !== 'string') {
    throw new DataError('does not say which model was trained', { code: 'run-config', where, hint });
  }
  return config as RunConfig;
}

/** SHA-256, as configurations write it. */
export function hashBytes(...parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return `sha256:${hash.digest('hex')}`;
}

async function resume(
  path: string,
  config: RunConfig,
  names: readonly string[],
  earlier: RunConfig | undefined,
  form?: SummaryForm,
): Promise<RunFolder> {
  if (!earlier) {
    throw new DataError(names.length > 0 ? `there is no ${CONFIG} in it` : 'there is no run in it', {
      code: 'no-run',
      where: path,
      hint: 'nothing can be resumed here; start a new run',
    });
  }
  if (earlier.model.hash !== config.model.hash) {
    const [was, is] = [earlier.model, config.model].map(({ name, hash }) => `"${name}" (${hash.slice(0, 15)}…)`);
    throw new DataError(`the run in it trained ${was}, this is ${is}`, {
      code: 'run-of-another-model',
      where: path,
      hint: 'resume with the model the run was started with, or name another folder',
    });
  }
  const directory = join(path, CHECKPOINTS);
  await clearCheckpoints(directory, { all: false });
  const { checkpoint, skipped } = await loadCheckpoint(directory);
  const changes = differences(earlier as unknown as JsonValue, config as unknown as JsonValue);
  return openLogs({ path, config: earlier, checkpoint, changes, skipped }, form, checkpoint?.step ?? -1);
}

/** `done`: the last step whose logs hold, in a resumed run. */
async function openLogs(
  facts: Pick<RunFolder, 'path' | 'config' | 'checkpoint' | 'changes' | 'skipped'>,
  form?: SummaryForm,
  done?: number,
): Promise<RunFolder> {
  const metrics = await MetricsFileWriter.open(join(facts.path, METRICS));
  try {
    if (done !== undefined) {
      metrics.add({ ...restartLine(done), ...(facts.changes.length > 0 && { changed: facts.changes }) });
    }
    await metrics.flush();
    const restartAt = done === undefined ? undefined : done + 1;
    const events = await EventFileWriter.create(facts.path, { form, restartAt });
    return new RunFolder(facts, events, metrics);
  } catch (error) {
    await metrics.close().catch(() => undefined);
    throw error;
  }
}

/** Removes a run's logs and checkpoints. The configuration stays until the new one takes its name. */
async function removeRun(path: string): Promise<void> {
  await clearCheckpoints(join(path, CHECKPOINTS), { all: true });
  for (const name of await readdir(path)) {
    if (name === METRICS || isEventFileName(name) || isLeftover(name)) await rm(join(path, name), { force: true });
  }
}

/** What a crash while the configuration was written leaves. */
function isLeftover(name: string): boolean {
  return name.startsWith(`.${CONFIG}.`) && name.endsWith('.tmp');
}

/** What a folder holds, leftovers of a crash and an empty folder for checkpoints aside; a missing one holds nothing. */
async function namesIn(path: string): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) {
      throw new DataError('is not a folder', { code: 'not-a-folder', where: path, hint: 'name a folder for the run' });
    }
    const names = (await readdir(path)).filter((name) => !isLeftover(name)).sort();
    const bare = names.length === 1 && names[0] === CHECKPOINTS;
    return bare && (await readdir(join(path, CHECKPOINTS))).length === 0 ? [] : names;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw describeFileError(error, path, 'read');
  }
}

function describeNames(names: readonly string[]): string {
  const shown = names.slice(0, 3).map((name) => JSON.stringify(name));
  return names.length > 3 ? `${shown.join(', ')} and ${names.length - 3} more` : shown.join(', ');
}

/** Dotted paths at which two values differ. */
function differences(a: JsonValue, b: JsonValue, at = ''): string[] {
  if (Object.is(a, b) || encodeJson(a) === encodeJson(b)) return [];
  if (!isRecord(a) || !isRecord(b)) return [at];
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].flatMap((key) => differences(a[key], b[key], at === '' ? key : `${at}.${key}`));
}

function isRecord(value: JsonValue): value is { readonly [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
