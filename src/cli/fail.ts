import { CommanderError } from 'commander';
import { UserError } from '../graph/errors.ts';
import { clean } from '../report/text.ts';

/** Exit code of unusable input or usage. */
export const UNUSABLE = 2;

/** Says on one line of standard error what is wrong, where, and what would be accepted. Returns the exit code. */
export function reportFailure(error: unknown, { verbose }: { verbose: boolean }): number {
  // Help for a bare `gradient-doctor` is on standard error already.
  if (error instanceof CommanderError && error.code === 'commander.help') return UNUSABLE;
  process.stderr.write(`gradient-doctor: ${clean(describe(error))}\n`);
  if (verbose) process.stderr.write(`${stackOf(error)}\n`);
  return UNUSABLE;
}

function describe(error: unknown): string {
  if (error instanceof UserError) return error.describe();
  if (error instanceof CommanderError) return describeUsage(error);
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return `internal error: ${text}; please report it (--verbose shows the stack)`;
}

/** commander's `error: unknown option '--bacth'\n(Did you mean --batch?)`. */
function describeUsage({ message }: CommanderError): string {
  const [what = '', ...rest] = message.replace(/^error: /, '').split('\n');
  const hint = rest
    .join(' ')
    .replace(/^\((.*)\)$/, '$1')
    .replace(/^Did/, 'did');
  return `${what.replace(/\.$/, '')}; ${hint || 'gradient-doctor --help shows what there is'}`;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `\ncaused by ${error.cause.stack}` : '';
  return `${error.stack}${cause}`;
}
