// Published results, reproduced: npm run papers [-- he-2015 …] [--draw]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import {
  diagnose as diagnoseModel,
  meanField,
  memorySource,
  nodeRuntime,
  readModelSource,
  train,
} from '../../dist/node.js';
import * as glorot2010 from './glorot-bengio-2010.mjs';
import * as he2015 from './he-2015.mjs';
import * as he2016 from './he-2016.mjs';
import * as ioffe2015 from './ioffe-szegedy-2015.mjs';
import * as le2015 from './le-2015.mjs';
import { overview, paperPage } from './page.mjs';
import * as pascanu2013 from './pascanu-2013.mjs';
import { draw } from './picture.mjs';
import * as schoenholz2017 from './schoenholz-2017.mjs';

const papers = [glorot2010, he2015, ioffe2015, he2016, le2015, pascanu2013, schoenholz2017];
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const drawOnly = process.argv.includes('--draw');
const here = (name) => new URL(name, import.meta.url);
// One thread: these networks are small, and the numbers do not depend on the machine's cores.
const runtime = nodeRuntime({ threads: 1 });
const say = (text) => process.stderr.write(`  ${text}\n`);

const network = (spec) => readModelSource(memorySource('network.json', new TextEncoder().encode(JSON.stringify(spec))));

/** Trains and gathers what each step gave; ends when `until` holds. */
async function learn(spec, { optimizer, until, say: report, ...options }) {
  const result = { loss: [], accuracy: [], gradientNorm: [] };
  for await (const event of train(await network(spec), {
    monitor: false,
    ...options,
    runtime,
    optimizer: { name: optimizer },
  })) {
    if (event.kind === 'start') result.parameters = event.parameters;
    if (event.kind === 'validation') result.validation = event.metrics;
    if (event.kind === 'fault') result.fault = event.fault.message;
    if (event.kind !== 'step') continue;
    result.loss.push(event.loss);
    if (event.metrics.accuracy !== undefined) result.accuracy.push(event.metrics.accuracy);
    if (event.gradientNorm !== undefined) result.gradientNorm.push(event.gradientNorm);
    if (event.step % 1000 === 0) report?.(`step ${event.step}`);
    if (until?.(result)) break;
  }
  return result;
}

const diagnose = async (spec, options) => diagnoseModel(await network(spec), { ...options, runtime });

/** The grid of examples/depth-scale: measured there, six minutes, where it is not kept. */
async function depthScale() {
  const kept = here('../depth-scale/result.json');
  if (!existsSync(kept)) spawnSync(process.execPath, [here('../depth-scale/run.mjs').pathname], { stdio: 'inherit' });
  return JSON.parse(readFileSync(kept, 'utf8'));
}

async function measure(paper) {
  const before = process.cpuUsage();
  const { rows, series, verdict, seconds } = await paper.run({ learn, diagnose, meanField, depthScale, say });
  const { user, system } = process.cpuUsage(before);
  return {
    paper: paper.id,
    citation: paper.citation,
    settings: paper.settings,
    // Of a measurement that is kept elsewhere, what it took there.
    seconds: seconds ?? Math.round((user + system) / 1e6),
    verdict,
    rows,
    series,
  };
}

const unknown = wanted.filter((id) => !papers.some((paper) => paper.id === id));
if (unknown.length > 0) {
  process.stderr.write(`no paper "${unknown[0]}"; there are ${papers.map(({ id }) => id).join(', ')}\n`);
  process.exit(2);
}
const entries = [];
for (const paper of papers) {
  const folder = here(`${paper.id}/`);
  const file = new URL('results.json', folder);
  const chosen = wanted.length === 0 || wanted.includes(paper.id);
  if (chosen && !drawOnly) {
    process.stderr.write(`${paper.title}\n`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, `${JSON.stringify(await measure(paper))}\n`);
  }
  if (!existsSync(file)) continue;
  const kept = JSON.parse(readFileSync(file, 'utf8'));
  // What the limits say today of the numbers kept.
  const results = { ...kept, verdict: paper.judge(kept.rows) };
  entries.push([paper, results]);
  if (!chosen) continue;
  writeFileSync(file, `${JSON.stringify(results)}\n`);
  writeFileSync(new URL('picture.svg', folder), draw(paper.title, paper.panels(results)));
  writeFileSync(new URL('README.md', folder), paperPage(paper, results));
  process.stdout.write(`${paper.id}: ${results.verdict.outcome}\n`);
  for (const { statement, measured, relation, limit, holds } of results.verdict.checks) {
    process.stdout.write(`  ${holds ? 'yes' : 'NO '}  ${statement}: ${measured} ${relation} ${limit}\n`);
  }
}
writeFileSync(here('README.md'), overview(entries));
