import { counted, showNumber } from '../report/numbers.ts';
import { clean } from '../report/text.ts';
import { showSeconds } from '../report/treatment/words.ts';
import type { TreatEvent, TreatOptions } from '../verbs/treat.ts';

type TrialProgress = Parameters<NonNullable<TreatOptions['onTrialProgress']>>[0];

const TERMINAL_MS = 500;
const LOG_MS = 10_000;

/**
 * Follows a treatment on standard error: on a terminal one line that keeps changing, elsewhere a line for each round and
 * one every ten seconds.
 */
export class TreatmentProgress {
  private readonly terminal = process.stderr.isTTY === true && process.env.TERM !== 'dumb';
  private readonly timer: NodeJS.Timeout;
  private message = '';
  private shownAt = Date.now();
  private onLine = false;
  private round = '';
  private done = 0;
  private of = 0;
  private known = 0;
  private last = '';
  /** The trial that was heard of last, of those that run. */
  private running: TrialProgress | undefined;
  /** When all rounds will be done, by the pace so far. */
  private end: number | undefined;
  private readonly resumed: boolean;

  constructor({ resumed }: { resumed: boolean }) {
    this.resumed = resumed;
    this.timer = setInterval(() => this.show(), TERMINAL_MS).unref();
  }

  /** What is done before the first trial. */
  say(message: string): void {
    this.message = message;
    this.show();
  }

  see(event: TreatEvent): void {
    switch (event.kind) {
      case 'diagnosed': {
        const { verdict, findings } = event.report.diagnosis;
        const main = findings.find(({ severity }) => severity === 'error');
        this.note(`diagnosed: ${verdict}${main ? `, ${main.title}` : ''}`);
        break;
      }
      case 'plans':
        if (event.plans.length > 0) {
          this.note(`${counted(event.plans.length, 'plan')}: ${event.plans.map(({ id }) => id).join(', ')}`);
        }
        if (event.skipped.length > 0) this.note(`${counted(event.skipped.length, 'plan')} cannot be carried out here`);
        this.say('timing the baseline');
        break;
      case 'round':
        this.round = `round ${event.round} of ${event.of}`;
        this.note(
          `${this.round}: ${counted(event.trials, 'trial')} of ${counted(event.steps, 'step')}, ${counted(event.plans.length, 'plan')} and the baseline`,
        );
        if (event.secondsLeft !== undefined) this.end = Date.now() + 1000 * event.secondsLeft;
        break;
      case 'trial': {
        const { result, done, of, secondsLeft, known } = event;
        if (this.running?.id === result.id) this.running = undefined;
        this.done = done;
        this.of = of;
        if (secondsLeft !== undefined) this.end = Date.now() + 1000 * secondsLeft;
        if (known) this.known++;
        const loss = result.heldOut?.loss ?? result.training.at(-1)?.loss;
        this.last = `${result.plan} ${result.status === 'done' ? showNumber(loss ?? Number.NaN) : result.status}`;
        this.show();
        break;
      }
      case 'end':
        if (this.resumed) this.note(`${counted(this.known, 'trial')} of ${this.done} known from before`);
        break;
    }
  }

  /** How far a trial is. */
  run(progress: TrialProgress): void {
    this.running = progress;
  }

  /** A line of its own. */
  note(text: string): void {
    this.clear();
    process.stderr.write(`${clean(text)}\n`);
  }

  /** Takes the changing line back, for good. */
  stop(): void {
    clearInterval(this.timer);
    this.clear();
  }

  private clear(): void {
    if (this.onLine) process.stderr.write('\r\x1b[K');
    this.onLine = false;
  }

  private show(): void {
    const now = Date.now();
    const line = clean(this.line(now));
    if (line === '' || now - this.shownAt < (this.terminal ? TERMINAL_MS : LOG_MS)) return;
    this.shownAt = now;
    if (!this.terminal) {
      process.stderr.write(`${line}\n`);
      return;
    }
    process.stderr.write(`\r\x1b[K${line.slice(0, Math.max(10, (process.stderr.columns || 80) - 1))}`);
    this.onLine = true;
  }

  private line(time: number): string {
    if (this.round === '') return this.message;
    const left = this.end === undefined ? '' : `, about ${showSeconds(Math.max(0, (this.end - time) / 1000))} left`;
    const { running } = this;
    const current = running ? `; ${running.plan}: step ${running.step} of ${running.of}` : '';
    const last = current === '' && this.last !== '' ? `; ${this.last}` : '';
    return `${this.round}: ${this.done} of ${counted(this.of, 'trial')}${left}${current}${last}`;
  }
}
