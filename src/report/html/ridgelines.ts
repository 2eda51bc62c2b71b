import type { LayerHistory } from '../../flow/history.ts';
import type { FlowParameter, FlowValue } from '../../flow/profile.ts';
import type { Log2Histogram, TensorStatistics } from '../../flow/statistics.ts';
import { layerRows, leadingRows, totalNonFinite } from '../layer-rows.ts';
import { counted, showCount, showPercent, showPower } from '../numbers.ts';
import type { ReportSubject } from '../subject.ts';
import { html, type Markup } from './escape.ts';
import { NARROW, section, WIDE } from './figure.ts';
import { drawRidges, type RidgeChart, type RidgeRow } from './ridge-chart.ts';

/** Layers whose histograms are followed over the steps. */
const MOST_FOLLOWED = 3;
/** More rows than this are thinned to it. */
const MOST_ROWS = 400;
const MOST_NARROW_ROWS = 120;

/** Histograms of every layer's weight gradients and of what it passes on. */
export function ridgelineSection(subject: ReportSubject): Markup {
  const { profile, steps } = subject;
  const names = thinned(
    leadingRows(layerRows(subject))
      .map((row) => row.name)
      .reverse(),
    MOST_ROWS,
  );
  if (names.length === 0) return html``;
  const parameters = new Map<string, FlowParameter[]>();
  for (const one of profile.parameters) {
    if (one.connected) parameters.set(one.layer, [...(parameters.get(one.layer) ?? []), one]);
  }
  const outputs = passedOn(subject);
  const gradients = names.map((layer) =>
    rowOf(
      layer,
      weightsOf(parameters.get(layer) ?? []).map((one) => one.gradient),
    ),
  );
  const activations = names.map((layer) => {
    const value = outputs.get(layer);
    return rowOf(layer, value ? [value.value] : []);
  });
  const pitch = Math.max(3, Math.min(24, 900 / names.length));
  const charts: RidgeChart[] = [
    {
      label: `Histograms of the weights' gradients of ${counted(names.length, 'layer')}`,
      title: 'gradients ∂C/∂w',
      rows: gradients,
      paint: 'measured',
    },
    {
      label: `Histograms of the activations of ${counted(names.length, 'layer')}`,
      title: 'activations',
      rows: activations,
      paint: 'third',
    },
  ];
  const left = WIDE / 2 + 40;
  const wide = html`<div class="wide pair">${drawRidges(charts[0]!, { width: left, pitch, named: true, narrow: false })}${drawRidges(charts[1]!, { width: WIDE - left - 12, pitch, named: false, narrow: false })}</div>`;
  const narrow = html`<div class="narrow">${charts.map((chart) => drawRidges({ ...chart, rows: thinned(chart.rows, MOST_NARROW_ROWS) }, { width: NARROW, pitch: Math.max(5, pitch), named: true, narrow: true }))}</div>`;
  return section({
    id: 'histograms',
    title: 'What gradients and activations are made of',
    lead: html`One row per layer, input at the top. The hill shows how many elements have which magnitude (powers of ten); hills that wander to the left carry ever smaller numbers, a narrow hill means that all elements are alike. Left of it, how many are exactly zero; right of it, the share of negative and positive ones.`,
    body: html`<figure>${wide}${narrow}</figure>${overTime(steps?.history.layers ?? [])}`,
  });
}

function thinned<T>(rows: readonly T[], most: number): readonly T[] {
  if (rows.length <= most) return rows;
  return Array.from({ length: most }, (_, i) => rows[Math.round((i * (rows.length - 1)) / (most - 1))]!);
}

/** What each layer passes on: its activation function's output where it has one, else its own. */
function passedOn({ profile }: ReportSubject): Map<string, FlowValue> {
  const own = new Map(profile.layers.map((layer) => [layer.value, layer.name]));
  const found = new Map<string, FlowValue>();
  for (const value of profile.values.toReversed()) {
    if (value.inner) continue;
    const layer = own.get(value.name);
    if (layer !== undefined) found.set(layer, value);
    else if (value.kind === 'activation-derivative') found.set(value.layer, value);
  }
  return found;
}

/** Matrices and kernels; other parameters only where there is nothing else. */
function weightsOf(parameters: readonly FlowParameter[]): readonly FlowParameter[] {
  const matrices = parameters.filter(({ shape }) => shape.length >= 2);
  return matrices.length > 0 ? matrices : parameters;
}

function rowOf(layer: string, parts: readonly TensorStatistics[]): RidgeRow {
  const broken = parts.reduce((sum, part) => sum + totalNonFinite(part), 0);
  const histogram = sumHistograms(parts.map((part) => part.log2Histogram));
  return { name: layer, histogram, broken, tip: `${layer}: ${tipOf(histogram, broken)}` };
}

function tipOf(histogram: Log2Histogram | undefined, broken: number): string {
  if (!histogram) return 'not measured';
  const nonzero = histogram.counts.reduce((sum, count) => sum + count, 0);
  const all = nonzero + histogram.zeros + broken;
  const facts = [counted(all, 'element'), `${showPercent(all > 0 ? histogram.zeros / all : 0)} exactly zero`];
  if (nonzero > 0) {
    const [low, high] = [histogram.from, histogram.from + histogram.counts.length].map((log) => log * Math.log10(2));
    facts.push(
      `magnitudes from ${showPower(low!)} to ${showPower(high!)}`,
      `${showPercent(histogram.negatives / nonzero)} negative`,
    );
  }
  if (broken > 0) facts.push(`${showCount(broken)} NaN or infinite`);
  return facts.join(', ');
}

function sumHistograms(parts: readonly Log2Histogram[]): Log2Histogram | undefined {
  if (parts.length < 2) return parts[0];
  const filled = parts.filter(({ counts }) => counts.length > 0);
  const from = filled.reduce((least, part) => Math.min(least, part.from), Number.POSITIVE_INFINITY);
  const to = filled.reduce((most, part) => Math.max(most, part.from + part.counts.length), Number.NEGATIVE_INFINITY);
  const counts = Array<number>(filled.length > 0 ? to - from : 0).fill(0);
  for (const part of filled)
    part.counts.forEach((count, i) => {
      counts[part.from - from + i]! += count;
    });
  return {
    from: filled.length > 0 ? from : 0,
    counts,
    zeros: parts.reduce((sum, part) => sum + part.zeros, 0),
    negatives: parts.reduce((sum, part) => sum + part.negatives, 0),
  };
}

/** How histograms changed: of the first, the middle and the last layer that kept any. */
function overTime(layers: readonly LayerHistory[]): Markup {
  const kept = layers.filter(({ histograms }) => histograms?.some(({ gradient }) => gradient !== undefined));
  if (kept.length === 0) return html``;
  const chosen = [...new Set([0, (kept.length - 1) >> 1, kept.length - 1])]
    .slice(0, MOST_FOLLOWED)
    .map((i) => kept[i]!);
  const charts = chosen.map(({ layer, histograms }) => {
    const rows = histograms!
      .filter(({ gradient }) => gradient !== undefined)
      .slice(-60)
      .map(({ step, gradient }) => ({
        name: `step ${step}`,
        histogram: gradient,
        broken: 0,
        tip: `step ${step}: ${tipOf(gradient, 0)}`,
      }));
    const pitch = Math.max(6, Math.min(20, 300 / rows.length));
    const chart = {
      label: `Gradients of ${layer} over the steps`,
      title: `${layer}, over the steps`,
      rows,
      paint: 'measured',
    };
    return drawRidges(chart, { width: NARROW, pitch, named: true, narrow: true });
  });
  return html`<figure class="row">${charts}</figure>`;
}
