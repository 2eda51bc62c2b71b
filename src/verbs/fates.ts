import type { Finding, Severity } from '../diagnosis/finding.ts';
import { rules } from '../diagnosis/rules/index.ts';
import type { FindingFate } from '../report/subject.ts';

const rank: Record<Severity, number> = { info: 0, warning: 1, error: 2 };
/** Rules that look at the whole network: there is one finding of each. */
const single: ReadonlySet<Finding['rule']> = new Set(['vanishing-gradient', 'exploding-gradient', 'non-finite']);
const decay: ReadonlySet<Finding['rule']> = new Set(['vanishing-gradient', 'exploding-gradient']);
/** Rules that only steps can answer: their notes are news. */
const overSteps: ReadonlySet<Finding['rule']> = new Set(
  rules.filter(({ about }) => about.needs === 'several steps').map(({ id }) => id),
);

/** What became of each finding, and what is new. */
export function fatesOf(before: readonly Finding[], after: readonly Finding[]): FindingFate[] {
  const known = before.map((finding): FindingFate => {
    const now = after.find((other) => isSame(finding, other)) ?? lastingEffect(finding, after);
    if (!now) return { rule: finding.rule, fate: 'withdrawn', before: finding };
    const isWeaker = rank[now.severity] < rank[finding.severity];
    return { rule: finding.rule, fate: isWeaker ? 'weaker' : 'confirmed', before: finding, after: now };
  });
  const others = after
    .filter((now) => now.severity !== 'info' || overSteps.has(now.rule))
    .filter((now) => !before.some((finding) => isSame(finding, now)));
  return [...known, ...others.map((now): FindingFate => ({ rule: now.rule, fate: 'new', after: now }))];
}

/** First weights are gone after a step: their finding stands while the gradient fares no better. */
function lastingEffect(before: Finding, after: readonly Finding[]): Finding | undefined {
  const lasts = after.some(({ rule, severity }) => decay.has(rule) && severity !== 'info');
  return before.rule === 'poor-initialization' && lasts ? before : undefined;
}

function isSame(a: Finding, b: Finding): boolean {
  if (a.rule !== b.rule || a.evidence.form !== b.evidence.form || hasOpened(a, b)) return false;
  return single.has(a.rule) || a.where.some((place) => b.where.includes(place));
}

/** Weights of zero that let nothing through, and now do: what is left to find is another matter. */
function hasOpened(before: Finding, after: Finding): boolean {
  const nothing = ({ evidence }: Finding) => evidence.totalDecades === Number.NEGATIVE_INFINITY;
  return before.severity === 'info' && nothing(before) && !nothing(after);
}

/** The findings as they stand after the steps: what they disprove no longer counts as an error. `how`: `10 steps of sgd`. */
export function adjustedBy(fates: readonly FindingFate[], how: string): Finding[] {
  return fates.map(({ fate, before: was, after: now }) => {
    switch (fate) {
      case 'withdrawn':
        return {
          ...was!,
          severity: 'info',
          title: `withdrawn after ${how}: ${was!.title}`,
          explanation: `Training disproves it: after ${how} nothing of it is found any more.`,
          remedies: [],
        };
      case 'weaker':
        return { ...now!, title: `${now!.title} after ${how}; before, ${was!.title}` };
      case 'new':
        return { ...now!, title: `after ${how}: ${now!.title}` };
      default:
        // A finding that got worse counts as what it has become. What steps alone can judge is judged by them.
        return overSteps.has(now!.rule) ? now! : { ...was!, severity: now!.severity };
    }
  });
}
