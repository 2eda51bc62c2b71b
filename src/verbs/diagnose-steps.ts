import { conclude } from '../diagnosis/diagnose-flow.ts';
import type { Finding, Severity } from '../diagnosis/finding.ts';
import type { StepHistory } from '../flow/history.ts';
import { UsageError } from '../graph/errors.ts';
import type { Model } from '../graph/graph.ts';
import { type Tensor, toFloat64 } from '../graph/tensor.ts';
import { median } from '../report/numbers.ts';
import type { FindingFate, LayerMovement, ReportSubject, StepsDescription } from '../report/subject.ts';
import { type DiagnoseOptions, diagnose } from './diagnose.ts';
import { initializeWeights } from './initial-weights.ts';
import { vocabularies } from './model-hints.ts';
import { prepareForTraining } from './prepare.ts';
import { type TrainEndEvent, type TrainFaultEvent, type TrainStepEvent, train } from './train.ts';
import { openTrainingData } from './training-data.ts';
import { type LayerNorms, layersOf } from './training-layers.ts';

export interface DiagnoseStepsOptions extends DiagnoseOptions {
  /** Training steps after which to look again; default 0: the network is diagnosed as it is. */
  readonly steps?: number;
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
  const data = await openTrainingData(request, inputs, {
    seed,
    // No more rows than the steps can use: a data set may be large.
    samples: request.kind === 'named' ? Math.min(steps * batch, 10_000) : request.kind === 'none' ? batch : undefined,
    output: given.graph.outputs[0],
    vocabulary: vocabularies(given, inputs),
    loadDigits: options.loadDigits,
  });
  const norms: (readonly LayerNorms[])[] = [];
  const rows: TrainStepEvent[] = [];
  let last: TrainStepEvent | undefined;
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
  });
  for await (const event of events) {
    if (event.kind === 'step') {
      last = event;
      norms.push(event.layers);
      rows.push(event);
      onProgress(`training: step ${event.step} of ${steps}`);
    } else if (event.kind === 'fault') fault = event;
    else if (event.kind === 'end') end = event;
  }
  onProgress('measuring again');
  const after = fault?.report ?? (await diagnose(end!.trainingModel, { ...rest, seed }));
  const described: StepsDescription = {
    count: last!.step,
    optimizer,
    learningRate,
    lossBefore: before.profile.loss,
    lossAfter: after.profile.loss,
    layers: movements(given, end!.trainingModel, norms),
    history: historyOf(rows),
    fates: fatesOf(before.diagnosis.findings, after.diagnosis.findings),
    after: { ...after.diagnosis, step: last!.step },
    ...(fault && { fault: { ...fault.fault, where: fault.where } }),
  };
  const findings = adjusted(described);
  return {
    ...before,
    diagnosis: conclude(findings, before.diagnosis.attribution),
    steps: described,
  };
}

/** Every step's loss and norms, layer by layer. */
function historyOf(rows: readonly TrainStepEvent[]): StepHistory {
  const names = rows[0]?.layers.map(({ layer }) => layer) ?? [];
  const series = (i: number, norm: 'gradientNorm' | 'weightNorm' | 'updateNorm') =>
    rows.map(({ layers }) => layers[i]![norm] ?? Number.NaN);
  return {
    steps: rows.map(({ step }) => step),
    loss: rows.map(({ loss }) => loss),
    learningRate: rows.map(({ learningRate }) => learningRate),
    layers: names.map((layer, i) => ({
      layer,
      gradientNorm: series(i, 'gradientNorm'),
      weightNorm: series(i, 'weightNorm'),
      updateNorm: series(i, 'updateNorm'),
    })),
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

const rank: Record<Severity, number> = { info: 0, warning: 1, error: 2 };
/** Rules that look at the whole network: there is one finding of each. */
const single: ReadonlySet<Finding['rule']> = new Set(['vanishing-gradient', 'exploding-gradient', 'non-finite']);

/** What became of each finding, and what is new. */
function fatesOf(before: readonly Finding[], after: readonly Finding[]): FindingFate[] {
  const same = (a: Finding, b: Finding) =>
    a.rule === b.rule && !hasOpened(a, b) && (single.has(a.rule) || a.where.some((place) => b.where.includes(place)));
  const known = before.map((finding): FindingFate => {
    const now = after.find((other) => same(finding, other));
    if (!now) return { rule: finding.rule, fate: 'withdrawn', before: finding };
    const isWeaker = rank[now.severity] < rank[finding.severity];
    return { rule: finding.rule, fate: isWeaker ? 'weaker' : 'confirmed', before: finding, after: now };
  });
  const others = after.filter((now) => now.severity !== 'info' && !before.some((finding) => same(finding, now)));
  return [...known, ...others.map((now): FindingFate => ({ rule: now.rule, fate: 'new', after: now }))];
}

/** Weights of zero that let nothing through, and now do: what is left to find is another matter. */
function hasOpened(before: Finding, after: Finding): boolean {
  const nothing = ({ evidence }: Finding) => evidence.totalDecades === Number.NEGATIVE_INFINITY;
  return before.severity === 'info' && nothing(before) && !nothing(after);
}

/** The findings as they stand after the steps: what they disprove no longer counts as an error. */
function adjusted(steps: StepsDescription): Finding[] {
  const how = `${steps.count} step${steps.count === 1 ? '' : 's'} of ${steps.optimizer}`;
  return steps.fates.map(({ fate, before: was, after: now }) => {
    switch (fate) {
      case 'withdrawn':
        return {
          ...was!,
          severity: 'info',
          title: `withdrawn after ${how}: ${was!.title}`,
          explanation: `Training disproves it: after ${how} nothing of it is found any more.`,
          remedies: [],
        };
      case 'weaker':
        return { ...now!, title: `${now!.title} after ${how}; before, ${was!.title}` };
      case 'new':
        return { ...now!, title: `after ${how}: ${now!.title}` };
      default:
        // A finding that got worse counts as what it has become.
        return { ...was!, severity: now!.severity };
    }
  });
}
