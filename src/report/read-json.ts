import { z } from 'zod';
import { DataError } from '../graph/errors.ts';
import { REPORT_SCHEMA, reportOf } from './json.ts';
import type { ReportSubject } from './subject.ts';

/** Far beyond any report: a network of 10 000 parameters has some 30 MB. */
const LARGEST = 256 * 2 ** 20;

/** A number of the contract: what JSON cannot hold is a string there. */
const number = z
  .custom<number | string>(isNumber, 'expected a number, "NaN", "Infinity" or "-Infinity"')
  .transform(Number);
const text = z.string();
const count = z.number().int().nonnegative();
const decadesByKind = z.record(z.string(), number);

const finding = z.object({
  rule: text,
  severity: z.enum(['error', 'warning', 'info']),
  title: text,
  where: z.array(text),
  evidence: z.record(
    z.string(),
    z.custom<number | string>((x) => typeof x === 'string' || isNumber(x)),
  ),
});

const reportSchema = z.object({
  schema: z.literal(REPORT_SCHEMA),
  verdict: text,
  model: z.object({ name: text, format: text, parameters: count, operators: z.record(z.string(), count) }),
  probe: z.object({
    loss: number,
    batch: count,
    seed: count,
    lossKind: text,
    data: text,
    detail: text.optional(),
    optimizer: text.optional(),
    learningRate: number.optional(),
    command: text.optional(),
  }),
  parameters: z.array(z.object({ name: text, layer: text, updateRatio: number.nullable() })),
  flow: z.array(z.object({ value: text, layer: text, kind: text, decadesFromOutput: number })),
  layerGradients: z
    .array(
      z.object({
        layer: text,
        mixes: z.boolean(),
        decadesFromOutput: number,
        weightGradientDecades: number.nullable(),
        updateRatio: number.nullable(),
      }),
    )
    .optional(),
  attribution: z.object({ totalDecades: number, byKind: decadesByKind }),
  steps: z.object({ count, before: z.object({ loss: number }), after: z.object({ loss: number }) }).optional(),
  findings: z.array(finding),
});

/** What a JSON report says, as far as two of them can be compared. */
export type SavedReport = z.output<typeof reportSchema>;
export type SavedFinding = SavedReport['findings'][number];

/** The same of a report that was just made. */
export function savedReportOf(subject: ReportSubject): SavedReport {
  return reportSchema.parse(reportOf(subject));
}

/** Whether a file is a report of this program, whole or damaged, of whatever version. */
export function isReport(bytes: Uint8Array): boolean {
  const head = new TextDecoder().decode(bytes.subarray(0, 4096));
  return /^\s*\{/.test(head) && /"schema"\s*:\s*"gradient-doctor\//.test(head);
}

/**
 * Reads a JSON report. Throws DataError for one of another version, one that is cut off, and one whose content is not
 * the contract's; the message says where.
 */
export function readReport(bytes: Uint8Array, where: string): SavedReport {
  if (bytes.length > LARGEST) {
    const message = `is ${bytes.length} bytes; reports of up to ${LARGEST} are read`;
    throw new DataError(message, { code: 'too-large', where });
  }
  let data: unknown;
  try {
    data = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw damaged(`is no whole JSON report: ${(error as Error).message}`, where);
  }
  const version = (data as { schema?: unknown } | null)?.schema;
  if (version !== REPORT_SCHEMA) {
    const found = typeof version === 'string' ? `"${version.slice(0, 80)}"` : 'none';
    throw new DataError(`is a report of another kind: its schema is ${found}, expected "${REPORT_SCHEMA}"`, {
      code: 'report-version',
      where,
      hint: 'make the report again with this version: gradient-doctor diagnose MODEL --format json',
    });
  }
  const result = reportSchema.safeParse(data);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw damaged(`is no report as docs/report-json.md describes it: ${pathOf(issue!.path)}: ${issue!.message}`, where);
}

function damaged(message: string, where: string): DataError {
  const hint = 'make the report again: gradient-doctor diagnose MODEL --format json';
  return new DataError(message, { code: 'report-damaged', where, hint });
}

function pathOf(path: readonly PropertyKey[]): string {
  const parts = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key).slice(0, 80)}`));
  return parts.join('').replace(/^\./, '') || 'the whole';
}

function isNumber(x: unknown): x is number | string {
  return typeof x === 'number' || x === 'NaN' || x === 'Infinity' || x === '-Infinity';
}
