import { activationOf } from './activations.ts';
import { Kernel, momentsOf } from './moments.ts';
import { inputsOf, type NormalizationStep, type Signal, type Step, type TheoryNetwork } from './network.ts';

/** What the recursion says of a network. */
export interface Evaluation {
  /** Moments of every value; NaN behind what is not covered. */
  readonly signals: ReadonlyMap<string, Signal>;
  /** ln of the factor by which a step multiplies the gradient's square on its way back, by its output; NaN: unknown. */
  readonly factors: ReadonlyMap<string, number>;
  /** ln ‖∂L/∂value‖² − ln ‖∂L/∂to‖²; absent where no gradient arrives. */
  readonly gradients: ReadonlyMap<string, number>;
  /** Relative variance that finite width adds to the gradient's square at each matrix, by its output. */
  readonly noise: ReadonlyMap<string, number>;
}

const unknownSignal: Signal = { square: Number.NaN, mean: Number.NaN, cross: Number.NaN };

/**
 * Mean-field recursion over a network: signals forward, gradients back. A matrix multiplies second moments and the
 * gradient's square by σ_w² (Poole et al. 2016; Schoenholz et al. 2017; convolutions: Xiao et al. 2018), an activation
 * function the gradient's square by E[φ′²]; branches add (Yang and Schoenholz 2017), for random weights make their
 * cross terms vanish; a normalization divides by the variance it takes out (Yang et al. 2019).
 */
export function evaluate({ steps, input, from, to }: TheoryNetwork): Evaluation {
  const signals = new Map<string, Signal>();
  const factors = new Map<string, number>();
  const noise = new Map<string, number>();
  const slopes = new Map<string, number>();
  const signalOf = (name: string) => signals.get(name) ?? input;
  // What two samples, or positions of an image, have in common matters where it is taken away alone.
  const joint = steps.some(
    (step) => step.kind === 'normalization' && (step.over === 'batch' || step.channels !== undefined),
  );
  for (const step of steps) {
    const { signal, factor, kurtosis } = advance(step, signalOf, joint);
    signals.set(step.output, signal);
    factors.set(step.output, Math.log(factor));
    const [before = ''] = inputsOf(step);
    // E[φ′⁴] / E[φ′²]² of the last activation function: a sum of N terms g² φ′² has relative variance (3κ − 1) / N.
    slopes.set(step.output, kurtosis ?? (step.kind === 'linear' ? 1 : (slopes.get(before) ?? 1)));
    if (step.kind === 'linear') noise.set(step.output, (3 * (slopes.get(before) ?? 1) - 1) / step.fanIn);
  }
  return { signals, factors, gradients: back(steps, factors, from, to), noise };
}

/** Only values behind the first layer count: what stands before it has no part in the account. */
function back(
  steps: readonly Step[],
  factors: ReadonlyMap<string, number>,
  from: string,
  to: string,
): Map<string, number> {
  const behind = new Set([from]);
  for (const step of steps) if (inputsOf(step).some((name) => behind.has(name))) behind.add(step.output);
  const gradients = new Map<string, number>([[to, 0]]);
  for (const step of [...steps].reverse()) {
    const here = gradients.get(step.output);
    if (here === undefined || step.output === from) continue;
    for (const name of inputsOf(step)) {
      if (!behind.has(name)) continue;
      gradients.set(name, addLogs(gradients.get(name) ?? Number.NEGATIVE_INFINITY, here + factors.get(step.output)!));
    }
  }
  return gradients;
}

/** ln(eᵃ + eᵇ). */
function addLogs(a: number, b: number): number {
  const largest = Math.max(a, b);
  return Number.isFinite(largest) ? largest + Math.log1p(Math.exp(-Math.abs(a - b))) : largest;
}

interface Advance {
  readonly signal: Signal;
  /** Of the gradient's square on its way back. */
  readonly factor: number;
  readonly kurtosis?: number;
}

function advance(step: Step, signalOf: (name: string) => Signal, joint: boolean): Advance {
  switch (step.kind) {
    case 'linear': {
      const { square, cross } = signalOf(step.input);
      const gain = step.sigmaW2 * step.inside;
      const { bias } = step;
      const signal = { square: gain * square + bias.square, mean: bias.mean, cross: gain * cross + bias.square };
      return { signal, factor: gain };
    }
    case 'activation':
      return activate(step, signalOf(step.input), joint);
    case 'normalization':
      return normalize(step, signalOf(step.input));
    case 'affine': {
      const { square, mean, cross } = signalOf(step.input);
      const { scale, shift } = step;
      const both = 2 * scale.mean * mean * shift.mean + shift.square;
      const signal = {
        square: scale.square * square + both,
        mean: scale.mean * mean + shift.mean,
        cross: scale.square * cross + both,
      };
      return { signal, factor: scale.square };
    }
    case 'sum': {
      const terms = step.inputs.map(signalOf);
      const mean = terms.reduce((sum, term) => sum + term.mean, 0);
      // Different random matrices stand before the terms: of their products only those of the means remain.
      const means = mean * mean - terms.reduce((sum, term) => sum + term.mean * term.mean, 0);
      const total = (key: 'square' | 'cross') => terms.reduce((sum, term) => sum + term[key], means);
      return { signal: { square: total('square'), mean, cross: total('cross') }, factor: 1 };
    }
    case 'embedding':
      return { signal: { ...step.table, cross: step.table.mean ** 2 }, factor: Number.NaN };
    case 'pool':
      return { signal: unknownSignal, factor: step.gradient };
    default:
      return { signal: unknownSignal, factor: Number.NaN };
  }
}

function activate(
  { op, attributes }: { readonly op: string; readonly attributes: Readonly<Record<string, number>> },
  { square, mean, cross }: Signal,
  joint: boolean,
): Advance {
  const activation = activationOf(op, attributes)!;
  const variance = Math.max(0, square - mean * mean);
  const moments = momentsOf(activation, variance, mean);
  // With the signal unknown, a slope that does not depend on it is still known.
  const { homogeneous } = activation;
  const slopeSquare =
    Number.isNaN(moments.slopeSquare) && homogeneous ? momentsOf(activation, 1).slopeSquare : moments.slopeSquare;
  const correlation = variance > 0 ? Math.max(-1, Math.min(1, (cross - mean * mean) / variance)) : 1;
  const known = joint && Number.isFinite(variance);
  const product = known ? new Kernel(activation, variance, mean).product(correlation) : Number.NaN;
  return {
    signal: { square: moments.square, mean: moments.mean, cross: product },
    factor: slopeSquare,
    kurtosis: slopeSquare > 0 ? moments.slopeFourth / (slopeSquare * slopeSquare) : 1,
  };
}

function normalize(
  { over, channels, scale, bias, epsilon }: NormalizationStep,
  { square, mean, cross }: Signal,
): Advance {
  // An image's mean over few channels holds part of what the positions of each have in common.
  const ofSample = mean * mean + (channels ? Math.max(0, cross - mean * mean) / channels : 0);
  const removed = over === 'batch' ? cross : over === 'sample' ? ofSample : 0;
  const variance = Math.max(0, square - removed) + epsilon;
  // Of a variance that is not known, what is normalized still has variance 1.
  const part = Number.isNaN(variance) ? 1 : Math.max(0, square - removed) / variance;
  const left = over === 'batch' ? 0 : (cross - removed) / variance;
  const signal = {
    square: scale.square * part + bias.square,
    // The normalized value has mean zero over what it was taken over; an average of units is that of the biases.
    mean: over === 'root-mean-square' ? (scale.mean * mean) / Math.sqrt(variance) + bias.mean : bias.mean,
    cross: scale.square * left + bias.square,
  };
  return { signal, factor: scale.square / variance };
}
