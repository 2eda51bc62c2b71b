import { counted, showCount, showNumber, showPercent } from '../report/numbers.ts';
import { clean } from '../report/text.ts';
import type { TrainEndEvent, TrainEvent, TrainFaultEvent, TrainStartEvent, TrainStepEvent } from '../verbs/train.ts';

const TERMINAL_MS = 250;
const LOG_MS = 10_000;

type Scores = Extract<TrainEvent, { kind: 'epoch' | 'validation' }>;

/**
 * Follows a training on standard error: on a terminal one line that keeps changing, elsewhere a line every ten seconds.
 * Keeps what the summary needs.
 */
export class TrainingProgress {
  start: TrainStartEvent | undefined;
  last: TrainStepEvent | undefined;
  epoch: Scores | undefined;
  validation: Scores | undefined;
  best: Scores | undefined;
  fault: TrainFaultEvent | undefined;
  ended: TrainEndEvent | undefined;
  private began = Date.now();
  private shownAt = Date.now();
  private onLine = false;
  private readonly terminal = process.stderr.isTTY === true && process.env.TERM !== 'dumb';

  see(event: TrainEvent): void {
    switch (event.kind) {
      case 'start':
        this.start = event;
        this.began = Date.now();
        this.note(
          `${describeData(event.data)}, batches of ${event.batch}, ${event.optimizer} at ${showNumber(event.learningRate)}`,
        );
        for (const note of event.notes) this.note(`note: ${note}`);
        break;
      case 'step':
        this.last = event;
        this.show();
        break;
      case 'epoch':
        this.epoch = event;
        break;
      case 'validation':
        this.validation = event;
        if (isBetter(event, this.best)) this.best = event;
        break;
      case 'fault':
        this.fault = event;
        break;
      case 'end':
        this.ended = event;
        break;
    }
  }

  /** Seconds since the first step. */
  get seconds(): number {
    return (Date.now() - this.began) / 1000;
  }

  /** A line of its own. */
  note(text: string): void {
    this.end();
    process.stderr.write(`${clean(text)}\n`);
  }

  /** Takes the changing line back. */
  end(): void {
    if (this.onLine) process.stderr.write('\r\x1b[K');
    this.onLine = false;
  }

  private show(): void {
    const now = Date.now();
    if (now - this.shownAt < (this.terminal ? TERMINAL_MS : LOG_MS)) return;
    this.shownAt = now;
    const line = clean(this.line());
    if (!this.terminal) {
      process.stderr.write(`${line}\n`);
      return;
    }
    process.stderr.write(`\r\x1b[K${line.slice(0, Math.max(10, (process.stderr.columns || 80) - 1))}`);
    this.onLine = true;
  }

  private line(): string {
    const { step, epoch, loss, metrics } = this.last!;
    const { steps, step: first } = this.start!;
    const done = steps === undefined ? `step ${showCount(step)}` : `step ${showCount(step)} of ${showCount(steps)}`;
    const rate = (step - first) / Math.max(this.seconds, 1e-3);
    const left = steps === undefined ? '' : ` (${showTime((steps - step) / rate)} left)`;
    const scores = [`loss ${showNumber(loss)}`, ...Object.entries(metrics).map(showMetric)];
    if (this.validation) {
      scores.push(
        `validation ${[showNumber(this.validation.loss), ...Object.entries(this.validation.metrics).map(showMetric)].join(', ')}`,
      );
    }
    return `epoch ${epoch}, ${done}${left}: ${scores.join(', ')}`;
  }
}

/** What a training came to, for people. */
export function describeRun(
  progress: TrainingProgress,
  { path, out, files }: { path: string; out: string | undefined; files: readonly string[] },
): string {
  const { start, ended, fault } = progress;
  if (!start || !ended) return '';
  const steps = ended.step - start.step;
  const pace = steps > 0 ? `, ${showNumber((1000 * progress.seconds) / steps)} ms a step` : '';
  const from = start.step > 0 ? `, from step ${showCount(start.step)} on` : '';
  const lines = [
    `  ${clean(start.model)}   ${counted(start.layers.length, 'layer')}, ${counted(start.parameters, 'parameter')}`,
    `  ${clean(describeData(start.data))}   ${start.optimizer} at ${showNumber(start.learningRate)}, batch ${start.batch}`,
    '',
    `  ${headline(progress)}`,
    `  ${counted(ended.step, 'step')}${from}, ${counted(ended.epoch, 'epoch')} in ${showTime(progress.seconds)}${pace}`,
    '',
  ];
  const rows: [string, Scores | TrainStepEvent | undefined][] = [
    ['last epoch', progress.epoch],
    ['validation', progress.validation],
    ['best', progress.best === progress.validation ? undefined : progress.best],
  ];
  if (!progress.epoch) rows.unshift(['last batch', progress.last]);
  for (const [label, scores] of rows) {
    if (!scores) continue;
    const values = [`loss ${showNumber(scores.loss)}`, ...Object.entries(scores.metrics).map(showMetric)];
    const when = label === 'best' ? ` (epoch ${scores.epoch})` : '';
    lines.push(`  ${label.padEnd(11)}${values.join(', ')}${when}`);
  }
  if (fault) {
    const { findings } = fault.report.diagnosis;
    const finding = findings.find(({ severity }) => severity === 'error');
    lines.push(`  ${'where'.padEnd(11)}${clean(fault.where.slice(0, 4).join(', ') || 'unknown')}`);
    if (finding) lines.push(`  ${'diagnosis'.padEnd(11)}${clean(`${finding.rule}: ${finding.title}`)}`);
    for (const [i, { id, action }] of (finding?.remedies ?? []).slice(0, 3).entries()) {
      lines.push(`  ${(i === 0 ? 'try' : '').padEnd(11)}${id}: ${action}`);
    }
  }
  if (out !== undefined) {
    lines.push('');
    for (const file of files) lines.push(`  ${'written'.padEnd(11)}${clean(file)}`);
    lines.push(`  ${'look'.padEnd(11)}tensorboard --logdir ${quote(out)}`);
    if (ended.reason === 'aborted') {
      lines.push(`  ${'go on'.padEnd(11)}gradient-doctor train ${quote(path)} --out ${quote(out)} --resume`);
    }
  } else if (ended.reason === 'aborted') lines.push('', '  nothing was kept: --out runs/NAME keeps a run');
  return `${lines.join('\n')}\n`;
}

function describeData({ name, real, training, validation }: TrainStartEvent['data']): string {
  const rows = training === undefined ? 'rows without end' : counted(training, 'row');
  return `${rows} of ${name}${real ? '' : ' (made up)'}${validation > 0 ? `, ${showCount(validation)} more to score on` : ''}`;
}

function headline({ ended, fault }: TrainingProgress): string {
  if (fault) return `✗ ${fault.fault.kind}   ${clean(fault.fault.message)}`;
  if (ended?.reason === 'aborted') return '! interrupted';
  return '✓ trained';
}

function isBetter(scores: Scores, best: Scores | undefined): boolean {
  if (!best) return true;
  const accuracy = (of: Scores) => of.metrics.accuracy;
  return accuracy(best) === undefined ? scores.loss < best.loss : accuracy(scores)! > accuracy(best)!;
}

function showMetric([name, value]: readonly [string, number]): string {
  if (name !== 'accuracy') return `${name} ${showNumber(value)}`;
  return `${name} ${Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : showPercent(value)}`;
}

/** `42 s`, `3 min 20 s`, `2 h 5 min`. */
function showTime(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
