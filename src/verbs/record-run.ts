import { layerNameOf } from '../flow/layer-names.ts';
import type { Checkpoint } from '../logs/checkpoint.ts';
import type { JsonValue } from '../logs/json-values.ts';
import type { MetricsLine } from '../logs/metrics.ts';
import { type Histogram, histogramOf } from '../logs/tensorboard/histogram.ts';
import { layerTag, type StepValues } from '../logs/tensorboard/writer.ts';
import type { Progress } from '../training/loop.ts';
import type { Inspected, TrainEvent, TrainOptions, TrainStepEvent } from './train.ts';

/** Where a run is kept: `RunFolder` is one. */
export interface RunLog {
  logStep(step: number, values: StepValues): void;
  logMetrics(line: MetricsLine): void;
  drain(): Promise<void>;
  saveCheckpoint(checkpoint: Checkpoint): Promise<void>;
}

/**
 * Logs what passes through: each step's loss, metrics, learning rate and norms, histograms of what was inspected, and
 * checkpoints. Tags of a layer stand together under its name. Throws DataError where the disk is full.
 */
export async function* recordRun(events: AsyncIterable<TrainEvent>, log: RunLog): AsyncGenerator<TrainEvent> {
  let parameters = new Map<string, string>();
  for await (const event of events) {
    switch (event.kind) {
      case 'start':
        parameters = new Map(event.layers.flatMap((layer) => layer.parameters.map((name) => [name, layer.name])));
        break;
      case 'step':
        log.logStep(event.step, {
          scalars: stepScalars(event),
          ...(event.inspected && { histograms: stepHistograms(event.inspected, parameters) }),
        });
        log.logMetrics(stepLine(event));
        await log.drain();
        break;
      case 'epoch':
      case 'validation': {
        const values = { loss: event.loss, ...event.metrics };
        const scalars = Object.entries(values).map(([name, value]) => [`${name}/${event.kind}`, value] as const);
        log.logStep(event.step, { scalars });
        const key = event.kind === 'epoch' ? 'training' : 'validation';
        log.logMetrics({ step: event.step, epoch: event.epoch, [key]: values });
        break;
      }
      case 'fault':
        log.logMetrics({
          step: event.step,
          fault: { kind: event.fault.kind, since: event.fault.since, message: event.fault.message, where: event.where },
        });
        break;
      case 'checkpoint':
        await log.saveCheckpoint({
          step: event.step,
          tensors: event.tensors,
          state: { progress: event.progress as unknown as JsonValue },
        });
        break;
    }
    yield event;
  }
}

/** What `train` takes to go on from a saved checkpoint. */
export function resumeFrom(checkpoint: Checkpoint | undefined): TrainOptions['resume'] {
  if (!checkpoint) return undefined;
  return { progress: checkpoint.state.progress as unknown as Progress, tensors: checkpoint.tensors };
}

function stepScalars({ loss, metrics, learningRate, gradientNorm, layers }: TrainStepEvent): [string, number][] {
  const scalars: [string, number][] = [['loss/batch', loss]];
  for (const [name, value] of Object.entries(metrics)) scalars.push([`${name}/batch`, value]);
  scalars.push(['training/learning_rate', learningRate]);
  if (gradientNorm !== undefined) scalars.push(['training/gradient_norm', gradientNorm]);
  for (const norms of layers) {
    if (norms.gradientNorm !== undefined) scalars.push([layerTag(norms.layer, 'gradient_norm'), norms.gradientNorm]);
    if (norms.updateNorm !== undefined) scalars.push([layerTag(norms.layer, 'update_norm'), norms.updateNorm]);
    if (norms.weightNorm !== undefined) scalars.push([layerTag(norms.layer, 'weight_norm'), norms.weightNorm]);
  }
  return scalars;
}

function stepHistograms(
  { gradients, weights, activations }: Inspected,
  layers: ReadonlyMap<string, string>,
): [string, Histogram][] {
  const histograms: [string, Histogram][] = [];
  for (const [kind, tensors] of [
    ['gradient', gradients],
    ['value', weights],
  ] as const) {
    for (const [name, tensor] of tensors) {
      const layer = layers.get(name) ?? layerNameOf(name, '');
      histograms.push([layerTag(layer, `${roleOf(name, layer)}_${kind}`), histogramOf(tensor)]);
    }
  }
  for (const [layer, tensor] of activations) histograms.push([layerTag(layer, 'activation'), histogramOf(tensor)]);
  return histograms;
}

/** `weight` of `hidden.0.weight`: what its name says beyond the layer's. */
function roleOf(name: string, layer: string): string {
  const rest = name.startsWith(layer) ? name.slice(layer.length) : name;
  return rest.replace(/^[./_]+|[./_:]+$/g, '').replace(/[/:]+/g, '.') || 'parameter';
}

function stepLine({ step, epoch, loss, metrics, learningRate, gradientNorm }: TrainStepEvent): MetricsLine {
  return { step, epoch, loss, ...metrics, learningRate, ...(gradientNorm !== undefined && { gradientNorm }) };
}
