import { activationOf } from './activations.ts';
import { criticalInitialization } from './critical.ts';
import { theoryOf } from './describe.ts';
import { evaluate } from './evaluate.ts';
import {
  type ActivationStep,
  identity,
  inputsOf,
  type LinearStep,
  nothing,
  type Step,
  type TheoryNetwork,
} from './network.ts';
import type { Theory } from './theory.ts';

/** A change of design whose effect theory can foresee. */
export type Change =
  /** ReLU for every activation function, He initialization, biases zero. */
  | 'relu-he'
  /** Every layer at χ = 1 for its own activation function; layers without one keep the signal's size. */
  | 'critical-init'
  | 'he-init'
  | 'glorot-init'
  | 'lecun-init'
  /** A normalization between every layer and its activation function. */
  | 'batch-norm'
  | 'layer-norm'
  /** The input of every second square layer added to what the pair's last activation function gives. */
  | 'residual'
  /** Weights scaled until every layer's output has variance 1, biases zero (Mishkin & Matas 2016). */
  | 'lsuv-init'
  | Redesign;

/** Another activation function, other first weights, or both. */
export interface Redesign {
  /** ONNX operator of the new activation function; absent: they stay. */
  readonly activation?: string;
  readonly attributes?: Readonly<Record<string, number>>;
  /** Operators it takes the place of; default every activation function. */
  readonly instead?: readonly string[];
  /** How weights are drawn: as is usual for each layer's activation function, critical for it, or by layer; absent: not. */
  readonly init?: 'usual' | 'critical' | ((layer: LinearStep) => DrawnVariance | undefined);
}

/** σ_w² = fan-in · Var(w) and σ_b² = Var(b) of weights drawn anew. */
export interface DrawnVariance {
  readonly sigmaW2: number;
  readonly sigmaB2?: number;
}

/**
 * The initialization that is usual for an activation function: He et al. 2015 for the ReLU family and its smooth
 * relatives; LeCun et al. 1998 for ELU and SELU (Klambauer et al. 2017); else Glorot & Bengio 2010.
 */
export function usualScheme(op: string | undefined): 'he' | 'lecun' | 'glorot' {
  if (op === undefined) return 'glorot';
  if (/^(Relu|LeakyRelu|PRelu|ThresholdedRelu|Gelu|Swish|Mish|HardSwish)$/.test(op)) return 'he';
  return /^(Elu|Celu|Selu)$/.test(op) ? 'lecun' : 'glorot';
}

/** He's σ_w²: 2 / (1 + a²) with slope a left of zero (He et al. 2015, eq. 15). */
export function heVariance(op: string | undefined, attributes: Readonly<Record<string, number>>): number {
  const left = op === undefined ? 0 : (activationOf(op, attributes)?.homogeneous?.left ?? 0);
  return 2 / (1 + left * left);
}

function usualVariance(activation: ActivationStep | undefined, { fanIn, fanOut }: LinearStep): number {
  switch (usualScheme(activation?.op)) {
    case 'he':
      return heVariance(activation?.op, activation?.attributes ?? {});
    case 'lecun':
      return 1;
    default:
      return (2 * fanIn) / (fanIn + fanOut);
  }
}

/**
 * The decades from the output's gradient to the first layer's that theory predicts after a change; weights that the
 * change does not draw anew keep their variances. Undefined where theory does not cover the network, or the change does
 * not apply to it.
 */
export function predictChange(theory: Theory, change: Change): number | undefined {
  const { network } = theory;
  if (!network || theory.applies === 'not') return undefined;
  const steps = typeof change === 'object' ? redesigned(network.steps, change) : changed(network, change);
  if (!steps) return undefined;
  const { predictedDecades } = theoryOf({ ...network, steps });
  return Number.isNaN(predictedDecades) ? undefined : predictedDecades;
}

function changed(network: TheoryNetwork, change: Exclude<Change, Redesign>): Step[] | undefined {
  const { steps } = network;
  switch (change) {
    case 'relu-he':
      return drawn(steps, () => 2)?.map((step) =>
        step.kind === 'activation' ? { ...step, op: 'Relu', attributes: {} } : step,
      );
    case 'he-init':
      return drawn(steps, () => 2);
    case 'glorot-init':
      return drawn(steps, ({ fanIn, fanOut }) => (2 * fanIn) / (fanIn + fanOut));
    case 'lecun-init':
      return drawn(steps, () => 1);
    case 'critical-init':
      return critical(steps);
    case 'batch-norm':
      return normalized(steps, 'BatchNormalization', 'batch');
    case 'layer-norm':
      return normalized(steps, 'LayerNormalization', 'sample');
    case 'residual':
      return withSkips(steps);
    case 'lsuv-init':
      return unitVariance(network);
    default:
      return undefined;
  }
}

function redesigned(given: readonly Step[], change: Redesign): Step[] | undefined {
  const { activation: op, attributes = {}, instead, init } = change;
  let steps = [...given];
  if (op !== undefined) {
    const goes = (step: Step): step is ActivationStep =>
      step.kind === 'activation' && (instead === undefined || instead.includes(step.op));
    if (!activationOf(op, attributes) || !steps.some(goes)) return undefined;
    steps = steps.map((step) => (goes(step) ? { ...step, op, attributes } : step));
  }
  if (init === undefined) return steps;
  if (init === 'critical') return critical(steps);
  return steps.map((step) => {
    if (step.kind !== 'linear') return step;
    const next = activationAfter(steps, step);
    const variance = init === 'usual' ? { sigmaW2: usualVariance(next, step) } : init(step);
    return variance ? withVariance(step, variance) : step;
  });
}

function withVariance(step: LinearStep, { sigmaW2, sigmaB2 = 0 }: DrawnVariance): LinearStep {
  return { ...step, sigmaW2, bias: { square: sigmaB2, mean: 0 }, random: true };
}

/** σ_w² = 1 / q of each layer's input; in a first pass a division by √q stands for the layer. */
function unitVariance(network: TheoryNetwork): Step[] {
  const divided = network.steps.map((step): Step => {
    if (step.kind !== 'linear') return step;
    const { input, output } = step;
    const norm = { kind: 'normalization', input, output, op: 'RMSNormalization', over: 'root-mean-square' } as const;
    // Random weights of mean zero take the mean away: it does not pass.
    return { ...norm, scale: { square: 1, mean: 0 }, bias: nothing, epsilon: 0 };
  });
  const { signals } = evaluate({ ...network, steps: divided });
  return network.steps.map((step) => {
    if (step.kind !== 'linear') return step;
    const { square } = signals.get(step.input) ?? network.input;
    return withVariance(step, { sigmaW2: 1 / (square * step.inside) });
  });
}

/** New weights of these variances, biases zero. */
function drawn(steps: readonly Step[], sigmaW2: (step: LinearStep) => number): Step[] {
  return steps.map((step) =>
    step.kind === 'linear' ? { ...step, sigmaW2: sigmaW2(step), bias: nothing, random: true } : step,
  );
}

function critical(steps: readonly Step[]): Step[] | undefined {
  const points = steps.map((step) => {
    if (step.kind !== 'linear') return undefined;
    const next = activationAfter(steps, step);
    return next ? criticalInitialization(activationOf(next.op, next.attributes)!) : { sigmaW2: 1, sigmaB2: 0 };
  });
  if (steps.some(({ kind }, i) => kind === 'linear' && !points[i])) return undefined;
  return steps.map((step, i) => {
    if (step.kind !== 'linear') return step;
    return withVariance(step, points[i]!);
  });
}

function normalized(steps: readonly Step[], op: string, over: 'batch' | 'sample'): Step[] | undefined {
  if (steps.some(({ kind }) => kind === 'normalization')) return undefined;
  const renamed = new Map<string, string>();
  const changedSteps = steps.flatMap((given): Step[] => {
    const step = reading(given, renamed);
    if (step.kind !== 'linear' || !activationAfter(steps, given as LinearStep)) return [step];
    const output = `${step.output} normalized`;
    renamed.set(step.output, output);
    const norm = { kind: 'normalization', input: step.output, output, op, over, epsilon: 1e-5 } as const;
    return [step, { ...norm, scale: identity, bias: nothing }];
  });
  return renamed.size > 0 ? changedSteps : undefined;
}

function withSkips(steps: readonly Step[]): Step[] | undefined {
  if (steps.some(({ kind }) => kind === 'sum' || kind === 'pool' || kind === 'unknown')) return undefined;
  const renamed = new Map<string, string>();
  /** The input of the pair's first layer, once that has been seen. */
  let start: string | undefined;
  let second: string | undefined;
  const changedSteps = steps.flatMap((given): Step[] => {
    const step = reading(given, renamed);
    if (step.kind === 'linear') {
      const square = step.fanIn === step.fanOut && activationAfter(steps, given as LinearStep) !== undefined;
      if (!square) start = second = undefined;
      else if (start === undefined) start = step.input;
      else second = step.layer;
    }
    if (step.kind !== 'activation' || start === undefined || second === undefined) return [step];
    const output = `${step.output} with skip`;
    renamed.set(step.output, output);
    const sum: Step = { kind: 'sum', inputs: [step.output, start], output };
    start = second = undefined;
    return [step, sum];
  });
  return renamed.size > 0 ? changedSteps : undefined;
}

/** A step that reads values by their new names. */
function reading(step: Step, renamed: ReadonlyMap<string, string>): Step {
  const now = (name: string) => renamed.get(name) ?? name;
  if (step.kind === 'sum' || step.kind === 'unknown') return { ...step, inputs: step.inputs.map(now) };
  return step.kind === 'embedding' ? step : { ...step, input: now(step.input) };
}

/** The activation function that a layer's output goes into, through normalizations and reshapes. */
function activationAfter(steps: readonly Step[], layer: LinearStep) {
  let value = layer.output;
  for (const step of steps) {
    if (!inputsOf(step).includes(value)) continue;
    if (step.kind === 'activation') return step;
    if (step.kind !== 'affine' && step.kind !== 'normalization') return undefined;
    value = step.output;
  }
  return undefined;
}
