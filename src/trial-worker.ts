import { parentPort, workerData } from 'node:worker_threads';
import { loadDigit } from './runtime/node/mnist-files.ts';
import { nodeRuntime } from './runtime/node/onnxruntime.ts';
import type { FromWorker, ToWorker } from './trials/node/worker-pool.ts';
import type { TrialProgress, TrialTask } from './trials/trial.ts';
import { runTrial } from './verbs/run-trial.ts';

// The file that worker threads run: one trial at a time, artifacts kept from one to the next.
const port = parentPort!;
const { threads } = workerData as { threads: number };
const runtime = nodeRuntime({ threads });
const artifacts = new Map<string, Uint8Array>();
/** Milliseconds between two words on how far a trial is. */
const PROGRESS_EVERY = 100;

let abort: AbortController | undefined;

const tell = (message: FromWorker) => port.postMessage(message);

async function carryOut(task: TrialTask, { signal }: AbortController): Promise<void> {
  let told = 0;
  const onProgress = (progress: TrialProgress) => {
    if (performance.now() - told < PROGRESS_EVERY && progress.step < task.steps) return;
    told = performance.now();
    tell({ kind: 'progress', progress });
  };
  try {
    const result = await runTrial(task, artifacts, { runtime, loadDigits: loadDigit, signal, onProgress });
    tell({ kind: 'result', result });
  } catch (error) {
    if (!signal.aborted) throw error;
    tell({ kind: 'aborted' });
  }
}

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'artifact':
      artifacts.set(message.hash, message.bytes);
      break;
    case 'forget':
      artifacts.delete(message.hash);
      break;
    case 'run':
      abort = new AbortController();
      void carryOut(message.task, abort);
      break;
    case 'abort':
      abort?.abort();
      break;
    case 'end':
      port.close();
      break;
  }
});
