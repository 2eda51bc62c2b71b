import { brokenCsv, type CsvLayout, isMissing, isNumber, placeOf, readNumber } from './csv-layout.ts';
import type { CsvRow } from './csv-rows.ts';

/** Columns of these names hold classes however many there are; other integer columns hold classes when few differ. */
const classNames = new Set(['label', 'class']);
const FEW_CLASSES = 50;
/** Different cells that are kept, at most. */
const MOST_DISTINCT = 1_000_000;

/** How a table's target is read. */
export interface TargetCoding {
  readonly kind: 'labels' | 'values';
  readonly meaning: string;
  /** Label i stands for classes[i], where the column's own values are not the labels. */
  readonly classes?: string[];
  read(row: CsvRow): number;
}

/** Looks at every cell of a target column, in one pass, to tell classes from values. */
export class TargetCensus {
  private readonly layout: CsvLayout;
  private readonly column: number;
  private readonly distinct = new Set<string>();
  private readonly numbers = new Set<number>();
  private rows = 0;
  private numeric = 0;
  private firstOdd: { where: string; cell: string } | undefined;
  private whole = true;
  private low = Infinity;
  private high = -Infinity;

  constructor(layout: CsvLayout, column: number) {
    this.layout = layout;
    this.column = column;
  }

  /** Throws DataError for a missing value. */
  see(row: CsvRow): void {
    const cell = row.cells[this.column]!.trim();
    this.rows++;
    if (isMissing(cell)) {
      const where = placeOf(row, this.column, this.layout);
      throw brokenCsv(where, `missing value "${cell}"`, 'fill or drop such rows first, or --missing leave-out');
    }
    if (this.distinct.size < MOST_DISTINCT) this.distinct.add(cell);
    if (!isNumber(cell)) {
      this.firstOdd ??= { where: placeOf(row, this.column, this.layout), cell };
      return;
    }
    this.numeric++;
    const value = readNumber(row, this.column, this.layout);
    if (this.numbers.size < MOST_DISTINCT) this.numbers.add(value);
    this.whole &&= Number.isSafeInteger(value);
    this.low = Math.min(this.low, value);
    this.high = Math.max(this.high, value);
  }

  /** Throws DataError where most cells are numbers but not all, and where there are too many classes. */
  settle(): TargetCoding {
    const { layout, column } = this;
    const name = layout.names[column]!;
    if (this.firstOdd) {
      const { where, cell } = this.firstOdd;
      if (this.numeric > this.rows / 2) {
        throw brokenCsv(where, `"${cell}" is not a number, most of its column is`);
      }
      // Code-unit order: the same on every machine, unlike a locale's.
      return this.labelled([...this.distinct].sort(), (row) => row.cells[column]!.trim());
    }
    const few = this.numbers.size <= FEW_CLASSES && this.numbers.size <= Math.max(2, this.rows / 2);
    if (this.whole && (few || classNames.has(name.toLowerCase()))) {
      const read = (row: CsvRow) => readNumber(row, column, layout);
      if (this.low >= 0) {
        return { kind: 'labels', meaning: `class labels from ${this.low} to ${this.high}`, read };
      }
      const classes = [...this.numbers].sort((a, b) => a - b).map(String);
      return this.labelled(classes, (row) => String(read(row)));
    }
    return {
      kind: 'values',
      meaning: 'values to predict (regression)',
      read: (row) => readNumber(row, column, layout),
    };
  }

  private labelled(classes: string[], cellOf: (row: CsvRow) => string): TargetCoding {
    const { layout, column } = this;
    if (classes.length >= MOST_DISTINCT) {
      throw brokenCsv(`${layout.file}, column ${column + 1}`, `has ${MOST_DISTINCT} classes or more`);
    }
    const labels = new Map(classes.map((value, label) => [value, label]));
    const shown = classes.slice(0, 10).map((value, label) => `${value} = ${label}`);
    return {
      kind: 'labels',
      classes,
      meaning: `${classes.length} classes: ${shown.join(', ')}${classes.length > 10 ? ', …' : ''}`,
      read(row) {
        const label = labels.get(cellOf(row));
        if (label !== undefined) return label;
        throw brokenCsv(placeOf(row, column, layout), `"${cellOf(row)}" was no class when the file was opened`);
      },
    };
  }
}
