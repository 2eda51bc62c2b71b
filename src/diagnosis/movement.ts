import type { StepHistory } from '../flow/history.ts';
import type { FlowProfile } from '../flow/profile.ts';
import { median, quantile } from '../flow/quantiles.ts';

/** ‖Δw‖ / ‖w‖ of one step of a layer with a weight matrix. */
export interface LayerMotion {
  readonly layer: string;
  readonly ratio: number;
}

/** How far one step carries each layer's weights, from input to output, and what that rests on. */
export interface Motion {
  readonly layers: readonly LayerMotion[];
  /** Steps looked at; 0: the step that the optimizer would do. */
  readonly steps: number;
}

/**
 * Relative updates of the layers that mix units: biases that start at 0 and scales of normalizations have large ones for
 * no reason. With a history the median over its second half, when what starts small or at zero has opened.
 */
export function motionOf(profile: FlowProfile, history: StepHistory | undefined): Motion {
  const mixing = new Map(profile.layers.map((layer) => [layer.name, layer.mixes]));
  const recorded = history?.layers.filter(({ updateNorm, weightNorm }) => updateNorm && weightNorm) ?? [];
  if (history && recorded.length > 0 && history.steps.length > 0) {
    const from = Math.floor(history.steps.length / 2);
    const layers = recorded
      .filter(({ layer }) => mixing.get(layer) ?? true)
      .map(({ layer, updateNorm, weightNorm }) => {
        const ratios = history.steps.map((_, i) => (i < from ? Number.NaN : updateNorm![i]! / weightNorm![i]!));
        return { layer, ratio: median(ratios.filter((ratio) => Number.isFinite(ratio))) };
      })
      .filter(({ ratio }) => !Number.isNaN(ratio));
    return { layers, steps: history.steps.length };
  }
  const largest = new Map<string, { size: number; ratio: number | undefined }>();
  for (const { layer, shape, updateRatio, connected, gradient } of profile.parameters) {
    if (!connected || shape.length < 2 || !(mixing.get(layer) ?? false)) continue;
    const known = largest.get(layer);
    if (!known || gradient.count > known.size) largest.set(layer, { size: gradient.count, ratio: updateRatio });
  }
  const layers = profile.layers.flatMap(({ name }) => {
    const ratio = largest.get(name)?.ratio;
    return ratio === undefined || !Number.isFinite(ratio) ? [] : [{ layer: name, ratio }];
  });
  return { layers, steps: 0 };
}

/** The relative update that a quarter of the layers reaches: what training does to the layers it moves. */
export function usualMotion({ layers }: Motion): number {
  return quantile(
    layers.map(({ ratio }) => ratio),
    0.75,
  );
}
