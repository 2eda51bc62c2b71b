// npm run calibrate:treat [-- SICK HEALTHY SECONDS]: treats sick networks of the calibration corpus and healthy ones, each
// within a budget, and compares what comes out with the best counterpart designed by hand. The whole takes over an hour.
import { writeFileSync } from 'node:fs';
import { nodeRuntime, train, treat } from '../../dist/node.js';
import { corpus } from '../calibration/corpus.mjs';
import { specOf } from '../calibration/designs.mjs';
import { labelOf, modelOf } from '../calibration/label.mjs';
import { defaultOptimizer, usualInit } from '../calibration/usual.mjs';

const WHOLE = [60, 20, 60];
const [sickCount, healthyCount, seconds] = WHOLE.map((number, i) => Number(process.argv[2 + i] ?? number));
const SAMPLES = 4000;
const runtime = nodeRuntime({ threads: 2 });
const say = (text) => process.stderr.write(`${text}\n`);
const percent = (x) => (x === undefined ? '–' : `${(100 * x).toFixed(1)} %`);

/** Networks by family and cause in turn, so that each kind is among the first. */
function spread(networks, count) {
  const groups = new Map();
  for (const network of networks) {
    const key = `${network.family} ${network.intended}`;
    groups.set(key, [...(groups.get(key) ?? []), network]);
  }
  const chosen = [];
  for (let i = 0; chosen.length < Math.min(count, networks.length); i++) {
    for (const list of groups.values()) if (list[i] && chosen.length < count) chosen.push(list[i]);
  }
  return chosen;
}

/** What someone who knows would build of the same family and depth. */
function byHand({ design, family, optimizer, ...rest }) {
  const sane = { optimizer: defaultOptimizer('adam'), family, ...rest };
  if (family === 'recurrent')
    return {
      ...sane,
      design: { ...design, cell: 'gru', activation: undefined, recurrentInit: undefined, init: undefined },
    };
  if (family === 'transformer') return { ...sane, design: { ...design, norm: 'pre', init: undefined } };
  const deep = design.depth > 12;
  return {
    ...sane,
    design: {
      ...design,
      activation: 'relu',
      init: deep ? 'lecun-normal' : usualInit.relu,
      last: undefined,
      bias: undefined,
      ...(deep || family === 'residual' ? { skip: true } : {}),
      ...(family === 'residual' ? { norm: 'batch-norm' } : {}),
    },
  };
}

/** Held-out accuracy, or the part of a constant answer's loss that is gone. */
async function scoreOf(network, steps) {
  let score;
  const model = await modelOf(specOf(network));
  const options = {
    runtime,
    data: network.data,
    samples: SAMPLES,
    validation: 0.2,
    batch: network.batch,
    steps,
    seed: 0,
  };
  for await (const event of train(model, options)) {
    if (event.kind === 'validation') score = event.metrics.accuracy ?? 1 - event.loss * 6;
  }
  return score ?? 0;
}

async function treated(network) {
  const { optimizer } = network;
  const model = await modelOf(specOf(network));
  let treatment;
  for await (const event of treat(model, {
    data: network.data,
    samples: SAMPLES,
    size: network.batch,
    budget: { seconds },
    seeds: 2,
    optimizer: { name: optimizer.name },
    learningRate: optimizer.lr,
  })) {
    if (event.kind === 'end') ({ treatment } = event);
  }
  const found = (plan) => treatment.ranking?.judgements.find((judgement) => judgement.plan === plan);
  const [winner, baseline] = [found(treatment.ranking?.winner), found('baseline')];
  return { treatment, winner, baseline };
}

const confirmed = [];
for (const network of corpus()) {
  const label = await labelOf(specOf(network), network);
  if (label.learns === (network.intended === 'healthy')) confirmed.push(network);
}
const sick = spread(
  confirmed.filter(({ intended, data }) => intended !== 'healthy' && data.startsWith('mnist')),
  sickCount,
);
const healthy = spread(
  confirmed.filter(({ intended }) => intended === 'healthy'),
  healthyCount,
);

const rows = [];
for (const network of sick) {
  const { treatment, winner, baseline } = await treated(network);
  const steps = Math.max(treatment.trials.steps, 100);
  const hand = await scoreOf(byHand(network), steps);
  const row = {
    network,
    outcome: treatment.outcome,
    plan: treatment.ranking?.winner,
    before: baseline?.accuracy,
    after: winner?.accuracy,
    hand,
    steps,
  };
  row.predicted = treatment.plans.find(({ id }) => id === row.plan)?.predictedDecades;
  row.measured = winner?.decades;
  rows.push(row);
  say(
    `${network.id} ${row.outcome} ${row.plan ?? '–'} ${percent(row.before)} → ${percent(row.after)}, by hand ${percent(hand)}; decades ${row.predicted?.toFixed(1) ?? '–'} predicted, ${row.measured?.toFixed(1) ?? '–'} measured; ${steps} steps`,
  );
}
const changed = [];
for (const network of healthy) {
  const { treatment } = await treated(network);
  if (treatment.outcome === 'improved') changed.push(network.id);
  say(`${network.id} healthy: ${treatment.outcome}`);
}
const gains = rows.map(({ before, after }) => (after ?? before ?? 0) - (before ?? 0)).sort((a, b) => a - b);
const near = rows.filter(({ after, before, hand }) => (after ?? before ?? 0) >= hand - 0.02).length;
const foretold = rows.filter(({ predicted, measured }) => predicted !== undefined && measured !== undefined);
const right = foretold.filter(({ predicted, measured }) => Math.abs(predicted - measured) <= 1).length;
const lines = [
  '# Treatment',
  '',
  `Written by \`npm run calibrate:treat\`: ${rows.length} sick networks, ${healthy.length} healthy ones, ${seconds} s each.`,
  '',
  `- Within two points of the best counterpart designed by hand: ${near} of ${rows.length} (target 95 %).`,
  `- Median gain: ${percent(gains[gains.length >> 1])} points of held-out accuracy (target 30); made worse: ${gains.filter((gain) => gain < 0).length}.`,
  `- The winner's predicted decades within one of the measured: ${right} of ${foretold.length} (target 80 %).`,
  `- Healthy networks for which a change was recommended: ${changed.length} of ${healthy.length} (target at most 5 %)${changed.length > 0 ? `: ${changed.join(', ')}` : ''}.`,
  '',
  '| network | made sick by | outcome | plan | before | after | by hand | predicted | measured | steps |',
  '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
  ...rows.map(
    (r) =>
      `| ${r.network.id} | ${r.network.intended} | ${r.outcome} | ${r.plan ?? '–'} | ${percent(r.before)} | ${percent(r.after)} | ${percent(r.hand)} | ${r.predicted?.toFixed(1) ?? '–'} | ${r.measured?.toFixed(1) ?? '–'} | ${r.steps} |`,
  ),
  '',
];
process.stdout.write(lines.join('\n'));
if (WHOLE.every((number, i) => number === [sickCount, healthyCount, seconds][i])) {
  writeFileSync(new URL('../treatment.md', import.meta.url), lines.join('\n'));
}
process.exit(0);
