import type { FlowLayer, FlowProfile } from '../flow/profile.ts';
import type { Log2Histogram, TensorStatistics } from '../flow/statistics.ts';
import { layerRows, totalNonFinite } from './layer-rows.ts';
import type { ReportSubject } from './subject.ts';
import { clean } from './text.ts';

/** One number that can be plotted, in the long form of data frames: what it is, whose it is, where and when. */
export interface SeriesRow {
  /** What is measured: see docs/series.md. */
  readonly series: string;
  readonly layer: string;
  /** The value, parameter or node; empty where the layer says it. */
  readonly name: string;
  /** Kind of factor, operator, direction: what rows of one series are told apart by. */
  readonly kind: string;
  /** Training step; 0 before any. */
  readonly step: number;
  /** Position, time index or the exponent of a histogram's bin. */
  readonly x: number;
  readonly value: number;
}

export const seriesColumns = ['series', 'layer', 'name', 'kind', 'step', 'x', 'value'] as const;
export const SERIES_SCHEMA = 'gradient-doctor/series@1';
export const seriesFormats = ['csv', 'json'] as const;
export type SeriesFormat = (typeof seriesFormats)[number];

/** Every number of a report that can be plotted, layers from input to output. */
export function seriesOf(subject: ReportSubject): SeriesRow[] {
  const { profile } = subject;
  return [
    ...layerSeries(subject),
    ...valueSeries(profile),
    ...parameterSeries(profile),
    ...attributionSeries(subject),
    ...timeSeries(profile),
    ...theorySeries(subject),
    ...stepSeries(subject),
  ];
}

/**
 * The series as a file: CSV (RFC 4180, a header, one line per row, `nan` and `inf` as NumPy and pandas read them) or
 * JSON (one array per column; numbers that are not finite are strings). The same subject gives the same bytes.
 */
export function renderSeries(subject: ReportSubject, format: SeriesFormat): string {
  const rows = seriesOf(subject);
  if (format === 'csv') {
    const lines = rows.map((row) => seriesColumns.map((column) => csvCell(row[column])).join(','));
    return `${[seriesColumns.join(','), ...lines].join('\n')}\n`;
  }
  const columns = seriesColumns.map((column) => {
    const cells = rows.map((row) => {
      const cell = row[column];
      return typeof cell === 'number' && !Number.isFinite(cell) ? String(cell) : cell;
    });
    return `  ${JSON.stringify(column)}: ${JSON.stringify(cells)}`;
  });
  return `{\n  "schema": ${JSON.stringify(SERIES_SCHEMA)},\n${columns.join(',\n')}\n}\n`;
}

/** What a spreadsheet would take for a formula (OWASP, CSV injection): the apostrophe makes it text there. */
const formula = /^[=+\-@＝＋－＠]/;

/**
 * A cell of RFC 4180. Names become one line, so that every row is one; where they would begin a formula they get an
 * apostrophe.
 */
export function csvCell(cell: string | number): string {
  if (typeof cell === 'number') {
    if (Number.isNaN(cell)) return 'nan';
    if (!Number.isFinite(cell)) return cell > 0 ? 'inf' : '-inf';
    return String(cell);
  }
  const line = clean(cell);
  const harmless = formula.test(line.trimStart()) ? `'${line}` : line;
  return /[",]/.test(harmless) || harmless !== harmless.trim() ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

function layerSeries(subject: ReportSubject): SeriesRow[] {
  const { profile } = subject;
  const rows = layerRows(subject).reverse();
  return rows.flatMap((row, x) => {
    const layer = profile.layers[x]!;
    const at = { layer: layer.name, name: layer.value, kind: layer.op, step: profile.seen.step, x };
    return [
      { series: 'layer-decades', ...at, value: row.decades },
      ...optional('layer-weight-gradient-log10', at, row.weightGradient),
      ...optional('layer-update-ratio', at, row.updateRatio),
    ];
  });
}

type Place = Omit<SeriesRow, 'series' | 'value'>;

function optional(series: string, at: Place, value: number | undefined): SeriesRow[] {
  return value === undefined ? [] : [{ series, ...at, value }];
}

function valueSeries({ values, seen }: FlowProfile): SeriesRow[] {
  return values.toReversed().flatMap((value, x): SeriesRow[] => {
    const at = { layer: value.layer, name: value.name, kind: value.kind, step: seen.step, x };
    const { units } = value;
    return [
      { series: 'value-decades', ...at, value: trueSize(value.gradient, value.decadesFromOutput) },
      ...statistics('value-gradient', at, value.gradient),
      ...statistics('activation', at, value.value),
      ...optional('activation-dead-units', at, units?.dead),
      ...optional('activation-saturated-fraction', at, units?.saturatedFraction),
      ...optional('activation-inactive-fraction', at, units?.inactiveFraction),
    ];
  });
}

function parameterSeries({ parameters, seen }: FlowProfile): SeriesRow[] {
  return parameters.flatMap((parameter, x): SeriesRow[] => {
    const at = { layer: parameter.layer, name: parameter.name, kind: 'parameter', step: seen.step, x };
    return [
      ...statistics('parameter-gradient', at, parameter.gradient),
      ...statistics('parameter', at, parameter.value),
      ...optional('parameter-update-ratio', at, parameter.updateRatio),
      ...optional('parameter-signal-forward', at, parameter.signals?.forward),
      ...optional('parameter-signal-backward', at, parameter.signals?.backward),
      ...optional('parameter-signal-alignment', at, parameter.signals?.alignment),
    ];
  });
}

/** Size, zeros, broken elements and the histogram of one tensor. */
function statistics(what: string, at: Place, tensor: TensorStatistics): SeriesRow[] {
  return [
    { series: `${what}-log10`, ...at, value: trueSize(tensor, tensor.log10L2) },
    { series: `${what}-mean`, ...at, value: trueSize(tensor, tensor.mean) },
    { series: `${what}-zero-fraction`, ...at, value: tensor.zeroFraction },
    { series: `${what}-non-finite`, ...at, value: totalNonFinite(tensor) },
    ...histogram(`${what}-histogram`, at, tensor.log2Histogram),
  ];
}

/** x is the exponent: as many elements have a magnitude in [2^x, 2^(x+1)). */
function histogram(series: string, at: Place, { from, counts }: Log2Histogram): SeriesRow[] {
  return counts.map((value, i) => ({ series, ...at, x: from + i, value }));
}

function trueSize({ nonFinite }: TensorStatistics, finite: number): number {
  if (nonFinite.nan > 0) return Number.NaN;
  return nonFinite.positiveInfinity + nonFinite.negativeInfinity > 0 ? Number.POSITIVE_INFINITY : finite;
}

function attributionSeries({ diagnosis: { attribution }, profile }: ReportSubject): SeriesRow[] {
  if (!attribution) return [];
  const { step } = profile.seen;
  const none = { layer: '', name: '', step };
  const kinds = Object.entries(attribution.byKind);
  const position = layerPositions(profile.layers);
  return [
    { series: 'attribution-total', ...none, kind: '', x: 0, value: attribution.totalDecades },
    ...kinds.map(([kind, value], x) => ({ series: 'attribution-by-kind', ...none, kind, x, value })),
    ...attribution.byLayer.toReversed().flatMap(({ layer, byKind }) =>
      Object.entries(byKind).map(([kind, value]) => {
        const x = position.get(layer) ?? -1;
        return { series: 'attribution-by-layer', layer, name: '', kind, step, x, value };
      }),
    ),
    ...attribution.merges.toReversed().flatMap(({ value: name, branches }, x) =>
      branches.map(({ node, share }) => {
        return { series: 'merge-share', layer: '', name, kind: node, step, x, value: share };
      }),
    ),
  ];
}

function layerPositions(layers: readonly FlowLayer[]): Map<string, number> {
  return new Map(layers.map(({ name }, x) => [name, x]));
}

function timeSeries({ recurrent = [], seen }: FlowProfile): SeriesRow[] {
  return recurrent.flatMap(({ layer, node, direction, hidden, cell = [] }) => {
    const at = { layer, name: node, kind: direction, step: seen.step };
    return [
      ...hidden.map((value, x) => ({ series: 'time-hidden-log10', ...at, x, value })),
      ...cell.map((value, x) => ({ series: 'time-cell-log10', ...at, x, value })),
    ];
  });
}

function theorySeries({ theory, profile }: ReportSubject): SeriesRow[] {
  if (!theory) return [];
  const position = layerPositions(profile.layers);
  const { step } = profile.seen;
  return [
    { series: 'theory-total', layer: '', name: '', kind: theory.applies, step, x: 0, value: theory.predictedDecades },
    ...theory.layers.flatMap((layer) => {
      const at = { layer: layer.layer, name: '', kind: layer.activation ?? 'linear', step };
      const x = position.get(layer.layer) ?? -1;
      const rows: [string, number][] = [
        ['theory-decades', layer.decades],
        ['theory-chi', layer.chi],
        ['theory-chi-star', layer.chiStar],
        ['theory-q', layer.q],
        ['theory-q-star', layer.qStar],
        ['theory-sigma-w2', layer.sigmaW2],
        ['theory-sigma-b2', layer.sigmaB2],
        ['theory-depth-scale', layer.depthScale],
      ];
      return rows.map(([series, value]) => ({ series, ...at, x, value }));
    }),
  ];
}

function stepSeries({ steps }: ReportSubject): SeriesRow[] {
  if (!steps) return [];
  const { history, ablation, count } = steps;
  const none = { layer: '', name: '', kind: '', x: 0 };
  const perStep = (series: string, at: Omit<Place, 'step'>, numbers: readonly number[] = []) =>
    numbers.map((value, i): SeriesRow => ({ series, ...at, step: history.steps[i]!, value }));
  return [
    ...perStep('step-loss', none, history.loss),
    ...perStep('step-learning-rate', none, history.learningRate),
    ...history.layers.flatMap((layer, x) => {
      const at = { layer: layer.layer, name: '', kind: '', x };
      return [
        ...perStep('step-gradient-norm', at, layer.gradientNorm),
        ...perStep('step-weight-norm', at, layer.weightNorm),
        ...perStep('step-update-norm', at, layer.updateNorm),
        ...(layer.histograms ?? []).flatMap(({ step, gradient, activation }) => [
          ...(gradient ? histogram('step-gradient-histogram', { ...at, step }, gradient) : []),
          ...(activation ? histogram('step-activation-histogram', { ...at, step }, activation) : []),
        ]),
      ];
    }),
    ...(ablation?.layers ?? []).flatMap(({ layer, bypassed, rewound }, x) => [
      ...optional('ablation-bypassed-loss', { layer, name: '', kind: '', step: count, x }, bypassed),
      ...optional('ablation-rewound-loss', { layer, name: '', kind: '', step: count, x }, rewound),
    ]),
  ];
}
