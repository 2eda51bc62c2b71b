import { DataError } from '../graph/errors.ts';
import { type Tensor, tensorOf } from '../graph/tensor.ts';
import { type CsvRow, splitCsv } from './csv-rows.ts';

/** A table of numbers with the column that is to be predicted set apart. */
export interface Table {
  /** float32 [rows, features]. */
  features: Tensor;
  /** int64 [rows] class labels, or float32 [rows, 1] values; absent when the table has one column only. */
  target?: Tensor;
  featureNames: string[];
  targetName?: string;
  /** Label i stands for classes[i]; present when the column's own values are not the labels. */
  classes?: string[];
  /** How the table was understood, in sentences. */
  notes: string[];
}

export interface CsvOptions {
  /** The target's column name, when it is neither last nor called label, target, class or y. */
  target?: string;
}

const targetNames = new Set(['label', 'target', 'class', 'y']);
/** Columns of these names hold classes however many there are; other integer columns hold classes when few differ. */
const classNames = new Set(['label', 'class']);
const FEW_CLASSES = 50;
const number = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?inf(inity)?$/i;
const missing = /^(|na|n\/a|nan|null|none|\?|-)$/i;

/**
 * Reads delimiter-separated numbers: comma, semicolon or tab; header optional; the target is the column named
 * label, target, class or y, else the last. Throws DataError naming line and column.
 */
export function decodeCsv(bytes: Uint8Array | string, name: string, options: CsvOptions = {}): Table {
  const rows = splitCsv(bytes, name);
  const notes: string[] = [];
  const header = hasHeader(rows) ? rows.shift()! : undefined;
  if (rows.length === 0)
    throw broken(name, header ? 'has a header but no rows' : 'is empty', 'expected rows of numbers');
  const width = (header ?? rows[0]!).cells.length;
  const names = header
    ? header.cells.map((cell, i) => (i === 0 ? cell.replace(/^#/, '') : cell).trim())
    : Array.from({ length: width }, (_, i) => `column ${i + 1}`);
  for (const row of rows) {
    if (row.cells.length !== width) {
      const wanted = header ? 'the header has' : `line ${rows[0]!.line} has`;
      throw broken(`${name}:${row.line}`, `${row.cells.length} cells where ${wanted} ${width}`);
    }
  }

  const targetColumn = findTarget(names, header !== undefined, name, options.target);
  const featureColumns = names.map((_, i) => i).filter((i) => i !== targetColumn);
  if (
    header &&
    names[0] === '' &&
    featureColumns.length > 1 &&
    rows.every((row, i) => row.cells[0]!.trim() === `${i}`)
  ) {
    featureColumns.splice(featureColumns.indexOf(0), 1);
    notes.push('the unnamed first column only counts the rows and was left out');
  }
  const features = new Float32Array(rows.length * featureColumns.length);
  rows.forEach((row, r) => {
    featureColumns.forEach((column, c) => {
      features[r * featureColumns.length + c] = readNumber(row, column, names, name);
    });
  });
  const table: Table = {
    features: { type: 'float32', dims: [rows.length, featureColumns.length], data: features },
    featureNames: featureColumns.map((column) => names[column]!),
    notes,
  };
  if (targetColumn === undefined) return table;
  const target = readTarget(rows, targetColumn, names, name);
  notes.push(`target: "${names[targetColumn]}", ${target.meaning}`);
  return { ...table, target: target.tensor, classes: target.classes, targetName: names[targetColumn] };
}

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

function findTarget(names: string[], named: boolean, file: string, wanted?: string): number | undefined {
  if (wanted !== undefined) {
    const found = names.indexOf(wanted);
    if (found < 0) {
      throw broken(
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
    throw broken(file, `${list} could each be the target`, 'rename or remove all but one');
  }
  return candidates[0] ?? (names.length > 1 ? names.length - 1 : undefined);
}

function readNumber(row: CsvRow, column: number, names: string[], file: string): number {
  const cell = row.cells[column]!.trim();
  if (number.test(cell)) return /inf/i.test(cell) ? (cell.startsWith('-') ? -Infinity : Infinity) : Number(cell);
  const where = placeOf(row, column, names, file);
  if (missing.test(cell)) {
    throw broken(where, cell === '' ? 'missing value' : `missing value "${cell}"`, 'fill or drop such rows first');
  }
  const shown = `"${cell.length > 40 ? `${cell.slice(0, 40)}…` : cell}" is not a number`;
  if (/^[+-]?\d+,\d+$/.test(cell)) throw broken(where, shown, 'write decimals with a point');
  throw broken(where, shown, 'expected numbers in every column but the target; encode categories as numbers');
}

function readTarget(
  rows: readonly CsvRow[],
  column: number,
  names: string[],
  file: string,
): { tensor: Tensor; classes?: string[]; meaning: string } {
  const cells = rows.map((row) => row.cells[column]!.trim());
  const gap = cells.findIndex((cell) => missing.test(cell));
  if (gap >= 0) {
    throw broken(
      placeOf(rows[gap]!, column, names, file),
      `missing value "${cells[gap]}"`,
      'fill or drop such rows first',
    );
  }
  if (!cells.every((cell) => number.test(cell))) {
    const numeric = cells.filter((cell) => number.test(cell)).length;
    if (numeric > cells.length / 2) {
      const odd = cells.findIndex((cell) => !number.test(cell));
      throw broken(placeOf(rows[odd]!, column, names, file), `"${cells[odd]}" is not a number, most of its column is`);
    }
    // Code-unit order: the same on every machine, unlike a locale's.
    return labelled(cells, [...new Set(cells)].sort());
  }
  const values = rows.map((row) => readNumber(row, column, names, file));
  const distinct = [...new Set(values)].sort((a, b) => a - b);
  const few = distinct.length <= FEW_CLASSES && distinct.length <= Math.max(2, cells.length / 2);
  if (distinct.every(Number.isSafeInteger) && (few || classNames.has(names[column]!.toLowerCase()))) {
    if (distinct[0]! < 0) return labelled(values.map(String), distinct.map(String));
    return {
      tensor: tensorOf('int64', [values.length], values),
      meaning: `class labels from ${distinct[0]} to ${distinct.at(-1)}`,
    };
  }
  return { tensor: tensorOf('float32', [values.length, 1], values), meaning: 'values to predict (regression)' };
}

function labelled(cells: string[], classes: string[]): { tensor: Tensor; classes: string[]; meaning: string } {
  const labels = new Map(classes.map((value, label) => [value, label]));
  const shown = classes.slice(0, 10).map((value, label) => `${value} = ${label}`);
  return {
    tensor: tensorOf(
      'int64',
      [cells.length],
      cells.map((cell) => labels.get(cell)!),
    ),
    classes,
    meaning: `${classes.length} classes: ${shown.join(', ')}${classes.length > 10 ? ', …' : ''}`,
  };
}

function placeOf(row: CsvRow, column: number, names: string[], file: string): string {
  const name = names[column] === `column ${column + 1}` ? '' : ` "${names[column]}"`;
  return `${file}:${row.line}, column ${column + 1}${name}`;
}

function broken(where: string, message: string, hint?: string): DataError {
  return new DataError(message, { code: 'csv', where, hint });
}
