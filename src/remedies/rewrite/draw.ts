import type { Model } from '../../graph/graph.ts';
import { type Tensor, tensorOf } from '../../graph/tensor.ts';
import type { Initialization } from '../../random/initializers.ts';
import { createRandom } from '../../random/random.ts';
import { activationOf } from '../../theory/activations.ts';
import { criticalInitialization } from '../../theory/critical.ts';
import { type DrawnVariance, heVariance, type Redesign, usualScheme } from '../../theory/predict.ts';
import { redrawLayers } from './redraw.ts';
import type { WeightLayer } from './weight-layers.ts';

/** How a layer's weights are drawn anew; biases are zero but where their deviation is said. */
export interface Draw {
  readonly scheme: Initialization;
  readonly biasDeviation?: number;
}

/** What a layer's weights are drawn for: an activation function's operator and numbers, undefined where none follows. */
export type DrawFor = (layer: WeightLayer) => Draw | undefined;

/** Weights within this factor of a variance need not be drawn anew for another function. */
export const NEAR = 1.5;
/** Within this one they are as they would be drawn: ten layers then make a fifth of a decade. */
export const SAME = 1.1;
/** Biases this far from zero, as a part of a pre-activation's unit variance, are none that start at zero. */
const SMALL_BIAS = 0.1;

/** Whether a layer's weights and biases are already as a draw would make them, up to chance. */
export function fits(layer: WeightLayer, draw: Draw, within = NEAR): boolean {
  const { sigmaW2, sigmaB2 } = drawnVariance(draw, layer);
  if (!layer.random || Math.abs(layer.biasSquare - sigmaB2) > SMALL_BIAS) return false;
  const { fanIn, fanOut } = layer.fans;
  // The variance of one draw of n weights deviates by √(2/n).
  const chance = 4 * Math.sqrt((2 * layer.taps) / (fanIn * fanOut));
  return Math.abs(Math.log(layer.sigmaW2 / sigmaW2)) < Math.max(Math.log(within), chance);
}

/** σ_w² = fan-in · Var(w) and σ_b² of a draw. */
export function drawnVariance(
  { scheme, biasDeviation = 0 }: Draw,
  { fans, taps }: Pick<WeightLayer, 'fans' | 'taps'>,
): Required<DrawnVariance> {
  return { sigmaW2: varianceOf(scheme, fans.fanIn, fans.fanOut, taps), sigmaB2: biasDeviation ** 2 };
}

function varianceOf(scheme: Initialization, fanIn: number, fanOut: number, taps: number): number {
  const gain = 'gain' in scheme ? (scheme.gain ?? 1) : 1;
  switch (scheme.scheme) {
    case 'he-normal':
    case 'he-uniform':
      return 2 * gain * gain;
    case 'lecun-normal':
    case 'lecun-uniform':
      return gain * gain;
    case 'glorot-normal':
    case 'glorot-uniform':
      return (2 * gain * gain * fanIn) / (fanIn + fanOut);
    case 'orthogonal':
      // The longer side's vectors have norm below 1: E[w²] = 1 / max(rows, columns).
      return gain * gain * Math.min(1, (fanIn * taps) / fanOut);
    case 'zeros':
      return 0;
    default:
      return Number.NaN;
  }
}

/** The usual draw for an activation function: He's with its slope, LeCun's, or Glorot's. */
export function usualDraw(op: string | undefined, attributes: Readonly<Record<string, number>> = {}): Draw {
  const scheme = usualScheme(op);
  if (scheme === 'lecun') return { scheme: { scheme: 'lecun-normal' } };
  return scheme === 'he' ? heDraw(op, attributes) : { scheme: { scheme: 'glorot-uniform' } };
}

/** He's draw with the slope left of zero. */
export function heDraw(op: string | undefined, attributes: Readonly<Record<string, number>>): Draw {
  const gain = Math.sqrt(heVariance(op, attributes) / 2);
  return { scheme: { scheme: 'he-normal', ...(gain !== 1 && { gain }) } };
}

/**
 * The draw with χ = 1 for an activation function; undefined where there is none, or where it needs biases and the layer
 * has none. A layer without activation function keeps the signal's size at σ_w² = 1.
 */
export function criticalDraw(
  op: string | undefined,
  attributes: Readonly<Record<string, number>>,
  hasBias: boolean,
): Draw | undefined {
  const activation = activationOf(op ?? 'Identity', attributes);
  const critical = activation && criticalInitialization(activation);
  if (!critical || (critical.sigmaB2 > 0 && !hasBias)) return undefined;
  const gain = Math.sqrt(critical.sigmaW2);
  return {
    scheme: { scheme: 'lecun-normal', ...(gain !== 1 && { gain }) },
    ...(critical.sigmaB2 > 0 && { biasDeviation: Math.sqrt(critical.sigmaB2) }),
  };
}

/** The model with some layers drawn anew. */
export function drawLayers(model: Model, draws: ReadonlyMap<WeightLayer, Draw>, seed: number): Model {
  const byName = new Map([...draws].map(([{ name }, draw]) => [name, draw]));
  const layers = [...draws.keys()].map(({ layer }) => layer);
  const drawn = redrawLayers(model, layers, ({ name }) => byName.get(name)!.scheme, seed);
  const random = createRandom(seed).fork('biases');
  const initializers = new Map(drawn.graph.initializers);
  for (const [{ biases }, { biasDeviation = 0 }] of draws) {
    if (biasDeviation === 0) continue;
    for (const name of biases) {
      const own = random.fork(name);
      initializers.set(
        name,
        mapTensor(initializers.get(name)!, () => biasDeviation * own.normal()),
      );
    }
  }
  return { ...drawn, graph: { ...drawn.graph, initializers } };
}

function mapTensor({ type, dims, data }: Tensor, next: () => number): Tensor {
  return tensorOf(type, dims, Float64Array.from({ length: data.length }, next));
}

/** The draws that layers need: of those whose weights do not fit already. */
export function neededDraws(layers: readonly WeightLayer[], drawFor: DrawFor, within = NEAR): Map<WeightLayer, Draw> {
  const draws = new Map<WeightLayer, Draw>();
  for (const layer of layers) {
    const draw = drawFor(layer);
    if (draw && !fits(layer, draw, within)) draws.set(layer, draw);
  }
  return draws;
}

/** The same draws as theory knows them. */
export function asVariances(draws: ReadonlyMap<WeightLayer, Draw>): Redesign['init'] {
  const variances = new Map([...draws].map(([layer, draw]) => [layer.name, drawnVariance(draw, layer)]));
  return ({ layer }) => variances.get(layer);
}
