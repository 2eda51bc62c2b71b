import { mergeHistograms } from '../flow/histograms.ts';
import type { LayerHistory, StepHistograms, StepHistory } from '../flow/history.ts';
import { measureTensor } from '../flow/statistics.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { TrainStepEvent } from './train-events.ts';
import type { TrainedLayer } from './training-layers.ts';

/** Steps at which histograms are kept, at most: the first, about the last, and ten between. */
const HISTOGRAM_STEPS = 12;
/** Networks of more parameters are not read out whole: no histograms. */
const MOST_PARAMETERS = 10_000_000;

/** How often to look into a step so that few histograms span the run; undefined for networks too large for it. */
export function histogramEvery(steps: number, parameters: number): number | undefined {
  return parameters > MOST_PARAMETERS ? undefined : Math.max(1, Math.ceil((steps - 1) / (HISTOGRAM_STEPS - 1)));
}

/** Gathers what rules and reports want of each training step: numbers, and histograms where a step was looked into. */
export class HistoryRecorder {
  readonly rows: TrainStepEvent[] = [];
  private readonly layers: readonly TrainedLayer[];
  private readonly histograms = new Map<string, StepHistograms[]>();

  constructor(layers: readonly TrainedLayer[]) {
    this.layers = layers;
  }

  /** Tensors of an inspected step are read now: the next step writes over them. */
  add({ inspected, ...event }: TrainStepEvent): void {
    this.rows.push(event);
    if (!inspected) return;
    for (const { name, parameters } of this.layers) {
      const gradients = parameters.flatMap((parameter) => inspected.gradients.get(parameter) ?? []);
      const weights = gradients.filter(({ dims }) => dims.length >= 2);
      const activation = inspected.activations.get(name);
      const list = this.histograms.get(name) ?? [];
      this.histograms.set(name, list);
      list.push({
        step: event.step,
        ...(gradients.length > 0 && { gradient: histogramOf(weights.length > 0 ? weights : gradients) }),
        ...(activation && { activation: histogramOf([activation]) }),
      });
    }
  }

  history(constantLoss: number | undefined): StepHistory {
    const { rows } = this;
    const layers = (rows[0]?.layers ?? []).map(({ layer }, i): LayerHistory => {
      const series = (norm: 'gradientNorm' | 'weightNorm' | 'updateNorm') =>
        rows.map((row) => row.layers[i]![norm] ?? Number.NaN);
      const histograms = this.histograms.get(layer);
      return {
        layer,
        gradientNorm: series('gradientNorm'),
        weightNorm: series('weightNorm'),
        updateNorm: series('updateNorm'),
        ...(histograms && { histograms }),
      };
    });
    return {
      steps: rows.map(({ step }) => step),
      loss: rows.map(({ loss }) => loss),
      learningRate: rows.map(({ learningRate }) => learningRate),
      ...(constantLoss !== undefined && { constantLoss }),
      layers,
    };
  }
}

function histogramOf(tensors: readonly Tensor[]) {
  return mergeHistograms(tensors.map((tensor) => measureTensor(tensor).log2Histogram));
}
