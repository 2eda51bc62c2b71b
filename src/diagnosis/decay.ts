import type { Attribution, LayerShare } from '../flow/attribution.ts';
import type { FactorKind } from '../flow/kinds.ts';
import type { FlowProfile } from '../flow/profile.ts';

/**
 * Factors that change the size of a gradient tensor without starving or flooding a weight: averaging over n places
 * divides the norm by √n, and the weight gradient sums over the same places again. Reshaping counts: what a Concat's
 * branches lose in being cut apart, their meeting gives back, and in DenseNet each is five decades.
 */
export const neutral: ReadonlySet<FactorKind> = new Set(['pooling', 'loss', 'dropout']);

/** The decades of an attribution that starve or flood the first layer: all kinds but the neutral ones. */
export function effectiveDecades(byKind: Partial<Record<FactorKind, number>>): number {
  let sum = 0;
  for (const [kind, decades] of Object.entries(byKind)) if (!neutral.has(kind as FactorKind)) sum += decades;
  return sum;
}

/**
 * Decades that a normalization right behind the first layer adds to the gradient of that layer's output a, or takes:
 * of a / σ it is 1 / σ times as large. They say nothing of depth: weights c times as large, or inputs, change no output
 * of the network, and only this figure. What such weights learn from is set by their own norm (Arora, Li & Lyu 2019).
 */
export function scaleFreeDecades(profile: FlowProfile, attribution: Attribution): number {
  const [edge, another] = profile.edges.filter(({ value, inner }) => value === attribution.from && !inner);
  if (!edge || another || edge.kind !== 'normalization') return 0;
  const result = profile.values.find(({ name }) => edge.outputs.includes(name));
  const decades = edge.log10L2 - (result?.gradient.log10L2 ?? Number.NaN);
  return Number.isFinite(decades) ? decades : 0;
}

/** Layers by their effective decades in one direction, the strongest first. */
export function strongestLayers(attribution: Attribution, sign: 1 | -1): { layer: LayerShare; decades: number }[] {
  return attribution.byLayer
    .map((layer) => ({ layer, decades: effectiveDecades(layer.byKind) }))
    .filter(({ decades }) => Math.sign(decades) === sign)
    .sort((a, b) => sign * (b.decades - a.decades));
}

/** Up to this many layers may hold a bottleneck that training opens by itself. */
const BOTTLENECK_LAYERS = 3;

/**
 * Whether the decay stands in the weights of a few layers only. Such layers receive a full-sized gradient themselves,
 * grow within a few steps and let it through: a small or zero last layer is a common and harmless initialization.
 * What remains without them is given, so that a decay that goes on elsewhere is not excused.
 */
export function withoutBottleneck(attribution: Attribution): { remaining: number; layers: string[] } {
  const byWeights = attribution.byLayer
    .map(({ layer, byKind }) => ({ layer, decades: byKind['weight-matrix'] ?? 0 }))
    .filter(({ decades }) => decades < -BOTTLENECK_DECADES)
    .sort((a, b) => a.decades - b.decades);
  const few = byWeights.length <= BOTTLENECK_LAYERS ? byWeights : [];
  const removed = few.reduce((sum, { decades }) => sum + decades, 0);
  return { remaining: effectiveDecades(attribution.byKind) - removed, layers: few.map(({ layer }) => layer) };
}

/** A layer's weights are a bottleneck when they alone shrink the gradient three times or more. */
const BOTTLENECK_DECADES = 0.5;

/** Number of layers with a weight matrix between the output and the first layer, both counted. */
export function depthOf(profile: FlowProfile): number {
  return profile.layers.filter((layer) => layer.mixes).length;
}

/** Decades as people read them: 10^-5.9. */
export function powerOfTen(decades: number): string {
  const shown = decades.toFixed(1);
  return `10^${shown === '-0.0' ? '0.0' : shown}`;
}
