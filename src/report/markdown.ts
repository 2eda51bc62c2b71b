import type { Finding, Severity } from '../diagnosis/finding.ts';
import { factorKinds } from '../flow/kinds.ts';
import { drawBar, scaleFor } from './bars.ts';
import { type HiddenRows, type LayerRow, layerRows, pickRows } from './layer-rows.ts';
import { describeRun, reproduce } from './markdown-run.ts';
import {
  codeBlock,
  codeName,
  type Detail,
  escapeMarkdown,
  folded,
  type MarkdownOptions,
  markdownTable,
} from './markdown-text.ts';
import { drawTrace, legend } from './mermaid.ts';
import { counted, showDecades, showNumber, showPower, showSize } from './numbers.ts';
import { reasonFor } from './reasons.ts';
import type { ReportSubject } from './subject.ts';
import { formatName, kindsOf, mainFinding, sayReach, sayWhatSkipsCarry, sayWorstLayers } from './summary.ts';
import { sayTheory } from './theory-section.ts';

export type { MarkdownOptions } from './markdown-text.ts';

/** The longest comment that GitHub takes. */
export const LONGEST_COMMENT = 65_536;

const levels: readonly Detail[] = [
  { rows: 200, nodes: 26, findings: 30, text: 2000, notes: 30 },
  { rows: 80, nodes: 26, findings: 12, text: 1000, notes: 10 },
  { rows: 24, nodes: 16, findings: 6, text: 400, notes: 5 },
  { rows: 12, nodes: 8, findings: 3, text: 200, notes: 2 },
];

/** How findings and verdicts are marked. */
export const marks: Record<Severity, string> = { error: '❌', warning: '⚠️', info: 'ℹ️' };
/** More rows than a reader takes in at a glance are opened by a click. */
const MOST_OPEN_ROWS = 12;
const BAR_CELLS = 16;
const FOLDED_NOTE = '_Shortened to fit a comment of 65 536 characters; `--format json` has everything._';

/**
 * The report as GitHub's Markdown, fit for a comment on a pull request: verdict, why, layers, the δ trace as a Mermaid
 * chart, findings, what to try, how to reproduce it. A pure function; at most 65 536 characters, whatever the subject.
 */
export function renderMarkdown(subject: ReportSubject, options: MarkdownOptions = {}): string {
  let text = '';
  for (const detail of levels) {
    text = renderAt(subject, options, detail);
    if (text.length <= LONGEST_COMMENT) return text;
  }
  const verdict = `### ${sayVerdict(subject, levels.at(-1)!)}`;
  return `${verdict}\n\n${FOLDED_NOTE}\n`;
}

function renderAt(subject: ReportSubject, options: MarkdownOptions, detail: Detail): string {
  const main = mainFinding(subject);
  const sections = [
    `### ${sayVerdict(subject, detail)}`,
    describeModel(subject, detail),
    ...(detail === levels[0] ? [] : [FOLDED_NOTE]),
    ...(main ? explain(subject, main, detail) : []),
    ...tellTheory(subject, detail),
    ...drawLayers(subject, detail),
    ...traceChart(subject, detail),
    ...describeRun(subject, detail),
    ...listFindings(subject.diagnosis.findings, detail),
    ...(main ? suggest(main) : []),
    reproduce(subject, options, detail),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function sayVerdict(subject: ReportSubject, { text }: Detail): string {
  const { diagnosis } = subject;
  const main = mainFinding(subject);
  if (main?.severity === 'error') {
    const verdict = diagnosis.verdict === 'healthy' ? 'problem' : diagnosis.verdict;
    return `${marks.error} ${verdict}: ${escapeMarkdown(main.title, text)}`;
  }
  if (main?.severity === 'warning') return `${marks.warning} warning: ${escapeMarkdown(main.title, text)}`;
  return `✅ healthy: ${escapeMarkdown(main?.title ?? sayReach(diagnosis), text)}`;
}

function describeModel({ model, probe, profile }: ReportSubject, { text }: Detail): string {
  const layers = profile.layers.filter((layer) => layer.mixes).length || profile.layers.length;
  const loss = `${probe.lossKind === 'model-output' ? 'loss' : probe.lossKind} ${showNumber(profile.loss)}`;
  const facts = [
    escapeMarkdown(formatName(model)),
    counted(layers, 'layer'),
    counted(model.parameters, 'parameter'),
    escapeMarkdown(probe.batch.detail, text),
    escapeMarkdown(loss),
  ];
  return `${codeName(model.name)}: ${facts.join(' · ')}`;
}

function explain(subject: ReportSubject, main: Finding, { text }: Detail): string[] {
  const { attribution } = subject.diagnosis;
  const sections = ['#### Why'];
  const kinds = kindsOf(attribution);
  if (attribution && main.causes.length > 0 && kinds.length > 0) {
    const sign = Math.sign(attribution.totalDecades);
    const dominant = kinds.find(([, decades]) => Math.sign(decades) === sign) ?? kinds[0]!;
    const rows = kinds.map(([kind, decades]) => {
      const reason = kind === dominant[0] ? reasonFor(kind, decades, subject.profile) : '';
      return [factorKinds[kind], showDecades(decades), escapeMarkdown(reason, text)];
    });
    const total = ['**all together**', `**${showDecades(attribution.totalDecades)}**`, ''];
    sections.push(markdownTable(['factor', 'decades', ''], [...rows, total], [1]));
    const worst = sayWorstLayers(attribution, sign);
    if (worst !== '') sections.push(`By layer: ${escapeMarkdown(worst, text)}.`);
  }
  if (main.explanation !== '') sections.push(`In words: ${escapeMarkdown(main.explanation, text)}`);
  const blocked = attribution?.blockedBy.slice(0, 3).map(({ node, op }) => `${codeName(node)} (${escapeMarkdown(op)})`);
  if (blocked && blocked.length > 0) sections.push(`Blocked at ${blocked.join(', ')}.`);
  const skips = sayWhatSkipsCarry(subject);
  if (skips !== undefined) sections.push(`Skips: ${escapeMarkdown(skips, text)}.`);
  sections.push(`Rests on: ${escapeMarkdown(main.basis, text)}.`);
  return sections;
}

function tellTheory(subject: ReportSubject, { text }: Detail): string[] {
  const said = sayTheory(subject);
  return said.length === 0 ? [] : [`Theory: ${said.map((line) => escapeMarkdown(line, text)).join('. ')}.`];
}

function drawLayers(subject: ReportSubject, { rows: most }: Detail): string[] {
  const all = layerRows(subject);
  if (all.length === 0) return [];
  const rows = pickRows(all, most, true);
  const scale = scaleFor(
    all.map((row) => row.decades),
    BAR_CELLS,
  );
  const cells = rows.map((row) => layerCells(row, (decades) => bar(decades, scale)));
  const columns = ['layer', 'decades', "from the output's gradient", 'weight gradient', 'update / weight'];
  const { optimizer, learningRate } = subject.probe.update;
  const step = `One step of ${codeName(optimizer)} at learning rate ${showNumber(learningRate)} stands in the last column.`;
  const body = `${markdownTable(columns, cells, [1, 3, 4])}\n\n${step}`;
  const title = `${counted(all.length, 'layer')}, from output to input`;
  return all.length > MOST_OPEN_ROWS ? [folded(title, body)] : ['#### Layers, from output to input', body];
}

function layerCells(row: LayerRow | HiddenRows, bar: (decades: number) => string): string[] {
  if ('hidden' in row) return [`_${counted(row.hidden, 'layer')} not shown_`, '', '', '', ''];
  const mark = row.severity === undefined || row.severity === 'info' ? '' : `${marks[row.severity]} `;
  return [
    mark + codeName(row.name),
    showDecades(row.decades),
    row.remark === undefined ? bar(row.decades) : escapeMarkdown(row.remark),
    row.weightGradient === undefined ? '' : showPower(row.weightGradient),
    row.updateRatio === undefined ? '' : showSize(row.updateRatio),
  ];
}

function bar(decades: number, scale: Parameters<typeof drawBar>[1]): string {
  if (!Number.isFinite(decades)) return '';
  const { within, beyond } = drawBar(decades, scale, true);
  return within + beyond;
}

function traceChart(subject: ReportSubject, { nodes }: Detail): string[] {
  const trace = drawTrace(subject, nodes);
  if (!trace) return [];
  const notes = [
    legend,
    ...(trace.folded > 0 ? [`${counted(trace.folded, 'layer')} drawn together or left out.`] : []),
    ...(trace.straightened ? ['More branches than a chart can show: layers stand in a row.'] : []),
  ];
  const body = `${codeBlock(trace.chart, 'mermaid')}\n\n${notes.join(' ')}`;
  const many = layerRows(subject).length > MOST_OPEN_ROWS;
  return many ? [folded('δ trace, from the loss to the first layer', body)] : ['#### δ trace', body];
}

function listFindings(findings: readonly Finding[], detail: Detail): string[] {
  if (findings.length === 0) return [];
  const items = findings.slice(0, detail.findings).map((finding) => describeFinding(finding, detail));
  const more = findings.length - items.length;
  if (more > 0) items.push(`- and ${counted(more, 'more finding')}: \`--format json\` has all`);
  return ['#### Findings', items.join('\n')];
}

function describeFinding({ rule, severity, title, where, basis, evidence }: Finding, { text }: Detail): string {
  const places = where.slice(0, 5).map((name) => codeName(name));
  const more = where.length > places.length ? ` and ${where.length - places.length} more` : '';
  const numbers = Object.entries(evidence)
    .slice(0, 12)
    .map(([key, value]) => `${codeName(key)} ${escapeMarkdown(showEvidence(value), Math.min(text, 300))}`);
  const lines = [
    `- ${marks[severity]} **${rule}**: ${escapeMarkdown(title, text)}`,
    ...(places.length > 0 ? [`  - where: ${places.join(', ')}${more}`] : []),
    `  - rests on: ${escapeMarkdown(basis, text)}`,
    ...(numbers.length > 0 ? [`  - evidence: ${numbers.join(', ')}`] : []),
  ];
  return lines.join('\n');
}

function showEvidence(value: number | string): string {
  return typeof value === 'number' ? showNumber(value) : value;
}

function suggest({ remedies, relief }: Finding): string[] {
  if (remedies.length === 0) return [];
  const rows = remedies.slice(0, 8).map(({ id, action, changes }) => [codeName(id), escapeMarkdown(action), changes]);
  const table = markdownTable(['try', 'what it is', 'changes'], rows);
  const first = relief ? [`First of all: ${escapeMarkdown(relief.sentence, 600)}`] : [];
  return ['#### Try', ...first, table];
}
