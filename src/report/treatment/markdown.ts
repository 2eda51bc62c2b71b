import { LONGEST_COMMENT } from '../markdown.ts';
import { codeBlock, codeName, escapeMarkdown, folded, type MarkdownOptions, markdownTable } from '../markdown-text.ts';
import { counted, showDecades } from '../numbers.ts';
import { drawPlot } from '../plot.ts';
import { formatName } from '../summary.ts';
import { showCell } from '../table.ts';
import { cleanCode } from '../text.ts';
import { sayHealth } from './health.ts';
import type { Treatment } from './treatment.ts';
import {
  decadesOf,
  depthRows,
  droppedPlans,
  frameworkLanguages,
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
  type TreatmentOptions,
} from './words.ts';

/** Layers, plans, characters of a sentence and of a patch: where a comment would be too long, the next level is tried. */
const levels = [
  { layers: 100, plans: 30, text: 1000, code: 20_000 },
  { layers: 30, plans: 12, text: 400, code: 6000 },
  { layers: 10, plans: 6, text: 200, code: 0 },
] as const;
type Level = (typeof levels)[number];

const marks = { good: '✅', warning: '⚠️', error: '❌' } as const;
const LOSS_COLUMNS = 76;

/** The treatment as GitHub's Markdown, fit for a comment on a pull request: at most 65 536 characters. */
export function renderTreatmentMarkdown(
  treatment: Treatment,
  options: MarkdownOptions & TreatmentOptions = {},
): string {
  let text = '';
  for (const level of levels) {
    text = renderAt(treatment, options, level);
    if (text.length <= LONGEST_COMMENT) return text;
  }
  return `### ${headline(treatment, levels.at(-1)!)}\n`;
}

function renderAt(treatment: Treatment, options: MarkdownOptions & TreatmentOptions, level: Level): string {
  const { reason, notes } = treatment;
  const { text } = level;
  const { level: sure, sentences } = sayConfidence(treatment);
  const words = sentences.map((sentence) => escapeMarkdown(sentence, text)).join(' ');
  const sections = [
    `### ${headline(treatment, level)}`,
    describe(treatment, level),
    reason === sayHeadline(treatment) ? '' : escapeMarkdown(sentenceOf(reason), text),
    plansTable(treatment, level),
    others(treatment, level),
    words === '' ? '' : `**Confidence${sure === 'none' ? '' : `: ${sure}`}.** ${words}`,
    lossPlot(treatment),
    depthTable(treatment, level),
    why(treatment, level),
    ...patches(treatment, options, level),
    next(treatment, level),
    notes.map((note) => `- note: ${escapeMarkdown(note, text)}`).join('\n'),
    reproduce(treatment, options, level),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function headline(treatment: Treatment, { text }: Level): string {
  const { word, tone } = outcomeWords[treatment.outcome];
  return `${marks[tone]} ${word}: ${escapeMarkdown(sayHeadline(treatment), text)}`;
}

function describe(treatment: Treatment, { text }: Level): string {
  const { model, profile } = treatment.before;
  const layers = profile.layers.filter((layer) => layer.mixes).length || profile.layers.length;
  const facts = [
    escapeMarkdown(formatName(model)),
    counted(layers, 'layer'),
    counted(model.parameters, 'parameter'),
    `data: ${escapeMarkdown(treatment.trials.data, text)}`,
    escapeMarkdown(sayTrials(treatment), text),
  ];
  return `${codeName(model.name)}: ${facts.join(' · ')}`;
}

function plansTable(treatment: Treatment, { plans }: Level): string {
  const rows = planRows(treatment);
  if (rows.length === 0) return '';
  const { titles, numeric } = planColumns(treatment);
  const cells = rows.slice(0, plans).map((row) => {
    const name = row.isWinner ? `**${codeName(row.plan)}**` : codeName(row.plan);
    return [name, ...planCells(row).map((cell) => escapeMarkdown(showCell(cell), 100))];
  });
  return markdownTable(
    ['plan', ...titles],
    cells,
    numeric.map((i) => i + 1),
  );
}

function others(treatment: Treatment, { plans, text }: Level): string {
  const said = sayDropped(treatment);
  if (said.length === 0) return '';
  const items = said.slice(0, plans).map((line) => `- ${escapeMarkdown(line, text)}`);
  const more = said.length - items.length;
  if (more > 0) items.push(`- and ${counted(more, 'more plan')}: \`--format json\` has all`);
  return folded(`${counted(droppedPlans(treatment).length, 'other plan')}`, items.join('\n'));
}

function lossPlot(treatment: Treatment): string {
  const series = lossCurves(treatment);
  if (series.length === 0 || series.every(({ x }) => x.length < 2)) return '';
  const plot = { title: '', kind: 'lines', x: 'step', y: 'training loss', series } as const;
  const lines = drawPlot(plot, { width: LOSS_COLUMNS, unicode: true, rows: 10 });
  return folded('Training loss, mean of the seeds', codeBlock(cleanCode(lines.join('\n')), 'text'));
}

function depthTable(treatment: Treatment, { layers }: Level): string {
  const rows = depthRows(treatment);
  if (rows.length === 0) return '';
  const show = (x: number | undefined) => (x === undefined ? '' : showDecades(x));
  const shown = rows.length <= layers ? rows : [...rows.slice(0, layers / 2), ...rows.slice(-layers / 2)];
  const cells = shown.map(({ layer, before, after }) => [codeName(layer), show(before), show(after)]);
  const [from, to] = [decadesOf(treatment.before), treatment.after && decadesOf(treatment.after)];
  const total = ['**all layers**', show(from), show(to)];
  const table = markdownTable(['layer, from output to input', 'before', 'after'], [...cells, total], [1, 2]);
  const left = rows.length - shown.length;
  const note = left > 0 ? `\n\n${counted(left, 'layer')} in between not shown.` : '';
  const health = sayHealth(treatment).join(' ');
  const after = health === '' ? '' : `\n\n${health}`;
  return folded("Gradient before and after, in decades from the output's", table + note + after);
}

function why({ remedies }: Treatment, { text }: Level): string {
  return remedies
    .map(
      ({ id, title, why: reason }) =>
        `- ${codeName(id)} (${escapeMarkdown(title, text)}): ${escapeMarkdown(reason, text)}`,
    )
    .join('\n');
}

function patches(treatment: Treatment, { frameworks = ['pytorch'] }: TreatmentOptions, { code }: Level): string[] {
  return frameworks.flatMap((framework) => {
    const parts = treatment.patches.map(({ patch }) => cleanCode(patch[framework]));
    const all = parts.join('\n\n');
    if (all === '') return [];
    if (all.length > code)
      return [`The change for ${frameworkNames[framework]} is too long for a comment: \`--format json\` has it.`];
    return [`#### The change in ${frameworkNames[framework]}`, codeBlock(all, frameworkLanguages[framework])];
  });
}

function next({ written }: Treatment, { text }: Level): string {
  if (!written) return '';
  return `Written: ${codeName(written.path, text)}; ${STARTING_WEIGHTS}.\n\n${codeBlock(cleanCode(written.train), 'sh')}`;
}

function reproduce({ command }: Treatment, { version }: MarkdownOptions, { text }: Level): string {
  if (command === undefined) return '';
  const by = version === undefined ? '' : `gradient-doctor ${escapeMarkdown(version)}\n\n`;
  // Half of a command would run something else.
  const shown = command.length > 4 * text ? '# too long to show; --format json has it' : cleanCode(command);
  return folded('Reproduce', by + codeBlock(shown, 'sh'));
}

function sentenceOf(reason: string): string {
  return reason.endsWith('.') ? reason : `${reason}.`;
}
