import type { Diagnosis, Finding, Severity } from '../diagnosis/finding.ts';
import type { Attribution } from '../flow/attribution.ts';
import type { FactorKind } from '../flow/kinds.ts';
import { median } from '../flow/quantiles.ts';
import { skipShares } from './merges.ts';
import { showDecades, showPercent } from './numbers.ts';
import type { ModelDescription, ReportSubject } from './subject.ts';

/** What the report is about: the first error, else the first warning, else why nothing arrives although all is well. */
export function mainFinding({ diagnosis: { findings, attribution } }: ReportSubject): Finding | undefined {
  const first = (severity: Severity) => findings.find((finding) => finding.severity === severity);
  const blocked = attribution?.totalDecades === Number.NEGATIVE_INFINITY;
  return first('error') ?? first('warning') ?? (blocked ? first('info') : undefined);
}

/** `ONNX opset 14`, `network spec`. */
export function formatName({ format, opset }: ModelDescription): string {
  if (format === 'onnx') return opset === undefined ? 'ONNX' : `ONNX opset ${opset}`;
  return format === 'spec' ? 'network spec' : format;
}

/** What is said of a network in which nothing is wrong. */
export function sayReach({ attribution }: Diagnosis): string {
  if (attribution === undefined) return 'nothing found';
  return `the gradient reaches the first layer: ${showDecades(attribution.totalDecades)} decades from the output's`;
}

/** Kinds of factors by what they did, the largest first; what rounds to nothing is left out. */
export function kindsOf(attribution: Attribution | undefined): [FactorKind, number][] {
  if (!attribution || !Number.isFinite(attribution.totalDecades)) return [];
  return (Object.entries(attribution.byKind) as [FactorKind, number][])
    .filter(([, decades]) => Math.abs(decades) >= 0.05)
    .sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
}

/** Where the decades of one sign were taken: `evenly: -0.6 in each of 10 layers`; empty where there is little to say. */
export function sayWorstLayers({ byLayer }: Attribution, sign: number): string {
  const layers = byLayer
    .filter(({ layer, decades }) => layer !== '' && Math.sign(decades) === sign && Math.abs(decades) >= 0.05)
    .sort((a, b) => Math.abs(b.decades) - Math.abs(a.decades));
  if (layers.length < 2) return '';
  const [first, last] = [layers[0]!, layers.at(-1)!];
  if (layers.length > 3 && Math.abs(first.decades - last.decades) < 0.25 * Math.abs(first.decades)) {
    const range = [...new Set([first, last].map(({ decades }) => showDecades(decades)))].join(' to ');
    return `evenly: ${range} in each of ${layers.length} layers`;
  }
  const worst = layers.slice(0, 3).map(({ layer, decades }) => `${layer} ${showDecades(decades)}`);
  return `most in ${worst.join(', ')}`;
}

/** How much of the gradient came by skip connections; undefined where there are none. */
export function sayWhatSkipsCarry({ profile, diagnosis: { attribution } }: ReportSubject): string | undefined {
  if (!attribution) return undefined;
  const skips = skipShares(profile, attribution).filter(({ share }) => Number.isFinite(share));
  if (skips.length === 0) return undefined;
  const shares = skips.map(({ share }) => share);
  const least = skips.reduce((a, b) => (b.share < a.share ? b : a));
  if (skips.length === 1) return `a skip connection carried ${showPercent(shares[0]!)} of the gradient`;
  return (
    `skip connections carried ${showPercent(median(shares))} of the gradient (median of ${skips.length}; ` +
    `least ${showPercent(least.share)}, after ${least.layer || least.value})`
  );
}
