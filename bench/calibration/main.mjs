// npm run calibrate: trains the corpus (what was trained before is kept in labels.json), diagnoses it, and writes
// bench/calibration.md. Half of the corpus is for tuning; the figures that count are those of the other half.
import { writeFileSync } from 'node:fs';
import { convergedNetworks } from './converged.mjs';
import { corpus } from './corpus.mjs';
import { specOf } from './designs.mjs';
import { labelOf } from './label.mjs';
import { restored } from './restore.mjs';
import { STEPS, scoreOf } from './score.mjs';
import { specialCases } from './special.mjs';

const say = (text) => process.stderr.write(`${text}\n`);
const only = process.argv[2] && new RegExp(process.argv[2]);
const percent = (part, whole) => (whole === 0 ? '–' : `${((100 * part) / whole).toFixed(1)} %`);

/** Steps that a repaired network gets: a recurrent one needs more for the long lags than its sick form was given. */
const patience = ({ family }) => (family === 'recurrent' ? 4 : 1);

async function judge(network) {
  const label = await labelOf(specOf(network), network);
  const result = { network, label, sick: !label.learns, confirmed: label.learns === (network.intended === 'healthy') };
  const score = await scoreOf(network);
  const { relief } = score.before.errors.length > 0 ? score.before : score.after;
  // Only where it counts: training every repair of both halves takes twice as long.
  const repaired = network.half === 'scored' && result.sick && relief && restored(network, relief);
  if (!repaired) return { ...result, score, relief };
  const settings = { ...repaired, steps: network.steps * patience(network) };
  const after = await labelOf(specOf(repaired), settings);
  return { ...result, score, relief, restores: after.learns };
}

function count(results) {
  const confirmed = results.filter((result) => result.confirmed);
  const [healthy, sick] = [confirmed.filter(({ sick }) => !sick), confirmed.filter(({ sick }) => sick)];
  const alarmed = (list, when) => list.filter(({ score }) => score[when].errors.length > 0);
  const silent = (list, when) => list.filter(({ score }) => score[when].errors.length === 0);
  const tried = sick.filter(({ restores }) => restores !== undefined);
  return {
    results,
    confirmed,
    healthy,
    sick,
    falseAlarms: [alarmed(healthy, 'before'), alarmed(healthy, 'after')],
    missed: [silent(sick, 'before'), silent(sick, 'after')],
    tried,
    wrongCause: tried.filter(({ restores }) => !restores),
  };
}

const results = [];
const networks = corpus().filter(({ id }) => !only || only.test(id));
const start = performance.now();
for (const [i, network] of networks.entries()) {
  results.push(await judge(network));
  if (i % 10 === 9) say(`${i + 1} of ${networks.length}, ${((performance.now() - start) / 1000).toFixed(0)} s`);
}
const halves = ['tuning', 'scored'].map((half) => [
  half,
  count(results.filter(({ network }) => network.half === half)),
]);
const converged = await convergedNetworks(results, say);
const special = await specialCases();

const lines = [
  '# Calibration',
  '',
  'Written by `npm run calibrate`. Networks that are healthy or sick by construction, each really trained; a network counts',
  'where training confirms its construction. Learned: training removed at least half of the loss of a constant answer.',
  'False alarm: a finding of severity error on a network that learns. Half of the corpus, chosen by the hash of the',
  'name, was looked at while limits were set; the other half only ever scored.',
  '',
  '| half | networks | confirmed | healthy | sick | false alarms, step 0 | after 10 steps | missed, step 0 | after 10 steps | named change restores |',
  '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
  ...halves.map(([half, c]) => {
    const [f0, f1] = c.falseAlarms.map((list) => `${list.length} (${percent(list.length, c.healthy.length)})`);
    const [m0, m1] = c.missed.map((list) => `${list.length} (${percent(list.length, c.sick.length)})`);
    const right = c.tried.length - c.wrongCause.length;
    const restores =
      half === 'scored' ? `${right} of ${c.tried.length} (${percent(right, c.tried.length)})` : 'not tried';
    return `| ${half} | ${c.results.length} | ${c.confirmed.length} | ${c.healthy.length} | ${c.sick.length} | ${f0} | ${f1} | ${m0} | ${m1} | ${restores} |`;
  }),
  '',
  'Targets on the scored half: false alarms at most 2 % at step 0 and 1 % after 10 steps; missed at most 3 % and 1 %; the',
  'change named alone restores training for at least 90 %.',
  '',
  '## By family (scored half)',
  '',
  '| family | healthy | false alarms, step 0 / 10 steps | sick | missed, step 0 / 10 steps |',
  '| --- | --- | --- | --- | --- |',
  ...[...new Set(networks.map(({ family }) => family))].map((family) => {
    const c = count(results.filter(({ network }) => network.family === family && network.half === 'scored'));
    return `| ${family} | ${c.healthy.length} | ${c.falseAlarms.map(({ length }) => length).join(' / ')} | ${c.sick.length} | ${c.missed.map(({ length }) => length).join(' / ')} |`;
  }),
  '',
  '## Every network that went against the tool (both halves)',
  '',
  ...listed(),
  '',
  '## Networks whose training went against their construction (not counted)',
  '',
  '| network | meant to be | progress | errors, step 0 | errors, after 10 steps |',
  '| --- | --- | --- | --- | --- |',
  ...results
    .filter(({ confirmed }) => !confirmed)
    .map(
      ({ network, label, score }) =>
        `| ${network.id} | ${network.intended} | ${label.progress} | ${score.before.errors.join(', ') || '–'} | ${score.after.errors.join(', ') || '–'} |`,
    ),
  '',
  ...converged.lines,
  '',
  ...special.lines,
  '',
];

function listed() {
  const rows = halves.flatMap(([half, c]) => [
    ...c.falseAlarms[0].map((r) => [half, 'false alarm at step 0', r, r.score.before.errors]),
    ...c.falseAlarms[1].map((r) => [half, `false alarm after ${STEPS} steps`, r, r.score.after.errors]),
    ...c.missed[0].map((r) => [half, 'missed at step 0', r, r.score.before.warnings]),
    ...c.missed[1].map((r) => [half, `missed after ${STEPS} steps`, r, r.score.after.warnings]),
    ...c.wrongCause.map((r) => [half, `${r.relief} did not restore it`, r, r.score.before.errors]),
  ]);
  if (rows.length === 0) return ['None.'];
  return [
    '| half | what | network | optimizer | made sick by | findings |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows.map(
      ([half, what, { network }, rules]) =>
        `| ${half} | ${what} | ${network.id} | ${network.optimizer.name} ${network.optimizer.lr} | ${network.intended} | ${rules.join(', ') || '–'} |`,
    ),
  ];
}

if (!only) writeFileSync(new URL('../calibration.md', import.meta.url), lines.join('\n'));
process.stdout.write(lines.join('\n'));
