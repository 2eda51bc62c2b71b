import { chiPerLayer, compareTheory } from '../theory/compare.ts';
import type { LayerTheory, Theory } from '../theory/theory.ts';
import { showDecades, showNumber } from './numbers.ts';
import type { Page } from './page.ts';
import type { ReportSubject } from './subject.ts';

/** Layers that trainable depth is said up to: beyond, a network trains to any depth that anyone builds. */
const ANY_DEPTH = 1000;
/** Decades from the output on which a verdict rests: smaller decays are nobody's fault. */
const NOTEWORTHY = 1;
/** A layer whose measured step differs by this from the predicted one is named. */
const LEAST_STEP = 0.2;

/** Theory beside the measurement: what the weights let expect, and where and why it was otherwise. */
export function describeTheory(page: Page, subject: ReportSubject): void {
  const said = sayTheory(subject);
  said.forEach((text, i) => {
    page.field(i === 0 ? 'theory' : '', text, i === 0 ? undefined : page.paint.dim);
  });
}

/** The same as sentences, the first of which says it all; none where theory was not asked. */
export function sayTheory({ theory, diagnosis, profile }: ReportSubject): string[] {
  if (!theory) return [];
  const [reason = ''] = theory.reasons;
  if (theory.applies === 'not') return [`does not apply here. ${reason}`];
  const comparison = compareTheory(theory, diagnosis.attribution?.totalDecades);
  const chi = chiPerLayer(theory);
  const each = chi === undefined ? '' : ` (χ = ${showChi(chi)} per layer)`;
  if (!comparison) {
    if (Number.isNaN(theory.predictedDecades)) return [`covers ${countOf(theory)} only. ${reason}`];
    return [`${showDecades(theory.predictedDecades)} expected${each}`, ...partly(theory)];
  }
  const { predicted, measured, agrees } = comparison;
  const expected = `${showDecades(predicted)} expected${each}`;
  if (agrees) {
    const fault = Math.abs(measured) >= NOTEWORTHY ? ': this is the design, not bad luck' : ', as measured';
    return [`${expected}${fault}`, ...depth(theory), ...partly(theory)];
  }
  const steps = profile.layers.filter(({ decadesFromOutput }) => Number.isFinite(decadesFromOutput));
  const where = worstStep(theory.layers, new Map(steps.map((layer) => [layer.name, layer.decadesFromOutput])));
  const most = where === undefined ? '' : `, most of it at ${where.layer} (${showDecades(where.difference)})`;
  return [
    `${expected}, ${showDecades(measured)} measured: not the design alone, but these weights or this data${most}`,
    ...depth(theory),
    ...partly(theory),
  ];
}

/** χ with two digits, three near 1: `0.06`, `0.97`, `1.02`. */
export function showChi(chi: number): string {
  return Math.abs(chi - 1) < 0.095 ? chi.toFixed(2) : showNumber(Number(chi.toPrecision(2)));
}

/** `about 2 layers`, `about 53 layers`, `any depth`: what 6ξ says. */
export function showTrainable(layers: number): string {
  if (!(layers < ANY_DEPTH)) return 'any depth';
  const count = layers < 10 ? Number(layers.toPrecision(2)) : Math.round(layers);
  return `about ${count} ${count === 1 ? 'layer' : 'layers'}`;
}

function depth({ depthScale, trainableDepth, layers }: Theory): string[] {
  if (depthScale === undefined || trainableDepth === undefined || !(trainableDepth < layers.length)) return [];
  const trainable = showTrainable(trainableDepth);
  return [`depth scale ξ = ${showNumber(depthScale)}: trainable to ${trainable} (6ξ), and there are ${layers.length}`];
}

function partly({ applies, reasons }: Theory): string[] {
  return applies === 'partly' && reasons.length > 0 ? [`covered in part. ${reasons[0]}`] : [];
}

function countOf({ layers }: Theory): string {
  return layers.length === 1 ? 'one layer' : `${layers.length} layers`;
}

/** The layer at which measured and predicted gradients part most. */
function worstStep(layers: readonly LayerTheory[], measured: ReadonlyMap<string, number>) {
  let worst: { layer: string; difference: number } | undefined;
  let previous = 0;
  for (const { layer, decadesFromOutput } of layers.toReversed()) {
    const gap = (measured.get(layer) ?? Number.NaN) - (decadesFromOutput ?? Number.NaN);
    if (!Number.isFinite(gap)) continue;
    const difference = gap - previous;
    previous = gap;
    if (Math.abs(difference) > Math.max(LEAST_STEP, Math.abs(worst?.difference ?? 0))) worst = { layer, difference };
  }
  return worst;
}
