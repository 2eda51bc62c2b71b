/** First two moments of some stored numbers: E[x²] and E[x]. */
export interface Stored {
  readonly square: number;
  readonly mean: number;
}

/** A weight matrix or kernel. */
export interface LinearStep {
  readonly kind: 'linear';
  readonly input: string;
  readonly output: string;
  readonly layer: string;
  readonly fanIn: number;
  readonly fanOut: number;
  /** fan-in · E[w²]. */
  readonly sigmaW2: number;
  readonly bias: Stored;
  /** Part of the kernel's taps that lie inside the image, on average. */
  readonly inside: number;
  /** Whether the weights look like independent draws of mean zero; a common mean that dominates them does not. */
  readonly random: boolean;
}

export interface ActivationStep {
  readonly kind: 'activation';
  readonly input: string;
  readonly output: string;
  readonly op: string;
  readonly attributes: Readonly<Record<string, number>>;
}

export interface NormalizationStep {
  readonly kind: 'normalization';
  readonly input: string;
  readonly output: string;
  /** The ONNX operator. */
  readonly op: string;
  /** What mean and variance are taken over: all samples of a unit, all units of a sample; its root mean square alone. */
  readonly over: 'batch' | 'sample' | 'root-mean-square';
  /** Of an image: channels that share mean and variance. */
  readonly channels?: number;
  readonly scale: Stored;
  readonly bias: Stored;
  readonly epsilon: number;
}

/** What theory reads of a network: one step for each node, block or bias on the data's way, in the graph's order. */
export type Step =
  | LinearStep
  | ActivationStep
  | NormalizationStep
  /** y = s x + t with stored s and t; reshapes are s = 1, t = 0. */
  | {
      readonly kind: 'affine';
      readonly input: string;
      readonly output: string;
      readonly scale: Stored;
      readonly shift: Stored;
    }
  | { readonly kind: 'sum'; readonly inputs: readonly string[]; readonly output: string }
  /** Rows of a stored table. */
  | { readonly kind: 'embedding'; readonly output: string; readonly table: Stored }
  /** `gradient`: the factor of the gradient's square, which is known, although the variance behind is not. */
  | {
      readonly kind: 'pool';
      readonly input: string;
      readonly output: string;
      readonly op: string;
      readonly gradient: number;
    }
  | {
      readonly kind: 'unknown';
      readonly inputs: readonly string[];
      readonly output: string;
      readonly op: string;
      readonly node: string;
      /** Why, where it is not the operator itself. */
      readonly why?: string;
    };

/** A network as theory sees it: plain data, so that a change of design is a change of steps. */
export interface TheoryNetwork {
  readonly steps: readonly Step[];
  /** Mean square, mean and product of two samples of what enters, by input; `others` holds for all that are not named. */
  readonly input: Signal;
  /** The first layer's output, where the account of the gradient ends. */
  readonly from: string;
  /** The value the loss reads. */
  readonly to: string;
  /** What was assumed in reading it, in sentences. */
  readonly assumptions: readonly string[];
}

/** Moments of a value over its units, for a sample and for a pair of different samples. */
export interface Signal {
  /** E[x²]. */
  readonly square: number;
  /** E[x]. */
  readonly mean: number;
  /** E[x_a x_b] for two samples a, b. */
  readonly cross: number;
}

/** Standardized inputs whose samples have nothing in common. */
export const standardInput: Signal = { square: 1, mean: 0, cross: 0 };

export const identity: Stored = { square: 1, mean: 1 };
export const nothing: Stored = { square: 0, mean: 0 };

/** The values a step reads. */
export function inputsOf(step: Step): readonly string[] {
  if (step.kind === 'sum' || step.kind === 'unknown') return step.inputs;
  return step.kind === 'embedding' ? [] : [step.input];
}

/** The values that lead to one, itself included. */
export function leadingTo(steps: readonly Step[], to: string): Set<string> {
  const reached = new Set([to]);
  for (const step of [...steps].reverse()) {
    if (reached.has(step.output)) for (const name of inputsOf(step)) reached.add(name);
  }
  return reached;
}

/** The same elements, or some of them. */
export function passOn(input: string, output: string): Step {
  return { kind: 'affine', input, output, scale: identity, shift: nothing };
}
