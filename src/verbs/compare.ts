import { UsageError } from '../graph/errors.ts';
import { type Comparison, compareReports, TOLERANCE } from '../report/compare.ts';
import { type SavedReport, savedReportOf } from '../report/read-json.ts';
import type { ReportSubject } from '../report/subject.ts';

export interface CompareOptions {
  /** Decades up to which a change is none; default 0.5. */
  readonly tolerance?: number;
  /** What the two are called; default their models' names. */
  readonly labels?: readonly [string, string];
  /** What was done before, in sentences for the report. */
  readonly notes?: readonly string[];
}

/** Two reports side by side: what got better or worse from a to b, and by how many decades. Throws UsageError. */
export function compare(
  a: ReportSubject | SavedReport,
  b: ReportSubject | SavedReport,
  { tolerance = TOLERANCE, labels, notes = [] }: CompareOptions = {},
): Comparison {
  if (!(tolerance >= 0 && Number.isFinite(tolerance))) {
    const hint = 'expected a number of 0 or more decades, such as 0.5';
    throw new UsageError(`a tolerance of ${tolerance}`, { code: 'option-value', where: '--tolerance', hint });
  }
  const [left, right] = [a, b].map((given) => ('schema' in given ? given : savedReportOf(given))) as [
    SavedReport,
    SavedReport,
  ];
  const [first, second] = labels ?? [left.model.name, right.model.name];
  const comparison = compareReports({ label: first, report: left }, { label: second, report: right }, tolerance);
  return notes.length === 0 ? comparison : { ...comparison, notes: [...notes, ...comparison.notes] };
}

/** Options that say how a model is measured, by the names they have on the command line. */
const measuring = { data: 'data', inputs: 'input', target: 'target', loss: 'loss', output: 'model-output' } as const;
const drawing = {
  size: 'batch',
  seed: 'seed',
  init: 'init',
  optimizer: 'optimizer',
  learningRate: 'lr',
  steps: 'steps',
} as const;

/** Where both sides are reports, options for measuring change nothing: the note that says so. */
export function noteUnused(options: Partial<Record<keyof typeof measuring | keyof typeof drawing, unknown>>): string[] {
  const given = Object.entries({ ...measuring, ...drawing }).filter(([key]) => {
    const value = options[key as keyof typeof options];
    return value !== undefined && value !== 'auto';
  });
  if (given.length === 0) return [];
  return [
    `both are reports, which are taken as they are: ${given.map(([, name]) => `--${name}`).join(', ')} changed nothing`,
  ];
}
