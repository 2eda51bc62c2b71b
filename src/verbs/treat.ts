import { UsageError, UserError } from '../graph/errors.ts';
import type { Model } from '../graph/graph.ts';
import { findParameters } from '../graph/parameters.ts';
import { sizeOf as countOf } from '../graph/tensor.ts';
import { remedies as allRemedies } from '../remedies/index.ts';
import type { Design, Patient, Remedy } from '../remedies/remedy.ts';
import type { ReportSubject } from '../report/subject.ts';
import type { PatchOf, Treatment, TreatmentOutcome } from '../report/treatment/treatment.ts';
import { type Candidate, carryOut, isCandidate, type SkippedPlan } from '../trials/candidates.ts';
import { BASELINE, foresee, proposePlans, sizeOfChange } from '../trials/plans.ts';
import type { Executor, TrialData } from '../trials/trial.ts';
import { diagnose } from './diagnose.ts';
import { heldOutPart } from './held-out.ts';
import { examinePatient, type PatientOptions } from './patient.ts';
import { type PlannedRound, type RoundsOptions, runRounds, type TrialStore } from './rounds.ts';
import type { TreatEvent } from './treat-events.ts';
import { distinct, Measuring, type MeasuringOptions, namedPlans } from './treat-plans.ts';

export type { PlannedRound, TrialStore } from './rounds.ts';
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

export interface TreatOptions extends Omit<PatientOptions, 'tools'> {
  /** What remedies may measure; it ends when the signal aborts, with its reason. */
  readonly tools?: MeasuringOptions['tools'];
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
  /** Rounds of the run that is resumed, as far as they had been decided. */
  readonly rounds?: readonly PlannedRound[];
  readonly signal?: AbortSignal;
  /** How far a trial is that still runs. */
  readonly onTrialProgress?: RoundsOptions['onTrialProgress'];
  /** Part of the rows held out, default a fifth. */
  readonly validation?: number;
  readonly version?: string;
  /** Of the reports: the command that gives the same again. */
  readonly command?: string;
}

const BUDGET_SECONDS = 120;
/** The baseline's, and one plan's. */
const FEWEST_TRIALS = 2;
const SEEDS = 3;

/**
 * Redesigns a network and proves the redesign by training it: `for await (const event of treat(model, options))`.
 * Diagnoses, proposes plans, trains baseline and candidates by successive halving with the same rows per seed, and
 * keeps the smallest change among those that cannot be told from the best. The last event holds the treatment.
 * Throws UserError for an unusable model, data or options.
 */
export async function* treat(given: Model, options: TreatOptions): AsyncGenerator<TreatEvent> {
  const start = performance.now();
  const { remedies = allRemedies, data, executor, seeds = SEEDS, budget = { seconds: BUDGET_SECONDS } } = options;
  const known = new Map(remedies.map((remedy) => [remedy.id, remedy]));
  const asked = options.plans && namedPlans(options.plans, known);
  // A run that is resumed asks for the plans whose trials it has, however long it takes to carry them out.
  const seconds = data && !options.rounds?.length ? budget.seconds : undefined;
  const measuring = new Measuring({ tools: options.tools, signal: options.signal, seconds });
  const { patient, report } = await examinePatient(given, { ...options, tools: measuring.tools });
  yield { kind: 'diagnosed', report };
  const notes = [...(data?.notes ?? [])];
  const trials = { executor: executor?.name ?? 'none', steps: 0, seeds: 0, rounds: 0, done: 0, heldOut: false };
  const elapsed = () => (performance.now() - start) / 1000;
  const unfinished = () => ({ ...trials, seconds: elapsed(), data: data?.name ?? 'none', complete: true });
  const finish = (outcome: TreatmentOutcome, reason: string, more: Partial<Treatment> = {}): TreatEvent => ({
    kind: 'end',
    treatment: {
      outcome,
      reason,
      before: report,
      plans: [],
      skipped: [],
      results: [],
      parameters: new Map(),
      remedies: [],
      patches: [],
      notes,
      trials: unfinished(),
      ...(options.command !== undefined && { command: options.command }),
      ...more,
    },
  });
  const sick = report.diagnosis.findings.some(({ severity }) => severity === 'error');
  if (!sick && !options.anyway && !asked) {
    const few = report.diagnosis.findings.some(({ severity }) => severity === 'warning');
    const still = few ? 'there are warnings, but no error' : 'nothing is wrong with it';
    yield finish('healthy', `${still}: no change is recommended, and none was tried`);
    return;
  }
  if (data) executor?.start?.();
  const proposed = asked
    ? asked.map((plan) => foresee(plan, patient, known))
    : proposePlans(patient, remedies, options.mostPlans);
  const carried = await measuring.carryOutAll(proposed, patient, known);
  if (options.signal?.aborted) {
    yield finish('too-little-evidence', sayNothing(0), {
      plans: proposed,
      trials: { ...unfinished(), complete: false },
    });
    return;
  }
  const skipped = carried.filter((result): result is SkippedPlan => !isCandidate(result));
  const candidates = distinct(carried.filter(isCandidate));
  const plans = proposed.filter(({ id }) => candidates.some(({ plan }) => plan.id === id));
  yield { kind: 'plans', plans, skipped };
  if (candidates.length === 0) {
    const [first] = skipped;
    const name = first && (first.reason.startsWith(first.plan.id) ? '' : `${first.plan.id}: `);
    const reason = first ? `: ${name}${first.reason}` : '';
    const what = asked ? 'none of the plans asked for can be carried out' : 'no remedy fits what was found';
    yield finish('no-plan', what + reason, { skipped });
    return;
  }
  const base = await carryOut(BASELINE, patient, known);
  if (!isCandidate(base)) throw new UsageError(base.reason, { code: 'baseline' });
  const parameters = new Map([base, ...candidates].map((one) => [one.plan.id, parametersOf(one)]));
  const sizeOf = (id: string) => sizeOfChange(id === BASELINE.id ? [] : id.split('+').map((part) => known.get(part)!));
  const winning = (winner: Candidate) => {
    const own = winner.plan.remedies.map((id) => known.get(id)!);
    return { winner, remedies: own, patches: patchesOf(own, patient, winner.design, notes) };
  };
  if (!data || !executor) {
    const best = await byGradient(candidates, patient, options, sizeOf);
    if (!best && options.signal?.aborted) {
      const reason = 'it was interrupted before all plans were looked at';
      yield finish('too-little-evidence', reason, { plans, skipped, trials: { ...unfinished(), complete: false } });
      return;
    }
    const healthy = best && `${best.candidate.plan.id} is the smallest change after which the gradient is healthy`;
    yield finish(
      'gradient-only',
      `no data were given, so nothing was trained${healthy ? `: ${healthy}` : ', and no plan makes the gradient healthy'}`,
      { plans, skipped, parameters, ...(best && { ...winning(best.candidate), after: best.report }) },
    );
    return;
  }

  const validation = heldOutPart(data.rows, options.validation);
  if (validation === 0) {
    const why = options.validation === 0 ? 'no rows are held out' : 'too few rows to hold any out';
    notes.push(`${why}: plans are judged by their training loss`);
  }
  const all = [base, ...candidates];
  const rounds = yield* runRounds(all, {
    executor,
    budget,
    start,
    seeds,
    steps: options.steps,
    rounds: options.rounds,
    seed: patient.seed,
    data: data.trial,
    artifacts: new Map([...(data.artifacts ?? []), ...all.map(({ hash, bytes }) => [hash, bytes] as const)]),
    validation,
    version: options.version ?? '0',
    sizeOf,
    store: options.store,
    signal: options.signal,
    onTrialProgress: options.onTrialProgress,
  });
  notes.push(...rounds.notes);
  const { ranking, rungs, judged } = rounds;
  const winner = all.find(({ plan }) => plan.id === ranking?.winner);
  yield finish(ranking?.outcome ?? 'too-little-evidence', ranking?.reason ?? sayNothing(rungs.length), {
    plans,
    skipped,
    results: rounds.results,
    parameters,
    ...(ranking && { ranking }),
    ...(winner && { ...winning(winner), after: await diagnoseDesign(winner, options, patient) }),
    trials: {
      executor: executor.name,
      steps: judged?.steps ?? 0,
      seeds: judged?.seeds ?? 0,
      rounds: rungs.length,
      done: rounds.done,
      seconds: elapsed(),
      data: data.name,
      heldOut: validation > 0,
      complete: rounds.complete && !options.signal?.aborted,
    },
  });

  /** Why there is not one result. */
  function sayNothing(rounds: number): string {
    if (options.signal?.aborted) return 'it was interrupted before the first trial ended';
    if (rounds === 0 && options.budget?.trials !== undefined && options.budget.trials < FEWEST_TRIALS) {
      return `a budget of ${options.budget.trials} is too small: the baseline and one plan need ${FEWEST_TRIALS} trials`;
    }
    return 'no trial ended within the budget: give more time, or a smaller network';
  }
}

function parametersOf({ design: { model } }: Candidate): number {
  return findParameters(model).reduce((sum, name) => sum + countOf(model.graph.initializers.get(name)!.dims), 0);
}

function patchesOf(remedies: readonly Remedy[], patient: Patient, design: Design, notes: string[]): PatchOf[] {
  return remedies.flatMap((remedy) => {
    try {
      return [{ remedy: remedy.id, title: remedy.title, patch: remedy.patch(patient, design) }];
    } catch (error) {
      notes.push(`no code to paste for ${remedy.id}: ${error instanceof UserError ? error.describe() : String(error)}`);
      return [];
    }
  });
}

/** Without training: the smallest change after which nothing is an error, by a diagnosis of each candidate. */
async function byGradient(
  candidates: readonly Candidate[],
  patient: Patient,
  options: TreatOptions,
  sizeOf: (id: string) => number,
): Promise<{ candidate: Candidate; report: ReportSubject } | undefined> {
  for (const candidate of [...candidates].sort((a, b) => sizeOf(a.plan.id) - sizeOf(b.plan.id))) {
    if (options.signal?.aborted) return undefined;
    const report = await diagnoseDesign(candidate, options, patient);
    if (!report.diagnosis.findings.some(({ severity }) => severity === 'error')) return { candidate, report };
  }
  return undefined;
}

function diagnoseDesign({ design }: Candidate, options: TreatOptions, patient: Patient): Promise<ReportSubject> {
  const { optimizer, learningRate, loss, output, batch } = design.training;
  return diagnose(design.model, {
    ...options,
    seed: patient.seed,
    size: batch,
    optimizer: optimizer.name,
    learningRate,
    loss: loss === 'model-output' ? 'auto' : loss,
    output,
  });
}
