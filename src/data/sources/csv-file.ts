import { DataError } from '../../graph/errors.ts';
import { tensorOf } from '../../graph/tensor.ts';
import type { RandomAccess } from '../../runtime/file-access.ts';
import type { CsvOptions } from '../csv.ts';
import { TargetCensus } from '../csv-census.ts';
import {
  brokenCsv,
  type CsvLayout,
  checkWidth,
  featureColumnsOf,
  isMissing,
  layoutOf,
  readFeatures,
} from '../csv-layout.ts';
import { type CsvRow, delimiterOf, splitRows } from '../csv-rows.ts';
import { everyRowBad, type Missing, sayLeftOut } from '../missing.ts';
import type { RowSource } from './row-source.ts';

const CHUNK = 4 * 1024 ** 2;
/** A row longer than this is a quote that is never closed. */
const LONGEST_ROW = 64 * 1024 ** 2;
/** Offsets that are kept; a longer file keeps every second row's, then every fourth's, … */
const MOST_OFFSETS = 2 ** 20;

/**
 * A table of any size. One pass checks every cell, tells what the target is and notes where rows begin; then rows are
 * read where they lie. The same rows as `decodeCsv` gives; memory is bounded. Throws DataError.
 */
export async function openCsv(
  file: RandomAccess,
  options: CsvOptions & { readonly missing?: Missing } = {},
): Promise<RowSource> {
  const isWhole = ({ cells }: CsvRow) =>
    options.missing !== 'leave-out' || !cells.some((cell) => isMissing(cell.trim()));
  const leftOut: number[] = [];
  let seen = 0;
  const index = new RowIndex();
  let layout: CsvLayout | undefined;
  let census: TargetCensus | undefined;
  let counted = true;
  let held: CsvRow[] = [];
  let scratch = new Float32Array(0);
  let all: number[] = [];
  const data = new Map<CsvRow, number>();
  const see = (row: CsvRow, offset: number) => {
    if (!layout) {
      // The layout is told by two rows.
      held.push(row);
      data.set(row, offset);
      if (held.length < 2) return;
      const first = held;
      held = [];
      settleLayout(first);
      return;
    }
    checkWidth(row, layout);
    counted &&= row.cells[0]!.trim() === `${seen}`;
    seen++;
    if (!isWhole(row)) {
      leftOut.push(seen - 1);
      return;
    }
    readFeatures(row, all, layout, scratch, 0);
    census?.see(row);
    index.add(offset);
  };
  const settleLayout = (first: CsvRow[]) => {
    layout = layoutOf(first, file.name, options.target);
    const { targetColumn } = layout;
    all = layout.names.map((_, i) => i).filter((i) => i !== targetColumn);
    scratch = new Float32Array(all.length);
    census = targetColumn === undefined ? undefined : new TargetCensus(layout, targetColumn);
    for (const row of layout.header ? first.slice(1) : first) see(row, data.get(row)!);
    data.clear();
  };
  const { delimiter } = await scanRows(file, see);
  if (!layout) settleLayout(held);
  const table = layout!;
  if (leftOut.length > 0 && index.rows === 0) throw everyRowBad(file.name);
  if (index.rows === 0) {
    throw brokenCsv(file.name, table.header ? 'has a header but no rows' : 'is empty', 'expected rows of numbers');
  }
  index.end = file.size;
  const { columns, notes } = featureColumnsOf(table, counted);
  const coding = census?.settle();
  if (coding) notes.push(`target: "${table.names[table.targetColumn!]}", ${coding.meaning}`);
  if (leftOut.length > 0) notes.push(sayLeftOut(leftOut, seen));
  const rowsAt = async (wanted: ArrayLike<number>) => readRows(file, index, { delimiter, isWhole }, wanted);
  return {
    name: file.name.replace(/^.*[\\/](?=.)/, ''),
    real: true,
    rows: index.rows,
    whole: true,
    notes,
    close: () => file.close(),
    async read(wanted) {
      const rows = await rowsAt(wanted);
      const features = new Float32Array(rows.length * columns.length);
      rows.forEach((row, i) => {
        checkWidth(row, table);
        readFeatures(row, columns, table, features, i * columns.length);
      });
      const values = coding && rows.map((row) => coding.read(row));
      const target =
        values &&
        (coding.kind === 'labels'
          ? tensorOf('int64', [rows.length], values)
          : tensorOf('float32', [rows.length, 1], values));
      return {
        inputs: new Map([['', { type: 'float32', dims: [rows.length, columns.length], data: features }]]),
        target,
      };
    },
    ...(coding?.kind === 'labels' && {
      async labels() {
        const labels = new Int32Array(index.rows);
        for (let from = 0; from < index.rows; from += 4096) {
          const wanted = Array.from({ length: Math.min(4096, index.rows - from) }, (_, i) => from + i);
          (await rowsAt(wanted)).forEach((row, i) => {
            labels[from + i] = coding.read(row);
          });
        }
        return labels;
      },
    }),
  };
}

/** Where rows begin, at most 2^20 offsets: every `stride`-th row's. */
class RowIndex {
  rows = 0;
  stride = 1;
  end = 0;
  private offsets: number[] = [];

  add(offset: number): void {
    if (this.rows % this.stride === 0) {
      if (this.offsets.length === MOST_OFFSETS) {
        this.offsets = this.offsets.filter((_, i) => i % 2 === 0);
        this.stride *= 2;
      }
      if (this.rows % this.stride === 0) this.offsets.push(offset);
    }
    this.rows++;
  }

  /** The bytes that hold a row, and how many rows stand before it there. */
  find(row: number): { from: number; to: number; before: number } {
    const block = Math.floor(row / this.stride);
    return { from: this.offsets[block]!, to: this.offsets[block + 1] ?? this.end, before: row % this.stride };
  }
}

async function readRows(
  file: RandomAccess,
  index: RowIndex,
  { delimiter, isWhole }: { delimiter: string; isWhole: (row: CsvRow) => boolean },
  wanted: ArrayLike<number>,
): Promise<CsvRow[]> {
  const blocks = new Map<number, Promise<CsvRow[]>>();
  return Promise.all(
    Array.from(wanted, async (row) => {
      const { from, to, before } = index.find(row);
      let block = blocks.get(from);
      if (!block) {
        block = file
          .read(from, to - from)
          .then((bytes) => splitRows(decode(bytes, file.name), delimiter, file.name).filter(isWhole));
        blocks.set(from, block);
      }
      const found = (await block)[before];
      if (found) return found;
      throw new DataError(`row ${row} is gone: the file was changed while it was read`, {
        code: 'csv',
        where: file.name,
      });
    }),
  );
}

/** Calls `see` for each row that is not blank, with the byte at which it begins. */
async function scanRows(
  file: RandomAccess,
  see: (row: CsvRow, offset: number) => void,
): Promise<{ delimiter: string }> {
  let pending = await file.read(0, Math.min(file.size, CHUNK));
  let offset = 0;
  let line = 1;
  if (pending[0] === 0xef && pending[1] === 0xbb && pending[2] === 0xbf) {
    pending = pending.subarray(3);
    offset = 3;
  }
  const delimiter = delimiterOf(sampleOf(pending, file), file.name);
  const code = delimiter.charCodeAt(0);
  let read = offset + pending.length;
  for (;;) {
    const ended = read >= file.size;
    const ends = rowEnds(pending, code, ended);
    let from = 0;
    for (const end of ends) {
      const text = decode(pending.subarray(from, end), file.name);
      for (const row of splitRows(text, delimiter, file.name, Infinity, line)) see(row, offset + from);
      line += lineBreaks(pending, from, end);
      from = end;
    }
    offset += from;
    if (ended) return { delimiter };
    const rest = pending.subarray(from);
    if (rest.length > LONGEST_ROW) {
      throw brokenCsv(`${file.name}:${line}`, `a row of more than ${LONGEST_ROW} bytes: is a quote never closed?`);
    }
    const next = await file.read(read, Math.min(CHUNK, file.size - read));
    read += next.length;
    pending = new Uint8Array(rest.length + next.length);
    pending.set(rest);
    pending.set(next, rest.length);
  }
}

const LF = 10;
const CR = 13;
const QUOTE = 34;

/** Where rows end: after each line break that stands in no quotes. At the file's end the rest is a row too. */
function rowEnds(bytes: Uint8Array, delimiter: number, ended: boolean): number[] {
  const ends: number[] = [];
  let quoted = false;
  let cellStart = true;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (quoted) {
      // A doubled quote opens again at once.
      if (byte === QUOTE) quoted = false;
      continue;
    }
    if (byte === QUOTE && (cellStart || bytes[i - 1] === QUOTE)) quoted = true;
    else if (byte === LF || byte === CR) {
      if (byte === CR && i + 1 === bytes.length && !ended) break;
      if (byte === CR && bytes[i + 1] === LF) i++;
      ends.push(i + 1);
    }
    cellStart = byte === delimiter || byte === LF || byte === CR;
  }
  if (ended && (ends.at(-1) ?? 0) < bytes.length) ends.push(bytes.length);
  return ends;
}

function lineBreaks(bytes: Uint8Array, from: number, to: number): number {
  let count = 0;
  for (let i = from; i < to; i++) if (bytes[i] === LF || (bytes[i] === CR && bytes[i + 1] !== LF)) count++;
  return count;
}

/** Text of whole rows to tell the delimiter by. */
function sampleOf(bytes: Uint8Array, file: RandomAccess): string {
  const whole = bytes.length + 3 >= file.size;
  const cut = whole ? bytes.length : bytes.lastIndexOf(LF, 64 * 1024) + 1;
  return decode(bytes.subarray(0, cut > 0 ? cut : bytes.length), file.name);
}

function decode(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new DataError('is not UTF-8 text', { code: 'csv', where: name, hint: 'save it as UTF-8', cause });
  }
}
