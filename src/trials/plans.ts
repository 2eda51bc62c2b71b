import { effectiveDecades } from '../diagnosis/decay.ts';
import type { Patient, Remedy, RemedyChange } from '../remedies/remedy.ts';
import type { Plan } from './trial.ts';

/** A plan with what speaks for it. */
export interface ProposedPlan extends Plan {
  readonly titles: readonly string[];
  /** Why each remedy fits this network. */
  readonly reasons: readonly string[];
  readonly changes: RemedyChange;
}

export const BASELINE: Plan = { id: 'baseline', remedies: [] };

/** Pairs with one remedy at most, as long as there are others. */
const PAIRS_OF_ONE = 2;

/** What is left of a vanished gradient at this distance from zero passes as well as any: a factor of three. */
const AS_GOOD = 0.5;

const rank: Record<RemedyChange, number> = { exact: 0, 'changes-training': 1, 'changes-model': 2 };

/** How much a set of remedies changes: by its deepest change, then by their number. */
export function sizeOfChange(remedies: readonly Remedy[]): number {
  return Math.max(0, ...remedies.map(({ changes }) => rank[changes])) * 10 + remedies.length;
}

/**
 * Plans worth trying, the most promising first: every remedy that fits, alone, and pairs of those whose parts take away
 * different causes. Ranked by the decades predicted to remain, then by how little they change; what predicts nothing of
 * the gradient (a learning rate, a pairing of output and loss) stands by its own right, in the order of `remedies`.
 */
export function proposePlans(patient: Patient, remedies: readonly Remedy[], most = 12): ProposedPlan[] {
  const { attribution } = patient.diagnosis;
  const measured = attribution ? Math.abs(effectiveDecades(attribution.byKind)) : 0;
  const fitting = remedies.flatMap((remedy) => {
    const reason = remedy.applies(patient);
    return reason === undefined ? [] : [{ remedy, reason, predicted: remedy.predict(patient) }];
  });
  const planOf = (parts: readonly (typeof fitting)[number][]): ProposedPlan => {
    const of = new Map(parts.map(({ remedy, predicted }) => [remedy, predicted]));
    const best = predictTogether([...of.keys()], patient, (remedy) => of.get(remedy));
    return {
      id: parts.map(({ remedy }) => remedy.id).join('+'),
      remedies: parts.map(({ remedy }) => remedy.id),
      ...(best !== undefined && { predictedDecades: best }),
      titles: parts.map(({ remedy }) => remedy.title),
      reasons: parts.map(({ reason }) => reason),
      changes: parts.map(({ remedy }) => remedy.changes).reduce((a, b) => (rank[a] >= rank[b] ? a : b)),
    };
  };
  const single = fitting.map((part) => planOf([part]));
  const pairs = fitting.flatMap((first, i) =>
    fitting
      .slice(i + 1)
      .filter((second) => goTogether(first.remedy, second.remedy, patient))
      .map((second) => planOf([first, second])),
  );
  const sizes = new Map(remedies.map((remedy) => [remedy.id, remedy]));
  const size = (plan: Plan) => sizeOfChange(plan.remedies.map((id) => sizes.get(id)!));
  // Steps of half a decade: between predictions closer than that, the smaller change goes first.
  const left = ({ predictedDecades }: Plan) =>
    Math.round(Math.abs(predictedDecades ?? Math.min(measured, AS_GOOD)) / AS_GOOD);
  const ranked = (plans: ProposedPlan[]) => plans.sort((a, b) => left(a) - left(b) || size(a) - size(b));
  const alone = ranked(single);
  const together = ranked(pairs);
  const forPairs = Math.min(together.length, Math.max(Math.floor(most / 3), most - alone.length));
  const chosen = choosePairs(together, forPairs, (id) => sizes.get(id)!.removes.length > 0);
  return [...alone.slice(0, most - chosen.length), ...chosen];
}

/**
 * Some pairs of many, in their order: half of them such whose parts both take a cause away, where there are, and of each
 * such remedy no more than a few, so that not all of them are one remedy with one optimizer after another.
 */
function choosePairs(
  pairs: readonly ProposedPlan[],
  most: number,
  takesAway: (remedy: string) => boolean,
): ProposedPlan[] {
  const used = new Map<string, number>();
  const take = (from: readonly ProposedPlan[], count: number): ProposedPlan[] => {
    const taken: ProposedPlan[] = [];
    for (const pair of from) {
      const own = pair.remedies.filter(takesAway);
      if (taken.length === count || own.some((id) => (used.get(id) ?? 0) >= PAIRS_OF_ONE)) continue;
      for (const id of own) used.set(id, (used.get(id) ?? 0) + 1);
      taken.push(pair);
    }
    return taken;
  };
  const isDouble = ({ remedies }: ProposedPlan) => remedies.every(takesAway);
  const double = take(pairs.filter(isDouble), Math.ceil(most / 2));
  const others = take(
    pairs.filter((pair) => !isDouble(pair)),
    most - double.length,
  );
  const rest = pairs.filter((pair) => !double.includes(pair) && !others.includes(pair));
  const chosen = new Set([...double, ...others, ...rest.slice(0, most - double.length - others.length)]);
  return pairs.filter((pair) => chosen.has(pair));
}

/** A plan with what its remedies predict of the gradient. */
export function foresee<T extends Plan>(plan: T, patient: Patient, remedies: ReadonlyMap<string, Remedy>): T {
  const own = plan.remedies.flatMap((id) => remedies.get(id) ?? []);
  const best = predictTogether(own, patient, (remedy) => remedy.predict(patient));
  return best === undefined ? plan : { ...plan, predictedDecades: best };
}

/**
 * Decades that remedies leave together: those of the one that leaves least; but a normalization that completes fresh
 * weights undoes their scale, and leaves what it leaves by itself.
 */
function predictTogether(
  remedies: readonly Remedy[],
  patient: Patient,
  predict: (remedy: Remedy) => number | undefined,
): number | undefined {
  const last = remedies.filter(({ id }) => remedies.some((other) => other.completedBy?.(patient).includes(id)));
  const predicted = (last.length > 0 ? last : remedies).map(predict).filter((x) => x !== undefined);
  return predicted.sort((a, b) => Math.abs(a) - Math.abs(b))[0];
}

/** Two remedies make a plan where they take away different causes, or one completes the other, and neither rules the other out. */
function goTogether(a: Remedy, b: Remedy, patient: Patient): boolean {
  if (a.conflicts.includes(b.id) || b.conflicts.includes(a.id)) return false;
  // Two changes of how steps are taken; weights drawn anew go with either.
  if (a.removes.length === 0 && b.removes.length === 0) return false;
  if (a.completedBy?.(patient).includes(b.id) || b.completedBy?.(patient).includes(a.id)) return true;
  return a.removes.length === 0 || b.removes.length === 0 || !a.removes.some((cause) => b.removes.includes(cause));
}
