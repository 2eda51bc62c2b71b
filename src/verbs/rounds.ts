import { createRandom } from '../random/random.ts';
import type { Candidate } from '../trials/candidates.ts';
import { costOf, planRungs, type Rung, rankPlans } from '../trials/halving.ts';
import { identifyTask } from '../trials/identify.ts';
import { judgeTrials, onOneScale, type Ranking } from '../trials/judge.ts';
import type { Artifacts, Executor, TrialData, TrialResult, TrialTask } from '../trials/trial.ts';
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
  readonly done: number;
  readonly complete: boolean;
  readonly notes: readonly string[];
}

/** Steps of the trials that time a step, and how many times longer another is, where it takes this part of the budget. */
const TIMING_STEPS = 20;
const LONGER = 4;
const LONGEST_TIMING = 0.25;
const MOST_WARMED = 8;
/** A candidate's step against the baseline's: batch normalization and recurrent cells are slower. */
const SLOWER = 1.3;
/** Steps of the last round. */
const FEWEST_STEPS = 30;
const MOST_STEPS = 3000;
/** Another round is so many times longer at least. */
const WORTH_LONGER = 2;
/** Where no time is set, and nobody says. */
const USUAL_STEPS = 300;
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
  const rungs: Rung[] = [];
  /** Seconds of a worker for a step, starts and ends of trials among them. */
  let pace = Number.NaN;
  /** Whether the budget alone decides how long trials are. */
  const isFree = options.steps === undefined && Number.isFinite(limit);
  let complete = true;
  let [done, total, spent, planned] = [0, 0, 0, 0];
  const elapsed = () => (performance.now() - start) / 1000;
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const timer = Number.isFinite(limit)
    ? setTimeout(() => stop.abort(), 1000 * Math.min(Math.max(0, limit - elapsed()), 2_000_000))
    : undefined;

  /** What this run knows: rounds may ask for a trial again. */
  const found = new Map<string, TrialResult>();
  const taskOf = ({ plan, hash, design }: Candidate, seed: number, steps: number) => {
    const { data, validation, version } = options;
    return identifyTask({
      plan: plan.id,
      seed,
      steps,
      model: hash,
      training: design.training,
      data,
      validation,
      version,
    });
  };
  async function* run(tasks: readonly TrialTask[]): AsyncGenerator<TreatEvent> {
    const told = (result: TrialResult, known: boolean): TreatEvent => {
      done++;
      spent += result.steps;
      found.set(result.id, result);
      const secondsLeft = Math.max(0, planned - spent) * (elapsed() / Math.max(1, spent));
      const left = Math.max(0, Math.min(secondsLeft, limit - elapsed()));
      return { kind: 'trial', result, done, of: Math.max(total, done), secondsLeft: left, known };
    };
    const fresh: TrialTask[] = [];
    for (const task of tasks) {
      const kept = store?.results.get(task.id);
      if (found.has(task.id)) total--;
      else if (kept) yield told(kept, true);
      else fresh.push(task);
    }
    if (fresh.length === 0 || signal.aborted) return;
    for await (const result of executor.run(fresh, options.artifacts, { signal })) {
      await store?.add(result);
      yield told(result, false);
    }
  }

  try {
    let left: readonly Candidate[] = others;
    let coming: readonly Rung[] = [];
    for (let round = 0; round === 0 || coming.length > 0; round++) {
      const decided = options.rounds?.[round];
      if (decided) {
        left = decided.plans.flatMap((id) => others.find(({ plan }) => plan.id === id) ?? []);
        coming = decided.rungs;
      } else if (round === 0) {
        const steps = options.steps ?? (yield* affordableSteps());
        ({ rungs: coming, tried: left } = fitTrials(others, steps, seeds, most));
        if (left.length > 0 && left.length < others.length) {
          notes.push(`a budget of ${most} trials is enough for ${left.length} of ${others.length} plans`);
        }
      } else if (isFree) ({ rungs: coming, left } = replan(left, coming.at(-1)!.seeds));
      const [rung] = coming;
      if (!rung) break;
      if (signal.aborted) {
        complete = false;
        break;
      }
      rungs.push(rung);
      const tasks = await Promise.all(
        [base, ...left].flatMap((candidate) =>
          Array.from({ length: rung.seeds }, (_, k) => taskOf(candidate, options.seed + k, rung.steps)),
        ),
      );
      planned = spent + costOf(coming, left.length);
      total = done + trialsOf(coming, left.length);
      const plans = left.map(({ plan }) => plan.id);
      const of = round + coming.length;
      yield { kind: 'round', round: round + 1, of, plans, steps: rung.steps, trials: tasks.length, rungs: coming };
      for (const { id } of tasks) asked.add(id);
      yield* run(tasks);
      const own = tasks.flatMap(({ id }) => found.get(id) ?? []);
      complete = own.length === tasks.length;
      const losses = new Map([base, ...left].map(({ plan, design }) => [plan.id, design.training.loss]));
      const scale = onOneScale(own, (plan) => losses.get(plan)!);
      if (own.length > 0) {
        const judged = judgeTrials(
          scale.results,
          options.sizeOf,
          createRandom(options.seed).fork('judge'),
          scale.measure,
        );
        if (!ranking || judged.outcome !== 'too-little-evidence') ranking = judged;
      }
      if (!complete) break;
      const ranked = rankPlans(scale.results).slice(0, rung.keep);
      left = ranked.map((id) => left.find(({ plan }) => plan.id === id)!);
      pace = own.reduce((sum, { seconds }) => sum + seconds, 0) / own.reduce((sum, { steps }) => sum + steps, 0);
      coming = coming.slice(1);
      // The finalists may be compared after longer trainings where the budget has room for it; not in a run that is
      // resumed, which is to end as it would have.
      if (coming.length === 0 && isFree && !options.rounds?.length) {
        const more = replan(left, rung.seeds);
        const fits = done + trialsOf(more.rungs, left.length) <= most;
        if (fits && more.rungs.at(-1)!.steps >= WORTH_LONGER * rung.steps) coming = more.rungs;
      }
    }
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
  const results = [...found.values()].filter(({ id }) => asked.has(id));
  return { results, ranking, rungs, done, complete: complete && rungs.length > 0, notes };

  /**
   * The rounds to come, as long as what is left of the budget allows by the pace of the last one, and the plans that enter
   * them: a round hardly longer than the last would tell nothing new, and is left out with the plans it would drop.
   */
  function replan(left: readonly Candidate[], finals: number): { rungs: readonly Rung[]; left: readonly Candidate[] } {
    const before = rungs.at(-1)!.steps;
    const affordable = (PLANNED * (limit - elapsed()) * executor.parallel) / pace;
    let best = planRungs(left.length, Math.max(FEWEST_STEPS, before), finals);
    for (let steps = best.at(-1)!.steps; steps <= MOST_STEPS; steps = Math.ceil(steps * 1.1)) {
      const longer = planRungs(left.length, steps, finals);
      if (costOf(longer, left.length) <= affordable) best = longer;
    }
    const [{ steps, keep }] = best as [Rung, ...Rung[]];
    if (best.length > 1 && steps < WORTH_LONGER * before) return replan(left.slice(0, keep), finals);
    return { rungs: best, left };
  }

  /** Times trials of the baseline, and gives the steps that fit into what is left of the budget. */
  async function* affordableSteps(): AsyncGenerator<TreatEvent, number> {
    if (!Number.isFinite(limit)) return USUAL_STEPS;
    // The first trial of a worker pays for its start, once; whatever else disturbs a trial makes it slower, so the
    // fastest tells most.
    const workers = Math.min(executor.parallel, MOST_WARMED);
    const first = yield* timeTrials(Array.from({ length: workers }, (_, k) => [k, TIMING_STEPS]));
    if (first.length === 0) return FEWEST_STEPS;
    let short = Math.min(...first);
    let long: number | undefined;
    if (short * LONGER < LONGEST_TIMING * (limit - elapsed())) {
      const [again, ...longs] = yield* timeTrials([
        [workers, TIMING_STEPS],
        [0, TIMING_STEPS * LONGER],
      ]);
      short = Math.min(short, again ?? short);
      long = longs[0];
    }
    const more = long === undefined || long <= short ? undefined : (long - short) / (TIMING_STEPS * (LONGER - 1));
    const perStep = more ?? (long ?? short) / (TIMING_STEPS * (long === undefined ? 1 : LONGER));
    const fixed = more === undefined ? 0 : Math.max(0, short - TIMING_STEPS * more);
    const secondsFor = (steps: number) => {
      const planned = planRungs(others.length, steps, seeds);
      const each = SLOWER * perStep * costOf(planned, others.length) + fixed * trialsOf(planned, others.length);
      return each / executor.parallel;
    };
    const left = PLANNED * (limit - elapsed());
    let best = FEWEST_STEPS;
    for (let steps = FEWEST_STEPS; steps <= MOST_STEPS; steps = Math.ceil(steps * 1.1)) {
      if (secondsFor(steps) <= left) best = steps;
    }
    if (secondsFor(best) > left) {
      const needed = Math.ceil(elapsed() + secondsFor(FEWEST_STEPS) / PLANNED);
      notes.push(`a budget of ${limit} s is short here: about ${needed} s would do for ${FEWEST_STEPS} steps a trial`);
    }
    return best;
  }

  /** Seconds of trials of the baseline, by seed and steps, in their order; fewer where the budget ended. */
  async function* timeTrials(
    trials: readonly (readonly [seed: number, steps: number])[],
  ): AsyncGenerator<TreatEvent, number[]> {
    const tasks = await Promise.all(trials.map(([k, steps]) => taskOf(base, options.seed + k, steps)));
    total += tasks.length;
    yield* run(tasks);
    return tasks.flatMap(({ id }) => found.get(id)?.seconds ?? []);
  }
}

/** Trials of a schedule, the baseline's with them. */
function trialsOf(rungs: readonly Rung[], plans: number): number {
  let [left, total] = [plans, 0];
  for (const { seeds, keep } of rungs) {
    total += (left + 1) * seeds;
    left = Math.min(left, keep);
  }
  return total;
}

/** Rungs of no more trials than `most`: with fewer seeds, then with fewer plans; none where not even one plan fits. */
function fitTrials(
  candidates: readonly Candidate[],
  steps: number,
  seeds: number,
  most: number,
): { rungs: Rung[]; tried: readonly Candidate[] } {
  for (let plans = candidates.length; plans > 0; plans--) {
    for (let each = seeds; each > 0; each--) {
      const rungs = planRungs(plans, steps, each);
      if (trialsOf(rungs, plans) <= most) return { rungs, tried: candidates.slice(0, plans) };
    }
  }
  return { rungs: [], tried: [] };
}
