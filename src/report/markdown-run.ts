import {
  codeBlock,
  codeName,
  type Detail,
  escapeMarkdown,
  folded,
  type MarkdownOptions,
  markdownTable,
} from './markdown-text.ts';
import { counted, showDecades, showNumber, showSize } from './numbers.ts';
import { drawSteps } from './recurrent-section.ts';
import type { ReportSubject, StepsDescription } from './subject.ts';
import { clean } from './text.ts';

const MOST_FLOWS = 8;
const MOST_FATES = 12;
const MOST_LAYERS = 40;

/** Through time, and before and after some training steps. */
export function describeRun({ profile, steps, diagnosis }: ReportSubject, detail: Detail): string[] {
  const sections: string[] = [];
  const flows = (profile.recurrent ?? []).slice(0, MOST_FLOWS);
  if (flows.length > 0) {
    const rows = flows.map(({ layer, node, direction, hidden, recurrence, direct, totalDecades }) => [
      `${codeName(layer || node)}${direction === 'reverse' ? ', reverse' : ''}`,
      String(hidden.length),
      showDecades(totalDecades),
      showDecades(recurrence),
      showDecades(direct),
      `\`${drawSteps(hidden, true)}\``,
    ]);
    const columns = ['through time', 'steps', 'decades', 'recurrence', 'arriving directly', 'first to last step'];
    sections.push('#### Through time', markdownTable(columns, rows, [1, 2, 3, 4]));
  }
  if (steps) sections.push(...beforeAndAfter(steps, diagnosis.attribution?.totalDecades, detail));
  return sections;
}

function beforeAndAfter(steps: StepsDescription, totalBefore: number | undefined, detail: Detail): string[] {
  const { count, optimizer, learningRate, fates, fault, after, layers } = steps;
  const errors = (list: readonly ({ severity: string } | undefined)[]) =>
    String(list.filter((finding) => finding?.severity === 'error').length);
  const decades = (total: number | undefined) => (total === undefined ? '' : showDecades(total));
  const rows = [
    ['loss on this batch', showNumber(steps.lossBefore), showNumber(steps.lossAfter)],
    ['first layer, decades from the output', decades(totalBefore), decades(after.attribution?.totalDecades)],
    ['errors', errors(fates.map(({ before }) => before)), errors(after.findings)],
  ];
  const how = `After ${counted(count, 'step')} of ${escapeMarkdown(optimizer)} at ${showNumber(learningRate)}`;
  const sections = [`#### ${how}`, markdownTable(['', 'before', 'after'], rows, [1, 2])];
  if (fault) {
    const place = fault.where[0] === undefined ? '' : `; first in ${codeName(fault.where[0])}`;
    sections.push(`❌ Training stopped: ${escapeMarkdown(fault.message, detail.text)}${place}`);
  }
  if (fates.length > 0) {
    const items = fates.slice(0, MOST_FATES).map(({ fate, rule, before, after: now }) => {
      const title = (fate === 'withdrawn' ? before : now)?.title ?? '';
      return `- **${fate}** ${rule}: ${escapeMarkdown(title, detail.text)}`;
    });
    const more = fates.length - items.length;
    if (more > 0) items.push(`- and ${more} more`);
    sections.push(items.join('\n'));
  }
  const moved = layers
    .slice(0, Math.min(MOST_LAYERS, detail.rows))
    .map((layer) => [
      codeName(layer.layer),
      showSize(layer.moved),
      showSize(layer.updateRatio),
      showSize(layer.gradientBefore),
      showSize(layer.gradientAfter),
    ]);
  if (moved.length > 0) {
    const columns = ['layer', 'moved', 'update / weight, median', 'weight gradient, first step', 'last step'];
    const left = layers.length - moved.length;
    const note = left > 0 ? `\n\n${counted(left, 'more layer')} not shown.` : '';
    const table = markdownTable(columns, moved, [1, 2, 3, 4]) + note;
    sections.push(folded('What moved, from input to output', table));
  }
  return sections;
}

/** Model, data, seed, versions and the command, in what opens by a click. */
export function reproduce({ model, probe, profile }: ReportSubject, options: MarkdownOptions, detail: Detail): string {
  const { batch, update } = probe;
  const rows = [
    ['model', codeName(model.name)],
    ['data', `${escapeMarkdown(batch.detail, detail.text)}${batch.real ? '' : ' (made up)'}`],
    ['batch', `${batch.size} samples, seed ${batch.seed}, step ${profile.seen.step}`],
    ['loss', escapeMarkdown(probe.lossReason, detail.text)],
    ['optimizer', `${codeName(update.optimizer)}, learning rate ${showNumber(update.learningRate)}`],
    ['runtime', escapeMarkdown(probe.runtime)],
    ...(options.version === undefined ? [] : [['gradient-doctor', escapeMarkdown(options.version)]]),
    ...batch.notes.slice(0, detail.notes).map((note) => ['note', escapeMarkdown(note, detail.text)]),
  ];
  const left = batch.notes.length - detail.notes;
  const parts = [
    markdownTable(['', ''], rows),
    ...(left > 0 ? [`${counted(left, 'more note')} not shown.`] : []),
    ...(probe.command === undefined ? [] : [codeBlock(showCommand(probe.command, detail), 'sh')]),
  ];
  return folded('Reproduce', parts.join('\n\n'));
}

/** A command is either whole or not there: half of one would run something else. */
function showCommand(command: string, { text }: Detail): string {
  if (command.length > 4 * text) return '# too long to show; --format json has it';
  return clean(command);
}
