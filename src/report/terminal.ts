import type { Finding, Severity } from '../diagnosis/finding.ts';
import { factorKinds } from '../flow/kinds.ts';
import { layerRows } from './layer-rows.ts';
import { drawLayers } from './layer-table.ts';
import { counted, showDecades, showNumber } from './numbers.ts';
import { Page, type TerminalOptions } from './page.ts';
import { reasonFor } from './reasons.ts';
import { describeRecurrence } from './recurrent-section.ts';
import { describeSteps } from './steps-section.ts';
import type { ReportSubject } from './subject.ts';
import { formatName, kindsOf, mainFinding, sayReach, sayWhatSkipsCarry, sayWorstLayers } from './summary.ts';
import { describeTheory } from './theory-section.ts';

export type { TerminalOptions } from './page.ts';

export interface ReportOptions extends TerminalOptions {
  /** Every layer, normalization layers too, instead of about 40. */
  readonly allLayers?: boolean;
}

const marks: Record<Severity, string> = { error: '✗', warning: '!', info: 'i' };
/** Findings beyond the main one that are worth a reader's time; JSON has them all. */
const MOST_FINDINGS = 8;

/**
 * The report for people: verdict at a glance, then where, why and what to try. A pure function: the same subject and
 * options give the same text. No line is wider than `columns` (40 at least, 100 at most).
 */
export function renderTerminal(subject: ReportSubject, options: ReportOptions = {}): string {
  const page = new Page(options);
  const { diagnosis } = subject;
  const main = mainFinding(subject);
  describeModel(page, subject);
  describeProbe(page, subject);
  page.gap();
  sayVerdict(page, subject, main);
  page.gap();
  const show = options.allLayers ? 'all' : main && main.severity !== 'info' ? 'worst' : 'ends';
  drawLayers(page, layerRows(subject), { show, update: subject.probe.update });
  page.gap();
  if (main) explain(page, subject, main);
  describeTheory(page, subject);
  describeSkips(page, subject);
  describeRecurrence(page, subject.profile);
  describeSteps(page, subject.steps);
  if (main) suggestRemedies(page, main);
  page.gap();
  listOthers(
    page,
    diagnosis.findings.filter((finding) => finding !== main),
  );
  return page.toString();
}

function describeModel(page: Page, { model, profile }: ReportSubject): void {
  const layers = profile.layers.filter((layer) => layer.mixes).length || profile.layers.length;
  const facts = `${formatName(model)}, ${counted(layers, 'layer')}, ${counted(model.parameters, 'parameter')}`;
  const name = page.name(model.name, Math.max(12, page.width - facts.length - 3));
  page.beside([name, facts]);
}

function describeProbe(page: Page, { probe, profile }: ReportSubject): void {
  const loss = `${probe.lossKind === 'model-output' ? 'loss' : probe.lossKind} ${showNumber(profile.loss)}`;
  page.beside([probe.batch.detail, loss]);
  const dim = page.paint.dim;
  page.text(`loss: ${probe.lossReason}`, dim);
  for (const note of probe.batch.notes) page.text(`note: ${note}`, dim);
}

function sayVerdict(page: Page, { diagnosis }: ReportSubject, main: Finding | undefined): void {
  const { red, yellow, green, bold } = page.paint;
  if (main?.severity === 'error') {
    const verdict = diagnosis.verdict === 'healthy' ? 'problem' : diagnosis.verdict;
    page.lead(`${marks.error} ${verdict}  `, main.title, (text) => bold(red(text)));
  } else if (main?.severity === 'warning') {
    page.lead(`${marks.warning} warning  `, main.title, (text) => bold(yellow(text)));
  } else {
    page.lead('✓ healthy  ', main?.title ?? sayReach(diagnosis), (text) => bold(green(text)));
  }
}

function explain(page: Page, { diagnosis, profile }: ReportSubject, main: Finding): void {
  const kinds = kindsOf(diagnosis.attribution);
  const counts = main.causes.length > 0 && kinds.length > 0;
  if (counts) {
    const sign = Math.sign(diagnosis.attribution!.totalDecades);
    const dominant = kinds.find(([, decades]) => Math.sign(decades) === sign) ?? kinds[0]!;
    const width = Math.max(...kinds.map(([kind]) => factorKinds[kind].length));
    kinds.forEach(([kind, decades], i) => {
      const reason = kind === dominant[0] ? reasonFor(kind, decades, profile) : '';
      page.row(i === 0 ? 'why' : '', { name: factorKinds[kind], width, figure: showDecades(decades) }, reason);
    });
    const layers = sayWorstLayers(diagnosis.attribution!, sign);
    if (layers !== '') page.field('', layers, page.paint.dim);
  }
  // The decades above say it already where they are the whole story.
  if (!counts || main.severity !== 'error') page.field(counts ? '' : 'why', main.explanation);
  for (const { node, op } of diagnosis.attribution?.blockedBy.slice(0, 3) ?? []) {
    page.field('blocked at', `${node} (${op})`);
  }
  page.field('rests on', main.basis, page.paint.dim);
}

function describeSkips(page: Page, subject: ReportSubject): void {
  const carried = sayWhatSkipsCarry(subject);
  if (carried !== undefined) page.field('skips', carried);
}

function suggestRemedies(page: Page, { remedies, relief }: Finding): void {
  const width = Math.min(22, Math.max(0, ...remedies.map(({ id }) => id.length)));
  remedies.forEach(({ id, action, changes }, i) => {
    const predicted = relief?.remedy === id ? `; ${showDecades(relief.predictedDecades)} decades predicted` : '';
    page.row(i === 0 ? 'try' : '', { name: id, width }, `${action} (changes ${changes})${predicted}`);
  });
}

function listOthers(page: Page, findings: readonly Finding[]): void {
  findings.slice(0, MOST_FINDINGS).forEach((finding) => {
    const { red, yellow, cyan } = page.paint;
    const paint = { error: red, warning: yellow, info: cyan }[finding.severity];
    page.lead(marks[finding.severity], `${finding.rule}: ${finding.title}`, paint);
    page.text(finding.basis, page.paint.dim);
  });
  const more = findings.length - MOST_FINDINGS;
  if (more > 0) page.text(`and ${counted(more, 'more finding')}: --format json has all`, page.paint.dim);
}
