// npm run calibrate:treat [-- SICK HEALTHY SECONDS [PATTERN]]: treats sick networks of the calibration corpus and healthy ones, each
// within a budget, and compares what comes out with the best counterpart designed by hand. The whole takes over an hour.
import { writeFileSync } from 'node:fs';
import { nodeRuntime, train, treat } from '../../dist/node.js';
import { corpus } from '../calibration/corpus.mjs';
import { specOf } from '../calibration/designs.mjs';
import { labelOf, modelOf } from '../calibration/label.mjs';
import { defaultOptimizer, usualInit } from '../calibration/usual.mjs';

const WHOLE = [60, 20, 60];
const [sickCount, healthyCount, seconds] = WHOLE.map((number, i) => Number(process.argv[2 + i] ?? number));
/** Of ids: networks of the same choice that are not to be treated again are left out. */
const only = process.argv[5] === undefined ? undefined : new RegExp(process.argv[5]);
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

/** What people who know would build of the same family and depth: the best of them is what a treatment must reach. */
function byHand({ design, family, ...rest }) {
  const with_ = (changes) => ({
    ...rest,
    family,
    optimizer: defaultOptimizer('adam'),
    design: { ...design, init: undefined, last: undefined, bias: undefined, ...changes },
  });
  if (family === 'recurrent') {
    return ['gru', 'lstm'].map((cell) => with_({ cell, activation: undefined, recurrentInit: undefined }));
  }
  if (family === 'transformer') return [with_({ norm: 'pre' })];
  const relu = { activation: 'relu', init: usualInit.relu };
  const normed = with_({ ...relu, norm: 'batch-norm', ...(family === 'residual' && { skip: true }) });
  if (family === 'residual') return [normed];
  const plain = design.depth > 12 ? { ...relu, init: 'lecun-normal', skip: true } : relu;
  return [with_(plain), normed];
}

/** A constant answer's loss of the adding problem: the variance of a sum of two uniform numbers. */
const CONSTANT = 1 / 6;
/** Points to compare by: held-out accuracy, or the part of a constant answer's loss that is gone. */
const pointsOf = ({ accuracy, loss }) => accuracy ?? Math.max(0, 1 - loss / CONSTANT);

/** Points of a network trained as a trial is. */
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
    if (event.kind === 'validation') score = pointsOf({ accuracy: event.metrics.accuracy, loss: event.loss });
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
  const found = (plan) => {
    const judgement = treatment.ranking?.judgements.find((candidate) => candidate.plan === plan);
    return judgement && { ...judgement, points: pointsOf({ ...judgement, loss: judgement.heldOutLoss }) };
  };
  const [winner, baseline] = [found(treatment.ranking?.winner), found('baseline')];
  return { treatment, winner, baseline };
}

const confirmed = [];
for (const network of corpus()) {
  const label = await labelOf(specOf(network), network);
  if (label.learns === (network.intended === 'healthy')) confirmed.push(network);
}
const sick = spread(
  confirmed.filter(({ intended }) => intended !== 'healthy'),
  sickCount,
);
const healthy = spread(
  confirmed.filter(({ intended }) => intended === 'healthy'),
  healthyCount,
);

const rows = [];
const changed = [];
let spared = 0;
for (const network of sick) {
  if (only && !only.test(network.id)) continue;
  const { treatment, winner, baseline } = await treated(network);
  const steps = Math.max(treatment.trials.steps, 100);
  const designs = [];
  for (const design of byHand(network)) designs.push(await scoreOf(design, steps));
  const hand = Math.max(...designs);
  const before = baseline?.points ?? 0;
  const { plan, decades: measured, points: after = before } = winner ?? {};
  const predicted = treatment.plans.find(({ id }) => id === plan)?.predictedDecades;
  const row = { network, outcome: treatment.outcome, plan, before, after, hand, steps, predicted, measured };
  rows.push(row);
  say(
    `${rows.length} ${network.id} ${row.outcome} ${plan ?? '–'} ${percent(before)} → ${percent(after)}, by hand ${percent(hand)}; decades ${predicted?.toFixed(1) ?? '–'} predicted, ${measured?.toFixed(1) ?? '–'} measured; ${steps} steps`,
  );
  if (!winner) say(`  ${treatment.reason} ${treatment.notes.join('; ')}`);
  keep();
}
for (const network of healthy) {
  if (only && !only.test(network.id)) continue;
  const { treatment } = await treated(network);
  if (treatment.outcome === 'improved') changed.push(network.id);
  else spared++;
  say(`${network.id} healthy: ${treatment.outcome}`);
}
keep();
process.stdout.write(tell().join('\n'));
process.exit(0);

function tell() {
  const gains = rows.map(({ before, after }) => after - before).sort((a, b) => a - b);
  const near = rows.filter(({ after, hand }) => after >= hand - 0.02).length;
  const foretold = rows.filter(({ predicted, measured }) => predicted !== undefined && measured !== undefined);
  const right = foretold.filter(({ predicted, measured }) => Math.abs(predicted - measured) <= 1).length;
  const families = [...new Set(rows.map(({ network }) => network.family))].map((family) => {
    const own = rows.filter(({ network }) => network.family === family);
    const ownGains = own.map(({ before, after }) => after - before).sort((a, b) => a - b);
    const reached = own.filter(({ after, hand }) => after >= hand - 0.02).length;
    return `| ${family} | ${own.length} | ${reached} | ${percent(ownGains[ownGains.length >> 1])} |`;
  });
  return [
    '# Treatment',
    '',
    `Written by \`npm run calibrate:treat\`: ${rows.length} sick networks of the calibration corpus, ${changed.length + spared} healthy ones, ${seconds} s each with two seeds`,
    'on two worker threads. By hand: the best of one or two designs of the same family and depth that people who know would',
    'take (ReLU with He weights, skip connections where deep; batch normalization; a pre-norm Transformer; GRU, LSTM), trained',
    'with Adam for as many steps as the finalists. Points are held-out accuracy, of the adding problem the part of a constant',
    "answer's loss that is gone.",
    '',
    `- Within two points of the best counterpart designed by hand: ${near} of ${rows.length} (target 95 %).`,
    `- Median gain: ${(100 * gains[gains.length >> 1]).toFixed(1)} points (target 30); made worse: ${gains.filter((gain) => gain < 0).length}.`,
    `- The winner's predicted decades within one of the measured: ${right} of ${foretold.length} (target 80 %).`,
    `- Healthy networks for which a change was recommended: ${changed.length} of ${changed.length + spared} (target at most 5 %)${changed.length > 0 ? `: ${changed.join(', ')}` : ''}.`,
    '',
    '| family | sick | within two points | median gain |',
    '| --- | --- | --- | --- |',
    ...families,
    '',
    '| network | made sick by | outcome | plan | before | after | by hand | predicted | measured | steps |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map(
      (r) =>
        `| ${r.network.id} | ${r.network.intended} | ${r.outcome} | ${r.plan ?? '–'} | ${percent(r.before)} | ${percent(r.after)} | ${percent(r.hand)} | ${r.predicted?.toFixed(1) ?? '–'} | ${r.measured?.toFixed(1) ?? '–'} | ${r.steps} |`,
    ),
    '',
  ];
}

/** After each network: a run that is broken off keeps what it measured. */
function keep() {
  const whole = !only && WHOLE.every((number, i) => number === [sickCount, healthyCount, seconds][i]);
  if (whole) writeFileSync(new URL('../treatment.md', import.meta.url), tell().join('\n'));
}
