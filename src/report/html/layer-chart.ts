import { html, type Markup } from './escape.ts';
import { hoverColumns, layerAxis } from './layer-axis.ts';
import { decadeScale, extent, roundScale, type Scale } from './scale.ts';
import { minus, polyline, power, px, svg, textWidth } from './svg.ts';

/** Numbers of layers over depth. Decades are logarithms: their axis is labelled 10ⁿ. */
export interface LayerChart {
  /** What someone who cannot see it hears. */
  readonly label: string;
  /** From input to output. */
  readonly names: readonly string[];
  readonly series: readonly LayerSeries[];
  /** What the numbers are: log₁₀ of something, or the thing itself. */
  readonly scale: 'log10' | 'linear';
  readonly axisName: string;
  /** The least that the axis spans. */
  readonly span?: readonly [number, number];
  readonly bands?: readonly Band[];
  readonly lines?: readonly { readonly y: number; readonly text: string }[];
  /** What pointing at a layer says. */
  readonly tell: (i: number) => string;
  readonly height?: number;
}

export interface LayerSeries {
  /** Undefined: the layer has none. −∞ is an exact zero; NaN and ∞ have their own marks. */
  readonly values: readonly (number | undefined)[];
  readonly paint: string;
  readonly mark: 'dot' | 'ring' | 'none';
  readonly line?: boolean;
  /** Written beside the value of the layer nearest the input. */
  readonly note?: Markup;
}

/** A range that is more than a number: from `from` to the end of the axis where `to` is infinite. */
export interface Band {
  readonly from: number;
  readonly to: number;
  readonly paint: string;
  readonly text: string;
}

/** Height of the rows for zeros and for what is no number, and their distance from the picture. */
const STRIP = 16;
const STRIP_GAP = 8;
const NOTE_WIDTH = 64;

/** Draws it at a width. */
export function drawLayerChart(chart: LayerChart, width: number, narrow: boolean): Markup {
  const { names, series, bands = [], lines = [] } = chart;
  const all = series.flatMap(({ values }) => values.filter((x) => x !== undefined));
  const hasZero = all.includes(Number.NEGATIVE_INFINITY);
  const hasBroken = all.some((x) => Number.isNaN(x) || x === Number.POSITIVE_INFINITY);
  const left = narrow ? 42 : 56;
  const axis = layerAxis(names, left, width - 8, narrow);
  const plotTop = 24 + (hasBroken ? STRIP + STRIP_GAP : 0);
  const plotBottom = plotTop + (chart.height ?? 270) - (narrow ? 50 : 0);
  const bottom = plotBottom + (hasZero ? STRIP + STRIP_GAP : 0);
  const [low, high] = extent([...all, ...(chart.span ?? [])]) ?? [-4, 0];
  const build = chart.scale === 'log10' ? decadeScale : roundScale;
  const y = build(low, high, plotBottom, plotTop, narrow ? 5 : 7);
  const right = width - 8;
  const label = (tick: number) => (chart.scale === 'log10' ? power(tick) : html`${minus(String(tick))}`);
  const grid = y.ticks.map(
    (tick) =>
      html`<path class="grid" d="M${left} ${px(y.at(tick))}H${px(right)}"/><text class="tick" x="${left - 7}" y="${px(y.at(tick) + 4)}" text-anchor="end">${label(tick)}</text>`,
  );
  const places = { axis, y, zero: bottom - STRIP / 2, broken: plotTop - STRIP_GAP - STRIP / 2 };
  const tellHeight = bottom - 24 + STRIP;
  return svg(width, bottom + axis.height, chart.label, [
    html`<text class="axis-name" x="2" y="12">${chart.axisName}</text>`,
    ...bands.map((band) => drawBand(band, y, left, right)),
    ...grid,
    ...lines.map(
      ({ y: at, text }) =>
        html`<path class="mark" d="M${left} ${px(y.at(at))}H${px(right)}"/><text class="tick halo" x="${px(right - 4)}" y="${px(y.at(at) - 4)}" text-anchor="end">${text}</text>`,
    ),
    hasZero ? strip('0', bottom - STRIP, left, right) : html``,
    hasBroken ? strip('NaN ∞', plotTop - STRIP_GAP - STRIP, left, right) : html``,
    html`<path class="axis" d="M${left} ${px(bottom)}H${px(right)}"/>`,
    axis.draw(bottom),
    ...series.map((one) => drawSeries(one, places)),
    ...series.map((one) => drawNote(one, places, right)),
    ...(narrow ? [] : hoverColumns(names.length, axis, { top: 18, height: tellHeight, tell: chart.tell })),
  ]);
}

interface Places {
  readonly axis: { readonly pitch: number; at(i: number): number };
  readonly y: Scale;
  readonly zero: number;
  readonly broken: number;
}

function drawBand({ from, to, paint, text }: Band, y: Scale, left: number, right: number): Markup {
  const [low, high] = [Math.max(Math.min(from, to), y.low), Math.min(Math.max(from, to), y.high)];
  if (high <= low) return html``;
  const [top, bottom] = [y.at(high), y.at(low)];
  // The text stands at the end of the band that lies farthest from what is healthy, when there is room for it.
  const room = bottom - top >= 16 && textWidth(text, 10.5) < right - left;
  const line = from < to ? bottom - 6 : top + 13;
  return html`<rect class="${paint}" x="${left}" y="${px(top)}" width="${px(right - left)}" height="${px(bottom - top)}"/>${room && html`<text class="${paint}-text" x="${px(right - 6)}" y="${px(from < to ? bottom - 6 : line)}" text-anchor="end">${text}</text>`}`;
}

function strip(text: string, top: number, left: number, right: number): Markup {
  return html`<rect class="strip" x="${left}" y="${px(top)}" width="${px(right - left)}" height="${STRIP}"/><text class="tick" x="${left - 7}" y="${px(top + 12)}" text-anchor="end">${text}</text>`;
}

function drawSeries({ values, paint, mark, line = true }: LayerSeries, { axis, y, zero, broken }: Places): Markup {
  const points = values.map((value, i): [number, number] => [
    axis.at(i),
    value === undefined ? Number.NaN : y.at(value),
  ]);
  const present = points.filter((_, i) => values[i] !== undefined);
  const radius = axis.pitch >= 12 ? 3.5 : 2.2;
  const dots = points
    .filter(([, at]) => Number.isFinite(at))
    .map(([x, at]) => html`<circle cx="${px(x)}" cy="${px(at)}" r="${radius}"/>`);
  const odd = values.map((value, i) => {
    const x = axis.at(i);
    if (value === undefined || Number.isFinite(value)) return html``;
    if (value === Number.NEGATIVE_INFINITY)
      return html`<circle class="zero" cx="${px(x)}" cy="${px(zero)}" r="${Math.max(2, radius)}"/>`;
    const r = Math.max(2, radius);
    if (value === Number.POSITIVE_INFINITY) {
      return html`<path class="broken" d="M${px(x - r)} ${px(broken + r)}h${px(2 * r)}l${px(-r)} ${px(-2 * r)}z"/>`;
    }
    return html`<path class="broken" d="M${px(x - r)} ${px(broken - r)}l${px(2 * r)} ${px(2 * r)}m0 ${px(-2 * r)}l${px(-2 * r)} ${px(2 * r)}"/>`;
  });
  return html`${line && html`<path class="${paint}" d="${polyline(present)}"/>`}${mark !== 'none' && (axis.pitch >= 5 || !line) && html`<g class="${paint} ${mark}">${dots}</g>`}${odd}`;
}

function drawNote({ values, note }: LayerSeries, { axis, y }: Places, right: number): Markup {
  const first = values.findIndex((value) => value !== undefined && Number.isFinite(value));
  if (note === undefined || first < 0) return html``;
  // Where the line goes while the note runs beside it.
  const far = first + Math.max(1, Math.round(NOTE_WIDTH / axis.pitch));
  const next = values.slice(first + 1, far + 1).findLast((value) => value !== undefined && Number.isFinite(value));
  const at = y.at(values[first]!);
  // Beside the line, on the side it does not go to.
  const below = (next ?? 0) >= values[first]! || at - 24 < y.at(y.high);
  const x = Math.min(axis.at(first) + 9, right - NOTE_WIDTH);
  const place = below ? Math.min(at + 16, y.at(y.low) - 5) : at - 10;
  return html`<text class="note halo" x="${px(x)}" y="${px(place)}">${note}</text>`;
}
