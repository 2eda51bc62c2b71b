import type { BatchRequest, DigitLoader } from '../data/index.ts';
import { isFloat } from '../graph/data-type.ts';
import { DataError } from '../graph/errors.ts';
import { consumers, type Graph, type Model, type Node } from '../graph/graph.ts';
import { sizeOf, type Tensor, toFloat64 } from '../graph/tensor.ts';
import type { InputStatistics, Patient, PatientTools } from '../remedies/remedy.ts';
import type { ReportSubject } from '../report/subject.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { LossKind } from '../training/losses.ts';
import type { OptimizerChoice } from '../training/optimizers/index.ts';
import { diagnoseBound } from './diagnose.ts';
import { trainingRows } from './held-out.ts';
import { prepareForTraining } from './prepare.ts';
import { keepRunnable } from './runnable.ts';

export interface PatientOptions {
  readonly runtime: Runtime;
  readonly batch?: BatchRequest;
  readonly size?: number;
  readonly loss?: LossKind | 'auto';
  readonly output?: string;
  readonly optimizer?: OptimizerChoice;
  readonly learningRate?: number;
  readonly seed: number;
  /** What it will be trained on: how many rows there are, undefined where they do not end. */
  readonly data?: { readonly rows?: number };
  /** Part of those rows that will be held out. */
  readonly validation?: number;
  readonly loadDigits?: DigitLoader;
  readonly tools?: (model: Model) => PatientTools;
  readonly onProgress?: (message: string) => void;
}

/** The optimizer a network is trained with where nothing says another: the tool's own default for training. */
const DEFAULT_OPTIMIZER = 'adam';
const BATCH = 64;

/**
 * Diagnoses a network on one batch and gathers what remedies need to know of it.
 * Throws UserError for an unusable model, data or options.
 */
export async function examinePatient(
  given: Model,
  options: PatientOptions,
): Promise<{ patient: Patient; report: ReportSubject }> {
  const { seed } = options;
  const { model } = prepareForTraining(keepRunnable(given, options.output).model);
  const own = given.training?.optimizer;
  const optimizer = options.optimizer ?? own ?? { name: DEFAULT_OPTIMIZER };
  const { report, bound } = await diagnoseBound(model, {
    ...options,
    optimizer: optimizer.name,
    learningRate: options.learningRate ?? (optimizer.options?.lr as number | undefined),
    size: options.size ?? given.training?.batch ?? BATCH,
  });
  const size = report.probe.batch.size;
  const { batch, binding, plan } = bound;
  if (options.data && plan.target && !batch.target) {
    throw new DataError('holds no target: there is nothing to train candidates for', {
      code: 'no-target',
      where: batch.description.name,
      hint: 'name labels or values (--target FILE.npy, y in an archive), or leave the data away: gradient health only',
    });
  }
  const rows = options.data && trainingRows(options.data.rows, options.validation);
  const { lr: _, ...rest } = optimizer.options ?? {};
  return {
    report,
    patient: {
      design: {
        model,
        training: {
          optimizer: { name: optimizer.name, options: rest },
          learningRate: report.probe.update.learningRate,
          loss: plan.kind,
          output: plan.output,
          batch: Math.min(size, rows ?? size),
        },
      },
      profile: report.profile,
      diagnosis: report.diagnosis,
      ...(report.theory && { theory: report.theory }),
      binding,
      inputs: statisticsOf(batch.inputs, model.graph),
      seed,
      ...(rows !== undefined && { rows }),
      ...(options.tools && { tools: options.tools(model) }),
    },
  };
}

/** Mean and deviation per channel of images, per feature of all else. */
function statisticsOf(inputs: ReadonlyMap<string, Tensor>, graph: Graph): Map<string, InputStatistics> {
  const found = new Map<string, InputStatistics>();
  for (const [name, tensor] of inputs) {
    const { dims } = tensor;
    if (!isFloat(tensor.type) || dims.length < 2) continue;
    const axis = channelAxis(graph, name, dims.length);
    const inner = sizeOf(dims.slice(axis + 1));
    const features = dims[axis]!;
    const [sum, squares, count] = [0, 0, 0].map(() => new Float64Array(features)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    toFloat64(tensor).forEach((x, i) => {
      const feature = Math.floor(i / inner) % features;
      if (!Number.isFinite(x)) return;
      sum[feature]! += x;
      squares[feature]! += x * x;
      count[feature]!++;
    });
    const mean = Array.from(sum, (total, i) => total / Math.max(1, count[i]!));
    const deviation = Array.from(squares, (total, i) => {
      return Math.sqrt(Math.max(0, total / Math.max(1, count[i]!) - mean[i]! ** 2));
    });
    found.set(name, { axis, mean, deviation });
  }
  return found;
}

/** Images are [N, C, …], but for files from Keras and TensorFlow: [N, …, C], which a Transpose brings into ONNX's order. */
function channelAxis(graph: Graph, input: string, rank: number): number {
  const last = rank - 1;
  if (rank < 4) return last;
  const readers = consumers(graph).get(input) ?? [];
  const isLast = ({ op, attributes: { perm } }: Node) => op === 'Transpose' && Array.isArray(perm) && perm[1] === last;
  return readers.length > 0 && readers.every(({ node }) => isLast(node)) ? last : 1;
}
