/** Which part of a bar area stands for which decades: from `low` at the left edge to `high` at the right one. */
export interface BarScale {
  readonly low: number;
  readonly high: number;
  readonly cells: number;
}

/** A bar as text: what lies within the output's size, what grows beyond it, and the blank rest. */
export interface Bar {
  readonly within: string;
  readonly beyond: string;
  readonly blank: string;
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
/** A scale shows at least this many decades: ordinary unevenness must not look like decay. */
const LEAST_SPAN = 4;

/** A scale on which every finite one of the decades can be told apart from nothing and from the output. */
export function scaleFor(decades: readonly number[], cells: number): BarScale {
  const finite = decades.filter(Number.isFinite);
  const lowest = finite.reduce((least, x) => Math.min(least, x), 0);
  const highest = finite.reduce((most, x) => Math.max(most, x), 0);
  return { low: -Math.max(LEAST_SPAN, Math.ceil(-lowest + 0.5)), high: highest < 0.5 ? 0 : Math.ceil(highest), cells };
}

/** The bar of one value. Beyond the output's size it is drawn in another texture, so that colour is not needed. */
export function drawBar(decades: number, { low, high, cells }: BarScale, unicode: boolean): Bar {
  const perCell = cells / (high - low);
  const zero = Math.round(-low * perCell);
  const exact = Math.min(cells, Math.max(0, (decades - low) * perCell));
  const length = high > 0 && Math.abs(decades) < 0.05 ? zero : exact;
  if (!unicode) {
    const whole = Math.min(cells, Math.max(1, Math.round(length)));
    return {
      within: '#'.repeat(Math.min(whole, zero)),
      beyond: '>'.repeat(Math.max(0, whole - zero)),
      blank: ' '.repeat(cells - whole),
    };
  }
  if (length > zero) {
    const more = Math.max(1, Math.round(length) - zero);
    return { within: '█'.repeat(zero), beyond: '▓'.repeat(more), blank: ' '.repeat(cells - zero - more) };
  }
  const parts = Math.max(1, Math.round(length * 8));
  const within = '█'.repeat(parts >> 3) + eighths[parts & 7]!;
  return { within, beyond: '', blank: ' '.repeat(cells - within.length) };
}
