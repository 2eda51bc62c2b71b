import type { Finding, Severity } from '../diagnosis/finding.ts';
import type { FlowLayer, FlowParameter, FlowProfile } from '../flow/profile.ts';
import { median } from '../flow/quantiles.ts';
import type { TensorStatistics } from '../flow/statistics.ts';
import type { ReportSubject } from './subject.ts';

/** One layer as a report shows it. */
export interface LayerRow {
  readonly name: string;
  /** Whether it has a weight matrix or kernel; a normalization layer has not. */
  readonly mixes: boolean;
  /** log₁₀ of the layer's gradient over the output's; NaN and ±∞ as they are. */
  readonly decades: number;
  /** What stands in the bar's place: there is no bar for nothing and for no number. */
  readonly remark: string | undefined;
  /** log₁₀ ‖∂L/∂W‖ over the layer's weights; undefined where it has none on the path. */
  readonly weightGradient: number | undefined;
  readonly updateRatio: number | undefined;
  /** The worst finding about this very layer; decay is nobody's own. */
  readonly severity: Severity | undefined;
}

/** Rows that stand for layers which are not shown. */
export interface HiddenRows {
  readonly hidden: number;
}

/** Smaller steps from a layer to the next are everyday. */
const LEAST_STEP = 0.3;

const rank: Record<Severity, number> = { error: 2, warning: 1, info: 0 };

/** Every layer that has a gradient, from output to input. */
export function layerRows({ profile, diagnosis }: ReportSubject): LayerRow[] {
  const statistics = new Map(profile.values.map((value) => [value.name, value.gradient]));
  const named = namedBy(diagnosis.findings);
  const byName = new Map(profile.parameters.map((parameter) => [parameter.name, parameter]));
  return profile.layers
    .map((layer) => {
      const gradient = statistics.get(layer.value);
      const own = layer.parameters.flatMap((name) => byName.get(name) ?? []);
      const severities = [layer.name, layer.value, layer.node, ...layer.parameters].flatMap((n) => named.get(n) ?? []);
      return {
        name: layer.name,
        mixes: layer.mixes,
        decades: decadesOf(layer, gradient, profile),
        remark: remarkOn(gradient),
        ...weightsOf(own),
        severity: severities.sort((a, b) => rank[b] - rank[a])[0],
      };
    })
    .reverse();
}

/** The rows worth showing by themselves: normalization layers only where something goes wrong in them. */
export function leadingRows(rows: readonly LayerRow[]): LayerRow[] {
  const breaks = (row: LayerRow, i: number) => row.remark !== undefined && rows[i - 1]?.remark === undefined;
  const mixing = rows.filter((row, i) => row.mixes || breaks(row, i) || row.severity === 'error');
  return mixing.some((row) => row.mixes) ? mixing : [...rows];
}

/** About `limit` rows: the first, the last and, with `worst`, the worst; what lies between is counted. */
export function pickRows(rows: readonly LayerRow[], limit: number, worst: boolean): (LayerRow | HiddenRows)[] {
  if (rows.length <= limit) return [...rows];
  const ends = Math.max(1, Math.floor(limit / (worst ? 3 : 2)));
  const shown = new Set<number>();
  for (let i = 0; i < ends; i++) shown.add(i).add(rows.length - 1 - i);
  if (worst) for (const i of standOuts(rows).slice(0, limit - shown.size)) shown.add(i);
  const picked: (LayerRow | HiddenRows)[] = [];
  let from = 0;
  const close = (to: number) => {
    // A line that says one layer is hidden would take as much room as the layer.
    if (to - from === 1) picked.push(rows[from]!);
    else if (to > from) picked.push({ hidden: to - from });
  };
  rows.forEach((row, i) => {
    if (!shown.has(i)) return;
    close(i);
    picked.push(row);
    from = i + 1;
  });
  return picked;
}

/** Where a network breaks: the first layers without a number or without gradient, then steps larger than usual. */
function standOuts(rows: readonly LayerRow[]): number[] {
  const steps = rows.map((row, i) => {
    const before = rows[i - 1]?.decades ?? row.decades;
    if (!Number.isFinite(row.decades)) return Number.isFinite(before) ? Number.POSITIVE_INFINITY : 0;
    return Number.isFinite(before) ? Math.abs(row.decades - before) : 0;
  });
  const unusual = Math.max(LEAST_STEP, 2 * median(steps));
  return rows
    .map((row, i) => ({ i, step: steps[i]!, severity: row.severity ? rank[row.severity] : 0 }))
    .filter(({ step, severity }) => step > unusual || severity > 0)
    .sort((a, b) => (a.step === b.step ? b.severity - a.severity || a.i - b.i : b.step - a.step))
    .map(({ i }) => i);
}

function decadesOf(layer: FlowLayer, gradient: TensorStatistics | undefined, profile: FlowProfile): number {
  const output = profile.values.find((value) => value.name === profile.output)?.gradient;
  if ((output && totalNonFinite(output) > 0) || (gradient && gradient.nonFinite.nan > 0)) return Number.NaN;
  if (gradient && totalNonFinite(gradient) > 0) return Number.POSITIVE_INFINITY;
  return layer.decadesFromOutput;
}

function remarkOn(gradient: TensorStatistics | undefined): string | undefined {
  if (!gradient) return undefined;
  const { nan, positiveInfinity, negativeInfinity } = gradient.nonFinite;
  if (nan > 0) return `NaN in ${nan} of ${gradient.count} elements`;
  const infinite = positiveInfinity + negativeInfinity;
  if (infinite > 0) return `∞ in ${infinite} of ${gradient.count} elements`;
  return gradient.log10L2 === Number.NEGATIVE_INFINITY ? '0 (exactly zero)' : undefined;
}

/** The weights' joint gradient and update; biases and normalization gains only where there is nothing else. */
function weightsOf(parameters: readonly FlowParameter[]): Pick<LayerRow, 'weightGradient' | 'updateRatio'> {
  const matrices = parameters.filter((parameter) => parameter.shape.length >= 2);
  const weights = (matrices.length > 0 ? matrices : parameters).filter((parameter) => parameter.connected);
  if (weights.length === 0) return { weightGradient: undefined, updateRatio: undefined };
  const broken = weights.find((weight) => totalNonFinite(weight.gradient) > 0);
  if (broken) {
    const size = broken.gradient.nonFinite.nan > 0 ? Number.NaN : Number.POSITIVE_INFINITY;
    return { weightGradient: size, updateRatio: size };
  }
  const largest = Math.max(...weights.map((weight) => weight.gradient.log10L2));
  const squares = weights.reduce((sum, { gradient }) => sum + 10 ** (2 * (gradient.log10L2 - largest)), 0);
  const moving = weights.filter((weight) => weight.updateRatio !== undefined);
  const norm = (of: (weight: FlowParameter) => number) => Math.hypot(...moving.map(of));
  return {
    weightGradient: Number.isFinite(largest) ? largest + Math.log10(squares) / 2 : largest,
    updateRatio: moving.length > 0 ? norm((w) => w.updateRatio! * w.value.l2) / norm((w) => w.value.l2) : undefined,
  };
}

function namedBy(findings: readonly Finding[]): Map<string, Severity[]> {
  const named = new Map<string, Severity[]>();
  for (const { rule, severity, where } of findings) {
    if (rule === 'vanishing-gradient' || rule === 'exploding-gradient') continue;
    for (const name of where) named.set(name, [...(named.get(name) ?? []), severity]);
  }
  return named;
}

/** How many elements are NaN or infinite. */
export function totalNonFinite({ nonFinite }: TensorStatistics): number {
  return nonFinite.nan + nonFinite.positiveInfinity + nonFinite.negativeInfinity;
}
