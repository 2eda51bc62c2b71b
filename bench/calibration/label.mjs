// Trains every network of the corpus and keeps what came of it: the label is measured, not assumed.
// Results are kept by what was trained, so that an interrupted run goes on, and a changed network is trained anew.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { memorySource, nodeRuntime, readModelSource, train } from '../../dist/node.js';

const runtime = nodeRuntime({ threads: 1 });
const path = new URL('labels.json', import.meta.url);
const known = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};

/** A network that closed this part of the way from a constant answer's loss to zero has learned. */
const LEARNED = 0.5;
/** Between these a network gets twice the steps, once: it may be slow. */
const UNSURE = 0.15;

/** The key of a network's training: its spec, data and steps. */
const keyOf = (spec, { data, batch, steps }) =>
  createHash('sha256')
    .update(JSON.stringify([spec, data, batch, steps]))
    .digest('hex')
    .slice(0, 16);

/** A spec as a model. */
export async function modelOf(spec) {
  return readModelSource(memorySource(`${spec.name}.json`, new TextEncoder().encode(JSON.stringify(spec))));
}

/** Part of the loss of a constant answer that training removed, over the last twentieth of the steps. */
async function progressOf(spec, { data, batch, steps }) {
  const losses = [];
  let constant;
  const model = await modelOf(spec);
  for await (const event of train(model, {
    runtime,
    data,
    samples: data === 'mnist' || data === 'mnist-rows' ? 8000 : 20_000,
    batch,
    steps,
    seed: 1,
  })) {
    if (event.kind === 'step') losses.push(event.loss);
    if (event.kind === 'start') constant = event.plan.kind === 'mse' ? 1 / 6 : Math.log(10);
  }
  const tail = losses.slice(-Math.max(10, Math.round(steps / 20)));
  const loss = tail.reduce((sum, value) => sum + value, 0) / tail.length;
  return {
    progress: losses.length < steps || !Number.isFinite(loss) ? 0 : Math.max(-1, 1 - loss / constant),
    steps: losses.length,
  };
}

/** `learns` and the progress it rests on, from memory where this very network was trained before. */
export async function labelOf(spec, settings) {
  const key = keyOf(spec, settings);
  if (!known[key]) {
    const start = performance.now();
    let { progress, steps } = await progressOf(spec, settings);
    if (progress > UNSURE && progress < LEARNED) {
      ({ progress, steps } = await progressOf(spec, { ...settings, steps: 2 * settings.steps }));
    }
    known[key] = {
      learns: progress >= LEARNED,
      progress: Number(progress.toFixed(3)),
      steps,
      seconds: Number(((performance.now() - start) / 1000).toFixed(1)),
    };
    writeFileSync(`${path.pathname}.part`, `${JSON.stringify(known, null, 1)}\n`);
    renameSync(`${path.pathname}.part`, path);
  }
  return known[key];
}
