import { DataError } from '../graph/errors.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Scores } from './evaluate.ts';
import type { Fault, FaultWatch, WatchState } from './fault.ts';
import type { LossPlan } from './losses.ts';
import { metricsOf } from './metrics.ts';
import { constant, type PlateauOptions, type PlateauState, ReduceOnPlateau, type Schedule } from './schedules.ts';
import type { TrainingStep } from './step.ts';
import { copyOf, type Trainer, type TrainingBatch, type UpdateResult } from './trainer.ts';

/** Where a run stands: plain numbers. With the state's tensors it is everything that going on exactly needs. */
export interface Progress {
  /** Updates done. */
  readonly step: number;
  /** Epochs done, and batches taken of the one that has begun. */
  readonly epoch: number;
  readonly batch: number;
  /** Sums over the updates of this epoch. */
  readonly loss: number;
  readonly accuracy: number;
  readonly updates: number;
  readonly watch: WatchState;
  readonly plateau: PlateauState | null;
}

export interface StepEvent {
  readonly kind: 'step';
  /** Updates done, this one included; epochs count from 1 in events. */
  readonly step: number;
  readonly epoch: number;
  /** Of this batch, before the update. */
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly learningRate: number;
  /** ‖∂L/∂w‖ before clipping, ‖w‖ before and ‖Δw‖ of the update, per trained parameter, where monitored. */
  readonly gradientNorms?: Float64Array;
  readonly weightNorms?: Float64Array;
  readonly updateNorms?: Float64Array;
  /** What an inspected step exposed, by output name. */
  readonly inspected?: ReadonlyMap<string, Tensor>;
}

export interface EpochEvent {
  readonly kind: 'epoch' | 'validation';
  readonly step: number;
  readonly epoch: number;
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
}

export interface CheckpointEvent {
  readonly kind: 'checkpoint';
  readonly step: number;
  readonly progress: Progress;
  /** A copy: parameters, running statistics, what the optimizer remembers, by name. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

export interface FaultEvent {
  readonly kind: 'fault';
  readonly step: number;
  readonly fault: Fault;
  /** The batch of the step, and the weights before it. */
  readonly batch: TrainingBatch;
  readonly before: ReadonlyMap<string, Tensor>;
}

export interface EndEvent {
  readonly kind: 'end';
  readonly step: number;
  readonly epoch: number;
  readonly reason: 'done' | 'aborted' | 'fault';
  readonly tensors: ReadonlyMap<string, Tensor>;
}

export type LoopEvent = StepEvent | EpochEvent | CheckpointEvent | FaultEvent | EndEvent;

export interface LoopOptions {
  readonly trainer: Trainer;
  readonly plan: LossPlan;
  /** The batches of an epoch, counted from 0, less the first `skip`. The same epoch gives the same batches. */
  readonly batches: (epoch: number, skip: number) => AsyncIterable<TrainingBatch>;
  /** Training ends at whichever comes first; Infinity for none. */
  readonly epochs: number;
  readonly steps: number;
  readonly learningRate: number;
  /** Factor on the learning rate by update. */
  readonly schedule?: Schedule;
  /** Reports the validation loss, else the epoch's, to a plateau schedule. */
  readonly plateau?: PlateauOptions;
  readonly watch: FaultWatch;
  /** Output of the step that holds the accuracy. */
  readonly accuracy?: string;
  readonly validate?: (state: ReadonlyMap<string, Tensor>) => Promise<Scores>;
  readonly checkpointEvery?: { readonly steps?: number; readonly seconds?: number };
  /** A step of the same state that exposes more, run in place of the plain one every so many updates, the first included. */
  readonly inspect?: { readonly every: number; readonly step: TrainingStep; readonly outputs: readonly string[] };
  readonly start?: Progress;
  readonly signal?: AbortSignal;
}

/**
 * Trains: an event for each update, epoch, validation, checkpoint and fault, and one at the end. It goes on only while
 * events are asked for. A fault or the signal ends it in order; what a step broke is taken back.
 */
export async function* trainLoop(options: LoopOptions): AsyncGenerator<LoopEvent> {
  const { trainer, plan, watch, signal } = options;
  const { microBatches } = trainer.step;
  const schedule = options.schedule ?? constant();
  const plateau =
    options.plateau && new ReduceOnPlateau(options.start?.plateau ?? options.learningRate, options.plateau);
  let { step, epoch, batch } = options.start ?? { step: 0, epoch: 0, batch: 0 };
  let sums = options.start
    ? { loss: options.start.loss, accuracy: options.start.accuracy, updates: options.start.updates }
    : { loss: 0, accuracy: 0, updates: 0 };
  let savedAt = { step, time: Date.now() };
  let validatedAt = -1;
  let reason: EndEvent['reason'] = 'done';

  const snapshot = (): CheckpointEvent => {
    savedAt = { step, time: Date.now() };
    const progress = {
      step,
      epoch,
      batch,
      ...sums,
      watch: watch.snapshot(),
      plateau: plateau ? { ...plateau.state } : null,
    };
    return { kind: 'checkpoint', step, progress, tensors: copies(trainer.state()) };
  };
  const validation = async (): Promise<EpochEvent | undefined> => {
    if (!options.validate || validatedAt === step) return undefined;
    validatedAt = step;
    const { loss, metrics } = await options.validate(trainer.state());
    return { kind: 'validation', step, epoch: epoch + 1, loss, metrics };
  };

  training: while (epoch < options.epochs && step < options.steps) {
    let pending: TrainingBatch[] = [];
    for await (const next of options.batches(epoch, batch)) {
      if (signal?.aborted) {
        reason = 'aborted';
        break training;
      }
      pending.push(next);
      if (pending.length < microBatches) continue;
      const learningRate = (plateau?.state.learningRate ?? options.learningRate) * schedule(step);
      const inspect = options.inspect && step % options.inspect.every === 0 ? options.inspect : undefined;
      const result = await trainer.update(pending, learningRate, step, {
        fetches: [...(options.accuracy === undefined ? [] : [options.accuracy]), ...(inspect?.outputs ?? [])],
        variant: inspect?.step,
      });
      step += 1;
      const fault = watch.see({ step, ...result });
      const accuracy =
        options.accuracy === undefined ? undefined : Number(result.outputs.get(options.accuracy)!.data[0]);
      yield stepEvent(step, epoch, learningRate, metricsOf(plan, result.loss, accuracy), result, inspect?.outputs);
      if (fault) {
        yield { kind: 'fault', step, fault, batch: pending.at(-1)!, before: copies(trainer.stateBefore()) };
        if (fault.kind === 'non-finite') {
          trainer.revert();
          step -= 1;
        }
        reason = 'fault';
        break training;
      }
      batch += pending.length;
      pending = [];
      sums = { loss: sums.loss + result.loss, accuracy: sums.accuracy + (accuracy ?? 0), updates: sums.updates + 1 };
      if (isDue(options.checkpointEvery, step, savedAt)) yield snapshot();
      if (step >= options.steps) break;
    }
    if (sums.updates === 0) {
      throw new DataError(`the data end after ${batch + pending.length} of the ${microBatches} batches of one update`, {
        code: 'too-few-rows',
        hint: 'a smaller batch, or more data',
      });
    }
    // Enough steps in the middle of an epoch: the epoch stays open, for someone may go on.
    if (step >= options.steps && !(await isOver(options.batches(epoch, batch), microBatches))) break;
    const loss = sums.loss / sums.updates;
    const metrics = metricsOf(plan, loss, options.accuracy === undefined ? undefined : sums.accuracy / sums.updates);
    yield { kind: 'epoch', step, epoch: epoch + 1, loss, metrics };
    const scores = await validation();
    if (scores) yield scores;
    plateau?.report(scores?.loss ?? loss);
    epoch += 1;
    batch = 0;
    sums = { loss: 0, accuracy: 0, updates: 0 };
  }
  if (reason === 'done') {
    const scores = await validation();
    if (scores) yield scores;
  }
  yield snapshot();
  yield { kind: 'end', step, epoch, reason, tensors: copies(trainer.state()) };
}

function stepEvent(
  step: number,
  epoch: number,
  learningRate: number,
  metrics: Record<string, number>,
  { loss, gradientNorms, weightNorms, updateNorms, outputs }: UpdateResult,
  inspected: readonly string[] | undefined,
): StepEvent {
  return {
    kind: 'step',
    step,
    epoch: epoch + 1,
    loss,
    metrics,
    learningRate,
    gradientNorms,
    weightNorms,
    updateNorms,
    ...(inspected && { inspected: new Map(inspected.map((name) => [name, outputs.get(name)!])) }),
  };
}

function isDue(every: LoopOptions['checkpointEvery'], step: number, saved: { step: number; time: number }): boolean {
  if (!every) return false;
  if (every.steps !== undefined && step - saved.step >= every.steps) return true;
  return every.seconds !== undefined && Date.now() - saved.time >= 1000 * every.seconds;
}

/** Whether too few batches are left for an update. */
async function isOver(batches: AsyncIterable<TrainingBatch>, needed: number): Promise<boolean> {
  let count = 0;
  for await (const _ of batches) if (++count >= needed) return false;
  return true;
}

function copies(state: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return new Map([...state].map(([name, tensor]) => [name, copyOf(tensor)]));
}
