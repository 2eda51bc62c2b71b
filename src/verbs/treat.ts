import { UsageError } from '../graph/errors.ts';
import type { Model } from '../graph/graph.ts';
import { createRandom } from '../random/random.ts';
import { remedies as allRemedies } from '../remedies/index.ts';
import type { Patient, Remedy } from '../remedies/remedy.ts';
import type { ReportSubject } from '../report/subject.ts';
import { costOf, planRungs, type Rung, rankPlans } from '../trials/halving.ts';
import { judgeTrials, type Ranking } from '../trials/judge.ts';
import { BASELINE, type ProposedPlan, proposePlans, sizeOfChange } from '../trials/plans.ts';
import type { Executor, Plan, TrialData, TrialResult, TrialTask } from '../trials/trial.ts';
import { type Candidate, carryOut, hashOf, isCandidate, type SkippedPlan } from './candidates.ts';
import { diagnose } from './diagnose.ts';
import { examinePatient, type PatientOptions } from './patient.ts';
import type { TreatEvent, Treatment, TreatmentOutcome } from './treat-events.ts';

export type { TreatEvent, Treatment, TreatmentOutcome } from './treat-events.ts';

/** Rows to train candidates on, so that whoever runs a trial opens the same ones. */
export interface TreatData {
  readonly name: string;
  readonly trial: TrialData;
  /** Files that the trials' data name by content hash. */
  readonly artifacts?: ReadonlyMap<string, Uint8Array>;
  /** How many rows there are; undefined where they are drawn without end. */
  readonly rows?: number;
  readonly notes?: readonly string[];
}

/** Results of trials that are kept, so that a run that was killed goes on. */
export interface TrialStore {
  readonly results: ReadonlyMap<string, TrialResult>;
  add(result: TrialResult): Promise<void>;
}

export interface TreatOptions extends PatientOptions {
  /** Absent: nothing can be trained, and plans are chosen by the gradient's health alone. */
  readonly data?: TreatData;
  readonly executor?: Executor;
  /** Seconds, trials, or both: whichever ends first. Default 120 seconds. */
  readonly budget?: { readonly seconds?: number; readonly trials?: number };
  /** Trainings of each finalist, default 3. */
  readonly seeds?: number;
  /** Steps of the last round; default as many as the budget allows. */
  readonly steps?: number;
  /** Treat it although nothing is found wrong. */
  readonly anyway?: boolean;
  /** Default all that this project knows; users add their own. */
  readonly remedies?: readonly Remedy[];
  /** Plans to try in place of those proposed: lists of remedy ids. */
  readonly plans?: readonly (readonly string[])[];
  readonly mostPlans?: number;
  readonly store?: TrialStore;
  readonly signal?: AbortSignal;
  /** Part of the rows held out, default a fifth. */
  readonly validation?: number;
  readonly version?: string;
}

const BUDGET_SECONDS = 120;
const SEEDS = 3;
const VALIDATION = 0.2;
/** Fewer held-out rows than this say nothing. */
const FEWEST_HELD_OUT = 20;
/** Steps of the trial that times a step, and bounds of the last round's. */
const TIMING_STEPS = 20;
const FEWEST_STEPS = 30;
const MOST_STEPS = 3000;
/** Part of the budget that is planned for: the rest is starting, diagnosing and surprises. */
const PLANNED = 0.8;

/**
 * Redesigns a network and proves the redesign by training it: `for await (const event of treat(model, options))`.
 * Diagnoses, proposes plans, trains baseline and candidates by successive halving with the same rows per seed, and
 * keeps the smallest change among those that cannot be told from the best. The last event holds the treatment.
 * Throws UserError for an unusable model, data or options.
 */
export async function* treat(given: Model, options: TreatOptions): AsyncGenerator<TreatEvent> {
  const start = performance.now();
  const { seeds = SEEDS, remedies = allRemedies, data, executor, budget = { seconds: BUDGET_SECONDS } } = options;
  const known = new Map(remedies.map((remedy) => [remedy.id, remedy]));
  const { patient, report } = await examinePatient(given, options);
  yield { kind: 'diagnosed', report };
  const notes = [...(data?.notes ?? [])];
  const none = { executor: executor?.name ?? 'none', steps: 0, seeds: 0, rounds: 0, done: 0, heldOut: false };
  const finish = (outcome: TreatmentOutcome, reason: string, more: Partial<Treatment> = {}): TreatEvent => ({
    kind: 'end',
    treatment: {
      outcome,
      reason,
      before: report,
      plans: [],
      skipped: [],
      results: [],
      remedies: [],
      notes,
      trials: { ...none, seconds: (performance.now() - start) / 1000, data: data?.name ?? 'none', complete: true },
      ...more,
    },
  });
  const sick = report.diagnosis.findings.some(({ severity }) => severity === 'error');
  if (!sick && !options.anyway && !options.plans) {
    const few = report.diagnosis.findings.some(({ severity }) => severity === 'warning');
    const still = few ? 'there are warnings, but no error' : 'nothing is wrong with it';
    yield finish('healthy', `${still}: no change is recommended, and none was tried`);
    return;
  }
  const proposed = options.plans ? named(options.plans, known) : proposePlans(patient, remedies, options.mostPlans);
  const carried = await Promise.all(proposed.map((plan) => carryOut(plan, patient, known)));
  const skipped = carried.filter((result): result is SkippedPlan => !isCandidate(result));
  const candidates = distinct(carried.filter(isCandidate));
  const plans = proposed.filter(({ id }) => candidates.some(({ plan }) => plan.id === id));
  yield { kind: 'plans', plans, skipped };
  if (candidates.length === 0) {
    const reason = skipped.length > 0 ? `: ${skipped[0]!.plan.id}: ${skipped[0]!.reason}` : '';
    yield finish('no-plan', `no remedy fits what was found${reason}`, { skipped });
    return;
  }
  const sizeOf = (id: string) => sizeOfChange(id === BASELINE.id ? [] : id.split('+').map((part) => known.get(part)!));
  const remediesOf = (plan: Plan) => plan.remedies.map((id) => known.get(id)!);
  if (!data || !executor) {
    const best = await byGradient(candidates, patient, options, sizeOf);
    const shown = best && { winner: best.candidate, after: best.report, remedies: remediesOf(best.candidate.plan) };
    yield finish(
      'gradient-only',
      best
        ? `no data were given, so nothing was trained: ${best.candidate.plan.id} is the smallest change after which the gradient is healthy`
        : 'no data were given, so nothing was trained, and no plan makes the gradient healthy',
      { plans, skipped, ...shown },
    );
    return;
  }

  const base = await carryOut(BASELINE, patient, known);
  if (!isCandidate(base)) throw new UsageError(base.reason, { code: 'baseline' });
  const all = new Map([base, ...candidates].map((candidate) => [candidate.plan.id, candidate]));
  const artifacts = new Map([
    ...(data.artifacts ?? []),
    ...[...all.values()].map(({ hash, bytes }) => [hash, bytes] as const),
  ]);
  const validation = heldOutPart(data, options.validation ?? VALIDATION);
  if (validation === 0) notes.push('too few rows to hold any out: plans are judged by their training loss');
  const taskOf = (id: string, seed: number, steps: number) =>
    taskFor(all.get(id)!, { seed, steps, data: data.trial, validation, version: options.version ?? '0' });

  const results: TrialResult[] = [];
  let ranking: Ranking | undefined;
  let rungs: Rung[] = [];
  let complete = true;
  let [done, total, spent, planned] = [0, 0, 0, 0];
  const elapsed = () => (performance.now() - start) / 1000;
  const limit = budget.seconds ?? Number.POSITIVE_INFINITY;
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  /** Runs tasks that the store does not know yet; each result is kept before it is told. */
  async function* run(tasks: readonly TrialTask[]): AsyncGenerator<TreatEvent> {
    const fresh = tasks.filter(({ id }) => !options.store?.results.has(id));
    const told = (result: TrialResult, isKnown: boolean): TreatEvent => {
      done++;
      spent += result.steps;
      if (result.steps > TIMING_STEPS || rungs.length > 0) results.push(result);
      const pace = elapsed() / Math.max(1, spent);
      return {
        kind: 'trial',
        result,
        done,
        of: total,
        secondsLeft: Math.max(0, planned - spent) * pace,
        known: isKnown,
      };
    };
    for (const { id } of tasks) {
      const result = options.store?.results.get(id);
      if (result) yield told(result, true);
    }
    if (fresh.length === 0 || signal.aborted) return;
    for await (const result of executor!.run(fresh, artifacts, { signal })) {
      await options.store?.add(result);
      yield told(result, false);
    }
  }

  const timer = Number.isFinite(limit)
    ? setTimeout(() => stop.abort(), 1000 * Math.max(0, limit - elapsed()))
    : undefined;
  try {
    const steps = options.steps ?? (yield* timeSteps());
    rungs = fitTrials(planRungs(candidates.length, steps, seeds), candidates.length, budget.trials);
    planned = costOf(rungs, candidates.length);
    let left = rankByPromise(plans);
    total = done + trialsOf(rungs, candidates.length);
    for (const [i, rung] of rungs.entries()) {
      if (signal.aborted) break;
      const ids = [BASELINE.id, ...left];
      const tasks = await Promise.all(
        ids.flatMap((id) => Array.from({ length: rung.seeds }, (_, k) => taskOf(id, patient.seed + k, rung.steps))),
      );
      yield { kind: 'round', round: i + 1, of: rungs.length, plans: left, steps: rung.steps, trials: tasks.length };
      yield* run(tasks);
      const own = results.filter(({ id }) => tasks.some((task) => task.id === id));
      complete = own.length === tasks.length;
      if (own.length > 0) {
        const random = createRandom(patient.seed).fork('judge');
        const judged = judgeTrials(own, sizeOf, random);
        if (!ranking || judged.outcome !== 'too-little-evidence') ranking = judged;
      }
      if (!complete) break;
      left = rankPlans(own).slice(0, rung.keep);
    }
  } finally {
    clearTimeout(timer);
  }

  const winner = ranking?.winner === undefined ? undefined : all.get(ranking.winner);
  const after = winner && (await diagnoseDesign(winner, options, patient));
  const last = rungs.at(-1);
  yield finish(
    ranking?.outcome ?? 'too-little-evidence',
    ranking?.reason ?? 'no trial ended within the budget: give more time, or a smaller network',
    {
      plans,
      skipped,
      results,
      ...(ranking && { ranking }),
      ...(winner && { winner, remedies: remediesOf(winner.plan) }),
      ...(after && { after }),
      trials: {
        executor: executor.name,
        steps: last?.steps ?? 0,
        seeds: last?.seeds ?? 0,
        rounds: rungs.length,
        done,
        seconds: elapsed(),
        data: data.name,
        heldOut: validation > 0,
        complete: complete && !options.signal?.aborted,
      },
    },
  );

  /** Trains the baseline for a few steps, and gives the steps that fit into what is left of the budget. */
  async function* timeSteps(): AsyncGenerator<TreatEvent, number> {
    const from = performance.now();
    total = 1;
    let perStep = 0;
    const task = await taskOf(BASELINE.id, patient.seed, TIMING_STEPS);
    for await (const event of run([task])) {
      if (event.kind === 'trial') perStep = event.result.seconds / Math.max(1, event.result.steps);
      yield event;
    }
    const wall = (performance.now() - from) / 1000;
    const seconds = PLANNED * (limit - elapsed());
    if (!Number.isFinite(seconds)) return MOST_STEPS / 10;
    // A candidate is at most about twice as slow as the baseline; starting a trial costs what the timing trial did.
    const each = Math.max(perStep, wall / TIMING_STEPS / 4) * 1.5;
    const affordable = (seconds * executor!.parallel) / Math.max(each, 1e-6);
    let best = FEWEST_STEPS;
    for (let steps = FEWEST_STEPS; steps <= MOST_STEPS; steps = Math.ceil(steps * 1.1)) {
      if (costOf(planRungs(candidates.length, steps, seeds), candidates.length) <= affordable) best = steps;
    }
    return best;
  }
}

/** Candidates less those whose network and training equal an earlier one's. */
function distinct(candidates: readonly Candidate[]): Candidate[] {
  const seen = new Set<string>();
  return candidates.filter(({ hash, design }) => {
    const key = hash + JSON.stringify(design.training);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function named(lists: readonly (readonly string[])[], known: ReadonlyMap<string, Remedy>): ProposedPlan[] {
  return lists.map((ids) => {
    const parts = ids.map((id) => known.get(id));
    const missing = ids.find((_, i) => !parts[i]);
    if (missing !== undefined) {
      throw new UsageError(`no remedy "${missing}"`, { code: 'unknown-remedy', hint: [...known.keys()].join(', ') });
    }
    const own = parts as Remedy[];
    const model = own.some(({ changes }) => changes === 'changes-model');
    const training = own.some(({ changes }) => changes === 'changes-training');
    return {
      id: ids.join('+'),
      remedies: ids,
      titles: own.map(({ title }) => title),
      reasons: own.map(() => 'as asked'),
      changes: model ? 'changes-model' : training ? 'changes-training' : 'exact',
    };
  });
}

const rankByPromise = (plans: readonly ProposedPlan[]) => plans.map(({ id }) => id);

async function taskFor(
  { plan, hash, design }: Candidate,
  settings: Pick<TrialTask, 'seed' | 'steps' | 'data' | 'validation' | 'version'>,
): Promise<TrialTask> {
  const task = { plan: plan.id, model: hash, training: design.training, ...settings };
  return { id: await hashOf(new TextEncoder().encode(JSON.stringify(task))), ...task };
}

function trialsOf(rungs: readonly Rung[], plans: number): number {
  let [left, total] = [plans, 0];
  for (const { seeds, keep } of rungs) {
    total += (left + 1) * seeds;
    left = Math.min(left, keep);
  }
  return total;
}

/** Rungs with fewer seeds, then only the last, where that many trials may not be run. */
function fitTrials(rungs: Rung[], plans: number, most = Number.POSITIVE_INFINITY): Rung[] {
  let fitted = rungs;
  while (trialsOf(fitted, plans) > most && fitted.at(-1)!.seeds > 1) {
    fitted = fitted.map((rung) => ({ ...rung, seeds: Math.max(1, rung.seeds - 1) }));
  }
  return fitted;
}

/** The part to hold out: none where it would be too few rows. */
function heldOutPart({ rows }: TreatData, part: number): number {
  return rows !== undefined && rows * part < FEWEST_HELD_OUT ? 0 : part;
}

/** Without training: the smallest change after which nothing is an error, by a diagnosis of each candidate. */
async function byGradient(
  candidates: readonly Candidate[],
  patient: Patient,
  options: TreatOptions,
  sizeOf: (id: string) => number,
): Promise<{ candidate: Candidate; report: ReportSubject } | undefined> {
  for (const candidate of [...candidates].sort((a, b) => sizeOf(a.plan.id) - sizeOf(b.plan.id))) {
    const report = await diagnoseDesign(candidate, options, patient);
    if (!report.diagnosis.findings.some(({ severity }) => severity === 'error')) return { candidate, report };
  }
  return undefined;
}

function diagnoseDesign({ design }: Candidate, options: TreatOptions, patient: Patient): Promise<ReportSubject> {
  const { optimizer, learningRate, loss, output } = design.training;
  return diagnose(design.model, {
    ...options,
    seed: patient.seed,
    size: patient.design.training.batch,
    optimizer: optimizer.name,
    learningRate,
    loss: loss === 'model-output' ? 'auto' : loss,
    output,
  });
}
