// A training step of ours, plain and with every layer's gradient norm, against PyTorch eager where python3 has torch.
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { makeBatch } from '../dist/data/index.js';
import { cloneGraph } from '../dist/graph/graph.js';
import { findParameters } from '../dist/graph/parameters.js';
import { tensorOf } from '../dist/graph/tensor.js';
import { nodeRuntime } from '../dist/node.js';
import { bindShapes } from '../dist/runtime/bind.js';
import { attachLoss, planLoss } from '../dist/training/losses.js';
import { separateStatistics } from '../dist/training/running-statistics.js';
import { buildTrainingStep } from '../dist/training/step.js';
import { Trainer } from '../dist/training/trainer.js';
import { networks } from './networks.mjs';
import { median, table } from './timing.mjs';

const ROUNDS = 7;
const BURST_MS = 250;
const runtime = nodeRuntime({ threads: 2 });
const python = ['/usr/bin/python3', 'python3'].find(
  (path) => spawnSync(path, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0,
);

async function trainerOf(model, size, monitors) {
  const graph = cloneGraph(model.graph);
  separateStatistics(graph);
  const source = { ...model, graph };
  const batch = await makeBatch({ kind: 'none' }, graph.inputs, { size });
  const bound = await bindShapes(runtime, source, batch.inputs);
  const plan = planLoss(bound.graph, bound.binding, { kind: 'cross-entropy' });
  const parameters = findParameters(source);
  const step = buildTrainingStep(attachLoss(bound.graph, bound.binding, plan), plan, {
    parameters,
    optimizer: { name: 'sgd' },
    opset: source.opset,
    monitors,
  });
  const trainer = new Trainer(runtime, source, step, 0);
  const shape = plan.target.shape;
  const target = tensorOf(
    'int64',
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i % 10),
  );
  let update = 0;
  return () => trainer.update([{ inputs: batch.inputs, target }], 0.001, update++);
}

/** Median milliseconds of `count` runs, the first of which is not counted: other threads may still spin. */
async function burst(run, count) {
  await run();
  const times = [];
  for (let i = 0; i < count; i++) {
    const before = performance.now();
    await run();
    times.push(performance.now() - before);
  }
  return median(times);
}

function torchWorker(name) {
  const worker = fileURLToPath(new URL('torch-worker.py', import.meta.url));
  const child = spawn(python, [worker, name], { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = [];
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()(Number(line.split(' ')[0])));
  return {
    burst: (count) =>
      new Promise((resolve) => {
        waiting.push(resolve);
        child.stdin.write(`${count}\n`);
      }),
    end: () => child.stdin.end(),
  };
}

export async function benchTraining() {
  const rows = [];
  for (const [name, [model, size]] of Object.entries(await networks())) {
    const plain = await trainerOf(model, size, []);
    const monitored = await trainerOf(model, size, ['gradient']);
    const torch = python ? torchWorker(name) : undefined;
    const first = await burst(plain, 3);
    const count = Math.max(2, Math.round(BURST_MS / first));
    await burst(monitored, 2);
    await torch?.burst(3);
    const times = { plain: [], monitored: [], torch: [] };
    for (let round = 0; round < ROUNDS; round++) {
      times.plain.push(await burst(plain, count));
      times.monitored.push(await burst(monitored, count));
      if (torch) times.torch.push(await torch.burst(count));
    }
    torch?.end();
    const ratio = (a, b) => median(times[a].map((time, i) => time / times[b][i])).toFixed(2);
    const figures = [median(times.plain).toFixed(2), median(times.monitored).toFixed(2), ratio('monitored', 'plain')];
    const against = torch ? [median(times.torch).toFixed(2), ratio('plain', 'torch')] : ['–', '–'];
    rows.push([name, ...figures, ...against]);
    process.stderr.write(`training ${name}: ${against[1]} of PyTorch, monitors ${figures[2]}\n`);
  }
  return [
    '## Training step',
    '',
    'SGD, two threads each; median ratios of bursts in turn. Monitored: every parameter’s gradient norm, every step.',
    python ? 'PyTorch eager in its own process.' : 'python3 has no torch here: nothing to compare with.',
    '',
    table(['network', 'step, ms', 'monitored, ms', 'monitored / plain', 'PyTorch, ms', 'ours / PyTorch'], rows),
  ].join('\n');
}
