// Memory held at most by a process of its own that trains ResNet-18 for ten steps.
import { table } from './timing.mjs';
import { frameworks } from './workers.mjs';

const NETWORK = 'ResNet-18, CIFAR 32×32, batch 32';
const STEPS = 10;

export async function benchMemory() {
  const rows = [];
  const peaks = {};
  for (const [name, label] of [
    ['ours', 'ours'],
    ['torch', 'PyTorch'],
  ]) {
    if (!frameworks[name]) continue;
    for (const variant of ['plain', 'monitored']) {
      const worker = frameworks[name](NETWORK);
      const { peak, error } = await worker.ask({ variant, count: STEPS }, 600_000);
      worker.end();
      peaks[`${name} ${variant}`] = peak;
      rows.push([label, variant, error ?? peak.toFixed(0)]);
    }
  }
  for (const row of rows) {
    const [ours, torch] = [peaks[`ours ${row[1]}`], peaks[`torch ${row[1]}`]];
    row.push(row[0] === 'ours' && ours && torch ? (ours / torch).toFixed(2) : '–');
  }
  process.stderr.write(`memory ${rows.map((row) => row.join(' ')).join(', ')}\n`);
  return [
    '## Memory',
    '',
    `Peak of the whole process (VmHWM), runtime included, over ${STEPS} steps of ${NETWORK}. Target: at most 1.5 × PyTorch.`,
    '',
    table(['by', 'step', 'peak, MiB', 'ours / PyTorch'], rows),
  ].join('\n');
}
