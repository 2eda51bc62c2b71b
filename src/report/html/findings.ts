import type { Finding, Severity } from '../../diagnosis/finding.ts';
import { showNumber } from '../numbers.ts';
import type { ReportSubject } from '../subject.ts';
import { mainFinding } from '../summary.ts';
import { html, type Markup } from './escape.ts';
import { name, numbers, section } from './figure.ts';
import { raised, sentence } from './words.ts';

const severities: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', info: 'note' };
/** Names of one finding that are listed; there may be one for every layer. */
const MOST_PLACES = 12;

/** Every finding with what it rests on. */
export function findingsSection(subject: ReportSubject): Markup {
  const { findings } = subject.diagnosis;
  if (findings.length === 0) return html``;
  const main = mainFinding(subject);
  return section({
    id: 'findings',
    title: 'Every finding',
    lead: 'Each with the numbers it rests on and the limit it was judged by.',
    body: findings.map((finding) => describe(finding, finding === main)),
  });
}

function describe(finding: Finding, isMain: boolean): Markup {
  const { rule, severity, title, explanation, basis, where, evidence, remedies } = finding;
  const rows = Object.entries(evidence).map(([key, value]) => [
    spaced(key),
    typeof value === 'number' ? showNumber(value) : value,
  ]);
  const more = where.length - MOST_PLACES;
  return html`<article class="finding ${severity}"><h3><span class="badge ${severity}">${severities[severity]}</span> <code>${rule}</code></h3><p>${raised(sentence(title, where))}</p>${explanation !== '' && html`<p>${sentence(explanation, where)}</p>`}${where.length > 0 && html`<p class="small">Where: ${where.slice(0, MOST_PLACES).map((place, i) => html`${i > 0 && ', '}${name(place)}`)}${more > 0 && ` and ${more} more`}</p>`}<p class="small">Rests on: ${basis}</p>${!isMain && remedies.length > 0 && html`<p class="small">Try: ${remedies.map(({ id, action }, i) => html`${i > 0 && '; '}<code>${id}</code> ${action}`)}</p>`}${numbers('Evidence', { columns: [{ title: 'quantity' }, { title: 'value', numeric: true }], rows })}</article>`;
}

/** `decadesPerLayer` as words. */
function spaced(key: string): string {
  return key.replace(/([a-z0-9])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
}
