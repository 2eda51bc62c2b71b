import { setMaxListeners } from 'node:events';
import { UsageError } from '../../graph/errors.ts';
import { Channel } from '../channel.ts';
import type { Artifacts, Executor, TrialResult, TrialTask } from '../trial.ts';
import { physicalCores } from './cores.ts';
import { WorkerPool } from './worker-pool.ts';

export interface LocalExecutorOptions {
  /** The worker's file: `trial-worker.js` of this package. */
  readonly entry: URL;
  /** Default: the physical cores that are available. */
  readonly workers?: number;
  /** Of the runtime in each worker, default 1: trials side by side gain more than threads within one. */
  readonly threads?: number;
}

/**
 * Runs trials in worker threads of this process, as many at a time as there are physical cores. When the signal aborts,
 * the results end without an error; what ran is given up. Throws UsageError for impossible numbers.
 */
export function localExecutor({ entry, workers = physicalCores(), threads = 1 }: LocalExecutorOptions): Executor {
  for (const [name, value] of Object.entries({ workers, threads })) {
    if (Number.isInteger(value) && value >= 1 && value <= 1024) continue;
    throw new UsageError(`${value} ${name} are not possible`, {
      code: 'option-value',
      hint: 'expected a whole number from 1 to 1024',
    });
  }
  const pool = new WorkerPool({ entry, workers, threads });
  return {
    name: `${workers} worker ${workers === 1 ? 'thread' : 'threads'}`,
    parallel: workers,
    start: () => pool.start(),
    run: (tasks, artifacts, options = {}) => runAll(pool, tasks, artifacts, options),
    close: () => pool.close(),
  };
}

async function* runAll(
  pool: WorkerPool,
  tasks: readonly TrialTask[],
  artifacts: Artifacts,
  { signal, onProgress }: NonNullable<Parameters<Executor['run']>[2]>,
): AsyncGenerator<TrialResult> {
  const results = new Channel<TrialResult>();
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const abort = () => {
    stop.abort(signal?.reason);
    results.end();
  };
  if (signal?.aborted) return;
  signal?.addEventListener('abort', abort);
  const all = tasks.map(async (task) => {
    try {
      results.push(await pool.run(task, artifacts, { signal: stop.signal, onProgress }));
    } catch (error) {
      if (!stop.signal.aborted) results.end(error);
    }
  });
  void Promise.all(all).then(() => results.end());
  try {
    yield* results;
  } finally {
    signal?.removeEventListener('abort', abort);
    // Whoever stops reading wants no more of it.
    stop.abort();
  }
}
