import type { Cell, Table } from './explanation.ts';
import { showDecades, showNumber, showPercent, showSize } from './numbers.ts';
import type { Page } from './page.ts';
import { padTo, widthOf, wrap } from './text.ts';

const BETWEEN = 2;
/** A cell of text is wrapped to this many cells of the terminal. */
const WIDEST_CELL = 20;

/** A cell as text. */
export function showCell(cell: Cell): string {
  if (typeof cell === 'string') return cell;
  const { value, as } = cell;
  const forms = { number: showNumber, size: showSize, decades: showDecades, percent: showPercent };
  return forms[as](value);
}

/** Draws a table: where it is too wide, its columns come in groups below each other, each with the first column. */
export function drawTable(page: Page, { caption, columns, rows }: Table): void {
  if (caption !== undefined) page.text(caption);
  const shown = rows.map((row) => row.map((cell) => page.clean(showCell(cell))));
  const titles = columns.map((title) => page.clean(title));
  const all = [titles, ...shown];
  const widths = titles.map((_, column) => Math.min(WIDEST_CELL + (column === 0 ? 16 : 0), longest(all, column)));
  const least = titles.map((_, column) => Math.min(widths[column]!, longestWord(all, column)));
  shrink(widths, least, page.width);
  for (const group of groupsOf(widths, page.width)) {
    page.gap();
    drawRow(page, titles, widths, group, rows, (text) => page.paint.bold(text));
    for (const row of shown) drawRow(page, row, widths, group, rows);
  }
  page.gap();
}

function longest(rows: readonly (readonly string[])[], column: number): number {
  return rows.reduce((most, row) => Math.max(most, widthOf(row[column] ?? '')), 0);
}

function longestWord(rows: readonly (readonly string[])[], column: number): number {
  const words = rows.flatMap((row) => (row[column] ?? '').split(' '));
  return words.reduce((most, word) => Math.max(most, widthOf(word)), 0);
}

/** Takes cells from the widest columns, down to their longest word, until all stand beside each other. */
function shrink(widths: number[], least: readonly number[], room: number): void {
  const total = () => widths.reduce((sum, width) => sum + width + BETWEEN, -BETWEEN);
  const slack = least.reduce((sum, width) => sum + width + BETWEEN, -BETWEEN) <= room;
  // Where they cannot, only the first gives way: the others come in groups.
  while (total() > room) {
    const able = widths.map((width, i) => (width > least[i]! && (slack || i === 0) ? width : 0));
    const widest = able.indexOf(Math.max(...able));
    if (able[widest] === 0) return;
    widths[widest]!--;
  }
}

/** Columns after the first that stand beside each other. */
function groupsOf(widths: readonly number[], room: number): number[][] {
  const groups: number[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (let column = 1; column < widths.length; column++) {
    used += BETWEEN + widths[column]!;
    if (used > room) {
      groups.push([]);
      used = widths[0]! + BETWEEN + widths[column]!;
    }
    groups.at(-1)!.push(column);
  }
  return groups.length === 0 ? [[]] : groups;
}

function drawRow(
  page: Page,
  row: readonly string[],
  widths: readonly number[],
  group: readonly number[],
  cells: Table['rows'],
  paint = (text: string) => text,
): void {
  const columns = [0, ...group];
  const lines = columns.map((column) => wrap(row[column] ?? '', widths[column]!));
  const height = Math.max(1, ...lines.map((text) => text.length));
  for (let i = 0; i < height; i++) {
    const parts = columns.map((column, at) => {
      const numeric = column > 0 && cells.some((other) => typeof other[column] === 'object');
      return padTo(lines[at]![i] ?? '', widths[column]!, numeric ? 'right' : 'left');
    });
    page.raw(paint(parts.join(' '.repeat(BETWEEN)).trimEnd()));
  }
}
