import { counted } from '../numbers.ts';
import type { ReportSubject } from '../subject.ts';
import { formatName } from '../summary.ts';
import { shorten } from '../text.ts';
import { chainRuleSection } from './chain-rule.ts';
import { depthSection } from './depth-chart.ts';
import { html, type Markup } from './escape.ts';
import { name } from './figure.ts';
import { findingsSection } from './findings.ts';
import { heatMapSection } from './heat-map.ts';
import { learningSpeedSection } from './learning-speed.ts';
import { lossSection } from './loss.ts';
import { document } from './page.ts';
import { ridgelineSection } from './ridgelines.ts';
import { stepsSection } from './steps.ts';
import { subjectSection } from './subject.ts';
import { throughTimeSection } from './through-time.ts';
import { traceSection } from './trace.ts';
import { verdictSection } from './verdict.ts';

/** Names are long where files are deep; the page's end has them whole. */
const LONGEST_TITLE = 70;

/**
 * The report as one self-contained page: no network, no script; light and dark, on paper and on a phone. The same subject
 * gives the same page.
 */
export function renderHtml(subject: ReportSubject): string {
  const { model, probe, profile } = subject;
  const title = shorten(model.name, LONGEST_TITLE);
  const layers = profile.layers.filter((layer) => layer.mixes).length || profile.layers.length;
  const parts: readonly (readonly [id: string, link: string, part: Markup])[] = [
    ['verdict', 'Verdict', verdictSection(subject)],
    ['depth', 'Depth', depthSection(subject)],
    ['trace', 'Network', traceSection(subject)],
    ['chain-rule', 'Chain rule', chainRuleSection(subject)],
    ['time', 'Time', throughTimeSection(subject)],
    ['speed', 'Learning speed', learningSpeedSection(subject)],
    ['histograms', 'Histograms', ridgelineSection(subject)],
    ['steps', 'Training', stepsSection(subject)],
    ['loss', 'Loss', lossSection(subject)],
    ['heat-maps', 'Step by step', heatMapSection(subject.steps?.history)],
    ['findings', 'Findings', findingsSection(subject)],
    ['subject', 'Subject', subjectSection(subject)],
  ];
  const shown = parts.filter(([, , part]) => part.text !== '');
  const links = shown.slice(1).map(([id, link]) => html`<li><a href="#${id}">${link}</a></li>`);
  return document({
    title: `${title} – gradient report`,
    header: html`<p class="brand">Gradient Doctor</p><h1>${name(title)}</h1><p class="facts-line">${formatName(model)}, ${counted(layers, 'layer')}, ${counted(model.parameters, 'parameter')} · ${probe.batch.detail}</p><nav aria-label="parts of this report"><ul>${links}</ul></nav>`,
    main: shown.map(([, , part]) => part),
    footer: html`<p>Every figure was measured on the network itself or computed from its weights. The file needs no network and runs no script.</p>`,
  });
}
