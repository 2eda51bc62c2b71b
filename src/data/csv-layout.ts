import { DataError } from '../graph/errors.ts';
import type { CsvRow } from './csv-rows.ts';

const targetNames = new Set(['label', 'target', 'class', 'y']);
const number = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?inf(inity)?$/i;
const missing = /^(|na|n\/a|nan|null|none|\?|-)$/i;

/** What the columns of a table are. */
export interface CsvLayout {
  readonly file: string;
  readonly names: readonly string[];
  /** Whether the first row names the columns. */
  readonly header: boolean;
  readonly targetColumn: number | undefined;
  /** Line of the first row. */
  readonly firstLine: number;
}

/** The layout by a table's first rows, two of them where there are so many. Throws DataError. */
export function layoutOf(rows: readonly CsvRow[], file: string, target?: string): CsvLayout {
  const header = hasHeader(rows);
  const first = rows[0];
  const width = first?.cells.length ?? 0;
  const names = header
    ? first!.cells.map((cell, i) => (i === 0 ? cell.replace(/^#/, '') : cell).trim())
    : Array.from({ length: width }, (_, i) => `column ${i + 1}`);
  if (rows.length === 0 || (header && rows.length === 1)) {
    return { file, names, header, targetColumn: undefined, firstLine: 1 };
  }
  return { file, names, header, targetColumn: findTarget(names, header, file, target), firstLine: first!.line };
}

/** Throws DataError where a row has another number of cells than the first. */
export function checkWidth(row: CsvRow, { names, header, file, firstLine }: CsvLayout): void {
  if (row.cells.length === names.length) return;
  const wanted = header ? 'the header has' : `line ${firstLine} has`;
  throw brokenCsv(`${file}:${row.line}`, `${row.cells.length} cells where ${wanted} ${names.length}`);
}

/** The columns to learn from; `counted` says that the first column's cells are 0, 1, 2, …: without a name it is none. */
export function featureColumnsOf(layout: CsvLayout, counted: boolean): { columns: number[]; notes: string[] } {
  const columns = layout.names.map((_, i) => i).filter((i) => i !== layout.targetColumn);
  if (!layout.header || layout.names[0] !== '' || columns.length < 2 || !counted) return { columns, notes: [] };
  columns.splice(columns.indexOf(0), 1);
  return { columns, notes: ['the unnamed first column only counts the rows and was left out'] };
}

/** Writes a row's features to `out` from `at`. Throws DataError naming line and column. */
export function readFeatures(
  row: CsvRow,
  columns: readonly number[],
  layout: CsvLayout,
  out: Float32Array,
  at: number,
): void {
  columns.forEach((column, i) => {
    out[at + i] = readNumber(row, column, layout);
  });
}

/** Whether a cell is a number, and whether it stands for one that is missing. */
export const isNumber = (cell: string): boolean => number.test(cell);
export const isMissing = (cell: string): boolean => missing.test(cell);

/** A first row is a header when some column turns from text to a number below it, and no cell of it is a number. */
function hasHeader(rows: readonly CsvRow[]): boolean {
  const [first, second] = rows;
  if (!first) return false;
  const cells = first.cells.map((cell) => cell.trim());
  if (cells[0]?.startsWith('#')) return true;
  if (!second) return !cells.some((cell) => number.test(cell));
  const turns = cells.some((cell, i) => !isValue(cell) && isValue(second.cells[i]?.trim() ?? ''));
  // Pixel tables are headed "label,0,1,2,…": numbers in a header are believed beside a target's name.
  return (
    turns && (!cells.some((cell) => number.test(cell)) || cells.some((cell) => targetNames.has(cell.toLowerCase())))
  );
}

function isValue(cell: string): boolean {
  return number.test(cell) || missing.test(cell);
}

function findTarget(names: readonly string[], named: boolean, file: string, wanted?: string): number | undefined {
  if (wanted !== undefined) {
    const found = names.indexOf(wanted);
    if (found < 0) {
      throw brokenCsv(
        file,
        `has no column "${wanted}"`,
        `columns: ${names.slice(0, 20).join(', ')}${names.length > 20 ? ', …' : ''}`,
      );
    }
    return found;
  }
  const candidates = names.flatMap((name, i) => (named && targetNames.has(name.toLowerCase()) ? [i] : []));
  if (candidates.length > 1) {
    const list = candidates.map((i) => `"${names[i]}"`).join(' and ');
    throw brokenCsv(file, `${list} could each be the target`, 'rename or remove all but one');
  }
  return candidates[0] ?? (names.length > 1 ? names.length - 1 : undefined);
}

/** A cell's number. Throws DataError naming line and column. */
export function readNumber(row: CsvRow, column: number, layout: CsvLayout): number {
  const cell = row.cells[column]!.trim();
  if (number.test(cell)) return /inf/i.test(cell) ? (cell.startsWith('-') ? -Infinity : Infinity) : Number(cell);
  const where = placeOf(row, column, layout);
  if (missing.test(cell)) {
    throw brokenCsv(
      where,
      cell === '' ? 'missing value' : `missing value "${cell}"`,
      'fill or drop such rows first, or --missing leave-out',
    );
  }
  const shown = `"${cell.length > 40 ? `${cell.slice(0, 40)}…` : cell}" is not a number`;
  if (/^[+-]?\d+,\d+$/.test(cell)) throw brokenCsv(where, shown, 'write decimals with a point');
  throw brokenCsv(where, shown, 'expected numbers in every column but the target; encode categories as numbers');
}

/** `table.csv:3, column 2 "width"`. */
export function placeOf(row: CsvRow, column: number, { names, file }: CsvLayout): string {
  const name = names[column] === `column ${column + 1}` ? '' : ` "${names[column]}"`;
  return `${file}:${row.line}, column ${column + 1}${name}`;
}

/** The error of a table. */
export function brokenCsv(where: string, message: string, hint?: string): DataError {
  return new DataError(message, { code: 'csv', where, hint });
}
