// A training step of ours against PyTorch eager and TF.js, plain and monitored.
import { networks } from './networks.mjs';
import { median, table } from './timing.mjs';
import { frameworks, python } from './workers.mjs';

const ROUNDS = 7;
const BURST_MS = 250;
/** Histograms every so many steps. */
const HISTOGRAMS_EVERY = 50;
/** The pure JavaScript backend takes minutes for a convolutional network. */
const PATIENCE_MS = 20_000;
const SLOW_MS = 2_000;

const variants = ['plain', 'monitored', 'inspected'];
const labels = { ours: 'ours', torch: 'PyTorch', wasm: 'TF.js wasm', cpu: 'TF.js cpu' };

/** Bursts of all frameworks in turn: framework → { plain: [ms], monitored: [ms], inspected: [ms] } or { error }. */
async function measure(network) {
  const workers = {};
  const results = {};
  const counts = {};
  for (const [name, start] of Object.entries(frameworks)) {
    const worker = start(network);
    const first = await worker.ask({ variant: 'plain', count: 1 }, PATIENCE_MS);
    const warm = first.error
      ? first
      : await worker.ask({ variant: 'plain', count: first.ms > SLOW_MS ? 1 : 3 }, PATIENCE_MS);
    results[name] = { error: first.error ?? warm.error, plain: [], monitored: [], inspected: [] };
    if (results[name].error) {
      worker.end();
      continue;
    }
    counts[name] = Math.max(1, Math.min(40, Math.round(BURST_MS / warm.ms)));
    workers[name] = worker;
    if (warm.ms > SLOW_MS) {
      // Once is enough to tell tens of times.
      for (const variant of variants) results[name][variant].push((await worker.ask({ variant, count: 1 })).ms);
      delete workers[name];
      worker.end();
    }
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, worker] of Object.entries(workers)) {
      for (const variant of variants) {
        // The first run is not counted: threads of the process before still spin.
        await worker.ask({ variant, count: round === 0 ? 2 : 1 });
        const { ms, error } = await worker.ask({ variant, count: variant === 'inspected' ? 1 : counts[name] });
        if (error) throw new Error(`${network}, ${labels[name]}: ${error}`);
        results[name][variant].push(ms);
      }
    }
  }
  for (const worker of Object.values(workers)) worker.end();
  return results;
}

/** Monitored steps with a histogram every so many, over plain ones, round by round. */
function amortized({ monitored, inspected }) {
  return monitored.map((ms, i) => ms + (inspected[i] - ms) / HISTOGRAMS_EVERY);
}

const ratio = (a, b) => median(a.map((ms, i) => ms / (b[i] ?? median(b)))).toFixed(2);

/** A missing kernel is named; anything else is said as it was. */
function reasonOf(error) {
  const kernel = /Kernel '(\w+)' not registered/.exec(error)?.[1];
  return kernel || !error.startsWith('over') ? `cannot run: ${kernel ?? error}` : error;
}

const shown = (ms) => (ms >= 100 ? ms.toFixed(0) : ms.toFixed(2));

export async function benchTraining() {
  const rows = [];
  const monitors = [];
  for (const network of Object.keys(networks)) {
    if (network.includes('64×64')) continue;
    const results = await measure(network);
    const { ours } = results;
    const against = (name) => {
      const other = results[name];
      if (!other) return ['–', '–'];
      if (other.error) return [reasonOf(other.error), '–'];
      return [shown(median(other.plain)), ratio(ours.plain, other.plain)];
    };
    rows.push([network, shown(median(ours.plain)), ...['torch', 'wasm', 'cpu'].flatMap(against)]);
    for (const [name, result] of Object.entries(results)) {
      if (result.error) continue;
      const watched = amortized(result);
      const extra = (100 * (Number(ratio(watched, result.plain)) - 1)).toFixed(0);
      const toOurs = name === 'ours' ? '–' : ratio(amortized(ours), watched);
      monitors.push([
        network,
        labels[name],
        shown(median(result.monitored)),
        shown(median(result.inspected)),
        `${extra} %`,
        toOurs,
      ]);
    }
    process.stderr.write(
      `training ${rows.at(-1).join(' | ')}\n${monitors
        .filter(([n]) => n === network)
        .map((r) => `  ${r.slice(1).join(' | ')}\n`)
        .join('')}`,
    );
  }
  return [
    '## Training step',
    '',
    'Plain SGD on cross-entropy. Two threads each (TF.js has one in Node, by either backend), each framework in its own process; medians of bursts',
    'in turn, ratios burst by burst: ours / theirs. Targets: MLPs at most 0.5 × PyTorch eager, the others 1.0; at most 0.15 ×',
    'TF.js wasm. Single steps where one takes over two seconds.',
    ...(python ? [] : ['', 'python3 has no torch here: nothing to compare with.']),
    '',
    table(['network', 'ours, ms', 'PyTorch, ms', 'ratio', 'TF.js wasm, ms', 'ratio', 'TF.js cpu, ms', 'ratio'], rows),
    '',
    `## Monitored training step`,
    '',
    `Every parameter’s gradient norm each step, histograms of every gradient each ${HISTOGRAMS_EVERY} steps. Cost: what a step takes more on`,
    'average. Target: at most 5 % of ours.',
    '',
    table(['network', 'by', 'with norms, ms', 'with histograms too, ms', 'cost', 'ours / theirs'], monitors),
  ].join('\n');
}
