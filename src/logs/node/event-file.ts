import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataError } from '../../graph/errors.ts';
import { AppendFile } from '../../runtime/node/append-file.ts';
import { describeFileError } from '../../runtime/node/files.ts';
import { EventParser, type EventReadOptions, type LoggedEvent } from '../tensorboard/reader.ts';
import {
  EventLog,
  type EventLogOptions,
  eventFileName,
  isEventFileName,
  type StepValues,
} from '../tensorboard/writer.ts';

const DUE_BYTES = 65_536;
const DUE_MILLISECONDS = 2_000;
const CHUNK = 1 << 20;
let written = 0;

/** An event file that TensorBoard reads while it grows. */
export class EventFileWriter {
  readonly #log: EventLog;
  readonly #file: AppendFile;
  #flushed = Date.now();

  private constructor(file: AppendFile, log: EventLog) {
    this.#file = file;
    this.#log = log;
  }

  /** Starts a new event file in a directory, named to be read after those there. Throws DataError. */
  static async create(directory: string, options: EventLogOptions = {}): Promise<EventFileWriter> {
    const now = options.now?.() ?? Date.now() / 1000;
    const earlier = await listEventFiles(directory);
    // Within one second the names would not order the files.
    const last = Math.max(0, ...earlier.map((path) => Number(/tfevents\.(\d{1,12})\./.exec(path)?.[1] ?? 0)));
    const name = eventFileName(Math.max(now, last + 1), hostname(), process.pid, written++);
    const file = await AppendFile.create(join(directory, name));
    const writer = new EventFileWriter(file, new EventLog(options));
    try {
      await writer.flush();
    } catch (error) {
      await file.discard();
      throw error;
    }
    return writer;
  }

  get path(): string {
    return this.#file.path;
  }

  /** Logs one step's values, in memory: `flush` writes them. Throws UsageError for the step. */
  step(step: number, values: StepValues, wallTime?: number): void {
    this.#log.step(step, values, wallTime);
  }

  /** Whether 64 KiB wait, `others` included, or two seconds have passed since the last flush. */
  isDue(others = 0): boolean {
    return this.#log.pending + others >= DUE_BYTES || Date.now() - this.#flushed >= DUE_MILLISECONDS;
  }

  /** Writes what was logged. Throws DataError, on a full disk for one; nothing is lost, the next call tries again. */
  flush(): Promise<void> {
    this.#flushed = Date.now();
    return this.#file.flush(() => this.#log.take());
  }

  /** Writes what was logged, and closes the file also when that fails. */
  close(): Promise<void> {
    return this.#file.close(() => this.#log.take());
  }
}

/** The event files of a directory, in the order in which TensorBoard reads them. Throws DataError. */
export async function listEventFiles(directory: string): Promise<string[]> {
  try {
    const names = await readdir(directory);
    return names
      .filter(isEventFileName)
      .sort()
      .map((name) => join(directory, name));
  } catch (error) {
    throw describeFileError(error, directory, 'read');
  }
}

/** An event file that may still grow. */
export class EventFileReader {
  readonly path: string;
  readonly #parser: EventParser;
  /** Up to where bytes were handed to the parser. */
  #read: number;

  /** `offset` resumes an earlier reading at a `next` of its events. */
  constructor(path: string, options: EventReadOptions = {}) {
    this.path = path;
    this.#parser = new EventParser(path, options);
    this.#read = options.offset ?? 0;
  }

  /** Where the next event starts. */
  get offset(): number {
    return this.#parser.offset;
  }

  /** Whether bytes of an unfinished record stand at the end. */
  get truncated(): boolean {
    return this.#parser.waiting > 0;
  }

  /**
   * The events up to the file's present end; called again, those that came since. Throws DataError with the offset for
   * damage (after `corrupt-record` and `corrupt-event` a new call goes on behind it) and for a file that shrank.
   */
  async *read(): AsyncGenerator<LoggedEvent, void, undefined> {
    const parser = this.#parser;
    // What an earlier call left whole: it was ended by damage, or by its caller.
    for (let event = parser.next(); event; event = parser.next()) yield event;
    const file = await openRegular(this.path);
    try {
      const facts = await file.stat();
      if (facts.size < this.#read) {
        throw new DataError(`has ${facts.size} bytes, but ${this.#read} were read before: it was replaced or cut`, {
          code: 'file-shrank',
          where: this.path,
        });
      }
      const chunk = new Uint8Array(Math.min(CHUNK, Math.max(facts.size - this.#read, 1)));
      for (;;) {
        const { bytesRead } = await file.read(chunk, 0, chunk.length, this.#read);
        if (bytesRead === 0) return;
        this.#read += bytesRead;
        parser.push(chunk.subarray(0, bytesRead));
        for (let event = parser.next(); event; event = parser.next()) yield event;
      }
    } catch (error) {
      throw describeFileError(error, this.path, 'read');
    } finally {
      await file.close();
    }
  }
}

/** The events of a growing file, until the signal aborts: it is looked at again every `every` milliseconds. */
export async function* followEventFile(
  path: string,
  { every = 1_000, signal, ...options }: EventReadOptions & { every?: number; signal?: AbortSignal } = {},
): AsyncGenerator<LoggedEvent, void, undefined> {
  const reader = new EventFileReader(path, options);
  while (!signal?.aborted) {
    for await (const event of reader.read()) {
      if (signal?.aborted) return;
      yield event;
    }
    await sleep(every, undefined, { signal }).catch(() => undefined);
  }
}

async function openRegular(path: string): Promise<FileHandle> {
  try {
    // Before opening: opening a pipe nobody writes to waits forever.
    if (!(await stat(path)).isFile()) {
      throw new DataError('is not a regular file, expected an event file', { code: 'not-a-file', where: path });
    }
    return await open(path, 'r');
  } catch (error) {
    throw describeFileError(error, path, 'read');
  }
}
