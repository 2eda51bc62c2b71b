import type { Explanation, Topic } from './explanation.ts';

export const EXPLANATION_SCHEMA = 'gradient-doctor/explanation@1';

/** An explanation for scripts; numbers that are not finite are strings, as in the report. */
export function renderExplanationJson(explanation: Explanation): string {
  return write({ schema: EXPLANATION_SCHEMA, ...explanation });
}

/** The list of topics for scripts. */
export function renderTopicsJson(topics: readonly Topic[]): string {
  return write({
    schema: EXPLANATION_SCHEMA,
    available: topics.map(({ id, family, title, summary, aliases }) => ({ id, family, title, summary, aliases })),
  });
}

function write(value: unknown): string {
  const finite = (_key: string, entry: unknown) =>
    typeof entry === 'number' && !Number.isFinite(entry) ? String(entry) : entry;
  return `${JSON.stringify(value, finite, 2)}\n`;
}
