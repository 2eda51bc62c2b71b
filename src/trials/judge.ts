import { median } from '../flow/quantiles.ts';
import type { Random } from '../random/random.ts';
import { BASELINE } from './plans.ts';
import { bootstrapMean, type Interval, wilsonInterval } from './statistics.ts';
import type { TrialResult } from './trial.ts';

/** What was measured of a plan over its seeds. */
export interface Judgement {
  readonly plan: string;
  readonly seeds: number;
  /** Trainings that broke down. */
  readonly faults: number;
  readonly heldOutLoss: number;
  readonly accuracy?: number;
  /** Where it may lie, for so many rows held out: seeds share them, so that more seeds make it no narrower. */
  readonly accuracyInterval?: Interval;
  readonly trainingLoss: number;
  /** Effective decades before training, median over seeds. */
  readonly decades?: number;
  /** The same after training. */
  readonly decadesAfter?: number;
  /** Held-out loss less the baseline's, paired by seed and rows: below zero is better. */
  readonly againstBaseline?: Interval;
  /** The same against the best plan. */
  readonly againstBest?: Interval;
}

export type Outcome =
  /** A plan is better than the baseline beyond chance. */
  | 'improved'
  /** Plans were tried, and none is better beyond chance. */
  | 'nothing-helps'
  /** Too few trials ended to tell. */
  | 'too-little-evidence';

export type Measure = 'loss' | 'error';

export interface Ranking {
  readonly outcome: Outcome;
  /** What plans were compared by: `loss`, or `error`, the part of held-out rows answered wrongly. */
  readonly measure: Measure;
  /** The plan to use; undefined unless improved. */
  readonly winner?: string;
  /** Best first, the baseline among them. */
  readonly judgements: readonly Judgement[];
  /** One sentence on why. */
  readonly reason: string;
}

/** An improvement smaller than this part of the baseline's loss is not worth a changed network, however certain. */
const WORTHWHILE = 0.02;

/**
 * Trials on one scale. Plans trained with different losses are compared by the part of held-out rows they answer wrongly,
 * where every trial knows it; else those with another loss than the baseline's are left out, for two losses are no more
 * comparable than metres and seconds.
 */
export function onOneScale(
  results: readonly TrialResult[],
  lossOf: (plan: string) => string,
): { readonly results: readonly TrialResult[]; readonly measure: Measure } {
  const own = lossOf(BASELINE.id);
  if (results.every(({ plan }) => lossOf(plan) === own)) return { results, measure: 'loss' };
  const scored = results.filter(({ status }) => status === 'done');
  if (scored.every(({ heldOut }) => heldOut?.accuracy !== undefined)) {
    const wrong = (result: TrialResult): TrialResult => {
      if (result.heldOut?.accuracy === undefined) return result;
      const error = 1 - result.heldOut.accuracy;
      return { ...result, heldOut: { ...result.heldOut, loss: error }, heldOutLosses: [error] };
    };
    return { results: results.map(wrong), measure: 'error' };
  }
  return { results: results.filter(({ plan }) => lossOf(plan) === own), measure: 'loss' };
}

/**
 * Judges trials of the same number of steps, on one scale (`onOneScale`). Among the plans that are not distinguishable from the best (the interval
 * of their paired difference reaches zero), the one that changes least wins, provided it is better than the baseline
 * beyond chance and by a worthwhile part.
 */
export function judgeTrials(
  results: readonly TrialResult[],
  sizeOf: (plan: string) => number,
  random: Random,
  measure: Measure = 'loss',
): Ranking {
  const plans = [...new Set(results.map(({ plan }) => plan))];
  const of = (plan: string) => results.filter((result) => result.plan === plan && result.status !== 'failed');
  const scored = plans.filter((plan) => of(plan).length > 0);
  const best = scored
    .map((plan) => ({ plan, loss: median(of(plan).map(lossOf)) }))
    .sort((a, b) => a.loss - b.loss || sizeOf(a.plan) - sizeOf(b.plan));
  const baseline = of(BASELINE.id);
  const first = best[0];
  const judgements = best.map(({ plan, loss }): Judgement => {
    const own = of(plan);
    const accuracies = own.flatMap(({ heldOut }) => (heldOut?.accuracy === undefined ? [] : [heldOut.accuracy]));
    const rows = own.flatMap(({ heldOut }) => heldOut?.rows ?? [])[0];
    const decades = own.flatMap((result) => (result.decades ? [result.decades.before] : []));
    const after = own.flatMap((result) => result.decades?.after ?? []);
    const against = (other: readonly TrialResult[], name: string) =>
      bootstrapMean(pairedDifferences(own, other), random.fork(`${plan}/${name}`));
    return {
      plan,
      seeds: own.length,
      faults: own.filter(({ status }) => status === 'fault').length,
      heldOutLoss: loss,
      ...(accuracies.length > 0 && { accuracy: median(accuracies) }),
      ...(accuracies.length > 0 && rows && { accuracyInterval: wilsonInterval(median(accuracies), rows) }),
      trainingLoss: median(own.map((result) => result.training.at(-1)?.loss ?? Number.NaN)),
      ...(decades.length > 0 && { decades: median(decades) }),
      ...(after.length > 0 && { decadesAfter: median(after) }),
      ...(plan !== BASELINE.id && baseline.length > 0 && { againstBaseline: against(baseline, 'baseline') }),
      ...(first && plan !== first.plan && { againstBest: against(of(first.plan), 'best') }),
    };
  });
  const rows = results.some(({ heldOut }) => heldOut !== undefined) ? 'held-out' : 'training';
  return { ...conclude(judgements, sizeOf, `${rows} ${measure}`), judgements, measure };
}

function conclude(
  judgements: readonly Judgement[],
  sizeOf: (plan: string) => number,
  /** What was compared, in words. */
  what: string,
): Omit<Ranking, 'judgements' | 'measure'> {
  const baseline = judgements.find(({ plan }) => plan === BASELINE.id);
  const candidates = judgements.filter(({ plan }) => plan !== BASELINE.id);
  if (!baseline || candidates.length === 0) {
    const missing = baseline ? 'no plan was trained' : 'the baseline was not trained';
    return { outcome: 'too-little-evidence', reason: `${missing} to the end within the budget` };
  }
  const worthwhile = (judgement: Judgement) => {
    if (!Number.isFinite(judgement.heldOutLoss)) return false;
    if (!Number.isFinite(baseline.heldOutLoss) || baseline.faults === baseline.seeds) return judgement.faults === 0;
    return judgement.heldOutLoss < (1 - WORTHWHILE) * baseline.heldOutLoss;
  };
  const better = candidates.filter((judgement) => worthwhile(judgement) && (judgement.againstBaseline?.high ?? 0) < 0);
  if (better.length === 0) {
    const closest = candidates[0]!;
    const seen = closest.againstBaseline;
    const range = seen
      ? ` (${seen.mean.toPrecision(2)}, ${100 * seen.level} % between ${seen.low.toPrecision(2)} and ${seen.high.toPrecision(2)})`
      : '';
    return {
      outcome: 'nothing-helps',
      reason: `no plan lowers the ${what} beyond chance and by ${100 * WORTHWHILE} %: the closest is ${closest.plan}${range}`,
    };
  }
  const best = better[0]!;
  const tied = better.filter((judgement) => judgement === best || (judgement.againstBest?.low ?? 0) <= 0);
  const winner = tied.sort((a, b) => sizeOf(a.plan) - sizeOf(b.plan))[0]!;
  const reason =
    winner === best
      ? `${winner.plan} has the lowest ${what}`
      : `${winner.plan} is not distinguishable from the best (${best.plan}) and changes less`;
  return { outcome: 'improved', winner: winner.plan, reason };
}

/** Differences of held-out losses, batch by batch, of the trials of two plans with the same seed. */
function pairedDifferences(own: readonly TrialResult[], other: readonly TrialResult[]): number[][] {
  return own.flatMap((result) => {
    const twin = other.find(({ seed }) => seed === result.seed);
    if (!twin) return [];
    const [a, b] = [lossesOf(result), lossesOf(twin)];
    return [Array.from({ length: Math.min(a.length, b.length) }, (_, i) => a[i]! - b[i]!)];
  });
}

/** Held-out losses by batch; of a training that broke down, infinities; without held-out rows the training loss. */
function lossesOf(result: TrialResult): readonly number[] {
  if (result.status === 'fault') return result.heldOutLosses?.map(() => Number.POSITIVE_INFINITY) ?? [lossOf(result)];
  return result.heldOutLosses ?? [lossOf(result)];
}

function lossOf(result: TrialResult): number {
  if (result.status === 'fault') return Number.POSITIVE_INFINITY;
  return result.heldOut?.loss ?? result.training.at(-1)?.loss ?? Number.POSITIVE_INFINITY;
}
