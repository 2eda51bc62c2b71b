import { DataError, UsageError } from '../graph/errors.ts';
import { decodeJson, encodeJson, type JsonValue } from './json-values.ts';

/** One line of a metrics file. */
export interface MetricsLine {
  readonly step: number;
  readonly [name: string]: JsonValue;
}

/** The metrics of a file, and whether its last line was torn. */
export interface Metrics {
  readonly lines: readonly MetricsLine[];
  readonly torn: boolean;
}

/** A metrics line, its newline included; NaN and infinities become strings. Throws UsageError for the step. */
export function encodeMetrics(line: MetricsLine): string {
  if (!Number.isSafeInteger(line.step)) {
    throw new UsageError(`a step is an integer, got ${line.step}`, { code: 'step' });
  }
  return `${encodeJson(line)}\n`;
}

/**
 * Reads a metrics file. A last line without its newline was torn by a crash and is left out. Throws DataError with
 * the number of a line that is broken elsewhere.
 */
export function parseMetrics(text: string, name: string): Metrics {
  const rows = text.split('\n');
  const last = rows.pop()!;
  const lines: MetricsLine[] = [];
  rows.forEach((row, i) => {
    if (row.trim() !== '') lines.push(parseLine(row, `${name}, line ${i + 1}`));
  });
  return { lines, torn: last !== '' };
}

/** The line with which a resumed run begins: what was said of later steps is void. */
export function restartLine(step: number): MetricsLine {
  return { step, restart: true };
}

/** The lines that hold: steps that an interrupted run logged after its last checkpoint were logged again. */
export function currentMetrics(lines: readonly MetricsLine[]): MetricsLine[] {
  let current: MetricsLine[] = [];
  for (const line of lines) {
    if (line.restart === true) current = current.filter(({ step }) => step <= line.step);
    else current.push(line);
  }
  return current;
}

function parseLine(row: string, where: string): MetricsLine {
  const hint = 'each line is a JSON object with an integer "step"';
  let value: JsonValue;
  try {
    value = decodeJson(row);
  } catch (cause) {
    throw new DataError(`is not JSON: ${row.slice(0, 60)}`, { code: 'metrics', where, hint, cause });
  }
  if (typeof value !== 'object' || value === null || !Number.isSafeInteger((value as { step?: unknown }).step)) {
    throw new DataError(`is not a metrics line: ${row.slice(0, 60)}`, { code: 'metrics', where, hint });
  }
  return value as unknown as MetricsLine;
}
