// How deep can a tanh network train? Schoenholz et al. 2017, figure 5: at σ_b² = 0.05, training networks of many depths
// and weight variances on digits, beside 6ξ, the depth that mean-field theory gives before any training.
//
//     npm run build && node examples/depth-scale/run.mjs            about 6 minutes on two cores
//     node examples/depth-scale/run.mjs --draw                      draws result.json again
import { readFileSync, writeFileSync } from 'node:fs';
import { meanField, memorySource, nodeRuntime, readModelSource, train } from '../../dist/node.js';
import { draw } from './picture.mjs';

const sigmaB2 = 0.05;
const weightVariances = [1, 1.3, 1.55, 1.76, 2.1, 2.6, 3.2, 4];
const depths = [5, 10, 16, 24, 36, 54, 80];
const width = 200;
const steps = 300;
const batch = 64;
/** The largest stable step falls about as 1 / depth. */
const learningRateOf = (depth) => Math.min(0.04, 1.2 / depth);
const clip = 0.01;

const here = (name) => new URL(name, import.meta.url);

/** A tanh network whose weights have variance σ_w² / fan-in and whose biases have variance σ_b². */
function network(depth, sigmaW2) {
  const spec = {
    name: `tanh-${depth}`,
    input: 784,
    layers: [{ dense: { units: width, activation: 'tanh', repeat: depth, name: 'hidden' } }, { dense: 10 }],
    init: { 'lecun-normal': Math.sqrt(sigmaW2) },
    bias: { normal: Math.sqrt(sigmaB2) },
    loss: 'cross-entropy',
  };
  return readModelSource(memorySource(`${spec.name}.json`, new TextEncoder().encode(JSON.stringify(spec))));
}

/** Mean accuracy on the batches of the last tenth of the steps, each before it was trained on. */
async function accuracyOf(model, depth, runtime) {
  const seen = [];
  const events = train(model, {
    runtime,
    data: 'mnist',
    samples: 4000,
    batch,
    steps,
    optimizer: { name: 'sgd' },
    learningRate: learningRateOf(depth),
    // In the chaotic phase gradients explode with depth; clipped, a step stays a step. Elsewhere nothing is that large.
    clipping: { kind: 'value', maximum: clip },
    monitor: false,
    seed: 1,
  });
  for await (const event of events) if (event.kind === 'step') seen.push(event.metrics.accuracy);
  const last = seen.slice(-Math.ceil(steps / 10));
  return last.reduce((sum, x) => sum + x, 0) / last.length;
}

async function measure() {
  const runtime = nodeRuntime({ threads: 2 });
  const cells = [];
  const started = Date.now();
  for (const sigmaW2 of weightVariances) {
    const { depthScale, trainableDepth } = meanField('Tanh', { sigmaW2, sigmaB2 });
    for (const depth of depths) {
      const accuracy = await accuracyOf(await network(depth, sigmaW2), depth, runtime);
      cells.push({ sigmaW2, depth, accuracy: Number(accuracy.toFixed(4)) });
      const row = [
        `σ_w² ${sigmaW2}`,
        `depth ${depth}`,
        `6ξ ${trainableDepth.toFixed(1)}`,
        `ξ ${depthScale.toFixed(2)}`,
      ];
      process.stderr.write(`${row.join('  ')}  accuracy ${accuracy.toFixed(3)}\n`);
    }
  }
  const seconds = Math.round((Date.now() - started) / 1000);
  return { sigmaB2, width, steps, batch, learningRate: 'min(0.04, 1.2 / depth)', clip, seconds, cells };
}

const drawOnly = process.argv.includes('--draw');
const result = drawOnly ? JSON.parse(readFileSync(here('result.json'), 'utf8')) : await measure();
if (!drawOnly) writeFileSync(here('result.json'), `${JSON.stringify(result)}\n`);
const curve = Array.from({ length: 301 }, (_, i) => 1 + i / 100).map((sigmaW2) => {
  const { trainableDepth } = meanField('Tanh', { sigmaW2, sigmaB2 });
  return { sigmaW2, depth: trainableDepth };
});
writeFileSync(here('depth-scale.svg'), draw(result, curve));
