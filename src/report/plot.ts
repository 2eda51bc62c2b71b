import type { Plot, Series } from './explanation.ts';
import { clean, padTo, widthOf, wrap } from './text.ts';

export interface PlotOptions {
  /** Cells in all, axis labels included. */
  readonly width: number;
  readonly unicode: boolean;
  /** Rows of the plotting area, default 12. */
  readonly rows?: number;
}

const markers = { unicode: ['●', '○', '◆', '◇', '×', '+'], ascii: ['*', 'o', '+', 'x', '#', '%'] };
const eighths = ' ▁▂▃▄▅▆▇█';
const LARGEST_WIDTH = 72;
/** Beyond it differences overflow. */
const LARGEST = 1e300;

/**
 * Draws a plot as lines of text with numbered axes, at most `width` cells wide and `rows` + 3 lines high. A single line
 * is drawn in braille dots, several in one marker each; without Unicode in ASCII. What is not finite is left out.
 */
export function drawPlot(plot: Plot, { width, unicode, rows = 12 }: PlotOptions): string[] {
  const series = plot.series.map((one) => finitePoints(one, plot.logarithmic === true));
  const points = series.flatMap(({ x, y }) => x.map((at, i) => [at, y[i]!] as const));
  if (points.length === 0) return ['(nothing finite to draw)'];
  const height = plot.logarithmic ? Math.min(rows, 12) : rows;
  const ys = points.map(([, y]) => y);
  const y = niceScale(
    least(plot.kind === 'bars' ? [0, ...ys] : ys),
    most(ys),
    height / (plot.logarithmic ? 2 : 2.5),
    plot.logarithmic === true,
  );
  const x = apart(least(points.map(([at]) => at)), most(points.map(([at]) => at)));
  const labels = y.ticks.map((tick) => (plot.logarithmic ? `1e${Number(tick.toFixed(1))}` : showTick(tick, y.step)));
  const gutter = most(labels.map((label) => label.length)) + 1;
  const cells = Math.max(10, Math.min(width, LARGEST_WIDTH) - gutter - 1);
  const area = { cells, rows: height, x, y };
  const body =
    plot.kind === 'bars'
      ? drawBars(series[0]!, area, unicode)
      : series.length === 1 && unicode
        ? drawBraille(series[0]!, area)
        : drawMarkers(series, area, unicode);

  const rowOf = (value: number) => Math.round(((y.high - value) / (y.high - y.low)) * (height - 1));
  const tickRows = new Map(y.ticks.map((tick, i) => [rowOf(tick), labels[i]!]));
  const [axis, tick, corner, floor, mark] = unicode ? ['│', '┤', '└', '─', '┬'] : ['|', '+', '+', '-', '+'];
  const lines = body.map((line, row) => {
    const label = tickRows.get(row);
    return `${padTo(label ?? '', gutter - 1, 'right')} ${label === undefined ? axis : tick}${line}`.trimEnd();
  });
  const { ruler, numbers } = xAxis(x, cells, floor!, mark!);
  const pad = ' '.repeat(gutter);
  return [
    ...wrap(clean(legendOf(plot, unicode), unicode), width),
    ...lines,
    pad + corner + ruler,
    `${pad} ${numbers}`.trimEnd(),
    ...wrap(clean(plot.x, unicode), width - gutter - 1).map((line) => `${pad} ${line}`),
  ];
}

function legendOf(plot: Plot, unicode: boolean): string {
  const marks = unicode ? markers.unicode : markers.ascii;
  if (plot.series.length === 1) return plot.y;
  return plot.series.map(({ name }, i) => `${marks[i % marks.length]} ${name}`).join(', ');
}

interface Area {
  readonly cells: number;
  readonly rows: number;
  readonly x: { readonly low: number; readonly high: number };
  readonly y: { readonly low: number; readonly high: number };
}

/** Rows (fractional, from the top) at `count` columns evenly over the x axis, interpolated; NaN outside the series. */
function rowsAt({ x, y }: Points, area: Area, count: number, rows: number): number[] {
  const { low, high } = area.x;
  return Array.from({ length: count }, (_, column) => {
    const at = low + ((high - low) * column) / Math.max(1, count - 1);
    const value = interpolate(x, y, at);
    return ((area.y.high - value) / (area.y.high - area.y.low)) * (rows - 1);
  });
}

function interpolate(x: readonly number[], y: readonly number[], at: number): number {
  const tolerance = 1e-9 * (Math.abs(at) + 1);
  if (x.length === 0 || at < x[0]! - tolerance || at > x.at(-1)! + tolerance) return Number.NaN;
  let right = x.findIndex((value) => value >= at);
  if (right < 0) right = x.length - 1;
  if (right === 0) return y[0]!;
  const [x0, x1] = [x[right - 1]!, x[right]!];
  return x1 === x0 ? y[right]! : y[right - 1]! + ((at - x0) / (x1 - x0)) * (y[right]! - y[right - 1]!);
}

/** Every whole row that a line passes in each column, so that steep parts stay joined. */
function trace(rows: readonly number[], last: number): number[][] {
  return rows.map((row, column) => {
    if (!Number.isFinite(row)) return [];
    const here = clamp(Math.round(row), last);
    const before = rows[column - 1];
    if (before === undefined || !Number.isFinite(before)) return [here];
    const from = clamp(Math.round(before), last);
    const step = Math.sign(here - from);
    const passed = [here];
    for (let at = here - step; step !== 0 && at !== from; at -= step) passed.push(at);
    return passed;
  });
}

function drawMarkers(series: readonly Points[], area: Area, unicode: boolean): string[] {
  const marks = unicode ? markers.unicode : markers.ascii;
  const grid = Array.from({ length: area.rows }, () => Array<string>(area.cells).fill(' '));
  // The first series is drawn last: it is what the plot is about.
  for (let i = series.length - 1; i >= 0; i--) {
    trace(rowsAt(series[i]!, area, area.cells, area.rows), area.rows - 1).forEach((rows, column) => {
      for (const row of rows) grid[row]![column] = marks[i % marks.length]!;
    });
  }
  return grid.map((row) => row.join(''));
}

/** Bits of a braille cell by [row][column] (Unicode 2800 block). */
const dots = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
];

function drawBraille(series: Points, area: Area): string[] {
  const bits = Array.from({ length: area.rows }, () => new Uint8Array(area.cells));
  const fine = 4 * area.rows;
  trace(rowsAt(series, area, 2 * area.cells, fine), fine - 1).forEach((rows, column) => {
    for (const row of rows) bits[row >> 2]![column >> 1]! |= dots[row & 3]![column & 1]!;
  });
  return bits.map((row) => Array.from(row, (bit) => (bit === 0 ? ' ' : String.fromCodePoint(0x2800 + bit))).join(''));
}

function drawBars(series: Points, area: Area, unicode: boolean): string[] {
  const counts = series.y.length;
  const heights = Array.from({ length: area.cells }, (_, column) => {
    const bin = Math.min(counts - 1, Math.floor((column * counts) / area.cells));
    return (Math.max(0, series.y[bin]! - area.y.low) / (area.y.high - area.y.low)) * area.rows;
  });
  return Array.from({ length: area.rows }, (_, row) => {
    const floor = area.rows - 1 - row;
    return heights
      .map((height) => {
        const part = Math.min(1, Math.max(0, height - floor));
        if (!unicode) return part >= 0.5 ? '#' : ' ';
        const eighth = part > 0 && floor === 0 ? Math.max(1, Math.round(8 * part)) : Math.round(8 * part);
        return eighths[eighth]!;
      })
      .join('');
  });
}

/** The line under the area with a mark at each round number, and the numbers under it. */
function xAxis({ low, high }: Area['x'], cells: number, floor: string, mark: string) {
  const { ticks, step } = niceTicks(low, high, cells / 11);
  const ruler = Array<string>(cells).fill(floor);
  let numbers = '';
  for (const tick of ticks) {
    const column = Math.round(((tick - low) / (high - low)) * (cells - 1));
    const label = showTick(tick, step);
    const start = Math.max(0, Math.min(cells - label.length, column - (label.length >> 1)));
    if (numbers !== '' && start < widthOf(numbers) + 1) continue;
    ruler[column] = mark;
    numbers = padTo(numbers, start) + label;
  }
  return { ruler: ruler.join(''), numbers };
}

interface Points {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

function finitePoints({ x, y }: Series, logarithmic: boolean): Points {
  const pairs = x
    .map((at, i) => [at, logarithmic ? Math.log10(y[i]!) : y[i]!] as const)
    .filter((pair) => pair.every((value) => Math.abs(value) < LARGEST))
    .sort((a, b) => a[0] - b[0]);
  return { x: pairs.map(([at]) => at), y: pairs.map(([, value]) => value) };
}

/** Round numbers between two limits, about `count` of them: steps of 1, 2 or 5 times a power of ten. */
function niceTicks(low: number, high: number, count: number, whole = false): { ticks: number[]; step: number } {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const nice = [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999)! * power;
  const step = whole ? Math.max(1, Math.round(nice)) : nice;
  const ticks: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) ticks.push(i === 0 ? 0 : i * step);
  return { ticks, step };
}

/** Limits that are round numbers, and the ticks between. */
function niceScale(low: number, high: number, count: number, whole: boolean) {
  const range = apart(low, high);
  const { step } = niceTicks(range.low, range.high, count, whole);
  const limits = { low: Math.floor(range.low / step + 1e-9) * step, high: Math.ceil(range.high / step - 1e-9) * step };
  return { ...limits, ...niceTicks(limits.low, limits.high, (limits.high - limits.low) / step, whole) };
}

/** Two limits, moved apart where rounding would leave nothing between them. */
function apart(low: number, high: number): { low: number; high: number } {
  const least = 1e-9 * Math.max(Math.abs(low), Math.abs(high));
  if (high - low > least && high > low) return { low, high };
  const margin = Math.max(0.5, least);
  return { low: low - margin, high: high + margin };
}

/** A tick with as many digits as its step needs. */
function showTick(value: number, step: number): string {
  const magnitude = Math.max(Math.abs(value), step);
  if (magnitude >= 1e5 || step < 1e-4) return value === 0 ? '0' : value.toExponential(1).replace('e+', 'e');
  return value.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
}

function clamp(row: number, last: number): number {
  return Math.min(last, Math.max(0, row));
}

function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
}

function most(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
}
