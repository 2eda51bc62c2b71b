import { createRandom } from '../random/random.ts';
import type { Candidate } from '../trials/candidates.ts';
import { type Rung, rankPlans, trialsOf } from '../trials/halving.ts';
import { identifyTask } from '../trials/identify.ts';
import { judgeTrials, type Ranking } from '../trials/judge.ts';
import { Pace } from '../trials/pace.ts';
import { planSchedule, type Room, replan, type Schedule } from '../trials/schedule.ts';
import type { Artifacts, Executor, TrialData, TrialProgress, TrialResult, TrialTask } from '../trials/trial.ts';
import type { TreatEvent } from './treat-events.ts';

/** Results of trials that are kept, so that a run that was killed goes on. */
export interface TrialStore {
  readonly results: ReadonlyMap<string, TrialResult>;
  add(result: TrialResult): Promise<void>;
}

export interface RoundsOptions {
  readonly executor: Executor;
  /** Seconds, trials, or both: whichever ends first. */
  readonly budget: { readonly seconds?: number; readonly trials?: number };
  /** When the budget began, by `performance.now()`. */
  readonly start: number;
  readonly seeds: number;
  /** Of the last round; default as many as the budget allows. */
  readonly steps?: number;
  /** Rounds of a run that was broken off, as far as they had been decided: asked for again, their trials are found. */
  readonly rounds?: readonly PlannedRound[];
  /** The first trial's; the others count up from it. */
  readonly seed: number;
  readonly data: TrialData;
  readonly artifacts: Artifacts;
  readonly validation: number;
  readonly version: string;
  readonly sizeOf: (plan: string) => number;
  readonly store?: TrialStore;
  readonly signal?: AbortSignal;
  /** How far a trial is that still runs. */
  readonly onTrialProgress?: (progress: TrialProgress & { readonly plan: string; readonly of: number }) => void;
}

/** A round as it was decided. */
export interface PlannedRound {
  readonly plans: readonly string[];
  /** This round's, then those of the rounds to come, as far as they are foreseen. */
  readonly rungs: readonly Rung[];
}

/** What the rounds came to. */
export interface Rounds {
  readonly results: readonly TrialResult[];
  /** Of the last round that tells something. */
  readonly ranking: Ranking | undefined;
  readonly rungs: readonly Rung[];
  /** Of the trials that `ranking` is of. */
  readonly judged: { readonly steps: number; readonly seeds: number } | undefined;
  readonly done: number;
  /** Whether all that was planned was run; a last round beyond the plan, for which there was room, does not count. */
  readonly complete: boolean;
  readonly notes: readonly string[];
}

/** Steps of the trials that time a step: as many as the shortest rounds have, which find their baseline done. */
const TIMING_STEPS = 20;
const MOST_WARMED = 8;
/** Of a budget of trials no more than one in so many times. */
const FEW_TRIALS = 5;
/** Part of the budget that is planned for: the rest is starting, diagnosing and surprises. */
const PLANNED = 0.8;

/**
 * Trains the baseline (the first candidate) and the others, the most promising first, by successive halving within a
 * budget. Results that the store knows are not computed again; each new one is kept before it is told.
 */
export async function* runRounds(
  candidates: readonly Candidate[],
  options: RoundsOptions,
): AsyncGenerator<TreatEvent, Rounds> {
  const { executor, store, seeds, start } = options;
  const { seconds: limit = Number.POSITIVE_INFINITY, trials: most = Number.POSITIVE_INFINITY } = options.budget;
  const [base, ...others] = candidates as [Candidate, ...Candidate[]];
  const notes: string[] = [];
  /** Trials of the rounds, as against those that time. */
  const asked = new Set<string>();
  let ranking: Ranking | undefined;
  let judged: Rounds['judged'];
  /** Whether the round that runs is one beyond the plan. */
  let isExtra = false;
  const rungs: Rung[] = [];
  const pace = new Pace();
  /** Whether the budget alone decides how long trials are. */
  const isFree = options.steps === undefined && Number.isFinite(limit);
  let complete = true;
  let [done, total] = [0, 0];
  /** Seconds of one worker that the rounds to come are expected to take, by the pace so far, and those spent on them. */
  let ahead = () => Number.NaN;
  let spent = 0;
  const elapsed = () => (performance.now() - start) / 1000;
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const timer = Number.isFinite(limit)
    ? setTimeout(() => stop.abort(), 1000 * Math.min(Math.max(0, limit - elapsed()), 2_000_000))
    : undefined;
  if (elapsed() >= limit) stop.abort();

  /** What this run knows: rounds may ask for a trial again. */
  const found = new Map<string, TrialResult>();
  const idOf = ({ plan }: Candidate) => plan.id;
  const room = (): Room => ({
    trials: most - done,
    seconds: PLANNED * (limit - elapsed()) * executor.parallel,
    pace,
  });
  const taskOf = (candidate: Candidate, k: number, steps: number, gradient: TrialTask['gradient'] = 'start') => {
    const { data, validation, version } = options;
    const { plan, hash: model, design } = candidate;
    const { training } = design;
    return identifyTask({
      plan: plan.id,
      seed: options.seed + k,
      steps,
      model,
      training,
      data,
      validation,
      scoring: base.design.training.loss,
      gradient,
      version,
    });
  };
  async function* run(tasks: readonly TrialTask[]): AsyncGenerator<TreatEvent> {
    const told = (result: TrialResult, known: boolean): TreatEvent => {
      done++;
      spent += result.seconds;
      found.set(result.id, result);
      pace.add(result);
      return { kind: 'trial', result, done, of: Math.max(total, done), ...timeLeft(), known };
    };
    const fresh = new Map<string, TrialTask>();
    for (const task of tasks) {
      const kept = store?.results.get(task.id);
      if (found.has(task.id)) total--;
      else if (kept) yield told(kept, true);
      else fresh.set(task.id, task);
    }
    if (fresh.size === 0 || signal.aborted) return;
    const onProgress = (progress: TrialProgress) => {
      const task = fresh.get(progress.id);
      if (task) options.onTrialProgress?.({ ...progress, plan: task.plan, of: task.steps });
    };
    for await (const result of executor.run([...fresh.values()], options.artifacts, { signal, onProgress })) {
      await store?.add(result);
      yield told(result, false);
    }
  }

  try {
    let left: readonly Candidate[] = others;
    let coming: readonly Rung[] = [];
    for (let round = 0; round === 0 || coming.length > 0 || options.rounds?.[round]; round++) {
      const decided = options.rounds?.[round];
      if (decided) {
        isExtra = round > 0 && coming.length === 0;
        left = decided.plans.flatMap((id) => others.find(({ plan }) => plan.id === id) ?? []);
        coming = decided.rungs;
        const gone = decided.plans.filter((id) => !left.some(({ plan }) => plan.id === id));
        if (gone.length > 0) notes.push(`plans of the run that is resumed are not there any more: ${gone.join(', ')}`);
      } else if (round === 0) {
        if (isFree) yield* timeBaseline();
        const all = others.map(idOf);
        const { steps } = options;
        const first = planSchedule(all, { steps, seeds }, room());
        coming = first.rungs;
        left = others.slice(0, first.plans.length);
        noteShortness(first);
      } else if (isFree) {
        const next = replan(left.map(idOf), rungs.at(-1)!.steps, coming.at(-1)!.seeds, room());
        coming = next.rungs;
        left = left.slice(0, next.plans.length);
      }
      const [rung] = coming;
      if (!rung) break;
      if (signal.aborted) {
        complete = isExtra;
        break;
      }
      rungs.push(rung);
      const gradient = coming.length === 1 ? 'both' : 'start';
      const tasks = await Promise.all(
        // Seed by seed: a round that the budget ends has compared all plans, if with fewer seeds.
        Array.from({ length: rung.seeds }, (_, k) =>
          [base, ...left].map((candidate) => taskOf(candidate, k, rung.steps, gradient)),
        ).flat(),
      );
      const [scheduled, entering] = [coming, left.map(idOf)];
      ahead = () => pace.secondsFor(scheduled, entering);
      spent = 0;
      total = done + trialsOf(coming, left.length);
      const plans = left.map(idOf);
      const of = round + coming.length;
      yield {
        kind: 'round',
        round: round + 1,
        of,
        plans,
        steps: rung.steps,
        trials: tasks.length,
        ...timeLeft(),
        rungs: coming,
      };
      for (const { id } of tasks) asked.add(id);
      yield* run(tasks);
      const own = tasks.flatMap(({ id }) => found.get(id) ?? []);
      const isWhole = own.length === tasks.length;
      complete = isWhole || isExtra;
      const some = isWhole ? { results: own, seeds: rung.seeds, fair: true } : comparable(own, left.length + 1);
      // What was broken off overrules nothing that rests on more trainings, or on trainings of all plans.
      if (some.results.length > 0 && (!judged || (some.fair && (isWhole || some.seeds >= judged.seeds)))) {
        const random = createRandom(options.seed).fork('judge');
        const next = judgeTrials(some.results, options.sizeOf, random);
        if (!ranking || next.outcome !== 'too-little-evidence') {
          [ranking, judged] = [next, { steps: rung.steps, seeds: some.seeds }];
        }
      }
      if (!isWhole) break;
      // What broke down breaks down again.
      const whole = new Set(own.filter(({ status }) => status === 'done').map(({ plan }) => plan));
      const best = rankPlans(own).filter((id) => whole.has(id));
      left = best.slice(0, rung.keep).map((id) => left.find(({ plan }) => plan.id === id)!);
      // Where the baseline could not be run there is nothing to compare with; where it broke down there is.
      const isLost = own.every(({ plan, status }) => plan !== base.plan.id || status === 'failed');
      if (left.length === 0 || isLost) break;
      coming = coming.slice(1);
      // The finalists may be compared after longer trainings where the budget has room for it; not in a run that is
      // resumed, which is to end as it would have.
      if (coming.length === 0 && isFree && !options.rounds?.length) {
        const more = replan(left.map(idOf), rung.steps, rung.seeds, room());
        if (more.fits) [coming, isExtra] = [more.rungs, true];
      }
    }
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
  const results = [...found.values()].filter(({ id }) => asked.has(id));
  return { results, ranking, rungs, judged, done, complete: complete && rungs.length > 0, notes };

  /** Seconds until all rounds are done, where that is known. */
  function timeLeft(): { secondsLeft?: number } {
    const seconds = Math.min(Math.max(0, ahead() - spent) / executor.parallel, limit - elapsed());
    return Number.isFinite(seconds) ? { secondsLeft: Math.max(0, seconds) } : {};
  }

  /** Trials of the baseline, one for each worker, by which the pace is known; no more of few than there can be spared. */
  async function* timeBaseline(): AsyncGenerator<TreatEvent> {
    const workers = Math.min(executor.parallel, MOST_WARMED, Math.floor(most / FEW_TRIALS));
    const tasks = await Promise.all(Array.from({ length: workers }, (_, k) => taskOf(base, k, TIMING_STEPS)));
    total += tasks.length;
    yield* run(tasks);
  }

  function noteShortness({ rungs: planned, plans, fits }: Schedule): void {
    if (plans.length === 0) return;
    const budget = Number.isFinite(limit) ? `${limit} s` : `${most} trials`;
    if (!fits) {
      const seconds = Math.ceil(elapsed() + pace.secondsFor(planned, plans) / executor.parallel / PLANNED);
      notes.push(
        `a budget of ${budget} is short here: about ${seconds} s would do for ${plans.length} plans of ${others.length}`,
      );
    } else if (plans.length < others.length) {
      notes.push(`a budget of ${budget} is enough for ${plans.length} of ${others.length} plans`);
    }
  }
}

/**
 * Results of a round that was broken off which can be compared: those of the seeds that all plans were trained with, of
 * the first one where no seed is whole.
 */
function comparable(
  results: readonly TrialResult[],
  plans: number,
): { readonly results: readonly TrialResult[]; readonly seeds: number; readonly fair: boolean } {
  const seeds = [...new Set(results.map(({ seed }) => seed))].sort((a, b) => a - b);
  const whole = seeds.filter((seed) => results.filter((result) => result.seed === seed).length === plans);
  const chosen = new Set(whole.length > 0 ? whole : seeds.slice(0, 1));
  return { results: results.filter(({ seed }) => chosen.has(seed)), seeds: chosen.size, fair: whole.length > 0 };
}
