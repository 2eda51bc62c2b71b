import { type BatchRequest, fixedBatchOf } from '../data/index.ts';
import { UsageError } from '../graph/errors.ts';
import type { Model } from '../graph/graph.ts';
import { type Tensor, toFloat64 } from '../graph/tensor.ts';
import type { ReportSubject } from '../report/subject.ts';
import { bindShapes } from '../runtime/bind.ts';
import { Evaluator } from '../training/evaluate.ts';
import { type Fault, FaultWatch } from '../training/fault.ts';
import { inferenceForm, withState } from '../training/inference-form.ts';
import { trainLoop } from '../training/loop.ts';
import { attachLoss, planLoss } from '../training/losses.ts';
import { attachMetrics, constantLoss } from '../training/metrics.ts';
import { separateStatistics } from '../training/running-statistics.ts';
import { scheduleOf } from '../training/schedule-choice.ts';
import { buildTrainingStep, type TrainingStep } from '../training/step.ts';
import { targetFor } from '../training/targets.ts';
import { Trainer, type TrainingBatch } from '../training/trainer.ts';
import { diagnose } from './diagnose.ts';
import { noteExport } from './export-notes.ts';
import { fittedBatches } from './fitted-batches.ts';
import { initializeWeights } from './initial-weights.ts';
import { lossKindOf, trainableParameters } from './model-hints.ts';
import { prepareForTraining } from './prepare.ts';
import type { Inspected, TrainEvent } from './train-events.ts';
import { batchSize, checkOptions, firstBatch, type TrainOptions, withoutFrozen } from './train-options.ts';
import { type LayerNorms, layersOf, normsByLayer, type TrainedLayer } from './training-layers.ts';

export type * from './train-events.ts';
export type { TrainOptions } from './train-options.ts';

/** Scoring needs no gradients: larger batches cost no memory that matters. */
const EVALUATION_BATCH = 256;
const EPOCHS = 10;

/**
 * Trains a model: `for await (const event of train(model, options))`. Events come for the start, each step, epoch and
 * validation, for checkpoints and a fault, and the last holds the trained model. Same seed, same numbers; a resumed run
 * equals one that never stopped. Throws UserError for an unusable model, data or options; never on NaN or infinities.
 */
export async function* train(given: Model, options: TrainOptions): AsyncGenerator<TrainEvent> {
  checkOptions(options);
  const { runtime, data } = options;
  const inputs = given.graph.inputs.filter((input) => !given.graph.initializers.has(input.name));
  const seed = options.seed ?? given.training?.seed ?? 0;
  const rows = data.size === undefined ? undefined : data.count('training');
  const validation = data.size === undefined ? 0 : data.count('validation');
  const batch = batchSize(options, given, fixedBatchOf(inputs), rows);
  // A run that goes on has its weights.
  const init = options.resume ? 'keep' : options.init;
  const request = init === 'lsuv' ? requestOf(await firstBatch(data, batch)) : undefined;
  const initial = await initializeWeights(given, init, { runtime, seed, batch: request, size: batch });
  const { model, notes } = prepareForTraining(initial.model);
  separateStatistics(model.graph);
  const parts = await assembleTraining(model, { ...options, batch, seed });
  const { step, plan, accuracy, layers, inspect, first } = parts;
  const { optimizer } = step;
  const stepsPerEpoch = rows === undefined ? undefined : Math.floor(Math.floor(rows / batch) / step.microBatches);
  const epochs = options.epochs ?? (options.steps === undefined ? EPOCHS : Number.POSITIVE_INFINITY);
  const steps = options.steps ?? Number.POSITIVE_INFINITY;
  const total = Math.min(steps, stepsPerEpoch === undefined ? Number.POSITIVE_INFINITY : epochs * stepsPerEpoch);
  const learningRate = options.learningRate ?? optimizer.learningRate;
  const { schedule, plateau } = scheduleOf(options.schedule, { stepsPerEpoch, total });

  const trainer = new Trainer(runtime, model, step, seed);
  const evaluator = validation === 0 ? undefined : new Evaluator(runtime, model, plan);
  try {
    if (options.resume) trainer.restore(options.resume.tensors);
    const trained = new Set(step.parameters);
    yield {
      kind: 'start',
      step: options.resume?.progress.step ?? 0,
      model: model.name,
      plan,
      data: { name: data.name, real: data.real, training: rows, validation },
      batch,
      stepsPerEpoch,
      steps: Number.isFinite(total) ? total : undefined,
      optimizer: optimizer.name,
      learningRate,
      layers,
      parameters: step.state.reduce((sum, { name, initial }) => sum + (trained.has(name) ? initial.data.length : 0), 0),
      seed,
      runtime: runtime.name,
      notes: [
        ...data.notes,
        ...initial.notes,
        ...notes,
        ...noteExport(model, [...step.parameters, ...step.disconnected]),
        ...noteStep(step),
      ],
    };
    const watch = new FaultWatch(
      step.parameters,
      constantLoss(plan, first.target && toFloat64(first.target)),
      options.resume?.progress.watch,
    );
    const events = trainLoop({
      trainer,
      plan,
      batches: fittedBatches(data, { ...parts, batch, seed }),
      epochs,
      steps,
      learningRate,
      schedule,
      plateau,
      watch,
      accuracy,
      ...(evaluator && {
        validate: (state) =>
          evaluator.evaluate(data.batches({ batch: Math.max(batch, EVALUATION_BATCH), split: 'validation' }), state),
      }),
      checkpointEvery: options.checkpointEvery,
      ...(inspect && { inspect: { every: options.inspectEvery!, step: inspect.step, outputs: inspect.outputs } }),
      start: options.resume?.progress,
      signal: options.signal,
    });
    let before: readonly LayerNorms[] = [];
    for await (const event of events) {
      switch (event.kind) {
        case 'step': {
          const { gradientNorms, weightNorms, updateNorms, inspected, ...rest } = event;
          const norms = normsByLayer(layers, step.parameters, { gradientNorms, weightNorms, updateNorms });
          yield {
            ...rest,
            layers: norms,
            ...(gradientNorms && { gradientNorm: Math.hypot(...gradientNorms) }),
            ...(inspected && inspect && { inspected: readInspected(inspected, inspect, trainer) }),
          };
          if (norms.every(({ updateNorm }) => updateNorm === undefined || Number.isFinite(updateNorm))) before = norms;
          break;
        }
        case 'fault': {
          const report = await diagnose(withState(model, event.before), {
            runtime,
            batch: requestOf(event.batch),
            loss: plan.kind === 'model-output' ? 'auto' : plan.kind,
            output: plan.output,
            size: batch,
            seed,
            optimizer: optimizer.name,
            learningRate,
          });
          const { profile } = report;
          yield {
            kind: 'fault',
            step: event.step,
            fault: event.fault,
            where: placesOf(event.fault, layers, before, report),
            report: { ...report, profile: { ...profile, seen: { ...profile.seen, step: event.step - 1 } } },
          };
          break;
        }
        case 'end': {
          const { tensors, ...rest } = event;
          const trainingModel = withState(model, tensors);
          yield { ...rest, model: inferenceForm(trainingModel), trainingModel };
          break;
        }
        default:
          yield event;
      }
    }
  } finally {
    await trainer.release();
    await evaluator?.release();
  }
}

/** Everything that is built before the first step, for a model prepared for training. */
export async function assembleTraining(model: Model, options: TrainOptions & { batch: number; seed: number }) {
  const { runtime, data, batch, seed } = options;
  const first = await firstBatch(data, batch);
  const { graph, binding } = await bindShapes(runtime, model, first.inputs);
  const kind = lossKindOf(model, options.loss);
  const plan = planLoss(graph, binding, { kind, output: options.output, target: first.target });
  if (plan.target && !first.target && data.count('validation') > 0) {
    throw new UsageError('holds no target: there is nothing to validate against', {
      code: 'no-target',
      where: data.name,
      hint: 'name labels or values (--target FILE.npy, y in an archive), or leave --validation away',
    });
  }
  const { lossGraph, accuracy } = attachMetrics(attachLoss(graph, binding, plan), plan);
  const target = targetFor(lossGraph, plan, first.target, seed);
  const all = trainableParameters(model);
  const parameters = withoutFrozen(all, options.freeze ?? []);
  const layers = layersOf(graph, parameters);
  const own = model.training?.optimizer;
  const optimizer = options.optimizer ?? own ?? { name: 'adam' };
  const settings = optimizer.name === own?.name ? { ...own.options, ...optimizer.options } : optimizer.options;
  const stepOptions = {
    parameters,
    optimizer: { name: optimizer.name, options: settings },
    clipping: options.clipping,
    microBatches: options.microBatches,
    monitors: (options.monitor ?? true) ? (['gradient', 'weight', 'update'] as const) : [],
    opset: model.opset,
  };
  const metric = accuracy === undefined ? [] : [accuracy];
  const step = buildTrainingStep(lossGraph, plan, { ...stepOptions, expose: { values: metric } });
  const activations = new Map(layers.flatMap(({ name, activation }) => (activation ? [[name, activation]] : [])));
  const exposed = { gradients: true, values: [...metric, ...new Set(activations.values())] };
  const inspected = options.inspectEvery && buildTrainingStep(lossGraph, plan, { ...stepOptions, expose: exposed });
  const inspect = inspected && {
    step: inspected,
    activations,
    outputs: [...new Set([...inspected.gradients.values(), ...activations.values()])],
  };
  return {
    step,
    plan,
    lossGraph,
    accuracy,
    layers,
    inspect,
    first: { ...first, target },
    madeUpTarget: !first.target && target !== undefined,
  };
}

type InspectedStep = Extract<Awaited<ReturnType<typeof assembleTraining>>['inspect'], object>;

function readInspected(outputs: ReadonlyMap<string, Tensor>, inspect: InspectedStep, trainer: Trainer): Inspected {
  const state = trainer.state();
  const named = (names: Iterable<readonly [string, string]>) =>
    new Map(Array.from(names, ([name, output]) => [name, outputs.get(output)!]));
  return {
    gradients: named(inspect.step.gradients),
    weights: new Map(inspect.step.parameters.map((name) => [name, state.get(name)!])),
    activations: named(inspect.activations),
  };
}

function requestOf({ inputs, target }: TrainingBatch): BatchRequest {
  return { kind: 'tensors', from: 'the batch of this step', inputs, target };
}

/** Layers to name: those whose numbers broke, else where the last update was largest against the weights. */
function placesOf(
  fault: Fault,
  layers: readonly TrainedLayer[],
  before: readonly LayerNorms[],
  report: ReportSubject,
): string[] {
  const broken = layers.filter(({ parameters }) => parameters.some((name) => fault.parameters.includes(name)));
  const first = report.diagnosis.findings.find(({ severity }) => severity === 'error')?.where[0];
  const layerOfNode = report.profile.layers.find(({ node }) => node === first)?.name;
  const moved = before
    .map(({ layer, updateNorm = 0, weightNorm = 0 }) => ({ layer, ratio: updateNorm / weightNorm }))
    .filter(({ ratio }) => ratio > 0)
    .sort((a, b) => b.ratio - a.ratio);
  const names = [
    ...(layerOfNode === undefined ? [] : [layerOfNode]),
    ...(broken.length < layers.length ? broken.map(({ name }) => name) : []),
    ...moved.slice(0, 1).map(({ layer }) => layer),
    ...broken.map(({ name }) => name),
  ];
  return [...new Set(names)];
}

function noteStep({ disconnected }: TrainingStep): string[] {
  if (disconnected.length === 0) return [];
  return [`no path leads from the loss to ${disconnected.join(', ')}: they stay as they are`];
}
