import type { LayerHistory, StepHistory } from '../../flow/history.ts';
import { median } from '../../flow/quantiles.ts';
import { counted, showNumber, showPower } from '../numbers.ts';
import { sequential } from './colours.ts';
import { html, type Markup } from './escape.ts';
import { bothWidths, section } from './figure.ts';
import { extent, thin } from './scale.ts';
import { powerText, px, shortNames, svg } from './svg.ts';

/** More cells than this and neighbours share one. */
const MOST_CELLS = 14_000;
const MOST_ROWS = 300;
const MOST_COLUMNS = 150;

/** Layers × steps: the gradient of every layer's weights and its updates against them, over the training. */
export function heatMapSection(history: StepHistory | undefined): Markup {
  if (!history || history.steps.length < 2 || history.layers.length === 0) return html``;
  const layers = history.layers.length > MOST_ROWS ? spread(history.layers, MOST_ROWS) : history.layers;
  const gradient = mapOf(history, layers, ({ gradientNorm }, i) => log10(gradientNorm?.[i]));
  const update = mapOf(history, layers, ({ updateNorm, weightNorm }, i) =>
    log10(ratio(updateNorm?.[i], weightNorm?.[i])),
  );
  const maps = [
    { title: '‖∂C/∂w‖', what: "gradient of each layer's weights", map: gradient },
    { title: 'update ÷ weight', what: 'size of each update against the weights', map: update },
  ].filter(({ map }) => map.low !== undefined);
  if (maps.length === 0) return html``;
  const figures = maps.map(
    ({ title, what, map }) =>
      html`<figure>${bothWidths((width, narrow) => drawMap(map, `${title}: heat map of the ${what}, ${counted(layers.length, 'layer')} by ${counted(history.steps.length, 'step')}`, title, width, narrow))}${legend(map)}</figure>`,
  );
  return section({
    id: 'heat-maps',
    title: 'Layer by layer, step by step',
    lead: html`One row per layer, input at the top; time runs to the right. A row that stays dark gets little; a column that flashes is a step at which something happened.`,
    body: figures,
  });
}

interface HeatMap {
  readonly names: readonly string[];
  readonly tips: readonly string[];
  /** log₁₀ by row and column; NaN where nothing finite was measured. */
  readonly cells: readonly (readonly number[])[];
  /** First step of each column, and the last of all. */
  readonly steps: readonly number[];
  readonly low: number | undefined;
  readonly high: number | undefined;
}

function mapOf(
  { steps }: StepHistory,
  layers: readonly LayerHistory[],
  at: (layer: LayerHistory, step: number) => number,
): HeatMap {
  const columns = Math.min(steps.length, MOST_COLUMNS, Math.max(20, Math.floor(MOST_CELLS / layers.length)));
  const starts = Array.from({ length: columns + 1 }, (_, c) => Math.floor((c * steps.length) / columns));
  const cells = layers.map((layer) =>
    starts.slice(0, -1).map((from, c) => {
      const group: number[] = [];
      for (let i = from; i < starts[c + 1]!; i++) group.push(at(layer, i));
      // A step without a number must not drown among those with one.
      return group.some(Number.isNaN) ? Number.NaN : median(group);
    }),
  );
  const [low, high] = extent(cells.flat()) ?? [];
  const last = steps.length - 1;
  return {
    names: layers.map(({ layer }) => layer),
    tips: layers.map(
      (layer) =>
        `${layer.layer}: ${showPower(at(layer, 0))} at step ${steps[0]}, ${showPower(at(layer, last))} at step ${steps[last]}`,
    ),
    cells,
    steps: [...starts.slice(0, -1).map((i) => steps[i]!), steps[last]!],
    low,
    high: high !== undefined && high - low! < 1 ? low! + 1 : high,
  };
}

function drawMap(map: HeatMap, label: string, title: string, width: number, narrow: boolean): Markup {
  const { names, cells, steps } = map;
  const letters = narrow ? 10 : 15;
  const left = letters * 6.7 + 8;
  const top = 20;
  const row = Math.max(2.5, Math.min(22, (narrow ? 420 : 560) / names.length));
  const column = (width - left - 4) / (steps.length - 1);
  const short = shortNames(names, letters);
  const paths = new Map<string, string>();
  cells.forEach((line, r) => {
    for (let c = 0; c < line.length; ) {
      const paint = classOf(line[c]!, map);
      let end = c + 1;
      while (end < line.length && classOf(line[end]!, map) === paint) end++;
      const box = `M${px(left + c * column)} ${px(top + r * row)}h${px((end - c) * column + 0.3)}v${px(row + 0.2)}h${px(-(end - c) * column - 0.3)}z`;
      paths.set(paint, (paths.get(paint) ?? '') + box);
      c = end;
    }
  });
  const bottom = top + names.length * row;
  const ticks = thin(steps.length - 1, column, 46);
  return svg(width, bottom + 34, label, [
    html`<text class="chart-title" x="${px(left)}" y="12">${title}</text>`,
    ...[...paths].map(([paint, path]) => html`<path class="${paint} cells" d="${path}"/>`),
    ...thin(names.length, row, 13).map(
      (i) =>
        html`<text class="tick name" x="${px(left - 6)}" y="${px(top + (i + 0.5) * row + 4)}" text-anchor="end">${short[i]}</text>`,
    ),
    ...ticks.map(
      (i) =>
        html`<text class="tick" x="${px(left + (i + 0.5) * column)}" y="${px(bottom + 14)}" text-anchor="middle">${showNumber(steps[i]!)}</text>`,
    ),
    html`<text class="axis-name" x="${px(width - 4)}" y="${px(bottom + 29)}" text-anchor="end">training step →</text>`,
    ...names.map(
      (_, i) =>
        html`<rect class="hover" x="0" y="${px(top + i * row)}" width="${px(width)}" height="${px(row)}"><title>${map.tips[i]}</title></rect>`,
    ),
  ]);
}

function classOf(value: number, { low, high }: HeatMap): string {
  if (value === Number.NEGATIVE_INFINITY) return 'fz';
  if (!Number.isFinite(value)) return 'fn';
  const part = (value - low!) / (high! - low!);
  return `h${Math.min(sequential.length - 1, Math.floor(part * sequential.length))}`;
}

function legend(map: HeatMap): Markup {
  const { low, high, cells } = map;
  const swatches = sequential.map((_, i) => html`<rect class="h${i}" x="${i * 18}" y="0" width="18" height="12"/>`);
  const text = (log: number) => powerText(log.toFixed(1).replace(/^-0\.0$/, '0.0'));
  const has = (kind: string) => cells.some((line) => line.some((value) => classOf(value, map) === kind));
  return html`<p class="key"><span><span>${text(low!)}</span><svg class="ramp" viewBox="0 0 ${18 * sequential.length} 12" width="${18 * sequential.length}" height="12" aria-hidden="true">${swatches}</svg><span>${text(high!)}</span></span>${has('fz') && html`<span><svg class="swatch" viewBox="0 0 16 12" width="16" height="12"><rect class="fz" x=".5" y=".5" width="15" height="11"/></svg>exactly 0</span>`}${has('fn') && html`<span><svg class="swatch" viewBox="0 0 16 12" width="16" height="12"><rect class="fn" width="16" height="12"/></svg>NaN, ∞ or not measured</span>`}</p>`;
}

function spread<T>(items: readonly T[], count: number): T[] {
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]!);
}

function log10(x: number | undefined): number {
  return x === undefined ? Number.NaN : Math.log10(x);
}

function ratio(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined || b === 0 ? undefined : a / b;
}
