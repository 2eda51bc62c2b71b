import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Job } from 'bullmq';
import type { RunTrial, TrialResult, TrialTask } from '../trial.ts';
import { decodeTask, encodeResult } from '../trial-json.ts';
import {
  AGAIN,
  announce,
  connectionOptions,
  connectRedis,
  getArtifact,
  loadQueueLibraries,
  PREFIX,
  queueName,
  retract,
  WORKER_SECONDS,
  type WorkerEntry,
  wantedKey,
} from './redis.ts';

export interface QueueWorkerOptions {
  /** redis://[:PASSWORD@]HOST[:PORT][/DATABASE]; never shown with its password. */
  readonly url: string;
  /** Of this package: trials of other versions are refused. */
  readonly version: string;
  /** Trials at the same time. */
  readonly concurrency: number;
  /** Runs one trial off this thread, which has locks to renew. */
  readonly run: RunTrial;
  /** What whoever watches the worker should know: a lost connection. */
  readonly onNotice?: (text: string) => void;
  readonly onTrial?: (result: TrialResult) => void;
}

export interface QueueWorker {
  /** Takes no more trials, ends those it has, and leaves. */
  drain(): Promise<void>;
  /** Gives up what runs: other workers take it. `drain` then ends soon. */
  giveUp(): void;
}

/** A worker that has not renewed its lock for so long is taken for dead, and its trial given to another. */
const LOCK_SECONDS = 6;
/** A trial that so many workers died of is not tried again. */
const MOST_DEATHS = 3;
/** Results that are remembered, for a server that forgot them. */
const REMEMBERED = 100;
/** How long finished jobs are kept, for a run that goes on later. */
const KEEP = { age: 3600, count: 10_000 };
/** Seconds between two looks whether a trial is still waited for; it is given up at the second in vain. */
const LOOK_SECONDS = 3;
/** Milliseconds between two words on how far a trial is. */
const PROGRESS_EVERY = 500;
/** Bytes of artifacts kept at hand. */
const CACHE_BYTES = 2 ** 30;

/**
 * Runs trials for whoever queues them on a Redis or Valkey server, until told to stop. Throws UsageError where BullMQ is
 * missing, DataError where the server is not reached.
 */
export async function startWorker(options: QueueWorkerOptions): Promise<QueueWorker> {
  const { url, version, concurrency, run, onNotice = () => {}, onTrial = () => {} } = options;
  const libraries = await loadQueueLibraries();
  const { UnrecoverableError, Worker } = libraries.bullmq;
  const redis = await connectRedis(libraries, url, onNotice);
  const entry: WorkerEntry = { id: randomUUID(), host: hostname(), pid: process.pid, version, concurrency };
  const artifacts = artifactCache((hash) => getArtifact(redis, hash));
  const remembered = new Map<string, string>();
  const running = new Set<AbortController>();
  const again = (why: string) => new UnrecoverableError(`${AGAIN}${why}`);

  const carryOut = async (job: Job<{ version?: unknown; task?: unknown }>): Promise<string> => {
    if (job.data.version !== version) {
      const found = String(job.data.version).slice(0, 40);
      throw new UnrecoverableError(`this worker is of version ${version} and refuses trials of version ${found}`);
    }
    const task = decodeTask(String(job.data.task));
    const known = remembered.get(task.id);
    if (known !== undefined) return known;
    const wanted = wantedKey(job.id!);
    if ((await redis.exists(wanted)) === 0) throw again('nobody waited for it');
    const trial = new AbortController();
    running.add(trial);
    let misses = 0;
    const watch = setInterval(() => {
      if (redis.status !== 'ready') return;
      redis.exists(wanted).then(
        (found) => {
          misses = found === 0 ? misses + 1 : 0;
          if (misses >= 2) trial.abort();
        },
        () => {},
      );
    }, 1000 * LOOK_SECONDS);
    let told = Number.NEGATIVE_INFINITY;
    try {
      const files = await artifacts(task, again);
      const result = await run(task, files, {
        signal: trial.signal,
        onProgress: ({ step }) => {
          if (performance.now() - told < PROGRESS_EVERY || redis.status !== 'ready') return;
          told = performance.now();
          job.updateProgress({ step }).catch(() => {});
        },
      });
      const text = encodeResult(result);
      remembered.set(task.id, text);
      if (remembered.size > REMEMBERED) remembered.delete(remembered.keys().next().value!);
      onTrial(result);
      return text;
    } catch (error) {
      if (trial.signal.aborted) throw again('its worker was stopped');
      throw error;
    } finally {
      clearInterval(watch);
      running.delete(trial);
    }
  };

  const worker = new Worker(queueName(version), carryOut, {
    connection: connectionOptions(url),
    prefix: PREFIX,
    concurrency,
    lockDuration: 1000 * LOCK_SECONDS,
    stalledInterval: 500 * LOCK_SECONDS,
    maxStalledCount: MOST_DEATHS - 1,
    removeOnComplete: KEEP,
    removeOnFail: KEEP,
  });
  // Lost connections are told once, by `connectRedis`; a lock lost meanwhile means that the trial is run again.
  worker.on('error', () => {});
  const beat = () => {
    if (redis.status === 'ready') announce(redis, entry).catch(() => {});
  };
  await announce(redis, entry);
  const heart = setInterval(beat, (1000 * WORKER_SECONDS) / 3);
  redis.on('ready', beat);
  return {
    drain: async () => {
      clearInterval(heart);
      redis.off('ready', beat);
      if (redis.status === 'ready') await retract(redis, entry).catch(() => {});
      await worker.close();
      redis.disconnect();
    },
    giveUp: () => {
      for (const trial of running) trial.abort();
    },
  };
}

/** The artifacts of tasks, verified when they arrive; the oldest make room. */
function artifactCache(fetch: (hash: string) => Promise<Uint8Array | undefined>) {
  const held = new Map<string, Uint8Array>();
  return async ({ model, data }: TrialTask, again: (why: string) => Error): Promise<Map<string, Uint8Array>> => {
    const files = new Map<string, Uint8Array>();
    for (const hash of data.kind === 'packed' ? [data.hash, model] : [model]) {
      const bytes = held.get(hash) ?? (await fetch(hash).catch(() => undefined));
      if (!bytes) throw again('its model or data did not arrive');
      // Used last, it goes last.
      held.delete(hash);
      held.set(hash, bytes);
      files.set(hash, bytes);
    }
    let size = [...held.values()].reduce((sum, { length }) => sum + length, 0);
    for (const [hash, { length }] of held) {
      if (size <= CACHE_BYTES) break;
      if (files.has(hash)) continue;
      held.delete(hash);
      size -= length;
    }
    return files;
  };
}
