import { effectiveDecades } from '../../diagnosis/decay.ts';
import { median } from '../../flow/quantiles.ts';
import type { RemedyChange } from '../../remedies/remedy.ts';
import type { Interval } from '../../trials/statistics.ts';
import type { TrialResult } from '../../trials/trial.ts';
import type { Cell, Series } from '../explanation.ts';
import { type LayerRow, layerRows, leadingRows } from '../layer-rows.ts';
import { counted, showCount, showDecades, showNumber } from '../numbers.ts';
import type { ReportSubject } from '../subject.ts';
import type { Treatment, TreatmentOutcome } from './treatment.ts';

/** Frameworks that a change is written out for. */
export const frameworks = ['pytorch', 'keras', 'tfjs'] as const;
export type Framework = (typeof frameworks)[number];

export const frameworkNames: Readonly<Record<Framework, string>> = {
  pytorch: 'PyTorch',
  keras: 'Keras',
  tfjs: 'TensorFlow.js',
};
/** For highlighting. */
export const frameworkLanguages: Readonly<Record<Framework, string>> = {
  pytorch: 'python',
  keras: 'python',
  tfjs: 'js',
};

export interface TreatmentOptions {
  /** Whose code is shown, default PyTorch's. */
  readonly frameworks?: readonly Framework[];
}

const BASELINE = 'baseline';

/** One plan of the last round. */
export interface PlanRow {
  readonly plan: string;
  readonly changes: RemedyChange | undefined;
  readonly isBaseline: boolean;
  readonly isWinner: boolean;
  readonly predicted: number | undefined;
  readonly measured: number | undefined;
  readonly loss: number;
  readonly trained: number | undefined;
  readonly accuracy: number | undefined;
  readonly accuracyInterval: Interval | undefined;
  readonly interval: Interval | undefined;
  readonly seeds: number;
  readonly faults: number;
  readonly parameters: number | undefined;
  readonly secondsPerStep: number | undefined;
}

/** The plans of the last round, best first, the baseline among them. */
export function planRows({ ranking, plans, results, parameters }: Treatment): PlanRow[] {
  return (ranking?.judgements ?? []).map((judgement) => {
    const { plan, heldOutLoss, accuracy, accuracyInterval, againstBaseline, seeds, faults } = judgement;
    const proposed = plans.find(({ id }) => id === plan);
    const paces = results.flatMap((one) => (one.plan === plan ? (one.secondsPerStep ?? []) : []));
    return {
      plan,
      changes: proposed?.changes,
      isBaseline: plan === BASELINE,
      isWinner: plan === ranking?.winner,
      predicted: proposed?.predictedDecades,
      measured: judgement.decades,
      trained: judgement.decadesAfter,
      loss: heldOutLoss,
      accuracy,
      accuracyInterval,
      interval: againstBaseline,
      seeds,
      faults,
      parameters: parameters.get(plan),
      secondsPerStep: paces.length > 0 ? median(paces) : undefined,
    };
  });
}

/** A plan that was given up before the last round, or could not be tried. */
export interface DroppedPlan {
  readonly plan: string;
  readonly reason: string;
  /** Of one that was given up for being worse than others. */
  readonly after?: { readonly steps: number; readonly loss: number };
  /** Decades, of one that was not trained. */
  readonly predicted?: number;
}

/** Every plan that does not stand in the last round's table, and why. */
export function droppedPlans({ plans, skipped, results, ranking, winner }: Treatment): DroppedPlan[] {
  const judged = new Set(ranking?.judgements.map(({ plan }) => plan));
  const dropped = plans
    .filter(({ id }) => !judged.has(id) && id !== winner?.plan.id)
    .map(({ id, predictedDecades: predicted }): DroppedPlan => {
      const own = results.filter(({ plan }) => plan === id);
      const last = own.at(-1);
      if (!last) return { plan: id, reason: 'not trained', ...(predicted !== undefined && { predicted }) };
      return {
        plan: id,
        reason: sayResult(last),
        ...(last.status === 'done' && { after: { steps: last.steps, loss: lossOf(last) } }),
      };
    });
  const failed = (ranking?.judgements ?? []).flatMap(({ plan }) => {
    const broken = results.find((result) => result.plan === plan && result.status === 'failed');
    return broken ? [{ plan, reason: sayResult(broken) }] : [];
  });
  return [
    ...dropped,
    ...failed,
    ...skipped.map(({ plan, reason }) => ({ plan: plan.id, reason: `left out: ${reason}` })),
  ];
}

function sayResult(result: TrialResult): string {
  const { status, steps, heldOut, fault, error } = result;
  if (status === 'failed') return `could not be run: ${error ?? 'no reason given'}`;
  if (status === 'fault') return `broke down at step ${fault?.step ?? '?'}: ${fault?.message ?? fault?.kind ?? ''}`;
  return `given up after ${counted(steps, 'step')} at a ${heldOut ? 'held-out ' : ''}loss of ${showNumber(lossOf(result))}`;
}

function lossOf({ heldOut, training }: TrialResult): number {
  return heldOut?.loss ?? training.at(-1)?.loss ?? Number.NaN;
}

/** The same in few lines: plans given up after as many steps share one. */
export function sayDropped(treatment: Treatment): string[] {
  const dropped = droppedPlans(treatment);
  const bySteps = new Map<number, string[]>();
  for (const { plan, after } of dropped) {
    if (after) bySteps.set(after.steps, [...(bySteps.get(after.steps) ?? []), `${plan} ${showNumber(after.loss)}`]);
  }
  const kind = lossName(treatment);
  const given = [...bySteps].map(([steps, plans]) => {
    return `given up after ${counted(steps, 'step')}, by ${kind}: ${plans.join(', ')}`;
  });
  const untried = dropped.filter(({ reason }) => reason === 'not trained');
  const named = untried.map(({ plan, predicted }) => {
    return predicted === undefined ? plan : `${plan} (${showDecades(predicted)} predicted)`;
  });
  const others = dropped.filter((one) => !one.after && !untried.includes(one));
  return [
    ...given,
    ...(named.length > 0 ? [`not trained: ${named.join(', ')}`] : []),
    ...others.map(({ plan, reason }) => `${plan}: ${reason}`),
  ];
}

/** What a treatment came to, in a word or two, and how good that is. */
export const outcomeWords: Readonly<Record<TreatmentOutcome, { word: string; tone: 'good' | 'warning' | 'error' }>> = {
  improved: { word: 'improved', tone: 'good' },
  healthy: { word: 'healthy', tone: 'good' },
  'nothing-helps': { word: 'nothing helps', tone: 'error' },
  'too-little-evidence': { word: 'too little evidence', tone: 'warning' },
  'no-plan': { word: 'no plan', tone: 'warning' },
  'gradient-only': { word: 'gradient only', tone: 'warning' },
};

/** The one line to read. */
export function sayHeadline(treatment: Treatment): string {
  const { outcome, winner, reason } = treatment;
  const rows = planRows(treatment);
  const best = rows.find(({ isWinner }) => isWinner);
  const base = rows.find(({ isBaseline }) => isBaseline);
  if (outcome !== 'improved' || !winner || !best || !base) return reason;
  const kind = lossName(treatment);
  const accuracy =
    best.accuracy === undefined || base.accuracy === undefined
      ? ''
      : `, accuracy ${showPart(base.accuracy)} → ${showPart(best.accuracy)}`;
  return `${winner.plan.id}: ${kind} ${showNumber(base.loss)} → ${showNumber(best.loss)}${accuracy}`;
}

/** How sure that is. */
export interface Confidence {
  readonly level: 'strong' | 'moderate' | 'weak' | 'none';
  readonly sentences: readonly string[];
}

/** How sure the outcome is, in words: the interval, over how many trainings, and what speaks against it. */
export function sayConfidence(treatment: Treatment): Confidence {
  const { outcome, trials, ranking } = treatment;
  const sentences: string[] = [];
  if (outcome === 'gradient-only') {
    return {
      level: 'none',
      sentences: [
        'Nothing was trained: this says that the gradient reaches the first layer, not that the network learns. --data trains it.',
      ],
    };
  }
  if (!ranking) return { level: 'none', sentences };
  const rows = planRows(treatment);
  const best = rows.find(({ isWinner }) => isWinner) ?? rows.find(({ isBaseline }) => !isBaseline);
  const seeds = best?.seeds ?? 0;
  if (best?.interval && outcome !== 'too-little-evidence') {
    const { mean, low, high, level } = best.interval;
    const range = `${Math.round(100 * level)} % between ${showSigned(low)} and ${showSigned(high)}`;
    const over = `over ${counted(seeds, 'training')} with the same rows and seeds`;
    sentences.push(`${best.plan} against the baseline: ${showSigned(mean)} of loss (${range}), ${over}.`);
  }
  const base = rows.find(({ isBaseline }) => isBaseline);
  if (base && base.faults > 0) {
    const own =
      best && !best.isBaseline
        ? `, ${best.plan} in ${best.faults === 0 ? 'none' : `${best.faults} of ${best.seeds}`}`
        : '';
    sentences.push(`The baseline broke down in ${base.faults} of ${counted(base.seeds, 'training')}${own}.`);
  }
  const tied = rows.filter(({ plan, isWinner, isBaseline, interval }) => {
    const against = ranking.judgements.find((judgement) => judgement.plan === plan)?.againstBest;
    return !isWinner && !isBaseline && against !== undefined && against.low <= 0 && (interval?.high ?? 0) < 0;
  });
  if (outcome === 'improved' && tied.length > 0) {
    const names = tied.map(({ plan }) => plan).join(', ');
    sentences.push(`Not to be told from ${best?.plan} by these trials: ${names}.`);
  }
  if (seeds === 1) sentences.push('One training each: how far two trainings of one network differ is not known.');
  if (!trials.heldOut) sentences.push('Judged by the training loss: no rows were held out.');
  if (!trials.complete) sentences.push('The trials ended early: fewer were run than planned.');
  const doubts = (seeds < 3 ? 1 : 0) + (seeds < 2 ? 1 : 0) + (trials.heldOut ? 0 : 1) + (trials.complete ? 0 : 1);
  const level =
    outcome === 'too-little-evidence' ? 'none' : doubts === 0 ? 'strong' : doubts === 1 ? 'moderate' : 'weak';
  return { level, sentences };
}

/** Loss over steps of the baseline and of what did best, mean over seeds; the winner first. */
export function lossCurves({ ranking, results, trials }: Treatment): Series[] {
  const judged = ranking?.judgements ?? [];
  const best = ranking?.winner ?? judged.find(({ plan }) => plan !== BASELINE)?.plan;
  const names = [...(best === undefined ? [] : [best]), BASELINE];
  return names.flatMap((name) => {
    const own = results.filter(({ plan, status }) => plan === name && status !== 'failed');
    const curves = own.filter((one) => one.steps === trials.steps).map(({ training }) => training);
    const sums = new Map<number, number[]>();
    for (const curve of curves) for (const { step, loss } of curve) sums.set(step, [...(sums.get(step) ?? []), loss]);
    const points = [...sums].sort((a, b) => a[0] - b[0]);
    if (points.length === 0) return [];
    const mean = (losses: readonly number[]) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    return [{ name, x: points.map(([step]) => step), y: points.map(([, losses]) => mean(losses)) }];
  });
}

/** Layers with their decades from the output before and after, from output to input; undefined where there is none. */
export interface DepthRow {
  readonly layer: string;
  readonly before: number | undefined;
  readonly after: number | undefined;
}

/** Gradient against depth, before and after: layers are matched by name. */
export function depthRows({ before, after }: Treatment): DepthRow[] {
  const from = leading(before);
  if (!after) return [];
  const to = new Map(leading(after).map((row) => [row.name, row]));
  const rows = from.map(({ name, decades }): DepthRow => {
    const twin = to.get(name);
    to.delete(name);
    return { layer: name, before: decades, after: twin?.decades };
  });
  return [
    ...rows,
    ...[...to.values()].map(({ name, decades }) => ({ layer: name, before: undefined, after: decades })),
  ];
}

function leading(report: ReportSubject): LayerRow[] {
  return leadingRows(layerRows(report));
}

/** Effective decades between output and first layer, as a diagnosis measures them. */
export function decadesOf({ diagnosis: { attribution } }: ReportSubject): number | undefined {
  return attribution && effectiveDecades(attribution.byKind);
}

/** How it was tried, in one line. */
export function sayTrials({ trials, results }: Treatment): string {
  if (trials.done === 0) return 'nothing was trained';
  const plans = new Set(results.map(({ plan }) => plan).filter((plan) => plan !== BASELINE)).size;
  const rounds = `${counted(trials.done, 'trial')} of ${counted(plans, 'plan')} in ${counted(trials.rounds, 'round')}`;
  const judged = `judged after ${counted(trials.steps, 'step')} with ${counted(trials.seeds, 'seed')}`;
  return `${rounds}, ${judged}; ${showSeconds(trials.seconds)} on ${trials.executor}`;
}

/** What the file that was written holds. */
export const STARTING_WEIGHTS =
  'it holds the redesigned network at its starting weights, ready to train: the weights of the trials are not kept';

export const changeWords: Readonly<Record<RemedyChange, string>> = {
  exact: 'nothing it computes',
  'changes-training': 'training',
  'changes-model': 'the model',
};

/** `-1.95 [-2.01, -1.90]`. */
export function showInterval({ mean, low, high }: Interval): string {
  return `${showSigned(mean)} [${showSigned(low)}, ${showSigned(high)}]`;
}

export function showSigned(x: number): string {
  return x > 0 ? `+${showNumber(x)}` : showNumber(x);
}

/** `90.3 %`. */
export function showPart(fraction: number): string {
  return Number.isFinite(fraction) ? `${(100 * fraction).toFixed(1)} %` : showNumber(fraction);
}

/** ` [91, 96]`, in percent. */
function showRange(interval: Interval | undefined): string {
  if (!interval) return '';
  const [low, high] = [interval.low, interval.high].map((x) => Number((100 * x).toPrecision(2)));
  return ` [${low}, ${high}]`;
}

export function showPace(seconds: number): string {
  return `${showNumber(Number((1000 * seconds).toPrecision(2)))} ms`;
}

export function showSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return whole < 120 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** Cells of the last round's table in the order of `planColumns`. */
export function planCells(row: PlanRow): Cell[] {
  const optional = (x: number | undefined, show: (x: number) => Cell): Cell => (x === undefined ? '–' : show(x));
  const decades = (value: number): Cell => ({ value, as: 'decades' });
  const broken = row.faults > 0 ? ` (${row.faults} of ${row.seeds} broke down)` : '';
  return [
    broken === '' ? { value: row.loss, as: 'number' } : showNumber(row.loss) + broken,
    row.interval ? showInterval(row.interval) : '–',
    row.accuracy === undefined ? '–' : showPart(row.accuracy) + showRange(row.accuracyInterval),
    optional(row.predicted, decades),
    optional(row.measured, decades),
    row.changes === undefined ? '–' : changeWords[row.changes],
    { value: row.seeds, as: 'number' },
    optional(row.parameters, showCount),
    row.secondsPerStep === undefined ? '–' : showPace(row.secondsPerStep),
  ];
}

/** Titles of those cells, and which of them hold numbers. */
export function planColumns(treatment: Treatment): {
  readonly titles: readonly string[];
  readonly numeric: readonly number[];
} {
  return {
    titles: [
      lossName(treatment),
      'against baseline',
      'accuracy',
      'predicted',
      'measured',
      'changes',
      'seeds',
      'parameters',
      'a step',
    ],
    numeric: [0, 3, 4, 6, 7, 8],
  };
}

/** What plans were compared by. */
export function lossName({ trials }: Pick<Treatment, 'trials'>): string {
  return `${trials.heldOut ? 'held-out' : 'training'} loss`;
}
