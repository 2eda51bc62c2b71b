import { type FileHandle, open, rm } from 'node:fs/promises';
import { describeFileError } from './files.ts';

/**
 * A file that only grows. What is appended stands there whole or not at all: after a failure (a full disk) the file
 * is cut back to where it was, so that it stays readable and the same bytes can be appended again.
 */
export class AppendFile {
  readonly path: string;
  readonly #file: FileHandle;
  #size: number;
  #unwritten: Uint8Array | undefined;
  #last: Promise<void> = Promise.resolve();

  private constructor(path: string, file: FileHandle, size: number) {
    this.path = path;
    this.#file = file;
    this.#size = size;
  }

  /** Creates a file. Throws DataError when it exists or cannot be created. */
  static async create(path: string): Promise<AppendFile> {
    return new AppendFile(path, await openOrDescribe(path, 'wx'), 0);
  }

  /**
   * Opens a file of lines, creating it where missing; a torn last line, left by a crash, is cut off. Throws DataError.
   */
  static async openLines(path: string): Promise<AppendFile> {
    const file = await openOrDescribe(path, 'a+').then(async (made) => {
      await made.close();
      return openOrDescribe(path, 'r+');
    });
    try {
      const { size } = await file.stat();
      const whole = await endOfLastLine(file, size);
      if (whole < size) await file.truncate(whole);
      return new AppendFile(path, file, whole);
    } catch (error) {
      await file.close();
      throw describeFileError(error, path, 'written');
    }
  }

  /**
   * Appends what `take` gives, after what was asked for before, until it gives no more. Throws DataError; what could
   * not be written is kept and goes first the next time.
   */
  flush(take: () => Uint8Array): Promise<void> {
    const done = this.#last.then(async () => {
      for (;;) {
        const bytes = this.#unwritten ?? take();
        if (bytes.length === 0) return;
        this.#unwritten = bytes;
        await this.#write(bytes);
        this.#unwritten = undefined;
      }
    });
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Waits until what was written is on the disk: it survives the machine, not only this process. Throws DataError. */
  async sync(): Promise<void> {
    try {
      await this.#file.datasync();
    } catch (error) {
      throw describeFileError(error, this.path, 'written');
    }
  }

  /** Flushes, and closes also when that fails. */
  async close(take: () => Uint8Array): Promise<void> {
    try {
      await this.flush(take);
    } finally {
      await this.#file.close();
    }
  }

  /** Closes and removes the file. */
  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await rm(this.path, { force: true }).catch(() => undefined);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#size + done);
        done += bytesWritten;
      }
      this.#size += bytes.length;
    } catch (error) {
      await this.#file.truncate(this.#size).catch(() => undefined);
      throw describeFileError(error, this.path, 'written');
    }
  }
}

async function openOrDescribe(path: string, flags: string): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (error) {
    throw describeFileError(error, path, 'written');
  }
}

async function endOfLastLine(file: FileHandle, size: number): Promise<number> {
  const block = new Uint8Array(65_536);
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - block.length);
    await file.read(block, 0, end - start, start);
    const newline = block.subarray(0, end - start).lastIndexOf(10);
    if (newline >= 0) return start + newline + 1;
    end = start;
  }
  return 0;
}
