import type { Missing } from './data/index.ts';
import type { Model } from './graph/graph.ts';
import { encodeModel } from './graph/onnx/encode.ts';
import { readModelSource } from './readers/index.ts';
import { diskFiles } from './runtime/node/data-files.ts';
import { openSource } from './runtime/node/files.ts';
import { loadDigit } from './runtime/node/mnist-files.ts';
import { nodeRuntime } from './runtime/node/onnxruntime.ts';
import { readVersion } from './runtime/node/version.ts';
import type { Runtime } from './runtime/runtime.ts';
import { contentHash } from './trials/identify.ts';
import { openTrialStore } from './trials/node/store.ts';
import { clearTrials, keepRounds, readRounds } from './trials/node/treatment-folder.ts';
import { localExecutor } from './trials/node/worker-threads.ts';
import type { Executor } from './trials/trial.ts';
import type { DataNames } from './verbs/data-names.ts';
import { initializeWeights } from './verbs/initial-weights.ts';
import {
  type PlannedRound,
  type TreatData,
  type TreatEvent,
  type TreatOptions,
  treat as treatWith,
} from './verbs/treat.ts';
import { openTreatData } from './verbs/treat-data.ts';
import { patientTools } from './verbs/treat-tools.ts';

/** Options of `treat` in Node: the runtime has a default, data may be named, and trials run in worker threads. */
export interface NodeTreatOptions
  extends Omit<TreatOptions, 'runtime' | 'data' | 'batch' | 'tools' | 'seed' | 'loadDigits'>,
    Omit<DataNames, 'data'> {
  readonly data?: string | TreatData;
  /** Default onnxruntime-node on the CPU. */
  readonly runtime?: Runtime;
  /** Rows taken in all, drawn by the seed. */
  readonly samples?: number;
  readonly missing?: Missing;
  /** Default the model file's own, else 0. */
  readonly seed?: number;
  /** Weights to begin with: `keep` (default), or a scheme drawn by seed. */
  readonly init?: string;
  /** Worker threads; default the physical cores there are. */
  readonly workers?: number;
  /** A Redis or Valkey server whose workers run the trials: `redis://host:6379`. */
  readonly queue?: string;
  /** What the user should know of the queue: a lost connection, no workers. */
  readonly onNotice?: (text: string) => void;
  /** Keeps every trial's result in this folder. */
  readonly folder?: string;
  /** What to do with trials in that folder: go on with them, or remove them; default: refuse. */
  readonly existing?: 'resume' | 'replace';
}

/**
 * Redesigns a network and proves the redesign by training it: `for await (const event of treat('net.onnx',
 * { data: 'mnist', budget: { seconds: 60 } }))`. The last event holds the treatment. Throws UserError for an unusable
 * model, data or options, or a store that another run wrote.
 */
export async function* treat(given: Model | string, options: NodeTreatOptions = {}): AsyncGenerator<TreatEvent> {
  const { runtime = nodeRuntime(), data: named, inputs, target, samples, missing, init, ...more } = options;
  const { workers, queue, onNotice, folder, existing, ...rest } = more;
  rest.onProgress?.('reading the model');
  const read = typeof given === 'string' ? await readModelSource(await openSource(given)) : given;
  const { seed = read.training?.seed ?? 0, onProgress } = rest;
  const version = rest.version ?? readVersion();
  const names = { data: typeof named === 'string' ? named : undefined, inputs, target };
  const opened = await openTreatData(names, read, { files: diskFiles, seed, samples, missing, loadDigits: loadDigit });
  let executor: Executor | undefined;
  let store: Awaited<ReturnType<typeof openTrialStore>> | undefined;
  try {
    const batch = opened?.batch;
    const measuring = { runtime, seed, batch, size: rest.size, loadDigits: loadDigit, onProgress };
    const { model } = await initializeWeights(read, init, measuring);
    const data = opened?.data ?? (typeof named === 'object' ? named : undefined);
    const rounds: PlannedRound[] = [];
    const notes: string[] = [];
    if (folder !== undefined && data) {
      const { validation, seeds, steps, plans } = rest;
      const settings = { data: data.trial, validation, seed, seeds, steps, plans };
      const identity = { model: await contentHash(encodeModel(model)), version, settings };
      if (existing === 'replace') await clearTrials(folder);
      const resume = existing === 'resume';
      store = await openTrialStore(folder, identity, { resume });
      for (const { line, reason } of store.damaged) {
        notes.push(`line ${line} of trials.jsonl ${reason}: it was set aside, and its trial is run again`);
      }
      if (resume) rounds.push(...(await readRounds(folder)));
      else await keepRounds(folder, rounds);
    }
    if (data) executor = rest.executor ?? (await openExecutor({ workers, queue, version, onNotice }));
    const events = treatWith(model, {
      ...rest,
      ...measuring,
      seed,
      ...(data && { data: { ...data, notes: [...(data.notes ?? []), ...notes] } }),
      rounds: rest.rounds ?? [...rounds],
      executor,
      store: rest.store ?? store,
      version,
      tools: (_, signal) => patientTools({ ...measuring, open: opened?.open, signal }),
    });
    for await (const event of events) {
      // A round that was decided before is kept as it was.
      if (event.kind === 'round' && folder !== undefined && store && !rounds[event.round - 1]) {
        rounds[event.round - 1] = { plans: event.plans, rungs: event.rungs };
        await keepRounds(folder, rounds);
      }
      yield event;
    }
  } finally {
    if (executor !== rest.executor) await executor?.close();
    await store?.close();
    await opened?.close();
  }
}

interface ExecutorOptions extends Pick<NodeTreatOptions, 'workers' | 'queue' | 'onNotice'> {
  readonly version: string;
}

async function openExecutor({ workers, queue, version, onNotice }: ExecutorOptions): Promise<Executor> {
  if (queue === undefined) return localExecutor({ entry: new URL('./trial-worker.js', import.meta.url), workers });
  const { queueExecutor } = await import('./trials/node/bullmq.ts');
  return queueExecutor({ url: queue, version, onNotice });
}
