import type { Finding } from '../diagnosis/finding.ts';
import type { Attribution } from '../flow/attribution.ts';
import type { FlowParameter, FlowProfile, FlowValue } from '../flow/profile.ts';
import type { RecurrentFlow } from '../flow/recurrent.ts';
import type { TensorStatistics } from '../flow/statistics.ts';
import { layerRows } from './layer-rows.ts';
import type { ReportSubject, StepsDescription } from './subject.ts';
import { theoryEntry } from './theory-json.ts';

/** The contract's name: scripts check it before they read anything else. */
export const REPORT_SCHEMA = 'gradient-doctor/report@1';

/**
 * The report for scripts (docs/report-json.md), two-space indented, ending in a newline. The same subject gives the
 * same bytes. Numbers that are not finite are strings.
 */
export function renderJson(subject: ReportSubject): string {
  const text = JSON.stringify(reportOf(subject), nonFiniteAsStrings, 2);
  // Lists of numbers on one line. Within a JSON string there is no line break, so nothing of a string can match.
  return `${text.replace(/\[\n[-+.,eE\d\s]*\]/g, (list) => list.replace(/\s+/g, '').replaceAll(',', ', '))}\n`;
}

/** The report as plain data, in the contract's keys and order; non-finite numbers are still numbers. */
export function reportOf(subject: ReportSubject) {
  const { model, probe, profile, diagnosis, steps } = subject;
  return {
    schema: REPORT_SCHEMA,
    verdict: diagnosis.verdict,
    model: {
      name: model.name,
      format: model.format,
      ...(model.opset === undefined ? {} : { opset: model.opset }),
      parameters: model.parameters,
      operators: Object.fromEntries(Object.entries(model.operators).sort(([a], [b]) => (a < b ? -1 : 1))),
    },
    probe: {
      loss: profile.loss,
      batch: probe.batch.size,
      seed: probe.batch.seed,
      lossKind: probe.lossKind,
      data: probe.batch.name,
      real: probe.batch.real,
      detail: probe.batch.detail,
      notes: probe.batch.notes,
      lossReason: probe.lossReason,
      optimizer: probe.update.optimizer,
      learningRate: probe.update.learningRate,
      batches: profile.seen.batches,
      step: profile.seen.step,
      runtime: probe.runtime,
      ...(probe.command === undefined ? {} : { command: probe.command }),
    },
    parameters: profile.parameters.map(parameterEntry),
    flow: profile.values.map((value) => flowEntry(value, profile)),
    layerGradients: layerEntries(subject),
    attribution: attributionEntry(diagnosis.attribution, profile),
    ...(profile.recurrent === undefined ? {} : { recurrent: profile.recurrent.map(recurrentEntry) }),
    ...(subject.theory === undefined ? {} : { theory: theorySection(subject) }),
    ...(steps === undefined ? {} : { steps: stepsEntry(steps, profile) }),
    findings: diagnosis.findings.map(findingEntry),
  };
}

function theorySection({ theory, profile, diagnosis }: ReportSubject) {
  const measured = new Map(profile.layers.map(({ name, decadesFromOutput }) => [name, decadesFromOutput]));
  return theoryEntry(theory!, diagnosis.attribution?.totalDecades ?? Number.NaN, measured);
}

function findingEntry({ rule, severity, title, explanation, basis, where, evidence, causes, remedies }: Finding) {
  return {
    rule,
    severity,
    title,
    where,
    evidence,
    causes,
    remedies: remedies.map(({ id }) => id),
    explanation,
    basis,
    remedyDetails: remedies,
  };
}

/** Before and after some training steps. */
function stepsEntry(
  { count, optimizer, learningRate, layers, fates, fault, ...rest }: StepsDescription,
  profile: FlowProfile,
) {
  return {
    count,
    optimizer,
    learningRate,
    before: { loss: rest.lossBefore, step: profile.seen.step },
    after: {
      loss: rest.lossAfter,
      step: rest.after.step,
      verdict: rest.after.verdict,
      totalDecades: rest.after.attribution?.totalDecades ?? Number.NaN,
      findings: rest.after.findings.map(findingEntry),
    },
    layers,
    findings: fates.map(({ rule, fate, before, after }) => ({
      rule,
      fate,
      before: before ? { severity: before.severity, title: before.title } : null,
      after: after ? { severity: after.severity, title: after.title } : null,
    })),
    ...(rest.history.constantLoss === undefined ? {} : { constantLoss: rest.history.constantLoss }),
    ...(rest.ablation === undefined ? {} : { ablation: rest.ablation }),
    ...(fault === undefined ? {} : { fault }),
  };
}

function parameterEntry(parameter: FlowParameter) {
  const { name, shape, gradient, value, updateRatio, layer, connected, roundoffOnly, signals, distinctUnits } =
    parameter;
  return {
    name,
    shape,
    gradient: statisticsEntry(gradient),
    value: statisticsEntry(value),
    updateRatio: updateRatio ?? null,
    layer,
    connected,
    roundoffOnly,
    ...(signals === undefined ? {} : { signals }),
    ...(distinctUnits === undefined ? {} : { distinctUnits }),
  };
}

function flowEntry(value: FlowValue, profile: FlowProfile) {
  const { name, node, op, layer, kind, shape, gradient, units, block, inner } = value;
  return {
    value: name,
    node,
    operator: op,
    layer,
    gradientL2: trueNorm(gradient, gradient.l2),
    decadesFromOutput: trueDecades(value, profile),
    kind,
    ...(block === undefined ? {} : { block, inner: inner ?? false }),
    shape,
    gradient: statisticsEntry(gradient),
    activation: statisticsEntry(value.value),
    ...(units === undefined ? {} : { units }),
  };
}

/** Layers as the reports for people show them, from output to input. */
function layerEntries(subject: ReportSubject) {
  const layers = subject.profile.layers.toReversed();
  return layerRows(subject).map(({ decades, weightGradient, updateRatio }, i) => {
    const { name, op, value, mixes, parameters } = layers[i]!;
    return {
      layer: name,
      value,
      operator: op,
      mixes,
      decadesFromOutput: decades,
      weightGradientDecades: weightGradient ?? null,
      updateRatio: updateRatio ?? null,
      parameters,
    };
  });
}

function statisticsEntry(statistics: TensorStatistics) {
  const { l2, log10L2, maxAbs, meanAbs, mean, zeroFraction, nonFinite, log2Histogram } = statistics;
  const total = nonFinite.nan + nonFinite.positiveInfinity + nonFinite.negativeInfinity;
  return {
    l2: trueNorm(statistics, l2),
    maxAbs: trueNorm(statistics, maxAbs),
    meanAbs: trueNorm(statistics, meanAbs),
    zeroFraction,
    nonFinite: total,
    log2Histogram,
    decades: trueNorm(statistics, log10L2),
    mean: total > 0 ? trueMean(statistics) : mean,
    ...(total > 0 ? { nonFiniteCounts: nonFinite, finite: { l2, maxAbs, meanAbs, decades: log10L2 } } : {}),
  };
}

/** A norm over all elements, as IEEE arithmetic would give it: the statistics are those of the finite ones. */
function trueNorm({ nonFinite }: TensorStatistics, finite: number): number {
  if (nonFinite.nan > 0) return Number.NaN;
  return nonFinite.positiveInfinity + nonFinite.negativeInfinity > 0 ? Number.POSITIVE_INFINITY : finite;
}

function trueMean({ nonFinite: { nan, positiveInfinity, negativeInfinity } }: TensorStatistics): number {
  if (nan > 0 || (positiveInfinity > 0 && negativeInfinity > 0)) return Number.NaN;
  return positiveInfinity > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
}

function trueDecades({ gradient, decadesFromOutput }: FlowValue, profile: FlowProfile): number {
  const output = profile.values.find((value) => value.name === profile.output)?.gradient;
  const end = output ? trueNorm(output, 0) : 0;
  return trueNorm(gradient, decadesFromOutput) - end;
}

/** Where no layer lies on the gradient's path there is nothing to account for: every key is there, and empty. */
function attributionEntry(attribution: Attribution | undefined, profile: FlowProfile) {
  const none = { totalDecades: Number.NaN, byKind: {}, byLayer: [], merges: [], from: null, to: profile.output };
  const { totalDecades, byKind, byLayer, merges, from, to, blockedBy } = attribution ?? { ...none, blockedBy: [] };
  return { totalDecades, byKind, byLayer, merges, from, to, blockedBy };
}

/** A recurrent layer through time; norms in decades, by time index. */
function recurrentEntry({ layer, node, op, direction, from, to, hidden, cell, gains, ...sums }: RecurrentFlow) {
  const { totalDecades, recurrence, direct, factors } = sums;
  return {
    layer,
    node,
    operator: op,
    direction,
    from: from ?? null,
    to,
    totalDecades,
    recurrence,
    direct,
    ...(factors === undefined ? {} : { factors }),
    hidden,
    ...(cell === undefined ? {} : { cell }),
    gains,
  };
}

/** For JSON.stringify: what JSON cannot hold as a number becomes a string. */
export function nonFiniteAsStrings(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
