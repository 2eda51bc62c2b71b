import { decodeNpz, isDataSet, openNamed } from '../data/index.ts';
import type { DigitLoader } from '../data/mnist.ts';
import { effectiveDecades } from '../diagnosis/decay.ts';
import { median } from '../flow/quantiles.ts';
import { DataError, UserError } from '../graph/errors.ts';
import type { Model } from '../graph/graph.ts';
import { readModelSource } from '../readers/index.ts';
import { memorySource } from '../readers/source.ts';
import type { TrainingSetup } from '../remedies/remedy.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { Evaluator } from '../training/evaluate.ts';
import type { LossKind, LossPlan } from '../training/losses.ts';
import { contentHash } from '../trials/identify.ts';
import type { Artifacts, CurvePoint, TrialProgress, TrialResult, TrialTask } from '../trials/trial.ts';
import { diagnose } from './diagnose.ts';
import { tensorData } from './open-data.ts';
import { type TrainFaultEvent, train } from './train.ts';
import { firstBatch } from './train-options.ts';
import type { TrainingData } from './training-data.ts';

export interface RunTrialOptions {
  readonly runtime: Runtime;
  readonly loadDigits?: DigitLoader;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TrialProgress) => void;
}

/** Points of a training curve at most. */
const CURVE_POINTS = 200;
/** Held-out batches at least, where there are as many rows: what a paired comparison resamples. */
const HELD_OUT_BATCHES = 64;

/**
 * Trains one candidate and scores it on the rows held out. The same task gives the same result, bit for bit on the same
 * machine, but for `seconds`. What the task or the candidate gets wrong is a result (`failed`), as is a training that
 * breaks down (`fault`). Rejects with the signal's reason when aborted.
 */
export async function runTrial(task: TrialTask, artifacts: Artifacts, options: RunTrialOptions): Promise<TrialResult> {
  const start = performance.now();
  const { id, plan, seed, steps } = task;
  const seconds = () => (performance.now() - start) / 1000;
  try {
    const outcome = await carryOut(task, artifacts, options);
    return { id, plan, seed, steps, ...outcome, seconds: seconds() };
  } catch (error) {
    options.signal?.throwIfAborted();
    return { id, plan, seed, steps, status: 'failed', training: [], error: describe(error), seconds: seconds() };
  }
}

type Outcome = Omit<TrialResult, 'id' | 'plan' | 'seed' | 'steps' | 'seconds'>;

async function carryOut(task: TrialTask, artifacts: Artifacts, options: RunTrialOptions): Promise<Outcome> {
  const { runtime, signal, onProgress } = options;
  const { training, steps, seed } = task;
  const { schedule, clipping, output, batch, optimizer, learningRate } = training;
  const bytes = await artifactOf(artifacts, task.model, 'model');
  const model = await readModelSource(memorySource(`${task.plan}.onnx`, bytes));
  const data = await openRows(task, model, artifacts, options);
  try {
    const before = await startingDecades(task, model, data, runtime);
    signal?.throwIfAborted();
    const losses: number[] = [];
    const paces: number[] = [];
    let last = 0;
    let plan: LossPlan | undefined;
    let broke: TrainFaultEvent | undefined;
    let trained: { model: Model; trainingModel: Model } | undefined;
    const events = train(model, {
      runtime,
      // Scored once, at the end, not after every epoch.
      data: { ...data, count: (split) => (split === 'validation' ? 0 : data.count(split)) },
      loss: lossOf(training),
      output,
      batch,
      steps,
      optimizer,
      learningRate,
      schedule,
      clipping,
      seed,
      monitor: false,
      signal,
    });
    for await (const event of events) {
      if (event.kind === 'start') plan = event.plan;
      if (event.kind === 'fault') broke = event;
      if (event.kind === 'end') trained = event;
      if (event.kind !== 'step') continue;
      losses.push(event.loss);
      const now = performance.now();
      if (last > 0) paces.push((now - last) / 1000);
      last = now;
      onProgress?.({ id: task.id, step: event.step });
    }
    signal?.throwIfAborted();
    // Planned anew for each batch, by this kind.
    const scoring: LossPlan = { ...plan!, kind: task.scoring };
    const scores = await scoreHeldOut(runtime, trained!.trainingModel, scoring, data);
    const both = before !== undefined && task.gradient === 'both';
    const after = both ? await measureDecades(task, trained!.trainingModel, data, runtime) : undefined;
    return {
      status: broke ? 'fault' : 'done',
      training: curveOf(losses),
      ...scores,
      ...(before !== undefined && { decades: { before, ...(after !== undefined && { after }) } }),
      ...(paces.length > 0 && { secondsPerStep: median(paces) }),
      ...(broke && { fault: { kind: broke.fault.kind, step: broke.fault.step, message: broke.fault.message } }),
    };
  } finally {
    await data.close();
  }
}

/** An artifact's bytes. Throws DataError where they are missing or not what their hash says. */
async function artifactOf(artifacts: Artifacts, hash: string, what: string): Promise<Uint8Array> {
  const bytes = artifacts.get(hash);
  if (!bytes) {
    throw new DataError(`the ${what} ${hash.slice(0, 12)}… of the trial is missing`, { code: 'artifact-missing' });
  }
  if (verified.get(bytes) !== hash) {
    const found = await contentHash(bytes);
    if (found !== hash) {
      throw new DataError(`the ${what} has the SHA-256 ${found.slice(0, 12)}…, the trial names ${hash.slice(0, 12)}…`, {
        code: 'artifact-damaged',
        hint: 'it was damaged on its way; run the trial again',
      });
    }
    verified.set(bytes, hash);
  }
  return bytes;
}

const verified = new WeakMap<Uint8Array, string>();

async function openRows(
  { data, validation }: TrialTask,
  model: Model,
  artifacts: Artifacts,
  { loadDigits }: RunTrialOptions,
): Promise<TrainingData> {
  const inputs = model.graph.inputs.filter(({ name }) => !model.graph.initializers.has(name));
  const { seed = 0, samples } = data;
  if (data.kind === 'packed') {
    const bytes = await artifactOf(artifacts, data.hash, 'data');
    return tensorData('the packed data', decodeNpz(bytes, 'the packed data'), inputs, { seed, validation, samples });
  }
  // Names come from strangers, over a queue: never a path.
  if (!isDataSet(data.name)) {
    throw new DataError(`"${data.name}" is no built-in data set`, { code: 'no-data', hint: 'pack files as an .npz' });
  }
  const output = model.graph.outputs[0];
  return openNamed(data.name, inputs, { seed, validation, rows: samples, output, loadDigits });
}

/** Measures effective decades, always on the same batch: the first one of an order that no trial's seed changes. */
async function measureDecades(
  { training, data: { seed = 0 } }: TrialTask,
  model: Model,
  data: TrainingData,
  runtime: Runtime,
): Promise<number | undefined> {
  const { output, batch: size } = training;
  const { inputs, target } = await firstBatch(data, size);
  const batch = { kind: 'tensors', from: data.name, inputs, target } as const;
  const { diagnosis } = await diagnose(model, { runtime, batch, loss: lossOf(training), output, size, seed });
  return diagnosis.attribution && effectiveDecades(diagnosis.attribution.byKind);
}

/** A candidate's decades before training are the same in all of its trials: measured once by each worker. */
const measured = new Map<string, number | undefined>();
const MOST_MEASURED = 256;

async function startingDecades(
  task: TrialTask,
  model: Model,
  data: TrainingData,
  runtime: Runtime,
): Promise<number | undefined> {
  const { output, batch, loss } = task.training;
  const key = JSON.stringify([task.model, task.data, task.validation, output, batch, loss]);
  if (!measured.has(key)) {
    const decades = await measureDecades(task, model, data, runtime);
    if (measured.size >= MOST_MEASURED) measured.clear();
    measured.set(key, decades);
  }
  return measured.get(key);
}

/** A model whose output is its loss is recognised as such. */
function lossOf({ loss }: TrainingSetup): LossKind | 'auto' {
  return loss === 'model-output' ? 'auto' : loss;
}

async function scoreHeldOut(
  runtime: Runtime,
  model: Model,
  plan: LossPlan,
  data: TrainingData,
): Promise<Pick<TrialResult, 'heldOut' | 'heldOutLosses'>> {
  const rows = data.count('validation');
  if (rows === 0) return {};
  const evaluator = new Evaluator(runtime, model, plan);
  try {
    const batches = data.batches({ batch: heldOutBatch(rows), split: 'validation' });
    const { loss, metrics, losses } = await evaluator.evaluate(batches, new Map());
    if (losses.length === 0) return {};
    const { accuracy } = metrics;
    return { heldOut: { loss, ...(accuracy !== undefined && { accuracy }), rows }, heldOutLosses: losses };
  } finally {
    await evaluator.release();
  }
}

/** Rows of a held-out batch: a divisor of all of them where one is near, else what leaves the fullest last batch. */
function heldOutBatch(rows: number): number {
  const least = Math.ceil(rows / HELD_OUT_BATCHES);
  const fill = (size: number) => (rows % size === 0 ? 1 : (rows % size) / size);
  let best = least;
  for (let size = least; size < 2 * least; size++) if (fill(size) > fill(best)) best = size;
  return best;
}

/** The mean loss of the last twentieth of the steps so far, at no more than `CURVE_POINTS` steps and the last. */
function curveOf(losses: readonly number[]): CurvePoint[] {
  const window = Math.max(5, Math.ceil(losses.length / 20));
  const every = Math.ceil(losses.length / CURVE_POINTS);
  const points: CurvePoint[] = [];
  for (let step = losses.length; step >= 1; step -= every) {
    const some = losses.slice(Math.max(0, step - window), step);
    points.push({ step, loss: some.reduce((sum, loss) => sum + loss, 0) / some.length });
  }
  return points.reverse();
}

function describe(error: unknown): string {
  if (error instanceof UserError) return error.describe();
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
