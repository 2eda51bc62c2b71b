// Trials side by side: two worker threads against one, and workers over a queue against threads here.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeModel } from '../dist/graph/onnx/encode.js';
import { readModel } from '../dist/node.js';
import { readVersion } from '../dist/runtime/node/version.js';
import { contentHash, identifyTask } from '../dist/trials/identify.js';
import { queueExecutor } from '../dist/trials/node/bullmq.js';
import { localExecutor } from '../dist/trials/node/worker-threads.js';
import { median, table } from './timing.mjs';

const entry = new URL('../dist/trial-worker.js', import.meta.url);
const version = readVersion();
const TRIALS = 8;
const ROUNDS = 5;
const PORT = 20_000 + (process.pid % 20_000);
/** On an idle core of 2025, trials of two seconds. */
const STEPS = 3000;

/** The section's Markdown. */
export async function benchTrials() {
  const model = await readModel(fileURLToPath(new URL('../examples/relu10.yaml', import.meta.url)));
  const bytes = encodeModel(model);
  const hash = await contentHash(bytes);
  const artifacts = new Map([[hash, bytes]]);
  let seed = 0;
  /** Seeds that no run has seen: a queue remembers results. */
  const tasks = () =>
    Promise.all(
      Array.from({ length: TRIALS }, () =>
        identifyTask({
          plan: 'baseline',
          seed: seed++,
          steps: STEPS,
          model: hash,
          training: {
            optimizer: { name: 'sgd' },
            learningRate: 0.01,
            loss: 'cross-entropy',
            output: model.graph.outputs[0].name,
            batch: 32,
          },
          data: { kind: 'named', name: 'blobs', samples: 2000 },
          validation: 0.2,
          scoring: 'cross-entropy',
          gradient: 'start',
          version,
        }),
      ),
    );
  const each = [];
  /** Seconds for the fixed number of trials. */
  const time = async (executor) => {
    const list = await tasks();
    const start = performance.now();
    for await (const result of executor.run(list, artifacts)) {
      if (result.status !== 'done') throw new Error(`a trial is ${result.status}: ${result.error}`);
      each.push(result.seconds);
    }
    return (performance.now() - start) / 1000;
  };
  const queue = await startQueue(2);
  const executors = {
    one: localExecutor({ entry, workers: 1 }),
    two: localExecutor({ entry, workers: 2 }),
    ...(queue && { queued: await queueExecutor({ url: queue.url, version }) }),
  };
  const times = Object.fromEntries(Object.keys(executors).map((name) => [name, []]));
  try {
    for (const executor of Object.values(executors)) await time(executor);
    each.length = 0;
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, executor] of Object.entries(executors)) times[name].push(await time(executor));
    }
  } finally {
    for (const executor of Object.values(executors)) await executor.close();
    await queue?.stop();
  }
  const seconds = (name) => median(times[name]);
  const rows = [
    ['one worker thread', seconds('one').toFixed(2), '1'],
    ['two worker threads', seconds('two').toFixed(2), `${(seconds('one') / seconds('two')).toFixed(2)} × as fast`],
    queue
      ? [
          'two workers over a queue',
          seconds('queued').toFixed(2),
          `${(100 * (seconds('queued') / seconds('two') - 1)).toFixed(1)} % over two threads`,
        ]
      : ['two workers over a queue', '–', 'no redis-server'],
  ];
  return [
    '## Trials',
    `${TRIALS} trials of ${median(each).toFixed(1)} s (${STEPS} steps of examples/relu10.yaml on blobs), one thread each; median of ${ROUNDS} interleaved rounds. Targets: 1.7 × and 5 %.`,
    table(['executor', 'seconds', ''], rows),
  ].join('\n\n');
}

/** A server of our own and a worker process with so many threads, as many as the local executor has. */
async function startQueue(concurrency) {
  const program = ['redis-server', 'valkey-server'].find(
    (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
  );
  if (!program) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'gradient-doctor-bench-'));
  const url = `redis://127.0.0.1:${PORT}`;
  const options = ['--port', String(PORT), '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
  const server = spawn(program, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  await says(server, server.stdout, /Ready to accept connections/);
  const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
  const args = [main, 'worker', '--queue', url, '--concurrency', String(concurrency)];
  const worker = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  await says(worker, worker.stderr, /waiting for trials/);
  return {
    url,
    stop: async () => {
      for (const child of [worker, server]) {
        const ended = new Promise((resolve) => child.on('close', resolve));
        child.kill('SIGKILL');
        await ended;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function says(child, stream, pattern) {
  return new Promise((resolve, reject) => {
    let text = '';
    stream.on('data', (chunk) => {
      text += chunk;
      if (pattern.test(text)) resolve();
    });
    child.on('exit', () => reject(new Error(`it ended: ${text}`)));
  });
}
