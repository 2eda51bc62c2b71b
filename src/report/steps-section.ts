import { counted, showNumber, showSize } from './numbers.ts';
import type { Page } from './page.ts';
import type { FindingFate, StepsDescription } from './subject.ts';

/**
 * Per step, relative to the weights, below which a layer does not train: the lower limit of AutoTrainer, DeepDiagnosis
 * and torchmortem alike.
 */
export const STILL = 1e-5;
const MOST_FATES = 6;

/** What so many training steps changed: the loss, the layers that moved and those that did not, and each finding's fate. */
export function describeSteps(page: Page, steps: StepsDescription | undefined): void {
  if (!steps) return;
  const { count, optimizer, learningRate, layers, fates, fault } = steps;
  page.gap();
  const how = `${counted(count, 'step')} of ${optimizer} at ${showNumber(learningRate)}`;
  page.field('after', `${how}: loss ${showNumber(steps.lossBefore)} → ${showNumber(steps.lossAfter)} on this batch`);
  if (fault)
    page.field('', `${fault.message}${fault.where.length > 0 ? `; first in ${fault.where[0]}` : ''}`, page.paint.red);
  const still = layers.filter(({ updateRatio }) => !(updateRatio >= STILL));
  const byMotion = [...layers].sort((a, b) => b.moved - a.moved);
  const most = byMotion.slice(0, 3).map(({ layer, moved }) => `${layer} by ${showSize(moved)}`);
  if (most.length > 0) page.field('moved', `most: ${most.join(', ')} of the weights`);
  if (still.length > 0) {
    const names = still.slice(0, 4).map(({ layer, updateRatio }) => `${layer} (${showSize(updateRatio)})`);
    const more = still.length > 4 ? ` and ${still.length - 4} more` : '';
    const what = `${counted(still.length, 'layer')} of ${layers.length} hardly train: less than ${showSize(STILL)} of the weights a step`;
    page.field('still', `${what}: ${names.join(', ')}${more}`);
  }
  for (const fate of fates.slice(0, MOST_FATES)) page.field(fate.fate, sayFate(fate));
  if (fates.length === 0) page.field('findings', 'none before, none after');
}

/** What training made of a finding, in its own words. */
export function sayFate({ fate, rule, before, after }: FindingFate): string {
  if (fate === 'withdrawn') return `${rule}: ${before!.title}`;
  if (fate === 'new') return `${rule}: ${after!.title}`;
  return before!.title === after!.title ? `${rule}: ${after!.title}` : `${rule}: now ${after!.title}`;
}
