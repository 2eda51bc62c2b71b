import { type Content, html, Markup } from '../html/escape.ts';
import { bothWidths, key, name, numbers, section, table } from '../html/figure.ts';
import { drawLayerChart } from '../html/layer-chart.ts';
import { document } from '../html/page.ts';
import { minus, powerText } from '../html/svg.ts';
import { counted, showDecades, showNumber } from '../numbers.ts';
import { formatName } from '../summary.ts';
import { showCell } from '../table.ts';
import { cleanCode, shorten } from '../text.ts';
import { sayHealth } from './health.ts';
import { curvePaints, drawLossCurves } from './loss-chart.ts';
import type { Treatment } from './treatment.ts';
import {
  decadesOf,
  depthRows,
  droppedPlans,
  frameworkNames,
  lossCurves,
  lossName,
  outcomeWords,
  planCells,
  planColumns,
  planRows,
  STARTING_WEIGHTS,
  sayConfidence,
  sayHeadline,
  sayTrials,
  showPart,
  type TreatmentOptions,
} from './words.ts';

const LONGEST_TITLE = 70;
const signs = { good: '✓', warning: '!', error: '✗' } as const;

/** The treatment as one self-contained page: no network, no script; light and dark, on paper and on a phone. */
export function renderTreatmentHtml(treatment: Treatment, options: TreatmentOptions = {}): string {
  const { model } = treatment.before;
  const title = shorten(model.name, LONGEST_TITLE);
  const parts: readonly (readonly [id: string, link: string, part: Markup])[] = [
    ['outcome', 'Outcome', outcomeSection(treatment)],
    ['plans', 'Plans', plansSection(treatment)],
    ['loss', 'Loss', lossSection(treatment)],
    ['gradient', 'Gradient', gradientSection(treatment)],
    ['change', 'The change', changeSection(treatment, options)],
    ['next', 'Next', nextSection(treatment)],
  ];
  const shown = parts.filter(([, , part]) => part.text !== '');
  const links = shown.slice(1).map(([id, link]) => html`<li><a href="#${id}">${link}</a></li>`);
  return document({
    title: `${title} – treatment`,
    header: html`<p class="brand">Gradient Doctor</p><h1>${name(title)}</h1><p class="facts-line">${formatName(model)}, ${counted(model.parameters, 'parameter')} · ${sayTrials(treatment)}</p><nav aria-label="parts of this report"><ul>${links}</ul></nav>`,
    main: shown.map(([, , part]) => part),
    footer: html`<p>${treatment.trials.done > 0 ? 'Every figure was measured by training the networks.' : 'Nothing was trained.'} The file needs no network and runs no script.</p>`,
  });
}

function outcomeSection(treatment: Treatment): Markup {
  const { outcome, reason, after } = treatment;
  const { word, tone } = outcomeWords[outcome];
  const headline = sayHeadline(treatment);
  const { level, sentences } = sayConfidence(treatment);
  const rows = planRows(treatment);
  const best = rows.find(({ isWinner }) => isWinner);
  const base = rows.find(({ isBaseline }) => isBaseline);
  const [from, to] = [decadesOf(treatment.before), after && decadesOf(after)];
  const tiles: [Content, string][] = [];
  if (best && base) tiles.push([`${showNumber(base.loss)} → ${showNumber(best.loss)}`, lossName(treatment)]);
  if (best?.accuracy !== undefined && base?.accuracy !== undefined) {
    tiles.push([`${showPart(base.accuracy)} → ${showPart(best.accuracy)}`, 'accuracy']);
  }
  if (from !== undefined && to !== undefined) {
    const factor = (decades: number) =>
      Number.isFinite(decades) ? powerText(showDecades(decades).replace('+', '')) : minus(showDecades(decades));
    tiles.push([html`${factor(from)} → ${factor(to)}`, "of the output's gradient reaches the first layer"]);
  }
  const sure = level === 'none' ? 'How sure that is' : `How sure that is: ${level}`;
  return html`<section id="outcome" class="verdict ${tone}" aria-labelledby="outcome-h"><h2 id="outcome-h"><span class="sign" aria-hidden="true">${signs[tone]}</span>${word}</h2><p class="headline">${headline}</p>${reason !== headline && html`<p>${reason}</p>`}${tiles.length > 0 && html`<dl class="tiles">${tiles.map(([figure, text]) => html`<div><dt>${text}</dt><dd>${figure}</dd></div>`)}</dl>`}${sentences.length > 0 && html`<h3>${sure}</h3><p>${signed(sentences.join(' '))}</p>`}</section>
`;
}

function plansSection(treatment: Treatment): Markup {
  const rows = planRows(treatment);
  const dropped = droppedPlans(treatment);
  if (rows.length === 0 && dropped.length === 0) return html``;
  const { titles, numeric } = planColumns(treatment);
  const columns = titles.map((title, i) => ({ title, numeric: numeric.includes(i) }));
  const cells = rows.map((row): Content[] => [
    html`${name(row.plan)}${row.isWinner && html` <span class="badge good">kept</span>`}`,
    ...planCells(row).map((cell) => aboveInterval(signed(showCell(cell)))),
  ]);
  return section({
    id: 'plans',
    title: 'What was tried',
    lead: 'Predicted and measured are decades (powers of ten) of gradient between output and first layer, before training. Behind an accuracy stands where it may lie, for so many rows held out (95 %, in percent). Against the baseline: the mean difference of loss on the same rows with the same seeds, and its 95 % interval; below zero is better.',
    body: html`${rows.length > 0 && html`<div class="plans">${table({ columns: [{ title: 'plan' }, ...columns], rows: cells })}</div>`}${numbers(`${counted(dropped.length, 'other plan')}`, { columns: [{ title: 'plan' }, { title: 'what became of it' }], rows: dropped.map(({ plan, reason }) => [name(plan), reason]) }, rows.length === 0)}`,
  });
}

/** A value may stand above its interval, which is not broken itself. */
function aboveInterval(text: string): Content {
  const at = text.indexOf(' [');
  return at < 0 ? text : html`${text.slice(0, at)} <span class="whole">${text.slice(at + 1)}</span>`;
}

/** Hyphens before digits as minus signs, all of them. */
function signed(text: string): string {
  return text.replace(/-(?=\d)/g, '−');
}

function lossSection(treatment: Treatment): Markup {
  const series = lossCurves(treatment);
  if (series.length === 0 || series.every(({ x }) => x.length < 2)) return html``;
  const said = series.map(({ name: plan, y }) => `${plan} from ${showNumber(y[0]!)} to ${showNumber(y.at(-1)!)}`);
  const picture = bothWidths((width, narrow) =>
    drawLossCurves(series, `Line chart of the training loss: ${said.join('; ')}`, width, narrow),
  );
  const entries = series.map(({ name: plan }, i) => ({
    mark: 'line' as const,
    paint: curvePaints[i] ?? 'third',
    text: name(plan),
  }));
  return section({
    id: 'loss',
    title: 'The loss while training',
    lead: 'Smoothed over neighbouring steps, mean of the seeds.',
    body: html`<figure>${picture}${key(entries)}</figure>`,
  });
}

/** How the picture of the gradient is to be read. */
const PICTURE =
  'Before training, on the same batch. One line of the grid down means ten times less, or as many times as the axis says.';

function gradientSection(treatment: Treatment): Markup {
  const rows = depthRows(treatment).reverse();
  if (rows.length === 0) return html``;
  const show = (x: number | undefined) => (x === undefined ? '–' : showDecades(x));
  const picture = bothWidths((width, narrow) =>
    drawLayerChart(
      {
        label: `Line chart of the gradient in decades from the output's over ${counted(rows.length, 'layer')}, before and after`,
        names: rows.map(({ layer }) => layer),
        scale: 'log10',
        axisName: "gradient ÷ output's gradient",
        span: [-4, 0.5],
        series: [
          { values: rows.map(({ before }) => before), paint: 'second', mark: 'ring' },
          { values: rows.map(({ after }) => after), paint: 'measured', mark: 'dot' },
        ],
        tell: (i) => `${rows[i]!.layer}: before ${show(rows[i]!.before)}, after ${show(rows[i]!.after)}`,
      },
      width,
      narrow,
    ),
  );
  const cells = rows
    .map(({ layer, before, after }): Content[] => [name(layer), minus(show(before)), minus(show(after))])
    .reverse();
  const columns = [
    { title: 'layer, from output to input' },
    { title: 'before', numeric: true },
    { title: 'after', numeric: true },
  ];
  return section({
    id: 'gradient',
    title: 'How much gradient reaches each layer',
    lead: [PICTURE, ...sayHealth(treatment).map(signed)].join(' '),
    body: html`<figure>${picture}${key([
      { mark: 'dot', paint: 'measured', text: 'redesigned' },
      { mark: 'ring', paint: 'second', text: 'as it was given' },
    ])}</figure>${numbers('The numbers behind this picture', { columns, rows: cells })}`,
  });
}

function changeSection(treatment: Treatment, { frameworks = ['pytorch'] }: TreatmentOptions): Markup {
  const { remedies, patches } = treatment;
  if (remedies.length === 0) return html``;
  const items = remedies.map(({ id, title, why }) => html`<li><code>${id}</code> ${title}: ${why}</li>`);
  const blocks = frameworks.flatMap((framework) =>
    patches.map(
      ({ remedy, patch }) =>
        html`<h3>${frameworkNames[framework]}: <code>${remedy}</code></h3>${code(patch[framework])}`,
    ),
  );
  return section({ id: 'change', title: 'The change', body: html`<ul class="remedies">${items}</ul>${blocks}` });
}

/** Code keeps its lines and spaces, which other text does not. */
function code(text: string): Markup {
  const line = (one: string) =>
    new Markup(
      one
        .split(/( +)/)
        .map((part) => (/^ *$/.test(part) ? part : html`${part}`.text))
        .join(''),
    );
  const lines = cleanCode(text).split('\n').map(line);
  return html`<pre class="scroll" tabindex="0"><code>${new Markup(lines.map((one) => one.text).join('\n'))}</code></pre>`;
}

function nextSection({ written, command, notes, trials, before }: Treatment): Markup {
  const facts: [string, Content][] = [
    ['data', trials.data === 'none' ? before.probe.batch.detail : trials.data],
    ...(written
      ? ([
          ['written', html`${name(written.path)}: ${STARTING_WEIGHTS}`],
          ['train it', html`<code class="command">${written.train}</code>`],
        ] as [string, Content][])
      : []),
    ...(command === undefined
      ? []
      : [['to reproduce', html`<code class="command">${command}</code>`] as [string, Content]]),
  ];
  return section({
    id: 'next',
    title: written ? 'What to do next' : 'What was run',
    body: html`<dl class="facts">${facts.map(([label, value]) => html`<dt>${label}</dt><dd>${value}</dd>`)}</dl>${notes.length > 0 && html`<h3>Notes</h3><ul>${notes.map((note) => html`<li>${note}</li>`)}</ul>`}`,
  });
}
