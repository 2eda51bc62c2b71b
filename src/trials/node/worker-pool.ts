import { Worker } from 'node:worker_threads';
import type { Artifacts, RunTrial, TrialProgress, TrialResult, TrialTask } from '../trial.ts';

/** What a pool tells a worker. */
export type ToWorker =
  | { readonly kind: 'artifact'; readonly hash: string; readonly bytes: Uint8Array }
  | { readonly kind: 'forget'; readonly hash: string }
  | { readonly kind: 'run'; readonly task: TrialTask }
  | { readonly kind: 'abort' }
  | { readonly kind: 'end' };

/** What a worker tells its pool. */
export type FromWorker =
  | { readonly kind: 'progress'; readonly progress: TrialProgress }
  | { readonly kind: 'result'; readonly result: TrialResult }
  | { readonly kind: 'aborted' };

export interface PoolOptions {
  /** The worker's file: `trial-worker.js` of this package. */
  readonly entry: URL;
  readonly workers: number;
  /** Of the runtime, in each worker. */
  readonly threads: number;
  /** Bytes of models and data that a worker keeps for trials to come, beside those it needs; default 256 MiB. */
  readonly mostKept?: number;
}

interface Job {
  readonly task: TrialTask;
  readonly artifacts: Artifacts;
  readonly onProgress?: (progress: TrialProgress) => void;
  readonly settle: (result: TrialResult | undefined, error?: unknown) => void;
  deaths: number;
  settled: boolean;
}

interface Slot {
  worker?: Worker;
  exited?: Promise<void>;
  job?: Job;
  /** Bytes of what the worker holds, by content hash, the latest sent last. */
  readonly sent: Map<string, number>;
  /** Why the thread ended, where it said so. */
  reason?: string;
}

/** Candidates of small networks are all kept; of large ones there would be a dozen in each worker. */
const MOST_KEPT = 256 * 2 ** 20;
/** A worker that does not come to its end is left to the process's. */
const END_SECONDS = 30;

/**
 * Worker threads that run trials, started when first needed and kept. A trial whose worker dies is run once more in a
 * fresh one. Threads are asked to stop and never terminated: onnxruntime in the middle of a step would take the whole
 * process with it.
 */
export class WorkerPool {
  readonly #options: PoolOptions;
  readonly #mostKept: number;
  readonly #slots: Slot[];
  #waiting: Job[] = [];
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#mostKept = options.mostKept ?? MOST_KEPT;
    this.#slots = Array.from({ length: options.workers }, () => ({ sent: new Map<string, number>() }));
  }

  /** Runs a trial as soon as a worker is free. Rejects only when aborted or closed. */
  readonly run: RunTrial = (task, artifacts, { signal, onProgress } = {}) => {
    signal?.throwIfAborted();
    return new Promise<TrialResult>((resolve, reject) => {
      const abort = () => this.#abort(job, signal?.reason);
      const job: Job = {
        task,
        artifacts,
        onProgress,
        deaths: 0,
        settled: false,
        settle: (result, error) => {
          if (job.settled) return;
          job.settled = true;
          signal?.removeEventListener('abort', abort);
          if (result) resolve(result);
          else reject(error);
        },
      };
      if (this.#closed) return job.settle(undefined, new Error('the pool of workers is closed'));
      signal?.addEventListener('abort', abort);
      this.#waiting.push(job);
      this.#assign();
    });
  };

  /** Starts the workers before the first trial is there. */
  start(): void {
    if (this.#closed) return;
    for (const slot of this.#slots) {
      if (slot.worker) continue;
      slot.worker = this.#start(slot);
      slot.worker.unref();
    }
  }

  /** Ends what runs, within the step it is at, and the workers. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#waiting.splice(0)) job.settle(undefined, new Error('the pool of workers was closed'));
    const ends = this.#slots.map(async ({ worker, exited, job }) => {
      if (!worker) return;
      if (job) this.#abort(job, new Error('the pool of workers was closed'));
      send(worker, { kind: 'end' });
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, 1000 * END_SECONDS);
      });
      await Promise.race([exited, late]);
      clearTimeout(timer);
      worker.unref();
    });
    await Promise.all(ends);
  }

  #assign(): void {
    for (const slot of this.#slots) {
      if (slot.job) continue;
      const job = this.#waiting.shift();
      if (!job) return;
      slot.job = job;
      slot.worker ??= this.#start(slot);
      slot.worker.ref();
      this.#brief(slot, slot.worker, job);
    }
  }

  /** Sends what the worker lacks, then the task. */
  #brief({ sent }: Slot, worker: Worker, { task, artifacts }: Job): void {
    const needed = task.data.kind === 'packed' ? [task.model, task.data.hash] : [task.model];
    let kept = [...sent].reduce((sum, [hash, size]) => (needed.includes(hash) ? sum : sum + size), 0);
    for (const [hash, size] of sent) {
      if (needed.includes(hash) || (artifacts.has(hash) && kept <= this.#mostKept)) continue;
      sent.delete(hash);
      kept -= size;
      send(worker, { kind: 'forget', hash });
    }
    for (const hash of needed) {
      const bytes = artifacts.get(hash);
      if (!bytes || sent.has(hash)) continue;
      sent.set(hash, bytes.length);
      // A copy to give away: a view would be sent with all of its buffer. Not slice(), which is a view of a Buffer.
      const copy = new Uint8Array(bytes);
      send(worker, { kind: 'artifact', hash, bytes: copy }, [copy.buffer]);
    }
    send(worker, { kind: 'run', task });
  }

  #start(slot: Slot): Worker {
    const worker = new Worker(this.#options.entry, { workerData: { threads: this.#options.threads } });
    slot.sent.clear();
    slot.reason = undefined;
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'progress') {
        if (!slot.job?.settled) slot.job?.onProgress?.(message.progress);
        return;
      }
      const { job } = slot;
      slot.job = undefined;
      worker.unref();
      if (message.kind === 'result') job?.settle(message.result);
      this.#assign();
    });
    worker.on('error', (error) => {
      slot.reason = error instanceof Error ? error.message : String(error);
    });
    slot.exited = new Promise((resolve) => {
      worker.on('exit', (code) => {
        this.#bury(slot, code);
        resolve();
      });
    });
    return worker;
  }

  /** A worker ended: its trial goes to a fresh one, the second time it has failed. */
  #bury(slot: Slot, code: number): void {
    const { job } = slot;
    slot.worker = undefined;
    slot.job = undefined;
    if (job && !job.settled) {
      job.deaths += 1;
      if (job.deaths < 2 && !this.#closed) this.#waiting.unshift(job);
      else {
        const { id, plan, seed, steps } = job.task;
        const error = `its worker died twice: ${slot.reason ?? `exit code ${code}`}`;
        job.settle({ id, plan, seed, steps, status: 'failed', training: [], error, seconds: 0 });
      }
    }
    if (!this.#closed) this.#assign();
  }

  #abort(job: Job, reason: unknown): void {
    this.#waiting = this.#waiting.filter((other) => other !== job);
    const slot = this.#slots.find((candidate) => candidate.job === job);
    if (slot?.worker) send(slot.worker, { kind: 'abort' });
    job.settle(undefined, reason);
  }
}

function send(worker: Worker, message: ToWorker, transfer: readonly ArrayBuffer[] = []): void {
  worker.postMessage(message, transfer as ArrayBuffer[]);
}
