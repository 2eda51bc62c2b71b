import type { BatchRequest, DigitLoader } from '../data/index.ts';
import { diagnoseFlow } from '../diagnosis/diagnose-flow.ts';
import { suggest } from '../graph/did-you-mean.ts';
import { UsageError } from '../graph/errors.ts';
import { countOperators, type Model } from '../graph/graph.ts';
import { sizeOf } from '../graph/tensor.ts';
import type { ReportSubject } from '../report/subject.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { predictTheory } from '../theory/predict.ts';
import { floatOutputs, type LossKind } from '../training/losses.ts';
import { optimizers } from '../training/optimizers/index.ts';
import { type BoundBatch, bindBatch, withLoss } from './bind-batch.ts';
import { noteExport } from './export-notes.ts';
import { initializeWeights } from './initial-weights.ts';
import { inputSignal } from './input-signal.ts';
import { lossKindOf, trainableParameters } from './model-hints.ts';
import { prepareForMeasuring } from './prepare.ts';
import { probeFlow } from './probe.ts';
import { keepRunnable } from './runnable.ts';

export interface DiagnoseOptions {
  readonly runtime: Runtime;
  /** What to feed; default: standard-normal inputs and random labels, and the report says so. */
  readonly batch?: BatchRequest;
  /** Default `auto`: what the model file says, else by looking at the output. */
  readonly loss?: LossKind | 'auto';
  /** Name of the output to compute the loss from; default the first float output. */
  readonly output?: string;
  /** Weights to measure with: `keep` (default), a scheme drawn by seed (`he`, `normal:0.02`), `lsuv` or `fixup`. */
  readonly init?: string;
  /** Samples, default 64. */
  readonly size?: number;
  readonly seed?: number;
  /** The optimizer whose first step is judged against the weights; default the model's own, else plain SGD. */
  readonly optimizer?: string;
  readonly learningRate?: number;
  readonly loadDigits?: DigitLoader;
  readonly onProgress?: (message: string) => void;
  /** Bytes of tensors fetched at a time, default 256 MiB: less memory, more runs. */
  readonly passBytes?: number;
  /** The command that reproduces the report. */
  readonly command?: string;
  /** What was done to the model before, in sentences for the report. */
  readonly notes?: readonly string[];
}

/**
 * Measures a model's gradient flow on one batch and says what is wrong with it, and why.
 * Throws UserError (unusable model, data or options); never on NaN or infinities.
 */
export async function diagnose(given: Model, options: DiagnoseOptions): Promise<ReportSubject> {
  return (await diagnoseBound(given, options)).report;
}

/** The same, with the batch it was measured on and the model bound to it. */
export async function diagnoseBound(
  given: Model,
  options: DiagnoseOptions,
): Promise<{ readonly report: ReportSubject; readonly bound: BoundBatch }> {
  const { runtime, seed = given.training?.seed ?? 0, onProgress = () => {} } = options;
  const initial = await initializeWeights(given, options.init, { ...options, seed });
  const runnable = keepRunnable(initial.model, options.output);
  const { model, notes } = prepareForMeasuring(runnable.model);
  const update = updateRule(model, options);
  const bound = await bindBatch(model, { ...options, onProgress }, seed);
  const { batch, graph, binding, plan } = bound;
  const { lossGraph, feeds } = withLoss(bound, seed);
  const outputs = floatOutputs(graph, binding);
  const choice =
    outputs.length > 1 && options.output === undefined
      ? [`the loss reads "${plan.output}", the first of ${outputs.length} outputs; --model-output reads another`]
      : [];
  const kind = lossKindOf(model, options.loss);
  const parameters = trainableParameters(model);
  onProgress('running forward and backward');
  const profile = await probeFlow({
    runtime,
    model,
    graph,
    lossGraph,
    plan,
    feeds,
    parameters,
    update,
    batch: batch.description.size,
    passBytes: options.passBytes,
  });
  const theory = predictTheory(graph, parameters, {
    input: inputSignal(batch.inputs),
    output: plan.reads,
    shapeOf: (name) => binding.get(name)?.shape,
  });
  const report: ReportSubject = {
    model: {
      name: model.name,
      format: model.format,
      opset: model.format === 'onnx' ? model.sourceOpset : undefined,
      parameters: parameters.reduce((sum, name) => sum + sizeOf(graph.initializers.get(name)!.dims), 0),
      operators: countOperators(model.graph),
    },
    probe: {
      batch: {
        ...batch.description,
        notes: [
          ...(options.notes ?? []),
          ...initial.notes,
          ...batch.description.notes,
          ...choice,
          ...runnable.notes,
          ...notes,
          ...noteExport(model, parameters),
        ],
      },
      lossKind: plan.kind,
      lossReason: kind === 'auto' ? plan.reason : `${kind}, ${options.loss === kind ? 'as asked' : 'as the file says'}`,
      update,
      runtime: runtime.name,
      command: options.command,
    },
    profile,
    diagnosis: diagnoseFlow(profile, { theory }),
    theory,
  };
  return { report, bound };
}

function updateRule(model: Model, options: DiagnoseOptions): { optimizer: string; learningRate: number } {
  const own = model.training?.optimizer;
  const optimizer = options.optimizer ?? own?.name ?? 'sgd';
  const known = optimizers[optimizer];
  if (!known) {
    throw new UsageError(`unknown optimizer "${optimizer}"`, {
      code: 'unknown-optimizer',
      hint: suggest(optimizer, Object.keys(optimizers)),
    });
  }
  const ownRate = optimizer === own?.name ? own.options.lr : undefined;
  return { optimizer, learningRate: options.learningRate ?? ownRate ?? known.learningRate };
}
