import type { Cell } from '../explanation.ts';
import { counted, showCount, showDecades, showNumber } from '../numbers.ts';
import { Page, type TerminalOptions } from '../page.ts';
import { drawPlot } from '../plot.ts';
import { formatName } from '../summary.ts';
import { drawTable, showCell } from '../table.ts';
import { cleanCode, padTo, widthOf } from '../text.ts';
import { sayHealth } from './health.ts';
import type { Treatment } from './treatment.ts';
import {
  decadesOf,
  depthRows,
  frameworkNames,
  lossCurves,
  outcomeWords,
  planCells,
  planColumns,
  planRows,
  STARTING_WEIGHTS,
  sayConfidence,
  sayDropped,
  sayHeadline,
  sayTrials,
  showPace,
  type TreatmentOptions,
} from './words.ts';

const MOST_LAYERS = 14;
const MOST_DROPPED = 12;
const FIGURE = 8;
/** On narrower pages each plan is told in words. */
const NARROWEST_TABLE = 56;

/**
 * The treatment for people: verdict, what was tried and measured, how sure it is, the loss, the gradient before and
 * after, the change as code, and the commands to go on with. No line but code and commands is wider than `columns`.
 */
export function renderTreatment(treatment: Treatment, options: TerminalOptions & TreatmentOptions = {}): string {
  const page = new Page(options);
  describePatient(page, treatment);
  page.gap();
  sayOutcome(page, treatment);
  page.gap();
  drawPlans(page, treatment);
  listDropped(page, treatment);
  page.gap();
  for (const [i, sentence] of confidenceLines(treatment).entries()) page.field(i === 0 ? 'confidence' : '', sentence);
  page.gap();
  drawLoss(page, treatment);
  page.gap();
  drawDepth(page, treatment);
  page.gap();
  for (const [i, { id, title, why }] of treatment.remedies.entries()) {
    page.field(i === 0 ? 'why' : '', `${id} (${title}): ${why}`);
  }
  for (const note of treatment.notes) page.text(`note: ${note}`, page.paint.dim);
  page.gap();
  printPatches(page, treatment, options);
  sayNext(page, treatment);
  return page.toString();
}

function describePatient(page: Page, treatment: Treatment): void {
  const { model, profile, probe } = treatment.before;
  const layers = profile.layers.filter((layer) => layer.mixes).length || profile.layers.length;
  const facts = `${formatName(model)}, ${counted(layers, 'layer')}, ${counted(model.parameters, 'parameter')}`;
  page.beside([page.name(model.name, Math.max(12, page.width - facts.length - 3)), facts]);
  page.beside([`data: ${treatment.trials.data === 'none' ? probe.batch.detail : treatment.trials.data}`]);
  page.text(sayTrials(treatment), page.paint.dim);
}

function sayOutcome(page: Page, treatment: Treatment): void {
  const { green, yellow, red, bold } = page.paint;
  const { word, tone } = outcomeWords[treatment.outcome];
  const paint = { good: green, warning: yellow, error: red }[tone];
  const mark = { good: '✓', warning: '!', error: '✗' }[tone];
  const headline = sayHeadline(treatment);
  page.lead(`${mark} ${word}  `, headline, (text) => bold(paint(text)));
  if (headline !== treatment.reason) page.text(treatment.reason);
}

function drawPlans(page: Page, treatment: Treatment): void {
  const rows = planRows(treatment);
  if (rows.length === 0) return;
  // The last column, a step's time, stands with what the change costs.
  const titles = planColumns(treatment).titles.slice(0, -1);
  const cells = rows.map((row): Cell[] => [
    row.isWinner ? `${page.unicode ? '▸' : '>'}${row.plan}` : row.plan,
    ...planCells(row).slice(0, -1),
  ]);
  if (page.width < NARROWEST_TABLE) {
    for (const [plan = '', ...values] of cells) {
      page.text(String(plan), page.paint.bold);
      const words = values.map((cell, i) => `${titles[i]} ${showCell(cell)}`).filter((word) => !word.endsWith('–'));
      page.field('', words.join(', '));
    }
  } else drawTable(page, { columns: ['plan', ...titles], rows: cells });
  page.gap();
  page.text(
    'predicted, measured: decades of gradient between output and first layer, before training; ' +
      'against baseline: mean difference of loss with its 95 % interval',
    page.paint.dim,
  );
}

function listDropped(page: Page, treatment: Treatment): void {
  const said = sayDropped(treatment);
  for (const [i, line] of said.slice(0, MOST_DROPPED).entries()) page.field(i === 0 ? 'others' : '', line);
  const more = said.length - MOST_DROPPED;
  if (more > 0) page.field('', `and ${counted(more, 'more plan')} (--format json has all)`);
}

function confidenceLines(treatment: Treatment): string[] {
  const { level, sentences } = sayConfidence(treatment);
  if (sentences.length === 0) return [];
  return level === 'none' ? [...sentences] : [`${level}. ${sentences[0]}`, ...sentences.slice(1)];
}

function drawLoss(page: Page, treatment: Treatment): void {
  const series = lossCurves(treatment);
  if (series.length === 0 || series.every(({ x }) => x.length < 2)) return;
  const losses = series.flatMap(({ y }) => y).filter((y) => Number.isFinite(y) && y > 0);
  const logarithmic = losses.length > 0 && Math.max(...losses) > 30 * Math.min(...losses);
  page.text('training loss, mean of the seeds', page.paint.bold);
  const plot = { title: '', kind: 'lines', x: 'step', y: 'training loss', series, logarithmic } as const;
  const lines = drawPlot(plot, { width: page.width, unicode: page.unicode, rows: 10 });
  for (const line of lines) page.raw(line);
}

/** Layers with two figures; the middle of a deep network gives way. */
function drawDepth(page: Page, treatment: Treatment): void {
  const rows = depthRows(treatment);
  const [from, to] = [decadesOf(treatment.before), treatment.after && decadesOf(treatment.after)];
  if (rows.length === 0) return;
  page.text('gradient in decades from the output’s, before and after', page.paint.bold);
  const longest = rows.reduce((most, { layer }) => Math.max(most, widthOf(page.clean(layer))), 'all layers'.length);
  const width = Math.min(longest, page.width - 2 * (FIGURE + 2));
  const line = (name: string, figures: readonly string[]) =>
    [padTo(page.path(name, width), width), ...figures.map((figure) => padTo(page.clean(figure), FIGURE, 'right'))].join(
      '  ',
    );
  page.raw(page.paint.dim(line('layer', ['before', 'after'])));
  const show = (x: number | undefined) => (x === undefined ? '' : showDecades(x));
  const half = MOST_LAYERS / 2;
  rows.forEach(({ layer, before, after }, i) => {
    if (rows.length > MOST_LAYERS && i >= half && i < rows.length - half) {
      if (i === half) page.text(`⋮ ${counted(rows.length - MOST_LAYERS, 'layer')} not shown`, page.paint.dim);
      return;
    }
    page.raw(line(layer, [show(before), show(after)]));
  });
  if (from !== undefined && to !== undefined) page.raw(page.paint.bold(line('all layers', [show(from), show(to)])));
  for (const sentence of sayHealth(treatment)) page.text(sentence, page.paint.dim);
}

/** Code and commands are to be pasted: their lines are not broken. */
function printPatches(page: Page, { patches }: Treatment, { frameworks = ['pytorch'] }: TreatmentOptions): void {
  for (const framework of frameworks) {
    for (const { remedy, title, patch } of patches) {
      page.text(`${frameworkNames[framework]}: ${remedy}, ${title}`, page.paint.bold);
      page.gap();
      for (const line of cleanCode(patch[framework], page.unicode).split('\n')) page.raw(line);
      page.gap();
    }
  }
}

function sayNext(page: Page, treatment: Treatment): void {
  const { written, command, parameters, winner } = treatment;
  const command_ = (label: string, text: string) => {
    page.raw(`${page.paint.bold(padTo(label, 11))}${page.clean(text)}`);
  };
  if (written) {
    page.field('written', `${written.path}: ${STARTING_WEIGHTS}`);
    command_('train it', written.train);
  }
  const costs: string[] = [];
  const [size, before] = [winner && parameters.get(winner.plan.id), parameters.get('baseline')];
  if (size !== undefined && before !== undefined && size !== before) {
    costs.push(
      `${showCount(size)} parameters instead of ${showCount(before)} (${showNumber(Number((size / before).toPrecision(3)))}×)`,
    );
  }
  const rows = planRows(treatment);
  const [own, base] = [rows.find(({ isWinner }) => isWinner), rows.find(({ isBaseline }) => isBaseline)];
  if (own?.secondsPerStep && base?.secondsPerStep) {
    const times = showNumber(Number((own.secondsPerStep / base.secondsPerStep).toPrecision(2)));
    costs.push(`${showPace(own.secondsPerStep)} a step instead of ${showPace(base.secondsPerStep)} (${times}×)`);
  }
  if (costs.length > 0) page.field('costs', costs.join(', '));
  if (command !== undefined) command_('again', command);
}
