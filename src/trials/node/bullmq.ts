import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue, QueueEvents } from 'bullmq';
import type { Redis } from 'ioredis';
import { DataError } from '../../graph/errors.ts';
import { Channel } from '../channel.ts';
import type { Artifacts, Executor, TrialResult, TrialTask } from '../trial.ts';
import { decodeResult, encodeTask } from '../trial-json.ts';
import {
  AGAIN,
  connectionOptions,
  connectRedis,
  listWorkers,
  loadQueueLibraries,
  PREFIX,
  putArtifact,
  queueName,
  showQueue,
  wantedKey,
} from './redis.ts';

export { showQueue } from './redis.ts';

export interface QueueExecutorOptions {
  /** redis://[:PASSWORD@]HOST[:PORT][/DATABASE]; never shown with its password. */
  readonly url: string;
  /** Of this package: only workers of the same version run the trials. */
  readonly version: string;
  /** What the user should know: a lost connection, no workers. */
  readonly onNotice?: (text: string) => void;
}

/** Seconds between two looks at what became of the trials; events tell at once, unless they are lost. */
const LOOK_SECONDS = 2;
/** Seconds after which workers give up a trial that nobody waits for any more. */
const WANTED_SECONDS = 20;
/** How often a trial is given to another worker where a worker could not take it. */
const MOST_HANDOVERS = 5;
/** Seconds for a worker of this version to appear where there are workers of other versions only. */
const VERSION_SECONDS = 5;

interface Pending {
  readonly task: TrialTask;
  readonly job: string;
  /** Whether its job is one of this run, or was at work when this run began. */
  joined: boolean;
  handovers: number;
  looking: boolean;
  lookAgain: boolean;
}

/**
 * Runs trials on whatever workers are connected to a Redis or Valkey server (`gradient-doctor worker`). Trials of
 * workers that die are run elsewhere; a lost connection or a restarted server is waited out. When the signal aborts, the
 * results end without an error. Throws UsageError where BullMQ is missing, DataError where the server is not reached.
 */
export async function queueExecutor(options: QueueExecutorOptions): Promise<Executor> {
  const { url, version, onNotice = () => {} } = options;
  const shown = showQueue(url);
  const libraries = await loadQueueLibraries();
  const redis = await connectRedis(libraries, url, onNotice);
  const settings = { connection: connectionOptions(url), prefix: PREFIX };
  const queue = new libraries.bullmq.Queue(queueName(version), settings);
  const events = new libraries.bullmq.QueueEvents(queueName(version), settings);
  // Lost connections are told once, by `connectRedis`; both go on by themselves.
  queue.on('error', () => {});
  events.on('error', () => {});
  const parts = { redis, queue, events };
  const close = async () => {
    await within(2, Promise.all([...state.leaving]));
    await within(2, Promise.all([events.close(), queue.close()]));
    redis.disconnect();
  };
  const state: State = { parallel: 1, leaving: new Set() };
  try {
    await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
    state.parallel = await countSlots(redis, version);
  } catch (error) {
    await close();
    throw new DataError(`the queue cannot be used: ${(error as Error).message}`, { code: 'queue', where: shown });
  }
  return {
    name: `workers at ${shown}`,
    get parallel() {
      return state.parallel;
    },
    run: (tasks, artifacts, run = {}) => runOver(parts, state, { tasks, artifacts, version, shown, onNotice, ...run }),
    close,
  };
}

interface Parts {
  readonly redis: Redis;
  readonly queue: Queue;
  readonly events: QueueEvents;
}

interface State {
  parallel: number;
  /** Runs that are being cleared away. */
  readonly leaving: Set<Promise<void>>;
}

interface Run extends NonNullable<Parameters<Executor['run']>[2]> {
  readonly tasks: readonly TrialTask[];
  readonly artifacts: Artifacts;
  readonly version: string;
  readonly shown: string;
  readonly onNotice: (text: string) => void;
}

async function* runOver(parts: Parts, state: State, run: Run): AsyncGenerator<TrialResult> {
  const { redis, queue, events } = parts;
  const { signal, onProgress } = run;
  if (signal?.aborted || run.tasks.length === 0) return;
  const results = new Channel<TrialResult>();
  const pending = new Map<string, Pending>();
  for (const task of run.tasks) {
    const job = jobOf(task);
    pending.set(job, { task, job, joined: false, handovers: 0, looking: false, lookAgain: false });
  }
  const settle = (entry: Pending, result: TrialResult) => {
    if (!pending.delete(entry.job)) return;
    results.push(result);
    if (pending.size === 0) results.end();
  };
  let over = false;
  const look = async (entry: Pending) => {
    if (over || !pending.has(entry.job)) return;
    if (entry.looking) {
      entry.lookAgain = true;
      return;
    }
    entry.looking = true;
    try {
      do {
        entry.lookAgain = false;
        await lookAfter(entry, parts, run.artifacts, settle);
      } while (entry.lookAgain && pending.has(entry.job));
    } catch (error) {
      if (!over) results.end(error);
    } finally {
      entry.looking = false;
    }
  };
  const onEnd = ({ jobId }: { jobId: string }) => {
    const entry = pending.get(jobId);
    if (entry) void look(entry);
  };
  const onStep = ({ jobId, data }: { jobId: string; data: unknown }) => {
    const entry = pending.get(jobId);
    const step = (data as { step?: unknown } | null)?.step;
    if (entry && typeof step === 'number') onProgress?.({ id: entry.task.id, step });
  };
  const abort = () => results.end();
  events.on('completed', onEnd).on('failed', onEnd).on('progress', onStep);
  signal?.addEventListener('abort', abort);
  const watch = watchWorkers(run);
  void (async () => {
    while (!over) {
      const hashes = new Set([...pending.values()].flatMap(({ task }) => artifactsOf(task)));
      for (const hash of hashes) {
        const bytes = run.artifacts.get(hash);
        if (bytes) await putArtifact(redis, hash, bytes);
      }
      await want(redis, [...pending.keys()]);
      state.parallel = await watch(redis);
      await Promise.all([...pending.values()].map(look));
      await sleep(1000 * LOOK_SECONDS);
    }
  })().catch((error) => {
    if (!over) results.end(error);
  });
  try {
    yield* results;
  } finally {
    over = true;
    events.off('completed', onEnd).off('failed', onEnd).off('progress', onStep);
    signal?.removeEventListener('abort', abort);
    const leaving = leave(redis, queue, [...pending.keys()]).finally(() => state.leaving.delete(leaving));
    state.leaving.add(leaving);
  }
}

/** Sees what became of a job: adds it where it is missing, takes its result, gives it to another worker. */
async function lookAfter(
  entry: Pending,
  { redis, queue }: Parts,
  artifacts: Artifacts,
  settle: (entry: Pending, result: TrialResult) => void,
): Promise<void> {
  const { task, job: id } = entry;
  const submit = () => queue.add('trial', { version: task.version, task: encodeTask(task) }, { jobId: id });
  const again = async () => {
    for (const hash of artifactsOf(task)) {
      const bytes = artifacts.get(hash);
      if (bytes) await putArtifact(redis, hash, bytes);
    }
    await want(redis, [id]);
    await queue.remove(id);
    await submit();
  };
  const { joined } = entry;
  const state = await queue.getJobState(id);
  entry.joined = true;
  if (state === 'unknown') {
    await submit();
    return;
  }
  if (state !== 'completed' && state !== 'failed') return;
  const job = await queue.getJob(id);
  if (!job) return;
  if (state === 'completed') {
    try {
      return settle(entry, decodeResult(String(job.returnvalue)));
    } catch {
      // Not from a worker of ours: run it.
    }
  }
  const reason = job.failedReason ?? '';
  // A job that had failed before this run began is of an earlier one.
  if (!joined || state === 'completed' || reason.startsWith(AGAIN)) {
    entry.handovers += 1;
    if (entry.handovers <= MOST_HANDOVERS) return again();
  }
  settle(entry, failed(task, describeFailure(reason)));
}

function describeFailure(reason: string): string {
  if (/stalled more than/.test(reason)) return 'every worker that ran it died in the middle of it';
  return reason.startsWith(AGAIN) ? reason.slice(AGAIN.length) : reason || 'the worker did not say why';
}

function failed({ id, plan, seed, steps }: TrialTask, error: string): TrialResult {
  return { id, plan, seed, steps, status: 'failed', training: [], error, seconds: 0 };
}

/** Tells of missing workers, once each time; throws DataError where all that is there is of another version. */
function watchWorkers({ version, shown, onNotice }: Run): (redis: Redis) => Promise<number> {
  let told = '';
  let since: number | undefined;
  const tell = (text: string) => {
    if (text !== told && text !== '') onNotice(text);
    told = text;
  };
  return async (redis) => {
    const workers = await listWorkers(redis);
    const own = workers.filter((worker) => worker.version === version);
    if (own.length > 0 || workers.length === 0) since = undefined;
    if (own.length > 0) tell('');
    else if (workers.length === 0) tell(`no worker is connected; start one: gradient-doctor worker --queue ${shown}`);
    else {
      const { version: other, host } = workers[0]!;
      const many = workers.length > 1 ? ` and ${workers.length - 1} more` : '';
      const message = `the worker on ${host}${many} is of version ${other} and refuses trials of version ${version}`;
      tell(message);
      since ??= performance.now();
      if (performance.now() - since > 1000 * VERSION_SECONDS) {
        throw new DataError(message, {
          code: 'worker-version',
          where: shown,
          hint: 'start workers of the same version: results of different versions cannot be compared',
        });
      }
    }
    return slotsOf(own);
  };
}

async function countSlots(redis: Redis, version: string): Promise<number> {
  return slotsOf((await listWorkers(redis)).filter((worker) => worker.version === version));
}

function slotsOf(workers: readonly { concurrency: number }[]): number {
  return Math.max(
    1,
    workers.reduce((sum, { concurrency }) => sum + concurrency, 0),
  );
}

/** Says that the results of jobs are waited for. */
async function want(redis: Redis, jobs: readonly string[]): Promise<void> {
  await Promise.all(jobs.map((job) => redis.set(wantedKey(job), '1', 'EX', WANTED_SECONDS)));
}

/** Takes back what nobody waits for any more: waiting jobs go, workers give up running ones. */
async function leave(redis: Redis, queue: Queue, jobs: readonly string[]): Promise<void> {
  try {
    await Promise.all(jobs.map((job) => redis.del(wantedKey(job))));
    // One that runs is locked, and stays until its worker gives it up.
    await Promise.all(jobs.map((job) => queue.remove(job).catch(() => 0)));
  } catch {
    // The server is gone: what is wanted ends by itself.
  }
}

function artifactsOf({ model, data }: TrialTask): string[] {
  return data.kind === 'packed' ? [model, data.hash] : [model];
}

/** The same task has the same job, whoever asks: a run that goes on finds what workers did meanwhile. */
function jobOf({ id }: TrialTask): string {
  return `trial-${id.replace(/[^\w.-]/g, '-')}`;
}

/** Waits for something that may never come. */
async function within(seconds: number, promise: Promise<unknown>): Promise<void> {
  const settled = promise.catch(() => undefined);
  const stop = new AbortController();
  await Promise.race([settled, sleep(1000 * seconds, undefined, { signal: stop.signal }).catch(() => undefined)]);
  stop.abort();
}
