import { DataError } from '../graph/errors.ts';

export interface CsvRow {
  /** Where the row begins, counted from 1 as editors do. */
  line: number;
  cells: string[];
}

/** What is read at most, in bytes: a JavaScript string holds 512 MiB. */
const LARGEST = 256 * 1024 ** 2;

/**
 * The rows of an RFC 4180 text (quoted cells, doubled quotes, line breaks in quotes), blank lines left out.
 * The delimiter is whichever of tab, semicolon, comma cuts the first rows alike. Throws DataError.
 */
export function splitCsv(bytes: Uint8Array | string, name: string): CsvRow[] {
  const text = decode(bytes, name);
  return splitRows(text, delimiterOf(text, name), name);
}

/** The delimiter of a text: whichever of tab, semicolon, comma cuts the first two rows alike. */
export function delimiterOf(text: string, name: string): string {
  const candidates = ['\t', ';', ','].map((delimiter) => {
    const rows = tryRows(text, delimiter, name);
    const width = rows[0]?.cells.length ?? 0;
    return { delimiter, width, even: width > 1 && rows.every((row) => row.cells.length === width) };
  });
  const widest = candidates.reduce((best, candidate) => (candidate.width > best.width ? candidate : best));
  return (candidates.find((candidate) => candidate.even) ?? (widest.width > 1 ? widest : candidates[2]!)).delimiter;
}

function decode(bytes: Uint8Array | string, name: string): string {
  if (typeof bytes === 'string') return bytes.replace(/^\ufeff/, '');
  if (bytes.length > LARGEST) {
    throw broken(name, `is ${bytes.length} bytes, over the limit of ${LARGEST}`, 'save it as .npz');
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DataError('is not UTF-8 text', { code: 'csv', where: name, hint: 'save it as UTF-8', cause });
  }
}

/** The first two rows; none where the delimiter makes no sense of the quotes. */
function tryRows(text: string, delimiter: string, name: string): CsvRow[] {
  try {
    return splitRows(text, delimiter, name, 2);
  } catch {
    return [];
  }
}

/** The rows of a text whose first line is number `firstLine`, `most` of them at most. Throws DataError. */
export function splitRows(text: string, delimiter: string, name: string, most = Infinity, firstLine = 1): CsvRow[] {
  const rows: CsvRow[] = [];
  let at = 0;
  let line = firstLine;
  while (at < text.length && rows.length < most) {
    const row: CsvRow = { line, cells: [] };
    let more = true;
    while (more) {
      let cell: string;
      if (text[at] === '"') {
        const quoted = readQuoted(text, at, `${name}:${line}`);
        cell = quoted.cell;
        at = quoted.end;
        line += cell.split('\n').length - 1;
        if (at < text.length && text[at] !== delimiter && text[at] !== '\n' && text[at] !== '\r') {
          throw broken(
            `${name}:${line}`,
            `"${text[at]}" after a closing quote, expected the delimiter or the line's end`,
          );
        }
      } else {
        const start = at;
        while (at < text.length && text[at] !== delimiter && text[at] !== '\n' && text[at] !== '\r') at++;
        cell = text.slice(start, at);
      }
      row.cells.push(cell);
      more = text[at] === delimiter;
      if (more) at++;
    }
    if (text[at] === '\r') at++;
    if (text[at] === '\n') at++;
    line++;
    if (row.cells.length > 1 || row.cells[0]!.trim() !== '') rows.push(row);
  }
  return rows;
}

function readQuoted(text: string, from: number, where: string): { cell: string; end: number } {
  let cell = '';
  let at = from + 1;
  for (;;) {
    const close = text.indexOf('"', at);
    if (close < 0) throw broken(where, 'a quote is opened and never closed');
    cell += text.slice(at, close);
    if (text[close + 1] !== '"') return { cell, end: close + 1 };
    cell += '"';
    at = close + 2;
  }
}

function broken(where: string, message: string, hint?: string): DataError {
  return new DataError(message, { code: 'csv', where, hint });
}
