import { UsageError } from '../../graph/errors.ts';
import { type Event, encodeEvent, FILE_VERSION, type SummaryForm, type SummaryValue } from './event.ts';
import type { Histogram } from './histogram.ts';
import { frameRecord } from './record.ts';

export interface EventLogOptions {
  readonly form?: SummaryForm;
  /** Seconds since 1970; default the clock. */
  readonly now?: () => number;
  /** A resumed run: what earlier files of the directory say from this step on is void. */
  readonly restartAt?: number;
}

/** What one step logs, by tag. */
export interface StepValues {
  readonly scalars?: Iterable<readonly [tag: string, value: number]>;
  readonly histograms?: Iterable<readonly [tag: string, histogram: Histogram]>;
}

/** The bytes of an event file, in memory until they are taken: every value of every step is kept. */
export class EventLog {
  readonly #form: SummaryForm;
  readonly #now: () => number;
  #records: Uint8Array[] = [];
  #pending = 0;

  /** Begins with the file's version event. */
  constructor({ form = 'simple', now = () => Date.now() / 1000, restartAt }: EventLogOptions = {}) {
    this.#form = form;
    this.#now = now;
    this.add({ wallTime: now(), step: restartAt ?? 0, fileVersion: FILE_VERSION });
    if (restartAt === undefined) return;
    // TensorBoard drops orphaned steps at a SessionLog.START, but takes the first one it sees for the beginning of the
    // run (plugin_event_accumulator.py, _CheckForRestartAndMaybePurge): hence two.
    for (let i = 0; i < 2; i++) this.add({ wallTime: now(), step: restartAt, restart: true });
  }

  /** Bytes that wait to be taken. */
  get pending(): number {
    return this.#pending;
  }

  /** Logs one step's values as one event. NaN and infinities are logged as they are. Throws UsageError for the step. */
  step(step: number, { scalars = [], histograms = [] }: StepValues, wallTime = this.#now()): void {
    const values: SummaryValue[] = [];
    for (const [tag, value] of scalars) values.push({ kind: 'scalar', tag, value });
    for (const [tag, histogram] of histograms) values.push({ kind: 'histogram', tag, histogram });
    this.add({ wallTime, step, values });
  }

  /** Logs an event. Throws UsageError for a step that is no integer. */
  add(event: Event): void {
    if (!Number.isSafeInteger(event.step)) {
      throw new UsageError(`a step is an integer, got ${event.step}`, { code: 'step' });
    }
    const record = frameRecord(encodeEvent(event, this.#form));
    this.#records.push(record);
    this.#pending += record.length;
  }

  /** The bytes since the last call: to be appended to the file. */
  take(): Uint8Array {
    const bytes = new Uint8Array(this.#pending);
    let at = 0;
    for (const record of this.#records) {
      bytes.set(record, at);
      at += record.length;
    }
    this.#records = [];
    this.#pending = 0;
    return bytes;
  }
}

/** `events.out.tfevents.<seconds>.<host>.<pid>.<n>`, as torch names them: TensorBoard reads them in this order. */
export function eventFileName(seconds: number, host: string, pid: number, n: number): string {
  const digits = String(Math.floor(seconds)).padStart(10, '0');
  return `events.out.tfevents.${digits}.${host.replace(/[^\w.-]+/g, '-').slice(0, 64) || 'host'}.${pid}.${n}`;
}

/** Whether a file's name says that it holds events; TensorBoard asks for no more. */
export function isEventFileName(name: string): boolean {
  return name.includes('tfevents');
}

/** A tag that TensorBoard's pages group by layer: the part before the first slash is the group. */
export function layerTag(layer: string, quantity: string): string {
  const group = layer.replace(/^\/+|\/+$/g, '').replace(/\/+/g, '.');
  return `${group || 'model'}/${quantity}`;
}
