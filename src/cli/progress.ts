import { clean } from '../report/text.ts';

/** Shorter work needs no progress. */
const QUIET_MS = 1000;

/** Says on standard error what is being done, in one line that is taken back at the end. Silent in pipes and logs. */
export class Progress {
  private readonly started = Date.now();
  private readonly enabled = process.stderr.isTTY === true && process.env.TERM !== 'dumb';
  private message = '';
  private shown = false;
  private readonly timer: NodeJS.Timeout | undefined;

  constructor() {
    if (this.enabled) this.timer = setInterval(() => this.show(), QUIET_MS / 4).unref();
  }

  /** What comes next. */
  say(message: string): void {
    this.message = message;
    // The runtime computes on this thread: a timer may not fire before the work is done.
    this.show();
  }

  /** Takes the line back. */
  end(): void {
    clearInterval(this.timer);
    if (this.shown) process.stderr.write('\r\x1b[K');
    this.shown = false;
  }

  private show(): void {
    const elapsed = Date.now() - this.started;
    if (!this.enabled || elapsed < QUIET_MS || this.message === '') return;
    const width = Math.max(10, (process.stderr.columns || 80) - 1);
    process.stderr.write(`\r\x1b[K${clean(`${this.message} (${Math.floor(elapsed / 1000)} s)`).slice(0, width)}`);
    this.shown = true;
  }
}
