import type { Log2Histogram } from '../../flow/statistics.ts';
import { html, type Markup } from './escape.ts';
import { decadeScale, extent, thin } from './scale.ts';
import { polyline, power, px, shortNames, svg } from './svg.ts';

/** Histograms over decades of magnitude, one above the other. */
export interface RidgeChart {
  readonly label: string;
  readonly title: string;
  readonly rows: readonly RidgeRow[];
  readonly paint: string;
}

export interface RidgeRow {
  readonly name: string;
  readonly histogram: Log2Histogram | undefined;
  /** Elements that are NaN or infinite. */
  readonly broken: number;
  readonly tip: string;
}

const LOG10_2 = Math.log10(2);
/** Part of the elements at either end that may lie outside the picture. */
const TAIL = 0.002;
/** Part of a hill's height from which it is drawn. */
const SEEN = 0.04;
/** Rows may rise over this many of those above them. */
const OVERLAP = 2.3;

/** Where the parts of a row stand. */
interface Columns {
  /** Pixels for names at the left; 0 without. */
  readonly names: number;
  readonly zeros: { readonly left: number; readonly width: number };
  readonly plot: { readonly left: number; readonly right: number };
  readonly signs: { readonly left: number; readonly width: number };
}

const TOP = 44;

/** Draws it at a width, rows from top to bottom; `pitch` pixels from row to row. */
export function drawRidges(
  { label, title, rows, paint }: RidgeChart,
  { width, pitch, named, narrow }: { width: number; pitch: number; named: boolean; narrow: boolean },
): Markup {
  const cells = narrow ? 11 : 14;
  const names = named ? cells * 6.7 + 6 : 0;
  const columns: Columns = {
    names,
    zeros: { left: names, width: 34 },
    plot: { left: names + 44, right: width - 46 },
    signs: { left: width - 36, width: 34 },
  };
  const { zeros, plot, signs } = columns;
  const [low, high] = extent(rows.flatMap(({ histogram }) => (histogram ? (bulk(histogram) ?? []) : []))) ?? [-4, 0];
  const x = decadeScale(low, high, plot.left, plot.right, narrow ? 3 : 5);
  const shapes = rows.map(({ histogram }) => (histogram ? densities(histogram) : []));
  const peak = shapes.reduce((most, shape) => shape.reduce((a, [, height]) => Math.max(a, height), most), 0) || 1;
  const rise = Math.min(OVERLAP * pitch, 70);
  const top = TOP + Math.max(0, rise - pitch);
  const bottom = top + rows.length * pitch + 6;
  const short = shortNames(
    rows.map((row) => row.name),
    cells,
  );
  const shown = named ? thin(rows.length, pitch, 13) : [];
  return svg(width, bottom + 22, label, [
    html`<text class="chart-title" x="${px(names)}" y="13">${title}</text><text class="axis-name" x="${px(zeros.left + zeros.width)}" y="34" text-anchor="end">zeros</text><text class="axis-name" x="${px(plot.left)}" y="34">magnitude</text><text class="axis-name" x="${px(signs.left)}" y="34">−</text><text class="axis-name" x="${px(signs.left + signs.width)}" y="34" text-anchor="end">+</text>`,
    ...x.ticks.map(
      (tick) =>
        html`<path class="grid" d="M${px(x.at(tick))} ${TOP}V${px(bottom)}"/><text class="tick" x="${px(x.at(tick))}" y="${px(bottom + 15)}" text-anchor="middle">${power(tick)}</text>`,
    ),
    ...rows.map((row, i) => {
      const y = top + (i + 1) * pitch;
      const within = (value: number) => Math.min(plot.right, Math.max(plot.left, value));
      const points = shapes[i]!.map(([at, height]): [number, number] => [within(x.at(at)), y - (height / peak) * rise]);
      return drawRow(row, points, { y, pitch, columns, paint, tips: !narrow });
    }),
    ...shown.map(
      (i) =>
        html`<text class="tick name" x="${px(names - 6)}" y="${px(top + (i + 1) * pitch - Math.min(pitch / 2, 7) + 4)}" text-anchor="end">${short[i]}</text>`,
    ),
  ]);
}

interface RowLook {
  readonly y: number;
  readonly pitch: number;
  readonly columns: Columns;
  readonly paint: string;
  readonly tips: boolean;
}

/** The share of zeros, the hill, the shares of negative and positive elements. */
function drawRow(
  { histogram, broken, tip }: RidgeRow,
  hill: readonly (readonly [number, number])[],
  { y, pitch, columns, paint, tips }: RowLook,
): Markup {
  const { zeros, plot, signs } = columns;
  const bar = Math.max(1, Math.min(10, pitch * 0.55));
  const box = (kind: string, left: number, width: number) =>
    width >= 0.05 &&
    html`<rect class="${kind}" x="${px(left)}" y="${px(y - bar)}" width="${px(width)}" height="${px(bar)}"/>`;
  const nonzero = histogram?.counts.reduce((sum, count) => sum + count, 0) ?? 0;
  const zeroPart = (histogram?.zeros ?? 0) / (nonzero + (histogram?.zeros ?? 0) || 1);
  const split = nonzero > 0 ? (signs.width * histogram!.negatives) / nonzero : 0;
  // The ends lie on the ground, where filling closes the hill without a line.
  const shape = polyline(hill);
  const size = Math.min(11, Math.max(5, pitch));
  return html`${pitch >= 8 && html`<path class="base" d="M${px(plot.left)} ${px(y)}H${px(plot.right)}"/>`}${shape !== '' && html`<path class="ridge ${paint}" d="${shape}"/>`}${box('zero-part', zeros.left + zeros.width * (1 - zeroPart), zeros.width * zeroPart)}${nonzero > 0 && box('d5', signs.left, split)}${nonzero > 0 && box('g4', signs.left + split, signs.width - split)}${broken > 0 && html`<text class="broken-text" x="${px(plot.right - 2)}" y="${px(y - 2)}" text-anchor="end" font-size="${size}">NaN or ∞</text>`}${tips && html`<rect class="hover" x="0" y="${px(y - pitch)}" width="${px(signs.left + signs.width)}" height="${px(pitch)}"><title>${tip}</title></rect>`}`;
}

/** log₁₀ magnitudes between which all but the tails lie. */
function bulk({ from, counts }: Log2Histogram): [number, number] | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  let [first, below] = [0, 0];
  while (below + counts[first]! < TAIL * total) below += counts[first++]!;
  let [last, above] = [counts.length - 1, 0];
  while (above + counts[last]! < TAIL * total) above += counts[last--]!;
  return [(from + first) * LOG10_2, (from + last + 1) * LOG10_2];
}

/** The share of the elements in each bin, at its middle, from nothing to nothing. */
function densities({ from, counts, zeros }: Log2Histogram): [at: number, height: number][] {
  const total = counts.reduce((sum, count) => sum + count, 0) + zeros;
  if (total === 0 || counts.length === 0) return [];
  const middle = (i: number) => (from + i + 0.5) * LOG10_2;
  const shares = counts.map((count) => count / total);
  // Tails too low to be seen would draw one line through all rows.
  const seen = SEEN * Math.max(...shares);
  const [first, last] = [shares.findIndex((share) => share >= seen), shares.findLastIndex((share) => share >= seen)];
  return [
    [middle(first - 1), 0],
    ...shares.slice(first, last + 1).map((share, i): [number, number] => [middle(first + i), share]),
    [middle(last + 1), 0],
  ];
}
