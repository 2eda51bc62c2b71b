// A run that writes a checkpoint every step until it is killed: node write-run.mjs FOLDER [ELEMENTS]. Says each step it has saved.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openRunFolder } from '../../../dist/logs/node/run-folder.js';

const [path, elements = 30_000] = process.argv.slice(2);
const config = { model: { name: 'm', hash: 'sha256:1' }, data: 'mnist', options: {}, seed: 0, versions: {} };
try {
  const folder = await openRunFolder(path, config, { mode: existsSync(join(path, 'config.json')) ? 'resume' : 'new' });
  for (let step = (folder.checkpoint?.step ?? 0) + 1; ; step++) {
    folder.logStep(step, { scalars: [['loss', 1 / step]] });
    folder.logMetrics({ step, loss: 1 / step });
    await folder.drain();
    const data = new Float32Array(Number(elements)).fill(step);
    const tensors = new Map([['w', { type: 'float32', dims: [data.length], data }]]);
    await folder.saveCheckpoint({ step, tensors, state: { step } });
    process.stdout.write(`${step}\n`);
  }
} catch (error) {
  process.stdout.write(`${JSON.stringify({ name: error.name, message: error.message, where: error.where })}\n`);
}
