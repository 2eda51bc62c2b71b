import { suggest } from '../graph/did-you-mean.ts';
import { UsageError } from '../graph/errors.ts';
import type { Model } from '../graph/graph.ts';
import { type Patient, type PatientTools, type Remedy, RemedyError } from '../remedies/remedy.ts';
import { type Candidate, carryOut, type SkippedPlan } from '../trials/candidates.ts';
import type { ProposedPlan } from '../trials/plans.ts';
import type { Plan } from '../trials/trial.ts';
import type { PatientOptions } from './patient.ts';

/** Part of the budget that remedies may take to measure (range tests, unit variance): the rest is for trials. */
const MEASURING = 0.15;

export interface MeasuringOptions {
  /** What remedies may measure; it ends when the signal aborts, with its reason. */
  readonly tools?: (model: Model, signal: AbortSignal) => PatientTools;
  readonly signal?: AbortSignal;
  /** The whole budget; absent, measuring takes as long as it takes. */
  readonly seconds?: number;
}

/** Carries plans out, and ends what remedies measure for it when its part of the budget is over. */
export class Measuring {
  readonly #signal: AbortSignal | undefined;
  readonly #seconds: number | undefined;
  readonly #end = new AbortController();
  /** What a patient's remedies measure with. */
  readonly tools: PatientOptions['tools'];

  constructor({ tools, signal, seconds }: MeasuringOptions) {
    const either = signal ? AbortSignal.any([signal, this.#end.signal]) : this.#end.signal;
    this.tools = tools && ((model) => tools(model, either));
    this.#signal = signal;
    this.#seconds = seconds;
  }

  /**
   * One after the other, the most promising first: measuring takes all processors, and may end before the last. Ends
   * early when aborted.
   */
  async carryOutAll(
    plans: readonly Plan[],
    patient: Patient,
    remedies: ReadonlyMap<string, Remedy>,
  ): Promise<(Candidate | SkippedPlan)[]> {
    const timer = this.#start();
    try {
      const carried: (Candidate | SkippedPlan)[] = [];
      for (const plan of plans) {
        if (this.#signal?.aborted) break;
        carried.push(await carryOut(plan, patient, remedies));
      }
      return carried;
    } finally {
      clearTimeout(timer);
    }
  }

  #start(): ReturnType<typeof setTimeout> | undefined {
    if (this.#seconds === undefined) return undefined;
    const seconds = MEASURING * this.#seconds;
    const late = () =>
      this.#end.abort(
        new RemedyError(`what it measures first was not done after ${seconds.toPrecision(2)} s`, {
          code: 'measuring-time',
          hint: `that part of the budget of ${this.#seconds} s is for measuring`,
        }),
      );
    return setTimeout(late, Math.min(1000 * seconds, 2_000_000_000));
  }
}

/** Candidates less those whose network and training equal an earlier one's. */
export function distinct(candidates: readonly Candidate[]): Candidate[] {
  const seen = new Set<string>();
  return candidates.filter(({ hash, design }) => {
    const key = hash + JSON.stringify(design.training);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** Plans made of remedies by their ids. Throws UsageError for an unknown one. */
export function namedPlans(lists: readonly (readonly string[])[], known: ReadonlyMap<string, Remedy>): ProposedPlan[] {
  return lists.map((ids) => {
    const own = ids.map((id) => {
      const remedy = known.get(id);
      if (remedy) return remedy;
      throw new UsageError(`no remedy "${id}"`, { code: 'unknown-remedy', hint: suggest(id, [...known.keys()]) });
    });
    const clash = own.flatMap((a) => own.filter((b) => a.conflicts.includes(b.id)).map((b) => [a.id, b.id]))[0];
    if (clash) {
      throw new UsageError(`${clash[0]} and ${clash[1]} make no sense together`, { code: 'remedy-conflict' });
    }
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
