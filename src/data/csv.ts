import { type Tensor, tensorOf } from '../graph/tensor.ts';
import { TargetCensus } from './csv-census.ts';
import { brokenCsv, checkWidth, featureColumnsOf, layoutOf, readFeatures } from './csv-layout.ts';
import { splitCsv } from './csv-rows.ts';

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

/**
 * Reads delimiter-separated numbers: comma, semicolon or tab; header optional; the target is the column named
 * label, target, class or y, else the last. Throws DataError naming line and column.
 */
export function decodeCsv(bytes: Uint8Array | string, name: string, options: CsvOptions = {}): Table {
  const rows = splitCsv(bytes, name);
  const layout = layoutOf(rows, name, options.target);
  if (layout.header) rows.shift();
  if (rows.length === 0) {
    throw brokenCsv(name, layout.header ? 'has a header but no rows' : 'is empty', 'expected rows of numbers');
  }
  for (const row of rows) checkWidth(row, layout);
  const counted = rows.every((row, i) => row.cells[0]!.trim() === `${i}`);
  const { columns, notes } = featureColumnsOf(layout, counted);
  const features = new Float32Array(rows.length * columns.length);
  rows.forEach((row, r) => {
    readFeatures(row, columns, layout, features, r * columns.length);
  });
  const table: Table = {
    features: { type: 'float32', dims: [rows.length, columns.length], data: features },
    featureNames: columns.map((column) => layout.names[column]!),
    notes,
  };
  const { targetColumn } = layout;
  if (targetColumn === undefined) return table;
  const census = new TargetCensus(layout, targetColumn);
  for (const row of rows) census.see(row);
  const coding = census.settle();
  const values = rows.map((row) => coding.read(row));
  const target =
    coding.kind === 'labels' ? tensorOf('int64', [rows.length], values) : tensorOf('float32', [rows.length, 1], values);
  notes.push(`target: "${layout.names[targetColumn]}", ${coding.meaning}`);
  return { ...table, target, classes: coding.classes, targetName: layout.names[targetColumn] };
}
