import { randomUUID } from 'node:crypto';
import { link, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { DataError } from '../../graph/errors.ts';
import type { Source } from '../../readers/source.ts';

/** Node reads files of up to 2 GiB in one piece; larger weights belong in several siblings. */
const LARGEST = 2 ** 31 - 1;

/** A source on disk. */
export interface FileSource extends Source {
  /** Throws DataError for a path that leads out of the directory and for a file that cannot be read. */
  sibling(name: string): Promise<Uint8Array | undefined>;
}

/**
 * Reads a file. Its siblings are read from the same directory only, symbolic links followed before that is judged.
 * Throws DataError for what is missing, a directory, a device, unreadable or over 2 GiB.
 */
export async function openSource(path: string): Promise<FileSource> {
  const bytes = await readWhole(path, path);
  const directory = dirname(resolve(path));
  return {
    name: basename(path),
    bytes,
    async sibling(name) {
      const outside = () =>
        new DataError(`"${name}" lies outside the model's directory`, {
          code: 'path-escape',
          where: path,
          hint: 'a model may only refer to files beside it',
        });
      // Windows' separators and drives count on every system: the model may come from anywhere.
      if (name === '' || isAbsolute(name) || /^[a-z]:|^\\/i.test(name) || name.split(/[\\/]/).includes('..'))
        throw outside();
      const wanted = join(directory, name);
      const real = await realpath(wanted).catch((error) => {
        if (isMissing(error)) return undefined;
        throw describeFileError(error, wanted, 'read');
      });
      if (real === undefined) return undefined;
      const [base, ownBase] = await Promise.all([realpath(directory), realpath(path).then(dirname)]);
      // A model that is itself a link (a download cache's snapshot) keeps its siblings beside the link's end.
      if (!isWithin(real, base) && !isWithin(real, ownBase)) throw outside();
      return readWhole(real, wanted);
    },
  };
}

/** A file's bytes; errors as for `openSource`. */
export async function readBytes(path: string): Promise<Uint8Array> {
  return readWhole(path, path);
}

/**
 * Writes a file whole or not at all: a temporary file beside it, flushed to disk, then renamed. Without `overwrite`
 * an existing file is refused. A symbolic link keeps pointing where it does; a replaced file keeps its mode.
 */
export async function writeFileSafely(
  path: string,
  content: Uint8Array | string | readonly Uint8Array[],
  options: { overwrite?: boolean } = {},
): Promise<void> {
  const existing = await statOrNothing(path);
  if (existing && !existing.isFile()) {
    const what = existing.isDirectory() ? 'a directory' : 'not a regular file';
    throw new DataError(`is ${what}, so nothing can be written to it`, { code: 'not-a-file', where: path });
  }
  if (existing && !options.overwrite) throw alreadyExists(path);
  let target: string;
  let temporary: string | undefined;
  try {
    target = existing ? await realpath(path) : path;
    temporary = join(dirname(target), `.${basename(target).slice(0, 100)}.${randomUUID()}.tmp`);
    const file = await open(temporary, 'wx');
    try {
      if (existing) await file.chmod(existing.mode & 0o777);
      const parts = typeof content === 'string' || content instanceof Uint8Array ? [content] : content;
      for (const part of parts) await file.appendFile(part);
      await file.sync();
    } finally {
      await file.close();
    }
    if (options.overwrite) await rename(temporary, target);
    else await publish(temporary, target, path);
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { force: true }).catch(() => undefined);
    throw describeFileError(error, path, 'written');
  }
}

/** Gives the finished file its name unless the name was taken meanwhile: a hard link fails then, a rename would not. */
async function publish(temporary: string, target: string, path: string): Promise<void> {
  try {
    await link(temporary, target);
    await rm(temporary);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw alreadyExists(path);
    // File systems without hard links: EPERM on FAT, ENOTSUP and ENOSYS on network shares.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS') throw error;
    if (await statOrNothing(target)) throw alreadyExists(path);
    await rename(temporary, target);
  }
}

async function readWhole(path: string, shown: string): Promise<Uint8Array> {
  try {
    // Before opening: opening a pipe nobody writes to waits forever.
    checkRegular(await stat(path), shown);
    const file = await open(path, 'r');
    try {
      const facts = await file.stat();
      checkRegular(facts, shown);
      if (facts.size > LARGEST) {
        throw new DataError(`is ${facts.size} bytes; files of up to ${LARGEST} are read`, {
          code: 'too-large',
          where: shown,
        });
      }
      const buffer = await file.readFile();
      return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw describeFileError(error, shown, 'read');
  }
}

function checkRegular(facts: { isDirectory(): boolean; isFile(): boolean }, shown: string): void {
  if (facts.isFile()) return;
  const what = facts.isDirectory() ? 'is a directory' : 'is not a regular file';
  throw new DataError(`${what}, expected a file`, { code: 'not-a-file', where: shown });
}

async function statOrNothing(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw describeFileError(error, path, 'written');
  }
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function isWithin(path: string, directory: string): boolean {
  const way = relative(directory, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function alreadyExists(path: string): DataError {
  return new DataError('already exists', {
    code: 'file-exists',
    where: path,
    hint: 'name another file, or allow overwriting',
  });
}

const reasons: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'it would be larger than the system allows',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is not a directory',
  ELOOP: 'its symbolic links run in a circle',
  ENAMETOOLONG: 'its name is too long',
  ERR_INVALID_ARG_VALUE: 'its name holds a null character',
};

/** A file system's error as the DataError that names the file and says why; others stay what they are. */
export function describeFileError(error: unknown, where: string, verb: 'read' | 'written'): unknown {
  if (error instanceof DataError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') {
    const missing = verb === 'read' ? 'there is no such file' : `there is no directory "${dirname(where)}"`;
    return new DataError(missing, { code: 'no-file', where, cause: error });
  }
  return new DataError(`cannot be ${verb}: ${reasons[code] ?? message}`, { code: 'file', where, cause: error });
}
