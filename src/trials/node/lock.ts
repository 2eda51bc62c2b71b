import { readFileSync } from 'node:fs';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { DataError } from '../../graph/errors.ts';
import { describeFileError } from '../../runtime/node/files.ts';

/** Who holds a lock. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When the process began, where the system tells: process ids are used again. */
  readonly began?: string;
}

/** A file that exists while one process works on something. */
export interface Lock {
  release(): Promise<void>;
}

/**
 * Takes a lock by creating its file. One that a killed process of this machine left is taken over. Throws DataError with
 * code `locked` where its holder is alive, or on another machine, of which nothing can be known.
 */
export async function takeLock(path: string, what: string): Promise<Lock> {
  const own: Holder = { pid: process.pid, host: hostname(), began: beganOf(process.pid) };
  for (let attempt = 0; attempt < 5; attempt++) {
    if (await create(path, own)) return { release: () => rm(path, { force: true }) };
    const text = await readFile(path, 'utf8').catch(() => undefined);
    // Released meanwhile.
    if (text === undefined) continue;
    const holder = readHolder(text);
    if (holder === undefined || !isGone(holder)) throw lockedBy(holder, path, what);
    await removeStale(path, text);
  }
  throw lockedBy(undefined, path, what);
}

async function create(path: string, holder: Holder): Promise<boolean> {
  // Written under another name first: a lock is never seen empty.
  const prepared = `${path}.${holder.pid}.${Math.random().toString(36).slice(2)}`;
  const text = `${JSON.stringify(holder)}\n`;
  try {
    await writeFile(prepared, text, { flag: 'wx' });
    await link(prepared, path).catch((error: NodeJS.ErrnoException) => {
      // File systems without hard links.
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(error.code ?? '')) throw error;
      return writeFile(path, text, { flag: 'wx' });
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw describeFileError(error, path, 'written');
  } finally {
    await rm(prepared, { force: true });
  }
}

/** Takes a dead holder's file away, and puts back what another process may have created in its place meanwhile. */
async function removeStale(path: string, stale: string): Promise<void> {
  const moved = `${path}.${process.pid}.stale`;
  try {
    await rename(path, moved);
    if ((await readFile(moved, 'utf8')) !== stale) await link(moved, path).catch(() => undefined);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw describeFileError(error, path, 'written');
  } finally {
    await rm(moved, { force: true });
  }
}

function readHolder(text: string): Holder | undefined {
  try {
    const { pid, host, began } = JSON.parse(text) as Partial<Holder>;
    if (Number.isInteger(pid) && pid! > 0 && typeof host === 'string') return { pid: pid!, host, began };
  } catch {
    // Not ours.
  }
  return undefined;
}

function isGone({ pid, host, began }: Holder): boolean {
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
  const now = beganOf(pid);
  return began !== undefined && now !== undefined && now !== began;
}

/** proc(5): field 22 of /proc/PID/stat, after the command's name in parentheses, which may hold spaces. */
function beganOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .at(19);
  } catch {
    return undefined;
  }
}

function lockedBy(holder: Holder | undefined, path: string, what: string): DataError {
  const who = holder ? `process ${holder.pid}${holder.host === hostname() ? '' : ` on ${holder.host}`}` : 'a process';
  return new DataError(`${who} is at work on ${what}`, {
    code: 'locked',
    where: path,
    hint: 'wait for it or stop it; if it is gone, remove this file',
  });
}
