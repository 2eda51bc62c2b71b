import { dirname, resolve } from 'node:path';
import { DataError, UsageError } from '../graph/errors.ts';
import type { TerminalOptions } from '../report/page.ts';

/** Where a result goes. */
export interface OutputOptions {
  /** A file instead of standard output. */
  readonly output?: string;
  /** Whether that file may be overwritten. */
  readonly force?: boolean;
}

/** A reader that has seen enough (`| head`) ends the writer without a word. */
export function guardStreams(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit();
      throw new DataError(`cannot be written: ${error.message}`, { code: 'stream', where: 'the result' });
    });
  }
}

/**
 * Refuses a result file that exists, or cannot be, before any work is done for it; `made` is a folder that will be there
 * by then. Throws DataError, UsageError.
 */
export async function checkOutput({ output, force = false }: OutputOptions, made?: string): Promise<void> {
  if (output === '') throw new UsageError('"" names no file', { code: 'option-value', where: '--output' });
  if (output === undefined) return;
  if (made === undefined || resolve(dirname(output)) !== resolve(made)) await checkFolder(output);
  if (force) return;
  const { access } = await import('node:fs/promises');
  const exists = await access(output).then(
    () => true,
    () => false,
  );
  if (exists) throw alreadyExists(output);
}

/** Refuses a file whose folder is missing or cannot be written to. Throws DataError. */
export async function checkFolder(path: string): Promise<void> {
  const { access, constants } = await import('node:fs/promises');
  try {
    await access(dirname(path), constants.W_OK);
  } catch (error) {
    throw (await import('../runtime/node/files.ts')).describeFileError(error, path, 'written');
  }
}

/** Writes a result to standard output, or whole to a file or not at all. Throws DataError when it cannot. */
export async function writeResult(text: string, { output, force = false }: OutputOptions): Promise<void> {
  if (output === undefined) {
    process.stdout.write(text);
    return;
  }
  const { writeFileSafely } = await import('../runtime/node/files.ts');
  // While a file is being written Ctrl-C waits for it; at all other times the signal ends the process at once.
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
  };
  process.on('SIGINT', interrupt);
  try {
    await writeFileSafely(output, text, { overwrite: force });
  } catch (error) {
    throw (error as { code?: string }).code === 'file-exists' ? alreadyExists(output) : error;
  } finally {
    process.off('SIGINT', interrupt);
  }
  if (interrupted) process.exit(130);
  process.stderr.write(`written to ${resolve(output)}\n`);
}

/** What standard output can show: some terminals say they have 0 columns. A file gets neither colour nor a narrower character set. */
export function terminalOptions({ output }: OutputOptions): TerminalOptions {
  if (output !== undefined) return { columns: 80, colour: false, unicode: true };
  return { columns: process.stdout.columns || 80, colour: wantsColour(process.env), unicode: hasUnicode(process.env) };
}

/** NO_COLOR (no-color.org) wins over FORCE_COLOR, which wins over what the terminal is. */
function wantsColour({ NO_COLOR, FORCE_COLOR, TERM }: NodeJS.ProcessEnv): boolean {
  if (NO_COLOR) return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '') return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  return process.stdout.isTTY === true && TERM !== 'dumb';
}

/** ASCII only where the locale or the terminal says so: logs without a locale are shown as UTF-8 everywhere. */
function hasUnicode({ LC_ALL, LC_CTYPE, LANG, TERM }: NodeJS.ProcessEnv): boolean {
  const locale = LC_ALL || LC_CTYPE || LANG || '';
  return TERM !== 'dumb' && !/^(C|POSIX)$|iso-?8859|ascii/i.test(locale);
}

function alreadyExists(path: string): DataError {
  return new DataError('already exists', { code: 'file-exists', where: path, hint: '--force overwrites it' });
}
