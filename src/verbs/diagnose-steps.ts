import { type Batch, makeBatch } from '../data/index.ts';
import { conclude, diagnoseFlow } from '../diagnosis/diagnose-flow.ts';
import { median } from '../flow/quantiles.ts';
import { UsageError } from '../graph/errors.ts';
import type { Model } from '../graph/graph.ts';
import { type Tensor, toFloat64 } from '../graph/tensor.ts';
import type { LayerMovement, ReportSubject, StepsDescription } from '../report/subject.ts';
import { ablate } from './ablation.ts';
import { constantAnswerLoss } from './constant-answer.ts';
import { type DiagnoseOptions, diagnose } from './diagnose.ts';
import { adjustedBy, fatesOf } from './fates.ts';
import { initializeWeights } from './initial-weights.ts';
import { vocabularies } from './model-hints.ts';
import { prepareForTraining } from './prepare.ts';
import { HistoryRecorder, histogramEvery } from './step-history.ts';
import { type TrainEndEvent, type TrainFaultEvent, train } from './train.ts';
import { openTrainingData, type TrainingData } from './training-data.ts';
import { type LayerNorms, layersOf } from './training-layers.ts';

export interface DiagnoseStepsOptions extends DiagnoseOptions {
  /** Training steps after which to look again; default 0: the network is diagnosed as it is. */
  readonly steps?: number;
  /**
   * Whether to measure, after the steps, what each layer is worth, by leaving it out and by putting it back to its
   * start: two forward passes for each. Default: where that takes a second or two.
   */
  readonly ablate?: boolean;
}

const MOST_STEPS = 1_000_000;

/**
 * Measures a model's gradient flow on one batch and says what is wrong with it, and why. With `steps` it then trains so
 * many steps, measures the same batch again, and confirms or withdraws what it found.
 * Throws UserError (unusable model, data or options); never on NaN or infinities.
 */
export async function diagnoseSteps(stored: Model, options: DiagnoseStepsOptions): Promise<ReportSubject> {
  const { steps = 0, onProgress = () => {}, init, ...others } = options;
  if (!Number.isSafeInteger(steps) || steps < 0 || steps > MOST_STEPS) {
    throw new UsageError(`${steps} training steps`, {
      code: 'option-value',
      where: '--steps',
      hint: `expected a whole number from 0 to ${MOST_STEPS}`,
    });
  }
  // Once: what is trained is what was measured before.
  const seed = options.seed ?? stored.training?.seed ?? 0;
  const { model: given, notes } = await initializeWeights(stored, init, { ...options, seed });
  const rest = { ...others, notes };
  const before = await diagnose(given, { ...rest, onProgress });
  if (steps === 0) return before;
  const { optimizer, learningRate } = before.probe.update;
  const batch = before.probe.batch.size;
  const inputs = given.graph.inputs.filter((input) => !given.graph.initializers.has(input.name));
  const request = options.batch ?? { kind: 'none' };
  const common = {
    seed,
    output: given.graph.outputs[0],
    vocabulary: vocabularies(given, inputs),
    loadDigits: options.loadDigits,
  };
  const data =
    request.kind === 'none'
      ? sameBatch(await makeBatch(request, inputs, { ...common, size: options.size ?? given.training?.batch }))
      : await openTrainingData(request, inputs, {
          ...common,
          // No more rows than the steps can use: a data set may be large.
          samples: request.kind === 'named' ? Math.min(steps * batch, 10_000) : undefined,
        });
  let recorder: HistoryRecorder | undefined;
  let constantLoss: number | undefined;
  let fault: TrainFaultEvent | undefined;
  let end: TrainEndEvent | undefined;
  const events = train(given, {
    runtime: options.runtime,
    data,
    batch,
    steps,
    loss: options.loss,
    output: options.output,
    optimizer: { name: optimizer },
    learningRate,
    seed,
    inspectEvery: histogramEvery(steps, before.model.parameters),
  });
  for await (const event of events) {
    if (event.kind === 'start') {
      recorder = new HistoryRecorder(event.layers);
      constantLoss = await constantAnswerLoss(event.plan, data, { batch, seed });
    } else if (event.kind === 'step') {
      recorder!.add(event);
      onProgress(`training: step ${event.step} of ${steps}`);
    } else if (event.kind === 'fault') fault = event;
    else if (event.kind === 'end') end = event;
  }
  onProgress('measuring again');
  const { rows } = recorder!;
  const last = rows.at(-1)!;
  const history = recorder!.history(constantLoss);
  const again = fault?.report ?? (await diagnose(end!.trainingModel, { ...rest, seed }));
  const wanted = fault === undefined && (options.ablate ?? true);
  if (wanted) onProgress('leaving out layers');
  const ablation = wanted
    ? await ablate(given, end!.trainingModel, {
        ...rest,
        seed,
        constantLoss,
        ...(options.ablate === true && { budget: Number.POSITIVE_INFINITY }),
      })
    : undefined;
  const profile = { ...again.profile, seen: { ...again.profile.seen, step: last.step } };
  const after = diagnoseFlow(profile, { theory: again.theory, history, ablation });
  const described: StepsDescription = {
    count: last.step,
    optimizer,
    learningRate,
    lossBefore: before.profile.loss,
    lossAfter: again.profile.loss,
    layers: movements(
      given,
      end!.trainingModel,
      rows.map(({ layers }) => layers),
    ),
    history,
    ...(ablation && { ablation }),
    fates: fatesOf(before.diagnosis.findings, after.findings),
    after: { ...after, step: last.step },
    ...(fault && { fault: { ...fault.fault, where: fault.where } }),
  };
  const how = `${described.count} step${described.count === 1 ? '' : 's'} of ${optimizer}`;
  return {
    ...before,
    diagnosis: conclude(adjustedBy(described.fates, how), before.diagnosis.attribution),
    steps: described,
  };
}

/**
 * Made-up rows as training data: always the one batch that is measured, its rows in their order, for made-up labels
 * belong to places. Such a batch can be learnt by heart.
 */
function sameBatch({ inputs, target, description: { name, real, notes, size } }: Batch): TrainingData {
  return {
    name,
    real,
    notes,
    size,
    count: (split) => (split === 'training' ? size : 0),
    async *batches({ skip = 0 }) {
      if (skip === 0) yield { inputs, ...(target && { target }) };
    },
    close: async () => {},
  };
}

/** How far each layer went, from input to output. */
function movements(given: Model, trained: Model, norms: readonly (readonly LayerNorms[])[]): LayerMovement[] {
  const start = prepareForTraining(given).model.graph;
  const names = norms[0]?.map(({ layer }) => layer) ?? [];
  const parameters = [...start.initializers.keys()].filter((name) => trained.graph.initializers.has(name));
  const layers = new Map(layersOf(start, parameters).map((layer) => [layer.name, layer.parameters]));
  return names.map((layer, i) => {
    let [moved, size] = [0, 0];
    for (const name of layers.get(layer) ?? []) {
      const [from, to] = [start, trained.graph].map((graph) => graph.initializers.get(name)!) as [Tensor, Tensor];
      const [a, b] = [toFloat64(from), toFloat64(to)];
      for (let j = 0; j < a.length; j++) {
        moved += (b[j]! - a[j]!) ** 2;
        size += Math.max(a[j]! ** 2, b[j]! ** 2);
      }
    }
    const ratios = norms.map((step) => (step[i]!.updateNorm ?? 0) / (step[i]!.weightNorm ?? 0));
    return {
      layer,
      moved: size > 0 ? Math.sqrt(moved / size) : 0,
      updateRatio: median(ratios.filter((ratio) => !Number.isNaN(ratio))),
      gradientBefore: norms[0]![i]!.gradientNorm ?? Number.NaN,
      gradientAfter: norms.at(-1)![i]!.gradientNorm ?? Number.NaN,
    };
  });
}
