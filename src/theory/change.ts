import { activationOf } from './activations.ts';
import { criticalInitialization } from './critical.ts';
import { theoryOf } from './describe.ts';
import { identity, inputsOf, type LinearStep, nothing, type Step, type TheoryNetwork } from './network.ts';
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
  | 'residual';

/**
 * The decades from the output's gradient to the first layer's that theory predicts after a change; weights that the
 * change does not draw anew keep their variances. Undefined where theory does not cover the network, or the change does
 * not apply to it.
 */
export function predictChange(theory: Theory, change: Change): number | undefined {
  const { network } = theory;
  if (!network || theory.applies === 'not') return undefined;
  const steps = changed(network, change);
  if (!steps) return undefined;
  const { predictedDecades } = theoryOf({ ...network, steps });
  return Number.isNaN(predictedDecades) ? undefined : predictedDecades;
}

function changed({ steps }: TheoryNetwork, change: Change): Step[] | undefined {
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
    default:
      return undefined;
  }
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
    const { sigmaW2, sigmaB2 } = points[i]!;
    return { ...step, sigmaW2, bias: { square: sigmaB2, mean: 0 }, random: true };
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
