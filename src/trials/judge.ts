import { median } from '../flow/quantiles.ts';
import type { Random } from '../random/random.ts';
import { byLoss, lossOf } from './loss.ts';
import { BASELINE } from './plans.ts';
import { bootstrapMean, type Interval, wilsonInterval } from './statistics.ts';
import type { TrialResult } from './trial.ts';

/** What was measured of a plan over its seeds. */
export interface Judgement {
  readonly plan: string;
  readonly seeds: number;
  /** Trainings that broke down, or left a network whose loss is no number. */
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
  /**
   * Held-out loss less the baseline's, paired by seed and rows, of trainings that did not break down: below zero is
   * better. Undefined where fewer than two differences are known.
   */
  readonly againstBaseline?: Interval;
  /** The same against the best plan that is better than the baseline, or the first of all where none is. */
  readonly againstBest?: Interval;
}

export type Outcome =
  /** A plan is better than the baseline beyond chance. */
  | 'improved'
  /** Plans were tried, and none is better beyond chance. */
  | 'nothing-helps'
  /** Too few trials ended to tell. */
  | 'too-little-evidence';

export interface Ranking {
  readonly outcome: Outcome;
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
 * Judges trials of the same number of steps. Among the plans that are better than the baseline beyond chance and by a
 * worthwhile part, and that are not distinguishable from the best of them (the interval of their paired difference reaches
 * zero), the one that changes least wins.
 */
export function judgeTrials(
  results: readonly TrialResult[],
  sizeOf: (plan: string) => number,
  random: Random,
): Ranking {
  const of = (plan: string) => results.filter((result) => result.plan === plan && result.status !== 'failed');
  const against = (plan: string, other: string, name: string) =>
    intervalOf(pairedDifferences(of(plan), of(other)), random.fork(`${plan}/${name}`));
  const judged = [...new Set(results.map(({ plan }) => plan))]
    .filter((plan) => of(plan).length > 0)
    .map((plan) => describe(plan, of(plan), plan === BASELINE.id ? undefined : against(plan, BASELINE.id, 'baseline')))
    .sort((a, b) => byLoss(a.heldOutLoss, b.heldOutLoss) || sizeOf(a.plan) - sizeOf(b.plan));
  const baseline = judged.find(({ plan }) => plan === BASELINE.id);
  const isCandidate = ({ plan }: Judgement) => plan !== BASELINE.id;
  const isBetter = (one: Judgement) =>
    baseline !== undefined && isCandidate(one) && isWorthwhile(one, baseline) && isCertain(one, baseline);
  const reference = judged.find(isBetter) ?? judged[0];
  const judgements = judged.map((one): Judgement => {
    const interval = one === reference ? undefined : against(one.plan, reference!.plan, 'best');
    return interval ? { ...one, againstBest: interval } : one;
  });
  const [candidates, better] = [judgements.filter(isCandidate), judgements.filter(isBetter)];
  const conclusion =
    better.length > 0
      ? choose(better, candidates[0]!, sizeOf, rowsOf(results))
      : withoutWinner(baseline, candidates, results);
  return { ...conclusion, judgements };
}

function describe(plan: string, own: readonly TrialResult[], againstBaseline: Interval | undefined): Judgement {
  const accuracies = own.flatMap(({ heldOut }) => (heldOut?.accuracy === undefined ? [] : [heldOut.accuracy]));
  const rows = own.flatMap(({ heldOut }) => heldOut?.rows ?? [])[0];
  const decades = own.flatMap((result) => (result.decades ? [result.decades.before] : []));
  const after = own.flatMap((result) => result.decades?.after ?? []);
  return {
    plan,
    seeds: own.length,
    faults: own.filter(broke).length,
    heldOutLoss: median(own.map(lossOf)),
    ...(accuracies.length > 0 && { accuracy: median(accuracies) }),
    ...(accuracies.length > 0 && rows && { accuracyInterval: wilsonInterval(median(accuracies), rows) }),
    trainingLoss: median(own.map((result) => result.training.at(-1)?.loss ?? Number.NaN)),
    ...(decades.length > 0 && { decades: median(decades) }),
    ...(after.length > 0 && { decadesAfter: median(after) }),
    ...(againstBaseline && { againstBaseline }),
  };
}

/** Whether a plan gains enough to be worth a change, and breaks down no more often. */
function isWorthwhile(plan: Judgement, baseline: Judgement): boolean {
  if (!Number.isFinite(plan.heldOutLoss) || plan.faults * baseline.seeds > baseline.faults * plan.seeds) return false;
  const { heldOutLoss: before } = baseline;
  return !Number.isFinite(before) || plan.heldOutLoss < before - WORTHWHILE * Math.abs(before);
}

/** Whether chance is ruled out: by the interval, or because the baseline breaks down every time and the plan never. */
function isCertain(plan: Judgement, baseline: Judgement): boolean {
  if (baseline.faults === baseline.seeds) return plan.faults === 0;
  return (plan.againstBaseline?.high ?? 0) < 0;
}

function choose(
  better: readonly Judgement[],
  lowest: Judgement,
  sizeOf: (plan: string) => number,
  rows: string,
): Omit<Ranking, 'judgements'> {
  const best = better[0]!;
  const tied = better.filter((judgement) => judgement === best || (judgement.againstBest?.low ?? 0) <= 0);
  const winner = tied.sort((a, b) => sizeOf(a.plan) - sizeOf(b.plan))[0]!;
  const among = lowest.plan === best.plan ? '' : ' of those that are better beyond chance';
  const reason =
    winner === best
      ? `${winner.plan} has the lowest ${rows} loss${among}`
      : `${winner.plan} is not distinguishable from the best (${best.plan}) and changes less`;
  return { outcome: 'improved', winner: winner.plan, reason };
}

function withoutWinner(
  baseline: Judgement | undefined,
  candidates: readonly Judgement[],
  results: readonly TrialResult[],
): Omit<Ranking, 'judgements'> {
  const [closest] = candidates;
  if (!baseline || !closest) {
    const failed = results.find(({ plan, status }) => status === 'failed' && (plan === BASELINE.id || baseline));
    const what = baseline ? 'no plan was trained' : 'the baseline was not trained';
    const how = failed
      ? `: ${failed.plan === BASELINE.id ? '' : `${failed.plan}: `}${failed.error ?? 'no reason given'}`
      : ' within the budget';
    return { outcome: 'too-little-evidence', reason: `${what} to the end${how}` };
  }
  const rows = rowsOf(results);
  if (candidates.every(({ faults, seeds }) => faults === seeds)) {
    const reason = `every plan broke down in training${baseline.faults === baseline.seeds ? ', as the baseline did' : ''}`;
    return { outcome: 'nothing-helps', reason };
  }
  const seen = closest.againstBaseline;
  if (!seen && isWorthwhile(closest, baseline)) {
    const reason = `${closest.plan} has the lower ${rows} loss, but one figure each says nothing of chance: more seeds or more rows would`;
    return { outcome: 'too-little-evidence', reason };
  }
  const range = seen
    ? ` (${seen.mean.toPrecision(2)}, ${100 * seen.level} % between ${seen.low.toPrecision(2)} and ${seen.high.toPrecision(2)})`
    : '';
  return {
    outcome: 'nothing-helps',
    reason: `no plan lowers the ${rows} loss beyond chance and by ${100 * WORTHWHILE} %: the closest is ${closest.plan}${range}`,
  };
}

function rowsOf(results: readonly TrialResult[]): string {
  return results.some(({ heldOut }) => heldOut !== undefined) ? 'held-out' : 'training';
}

/** Differences of held-out losses, batch by batch, of the trials of two plans with the same seed that did not break down. */
function pairedDifferences(own: readonly TrialResult[], other: readonly TrialResult[]): number[][] {
  return own.flatMap((result) => {
    const twin = other.find(({ seed }) => seed === result.seed);
    if (!twin || broke(result) || broke(twin)) return [];
    const [a, b] = [lossesOf(result), lossesOf(twin)];
    return [Array.from({ length: Math.min(a.length, b.length) }, (_, i) => a[i]! - b[i]!)];
  });
}

/** Of one difference nothing is known but itself. */
function intervalOf(differences: readonly (readonly number[])[], random: Random): Interval | undefined {
  return differences.flat().length < 2 ? undefined : bootstrapMean(differences, random);
}

/** Held-out losses by batch; without held-out rows the training loss. */
function lossesOf(result: TrialResult): readonly number[] {
  return result.heldOutLosses ?? [lossOf(result)];
}

/** A training that stopped, or that left a network whose loss is no number. */
function broke(result: TrialResult): boolean {
  return !Number.isFinite(lossOf(result));
}
