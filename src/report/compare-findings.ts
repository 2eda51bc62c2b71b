import type { Severity } from '../diagnosis/finding.ts';
import type { SavedFinding } from './read-json.ts';

/** What became of a finding from a to b. */
export interface FindingChange {
  readonly rule: string;
  readonly change: 'new' | 'gone' | 'worse' | 'better' | 'same';
  readonly a?: Pick<SavedFinding, 'severity' | 'title'>;
  readonly b?: Pick<SavedFinding, 'severity' | 'title'>;
  /** Decades by which it got worse, where the rule counts in decades. */
  readonly decadesWorse?: number;
  /** What a check fails on, in words. */
  readonly regression?: string;
  readonly improvement?: string;
}

/** What measures a finding: decades (the farther from 0, the worse), or a part of the units. */
const decadeKeys = ['effectiveDecades', 'recurrenceDecades', 'derivativeDecades', 'totalDecades'];
const partKeys = ['deadFraction', 'saturatedFraction'];
/** A tenth of a layer's units: less comes and goes with the batch. */
const PART_TOLERANCE = 0.1;

const rank: Record<Severity, number> = { info: 0, warning: 1, error: 2 };

/**
 * Matches findings by rule and place and says what became of each. `renamed`: names of b's layers → those of a's that
 * they stand for. `tolerance`: decades up to which a change is none.
 */
export function compareFindings(
  a: readonly SavedFinding[],
  b: readonly SavedFinding[],
  renamed: ReadonlyMap<string, string>,
  tolerance: number,
): FindingChange[] {
  const partners = new Map<SavedFinding, SavedFinding>();
  const free = new Set(b);
  const pair = (is: (from: SavedFinding, to: SavedFinding) => boolean) => {
    for (const from of a) {
      if (partners.has(from)) continue;
      const to = [...free].find((other) => other.rule === from.rule && is(from, other));
      if (to === undefined) continue;
      partners.set(from, to);
      free.delete(to);
    }
  };
  pair((from, to) => from.where.some((place) => to.where.some((other) => (renamed.get(other) ?? other) === place)));
  // What is left of a rule has moved elsewhere.
  pair(() => true);
  const known = a.map((from) => {
    const to = partners.get(from);
    return to ? changed(from, to, tolerance) : gone(from);
  });
  const changes = [...[...free].map(added), ...known];
  const weight = ({ a: from, b: to }: FindingChange) =>
    Math.max(...[from, to].map((side) => (side ? rank[side.severity] : 0)));
  return changes.sort((x, y) => weight(y) - weight(x));
}

function added(finding: SavedFinding): FindingChange {
  const { rule, severity, title } = finding;
  const regression = severity === 'error' ? { regression: `new error: ${rule}: ${title}` } : {};
  return { rule, change: 'new', b: shown(finding), ...regression };
}

function gone(finding: SavedFinding): FindingChange {
  const { rule, severity, title } = finding;
  const improvement = severity === 'error' ? { improvement: `an error is gone: ${rule}: ${title}` } : {};
  return { rule, change: 'gone', a: shown(finding), ...improvement };
}

function changed(from: SavedFinding, to: SavedFinding, tolerance: number): FindingChange {
  const { rule } = from;
  const sides = { rule, a: shown(from), b: shown(to) };
  const decades = grown(from, to, decadeKeys);
  const counted = decades === undefined || Number.isNaN(decades) ? {} : { decadesWorse: decades };
  const byRank = rank[to.severity] - rank[from.severity];
  if (byRank > 0) {
    const regression = to.severity === 'error' ? { regression: `${rule} is an error now: ${to.title}` } : {};
    return { ...sides, change: 'worse', ...counted, ...regression };
  }
  if (byRank < 0) {
    const improvement = from.severity === 'error' ? { improvement: `${rule} is no error any more: ${to.title}` } : {};
    return { ...sides, change: 'better', ...counted, ...improvement };
  }
  const moved = movement(from, to, decades, tolerance);
  if (moved === 0) return { ...sides, change: 'same', ...counted };
  const isError = to.severity === 'error';
  if (moved > 0) {
    return { ...sides, change: 'worse', ...counted, ...(isError && { regression: `${rule} got worse: ${to.title}` }) };
  }
  return { ...sides, change: 'better', ...counted, ...(isError && { improvement: `${rule} got better: ${to.title}` }) };
}

/** 1: worse, −1: better, 0: much the same; by decades, else by units, else by the number of places. */
function movement(from: SavedFinding, to: SavedFinding, decades: number | undefined, tolerance: number): number {
  if (decades !== undefined) return Math.abs(decades) > tolerance ? Math.sign(decades) : 0;
  const part = grown(from, to, partKeys);
  if (part !== undefined) return Math.abs(part) > PART_TOLERANCE ? Math.sign(part) : 0;
  return Math.sign(to.where.length - from.where.length);
}

/** By how much the first of these figures that both findings have grew in size; undefined where they share none. */
function grown(from: SavedFinding, to: SavedFinding, keys: readonly string[]): number | undefined {
  const key = keys.find((name) => name in from.evidence && name in to.evidence);
  if (key === undefined) return undefined;
  const [before, after] = [Math.abs(Number(from.evidence[key])), Math.abs(Number(to.evidence[key]))];
  return before === after ? 0 : after - before;
}

function shown({ severity, title }: SavedFinding): Pick<SavedFinding, 'severity' | 'title'> {
  return { severity, title };
}
