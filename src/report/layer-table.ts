import type { UpdateRule } from '../flow/update.ts';
import { drawBar, scaleFor } from './bars.ts';
import { type LayerRow, leadingRows, pickRows } from './layer-rows.ts';
import { counted, showDecades, showPower, showSize } from './numbers.ts';
import type { Page } from './page.ts';
import { padTo, widthOf } from './text.ts';

const DECADES = 7;
const WEIGHT = 11;
const UPDATE = 13;
const LEAST_BAR = 10;
const MOST_ROWS = 40;
const MOST_HEALTHY_ROWS = 16;

interface Widths {
  name: number;
  bar: number;
  /** 0 where the terminal is too narrow for the column. */
  weight: number;
  update: number;
}

/** The table of layers: name, bar in decades, decades, weight gradient, update over weight. */
export function drawLayers(
  page: Page,
  all: readonly LayerRow[],
  { show, update }: { show: 'all' | 'worst' | 'ends'; update: UpdateRule },
): void {
  if (all.length === 0) return;
  const { dim } = page.paint;
  const rows = show === 'all' ? all : leadingRows(all);
  const limit = { all: Number.POSITIVE_INFINITY, worst: MOST_ROWS, ends: MOST_HEALTHY_ROWS }[show];
  const picked = pickRows(rows, limit, show === 'worst');
  const widths = columnWidths(page, picked);
  const scale = scaleFor(
    rows.map((row) => row.decades),
    widths.bar,
  );
  const header = [
    padTo('layer', widths.name),
    padTo(barTitle(page, widths.bar + 2 + DECADES), widths.bar + 2 + DECADES),
    widths.weight > 0 ? padTo('weight grad', widths.weight, 'right') : '',
    widths.update > 0 ? padTo('update/weight', widths.update, 'right') : '',
  ];
  page.raw(dim(header.filter((cell) => cell !== '').join('  ')));
  const names = shownNames(page, picked, widths.name);
  let told = false;
  for (const row of picked) {
    if ('hidden' in row) {
      const hint = told ? '' : ' (--all-layers shows them)';
      page.raw(dim(`${page.clean('⋮')} ${counted(row.hidden, 'layer')} not shown${hint}`));
      told = true;
      continue;
    }
    const { red, yellow, cyan, magenta } = page.paint;
    const paintName = { error: red, warning: yellow, info: String }[row.severity ?? 'info'];
    const cells = [paintName(padTo(names.get(row.name)!, widths.name))];
    if (row.remark !== undefined || !Number.isFinite(row.decades)) {
      cells.push(padTo(page.name(row.remark ?? '', widths.bar), widths.bar));
    } else {
      const { within, beyond, blank } = drawBar(row.decades, scale, page.unicode);
      cells.push(cyan(within) + (beyond === '' ? '' : magenta(beyond)) + blank);
    }
    cells.push(padTo(page.clean(showDecades(row.decades)), DECADES, 'right'));
    if (widths.weight > 0) cells.push(padTo(sizeCell(page, row), widths.weight, 'right'));
    if (widths.update > 0) cells.push(padTo(updateCell(page, row), widths.update, 'right'));
    page.raw(cells.join('  ').trimEnd());
  }
  if (widths.update > 0) {
    page.text(`update/weight: one step of ${update.optimizer} at learning rate ${update.learningRate}`, dim);
  }
}

/** Names that fit the column. Parts are shortened from the front, unless two layers would then read alike. */
function shownNames(page: Page, rows: readonly (LayerRow | { hidden: number })[], width: number): Map<string, string> {
  const names = rows.flatMap((row) => ('name' in row ? [row.name] : []));
  const short = new Map(names.map((name) => [name, page.path(name, width)]));
  const uses = new Map<string, number>();
  for (const shown of short.values()) uses.set(shown, (uses.get(shown) ?? 0) + 1);
  return new Map([...short].map(([name, shown]) => [name, uses.get(shown) === 1 ? shown : page.name(name, width)]));
}

function columnWidths(page: Page, rows: readonly (LayerRow | { hidden: number })[]): Widths {
  const longest = rows.reduce((most, row) => ('name' in row ? Math.max(most, widthOf(page.clean(row.name))) : most), 5);
  const name = Math.min(longest, Math.max(8, Math.floor(0.3 * page.width)));
  const rest = page.width - name - 2 - DECADES - 2;
  if (rest - WEIGHT - UPDATE - 4 >= LEAST_BAR) {
    return { name, bar: rest - WEIGHT - UPDATE - 4, weight: WEIGHT, update: UPDATE };
  }
  if (rest - WEIGHT - 2 >= LEAST_BAR) return { name, bar: rest - WEIGHT - 2, weight: WEIGHT, update: 0 };
  return { name, bar: rest, weight: 0, update: 0 };
}

function barTitle(page: Page, width: number): string {
  const titles = ["gradient, in decades from the output's", 'gradient, in decades', 'gradient'];
  return page.name(titles.find((title) => title.length <= width) ?? 'gradient', width);
}

function sizeCell(page: Page, { weightGradient }: LayerRow): string {
  return page.clean(weightGradient === undefined ? '-' : showPower(weightGradient));
}

function updateCell(page: Page, { updateRatio }: LayerRow): string {
  return page.clean(updateRatio === undefined ? '-' : showSize(updateRatio));
}
