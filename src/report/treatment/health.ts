import { counted, showDecades } from '../numbers.ts';
import type { ReportSubject } from '../subject.ts';
import type { Treatment } from './treatment.ts';
import { planRows } from './words.ts';

/** What a redesign made of the gradient beyond its layers: errors that are gone or left, and decades behind training. */
export function sayHealth(treatment: Treatment): string[] {
  return [sayErrors(treatment), sayTrained(treatment)].filter((sentence) => sentence !== undefined);
}

function sayErrors({ before, after }: Treatment): string | undefined {
  if (!after) return undefined;
  const [had, has] = [errorsOf(before), errorsOf(after)];
  if (had.length === 0 && has.length === 0) return undefined;
  const gone = had.filter((rule) => !has.includes(rule));
  const ends = [
    ...(gone.length > 0 ? [`${gone.join(', ')} ${gone.length === 1 ? 'is' : 'are'} gone`] : []),
    has.length > 0 ? `${has.join(', ')} ${has.length === 1 ? 'is an error' : 'are errors'} still` : 'no error is left',
  ];
  return `Diagnosed again before training: ${ends.join(', ')}.`;
}

function errorsOf({ diagnosis }: ReportSubject): string[] {
  return [...new Set(diagnosis.findings.filter(({ severity }) => severity === 'error').map(({ rule }) => rule))];
}

function sayTrained(treatment: Treatment): string | undefined {
  const { steps } = treatment.trials;
  const rows = planRows(treatment);
  const [own, base] = [rows.find(({ isWinner }) => isWinner), rows.find(({ isBaseline }) => isBaseline)];
  if (own?.trained === undefined || base?.trained === undefined) return undefined;
  const decades = `${showDecades(own.trained)} decades, as it was given at ${showDecades(base.trained)}`;
  return `After ${counted(steps, 'step')} of training the redesigned network is at ${decades}.`;
}
