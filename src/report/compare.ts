import { effectiveDecades, powerOfTen } from '../diagnosis/decay.ts';
import type { Severity } from '../diagnosis/finding.ts';
import { compareFindings, type FindingChange } from './compare-findings.ts';
import { type LayerPair, layersOf, matchLayers } from './compare-layers.ts';
import { nonFiniteAsStrings } from './json.ts';
import { counted, showNumber } from './numbers.ts';
import type { SavedReport } from './read-json.ts';

export const COMPARISON_SCHEMA = 'gradient-doctor/comparison@1';
/** Decades that another seed or batch moves a healthy network by: less is no change. */
export const TOLERANCE = 0.5;

/** One of the two reports, and what it is called. */
export interface ComparedReport {
  readonly label: string;
  readonly report: SavedReport;
}

export interface Side {
  readonly label: string;
  readonly model: string;
  readonly verdict: string;
  /** The worst finding's. */
  readonly severity: Severity | undefined;
  readonly data: string;
  readonly batch: number;
  readonly seed: number;
  readonly loss: number;
  readonly parameters: number;
  readonly layers: number;
  /** Between the output and the first layer; NaN where nothing can be accounted for. */
  readonly totalDecades: number;
  /** The same, pooling and what else starves nothing set aside. */
  readonly effectiveDecades: number;
}

export interface DecadesChange {
  readonly kind: string;
  readonly a: number;
  readonly b: number;
}

/** Two reports side by side. `regressions` are what a check fails on. */
export interface Comparison {
  readonly schema: typeof COMPARISON_SCHEMA;
  readonly outcome: 'better' | 'worse' | 'mixed' | 'same';
  readonly sentence: string;
  /** Decades up to which a change is none. */
  readonly tolerance: number;
  readonly a: Side;
  readonly b: Side;
  readonly regressions: readonly string[];
  readonly improvements: readonly string[];
  /** Decades by which the gradient of b's first layer is nearer to the output's than a's; negative: farther. */
  readonly decadesBetter: number;
  readonly byKind: readonly DecadesChange[];
  readonly findings: readonly FindingChange[];
  /** From output to input. */
  readonly layers: readonly LayerPair[];
  /** What limits the comparison, in sentences. */
  readonly notes: readonly string[];
}

/**
 * What got better or worse from report a to report b, and by how many decades. A change is judged by its distance from
 * the output's size: decades of both signs are worse the farther they lie from 0.
 */
export function compareReports(a: ComparedReport, b: ComparedReport, tolerance = TOLERANCE): Comparison {
  const match = matchLayers(layersOf(a.report), layersOf(b.report));
  const renamed = new Map(
    match.pairs.flatMap((pair) => (pair.a && pair.b ? [[pair.b.layer, pair.a.layer] as const] : [])),
  );
  const findings = compareFindings(a.report.findings, b.report.findings, renamed, tolerance);
  const [left, right] = [sideOf(a), sideOf(b)];
  const decadesBetter = nearer(left.effectiveDecades, right.effectiveDecades);
  const regressions = findings.flatMap(({ regression }) => regression ?? []);
  const improvements = findings.flatMap(({ improvement }) => improvement ?? []);
  const way = sayWay(left, right);
  if (decadesBetter < -tolerance) regressions.unshift(way);
  if (decadesBetter > tolerance) improvements.unshift(way);
  const outcome = outcomeOf(regressions.length, improvements.length);
  return {
    schema: COMPARISON_SCHEMA,
    outcome,
    sentence: sentenceOf(outcome, regressions, improvements, left, right),
    tolerance,
    a: left,
    b: right,
    regressions,
    improvements,
    decadesBetter,
    byKind: kindsOf(a.report, b.report),
    findings,
    layers: match.pairs,
    notes: notesOn(a.report, b.report, match.byPosition),
  };
}

/** The comparison for scripts, as JSON (docs/compare.md); the same reports give the same bytes. */
export function renderComparisonJson(comparison: Comparison): string {
  return `${JSON.stringify(comparison, nonFiniteAsStrings, 2)}\n`;
}

/** |a| − |b|: how much nearer to 0 the second number is; 0 where both are infinite, NaN where one is no number. */
export function nearer(a: number, b: number): number {
  const [from, to] = [Math.abs(a), Math.abs(b)];
  return from === to ? 0 : from - to;
}

const rank: Record<Severity, number> = { info: 0, warning: 1, error: 2 };

function sideOf({ label, report }: ComparedReport): Side {
  const { model, probe, attribution, findings, verdict } = report;
  const { totalDecades, byKind } = attribution;
  const severities = findings.map(({ severity }) => severity).sort((x, y) => rank[y] - rank[x]);
  return {
    label,
    model: model.name,
    verdict,
    severity: severities[0],
    data: probe.detail ?? probe.data,
    batch: probe.batch,
    seed: probe.seed,
    loss: probe.loss,
    parameters: model.parameters,
    layers: layersOf(report).length,
    totalDecades,
    effectiveDecades: Number.isFinite(totalDecades) ? effectiveDecades(byKind) : totalDecades,
  };
}

function outcomeOf(worse: number, better: number): Comparison['outcome'] {
  if (worse > 0) return better > 0 ? 'mixed' : 'worse';
  return better > 0 ? 'better' : 'same';
}

function sentenceOf(
  outcome: Comparison['outcome'],
  regressions: readonly string[],
  improvements: readonly string[],
  a: Side,
  b: Side,
): string {
  switch (outcome) {
    case 'better':
      return `b is better: ${improvements[0]}`;
    case 'worse':
      return `b is worse: ${regressions[0]}`;
    case 'mixed':
      return `b is better in one way and worse in another: ${improvements[0]}; but ${regressions[0]}`;
    case 'same':
      return `a and b do alike: ${Number.isNaN(b.totalDecades) ? 'nothing new was found' : sayWay(a, b, ' and ')}`;
  }
}

/** `the first layer receives 10^-0.3 instead of 10^-6.1 of the output's gradient`. */
function sayWay(a: Side, b: Side, between = ' instead of '): string {
  // Where pooling and its like hide which way it went, they are set aside.
  const aside = nearer(a.totalDecades, b.totalDecades) * nearer(a.effectiveDecades, b.effectiveDecades) < 0;
  const [from, to] = aside ? [a.effectiveDecades, b.effectiveDecades] : [a.totalDecades, b.totalDecades];
  const what = aside ? 'pooling set aside, the first layer' : 'the first layer';
  if (between !== ' instead of ' && part(from) === part(to)) {
    return `${what} receives ${part(to)} of the output's gradient in both`;
  }
  const [first, second] = between === ' instead of ' ? [to, from] : [from, to];
  return `${what} receives ${part(first)}${between}${part(second)} of the output's gradient`;
}

function part(decades: number): string {
  if (Number.isFinite(decades)) return powerOfTen(decades);
  return decades === Number.NEGATIVE_INFINITY ? 'nothing' : 'no finite part';
}

function kindsOf(a: SavedReport, b: SavedReport): DecadesChange[] {
  const [left, right] = [a.attribution.byKind, b.attribution.byKind];
  const kinds = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  const size = ({ a: x, b: y }: DecadesChange) => Math.max(Math.abs(x), Math.abs(y));
  return kinds
    .map((kind) => ({ kind, a: left[kind] ?? 0, b: right[kind] ?? 0 }))
    .filter((change) => size(change) >= 0.05)
    .sort((x, y) => size(y) - size(x));
}

function notesOn(a: SavedReport, b: SavedReport, byPosition: number): string[] {
  const notes: string[] = [];
  const differ = (what: string, x: unknown, y: unknown) => {
    if (x !== y) notes.push(`measured with different ${what}: ${x} in a, ${y} in b`);
  };
  differ('data', a.probe.data, b.probe.data);
  differ('batch sizes', a.probe.batch, b.probe.batch);
  differ('seeds', a.probe.seed, b.probe.seed);
  differ('losses', a.probe.lossKind, b.probe.lossKind);
  const step = ({ probe }: SavedReport) =>
    probe.optimizer === undefined ? 'unknown' : `${probe.optimizer} at ${showNumber(probe.learningRate ?? Number.NaN)}`;
  if (step(a) !== step(b)) notes.push(`update ratios are of different steps: ${step(a)} in a, ${step(b)} in b`);
  const steps = ({ steps: done }: SavedReport) => counted(done?.count ?? 0, 'training step');
  if (steps(a) !== steps(b)) notes.push(`findings are those after ${steps(a)} in a, after ${steps(b)} in b`);
  if (byPosition > 0) notes.push(`${counted(byPosition, 'layer')} matched by position: the names differ`);
  return notes;
}
