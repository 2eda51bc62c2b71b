import type { Missing } from './data/index.ts';
import type { Model } from './graph/graph.ts';
import { readModelSource } from './readers/index.ts';
import type { Comparison } from './report/compare.ts';
import type { Explanation } from './report/explanation.ts';
import { isReport, readReport, type SavedReport } from './report/read-json.ts';
import type { ReportSubject } from './report/subject.ts';
import type { TheorySubject } from './report/theory-report.ts';
import { diskFiles } from './runtime/node/data-files.ts';
import { openSource } from './runtime/node/files.ts';
import { loadDigit } from './runtime/node/mnist-files.ts';
import { nodeRuntime } from './runtime/node/onnxruntime.ts';
import type { Runtime } from './runtime/runtime.ts';
import { type CompareOptions, compare as compareReports, noteUnused } from './verbs/compare.ts';
import { type DiagnoseStepsOptions, diagnoseSteps } from './verbs/diagnose-steps.ts';
import {
  type DifferentiatedModel,
  type DifferentiateOptions,
  differentiate as differentiateWith,
} from './verbs/differentiate.ts';
import { type ExplainOptions, explain as explainWith } from './verbs/explain.ts';
import { vocabularies } from './verbs/model-hints.ts';
import { openData as openDataSet } from './verbs/open-data.ts';
import { type DataNames, requestBatch } from './verbs/request-batch.ts';
import { type TheoryOptions, theory as theoryOf } from './verbs/theory.ts';
import { type TrainEvent, type TrainOptions, train as trainWith } from './verbs/train.ts';
import { openTrainingData, type TrainingData } from './verbs/training-data.ts';

export * from './index.ts';
export { openRunFolder, type RunConfig, type RunFolder, readRunConfig } from './logs/node/run-folder.ts';
export { type NodeTreatOptions, treat } from './node-treat.ts';
export { writeModel } from './runtime/node/model-files.ts';
export { type NodeRuntimeOptions, nodeRuntime } from './runtime/node/onnxruntime.ts';

/** Options of `diagnose` in Node: the runtime has a default, and data may be named instead of given. */
export interface NodeDiagnoseOptions extends Omit<DiagnoseStepsOptions, 'runtime'>, DataNames {
  /** Default onnxruntime-node on the CPU. */
  readonly runtime?: Runtime;
  /** Rows with NaN in files: an error, or left out; by default they are measured, and found. */
  readonly missing?: Missing;
}

/**
 * Reads a model file of any known format, with the weights beside it. Throws ReaderError or DataError saying what is
 * wrong with it, and what would be accepted.
 */
export async function readModel(path: string): Promise<Model> {
  return readModelSource(await openSource(path));
}

/**
 * Measures a model's gradient flow on one batch and says what is wrong with it, and why: `diagnose('net.onnx',
 * { data: 'mnist' })`; with `steps`, before and after training. Throws UserError for an unusable model, data or
 * options; never on NaN or infinities.
 */
export async function diagnose(model: Model | string, options: NodeDiagnoseOptions = {}): Promise<ReportSubject> {
  const { runtime = nodeRuntime(), data, inputs, target, missing, ...rest } = options;
  rest.onProgress?.('reading the model');
  const read = typeof model === 'string' ? await readModel(model) : model;
  const feeds = read.graph.inputs.filter((input) => !read.graph.initializers.has(input.name));
  const named = data !== undefined || inputs !== undefined || target !== undefined;
  const batch = named ? await requestBatch({ data, inputs, target }, feeds, diskFiles, { missing }) : rest.batch;
  try {
    return await diagnoseSteps(read, { ...rest, runtime, batch, loadDigits: rest.loadDigits ?? loadDigit });
  } finally {
    if (named && batch?.kind === 'rows') await batch.source.close();
  }
}

/** Options of `compare` in Node: those of `diagnose` are for what is a model. */
export interface NodeCompareOptions extends Omit<NodeDiagnoseOptions, 'notes'>, CompareOptions {}

/**
 * Two models or two reports side by side: `compare('main.json', 'net.onnx', { data: 'mnist' })`. A path may be a model's
 * or a JSON report's; models are diagnosed, both with the same options. Throws UserError as `diagnose` does, and
 * DataError for a report that is damaged or of another version.
 */
export async function compare(
  a: string | Model | ReportSubject | SavedReport,
  b: string | Model | ReportSubject | SavedReport,
  options: NodeCompareOptions = {},
): Promise<Comparison> {
  const { tolerance, labels, notes = [], ...measuring } = options;
  const { runtime = nodeRuntime() } = measuring;
  const reports: (ReportSubject | SavedReport)[] = [];
  for (const given of [a, b]) {
    const source = typeof given === 'string' ? await openSource(given) : undefined;
    if (source && isReport(source.bytes)) reports.push(readReport(source.bytes, given as string));
    else if (typeof given !== 'string' && !('graph' in given)) reports.push(given);
    else
      reports.push(
        await diagnose(source ? await readModelSource(source) : (given as Model), { ...measuring, runtime }),
      );
  }
  const [left, right] = reports as [ReportSubject | SavedReport, ReportSubject | SavedReport];
  const paths = typeof a === 'string' && typeof b === 'string' ? ([a, b] as const) : undefined;
  const all = reports.every((report) => 'schema' in report) ? [...notes, ...noteUnused(measuring)] : notes;
  return compareReports(left, right, { tolerance, labels: labels ?? paths, notes: all });
}

/**
 * What mean-field theory says of a model: q*, χ, depth scales, the critical initialization and the decades to expect.
 * Needs no data and runs nothing. Throws ReaderError for an unusable file, UsageError for unusable options.
 */
export async function theory(model: Model | string, options: TheoryOptions = {}): Promise<TheorySubject> {
  return theoryOf(typeof model === 'string' ? await readModel(model) : model, options);
}

/** Options of `differentiate` in Node: the runtime, which works out shapes, has a default. */
export interface NodeDifferentiateOptions extends Omit<DifferentiateOptions, 'runtime'> {
  /** Default onnxruntime-node on the CPU. */
  readonly runtime?: Runtime;
  /** Threads of the default runtime. */
  readonly threads?: number;
}

/**
 * Writes a model's loss and backward pass as one plain graph: `differentiate('net.onnx', { wrt: ['inputs'] })`.
 * Throws GradientError for an operator without a gradient on the path, other UserErrors for unusable input.
 */
export async function differentiate(
  model: Model | string,
  options: NodeDifferentiateOptions = {},
): Promise<DifferentiatedModel> {
  const { runtime = nodeRuntime({ threads: options.threads }), ...rest } = options;
  return differentiateWith(typeof model === 'string' ? await readModel(model) : model, { ...rest, runtime });
}

/** What to train on, by name. */
export interface NodeDataOptions extends DataNames {
  /** Rows taken in all, of files the first in an order drawn from the seed; default what there is. */
  readonly samples?: number;
  /** Rows that lack a value: an error (default), or left out. */
  readonly missing?: Missing;
  /** Part of the rows that is kept apart to score on; default none. */
  readonly validation?: number;
  /** Of drawing, splitting and shuffling; default the model file's own, else 0. */
  readonly seed?: number;
}

/**
 * Rows for a model to train on, as a stream of batches: a built-in data set, .npy and idx files read where they lie, a
 * .csv, a .npz, a folder of images; made-up inputs where nothing is named. Throws DataError, UsageError.
 */
export async function openData(model: Model, options: NodeDataOptions = {}): Promise<TrainingData> {
  const { data, inputs, target, samples, missing, validation, seed = model.training?.seed } = options;
  const feeds = model.graph.inputs.filter((input) => !model.graph.initializers.has(input.name));
  const output = model.graph.outputs[0];
  if (data === undefined && inputs === undefined && target === undefined) {
    const settings = { samples, validation, seed, output, vocabulary: vocabularies(model, feeds) };
    return openTrainingData({ kind: 'none' }, feeds, settings);
  }
  const settings = { validation, seed, output, samples, missing, files: diskFiles, loadDigits: loadDigit };
  return openDataSet({ data, inputs, target }, feeds, settings);
}

/** Options of `train` in Node: the runtime has a default, and data may be named instead of given. */
export interface NodeTrainOptions
  extends Omit<TrainOptions, 'runtime' | 'data'>,
    Omit<NodeDataOptions, 'data' | 'seed'> {
  readonly data?: string | TrainingData;
  readonly runtime?: Runtime;
}

/**
 * Trains a model: `for await (const event of train('net.onnx', { data: 'mnist' }))`. The last event holds the trained
 * model. Throws UserError for an unusable model, data or options; never on NaN or infinities.
 */
export async function* train(model: Model | string, options: NodeTrainOptions = {}): AsyncGenerator<TrainEvent> {
  const { runtime = nodeRuntime(), data, inputs, target, samples, missing, validation, ...rest } = options;
  const read = typeof model === 'string' ? await readModel(model) : model;
  const rows =
    typeof data === 'object'
      ? data
      : await openData(read, { data, inputs, target, samples, missing, validation, seed: rest.seed });
  try {
    yield* trainWith(read, { ...rest, runtime, data: rows });
  } finally {
    if (rows !== data) await rows.close();
  }
}

/** Options of `explain` in Node: the runtime has a default. */
export interface NodeExplainOptions extends Omit<ExplainOptions, 'runtime'> {
  readonly runtime?: Runtime;
}

/**
 * Explains rules, remedies, activations, initializers, optimizers and ideas by name, with examples that are computed:
 * `explain(['sigmoid', 'relu'])`. Throws UsageError for an unknown name.
 */
export async function explain(names: readonly string[], options: NodeExplainOptions = {}): Promise<Explanation> {
  return explainWith(names, { ...options, runtime: options.runtime ?? nodeRuntime() });
}
