import { counted, showCount, showNumber } from '../numbers.ts';
import type { ReportSubject } from '../subject.ts';
import { formatName } from '../summary.ts';
import { type Content, html, type Markup } from './escape.ts';
import { name, section } from './figure.ts';

/** What was measured, with what, and how to measure it again. */
export function subjectSection({ model, probe, profile, steps }: ReportSubject): Markup {
  const operators = Object.entries(model.operators)
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .map(([op, count]) => `${op} × ${showCount(count)}`)
    .join(', ');
  const { batch, update } = probe;
  const seen = `${counted(profile.seen.batch, 'sample')} in ${counted(profile.seen.batches, 'batch', 'batches')}, before step ${profile.seen.step + 1}`;
  const facts: [string, Content][] = [
    ['model', name(model.name)],
    ['format', formatName(model)],
    ['size', `${counted(model.parameters, 'parameter')}, ${counted(profile.layers.length, 'layer')} with parameters`],
    ['operators', operators],
    ['data', `${batch.detail}${batch.real ? '' : ' (not real data)'}`],
    ['seed', String(batch.seed)],
    ['seen', seen],
    ['loss', `${probe.lossKind} ${showNumber(profile.loss)}: ${probe.lossReason}`],
    ['optimizer', `${update.optimizer}, learning rate ${showNumber(update.learningRate)}`],
    ...(steps ? [['trained', counted(steps.count, 'step')] as [string, Content]] : []),
    ['runtime', probe.runtime],
    ...(probe.command === undefined
      ? []
      : [['to reproduce', html`<code class="command">${probe.command}</code>`] as [string, Content]]),
  ];
  const notes = batch.notes.map((note) => html`<li>${note}</li>`);
  return section({
    id: 'subject',
    title: 'What was measured',
    body: html`<dl class="facts">${facts.map(([label, value]) => html`<dt>${label}</dt><dd>${value}</dd>`)}</dl>${notes.length > 0 && html`<h3>Notes</h3><ul>${notes}</ul>`}`,
  });
}
