import type { Graph } from '../graph/graph.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Clipping } from './clipping.ts';
import type { LossGraph, LossPlan } from './losses.ts';
import type { OptimizerChoice } from './optimizers/index.ts';

/** What a tensor of the training state is. Accumulators hold the sum of micro-batch gradients. */
export type StateRole = 'parameter' | 'slot' | 'running-statistic' | 'counter' | 'accumulator';

/** A tensor that goes into every run as a graph input and comes back as an output: the next run's input. */
export interface StateTensor {
  /** Parameters and running statistics: the model's own initializer name. */
  readonly name: string;
  readonly role: StateRole;
  readonly input: string;
  readonly output: string;
  readonly initial: Tensor;
}

/** A dropout mask to feed: true keeps. `dropoutMask` in dropout.ts makes it from seed, step and `name`. */
export interface DropoutMask {
  readonly name: string;
  readonly input: string;
  readonly shape: readonly number[];
  /** Probability that an element is dropped. */
  readonly rate: number;
}

/** Outputs that hold one L2 norm per trained parameter, in the order of `TrainingStep.parameters`, before clipping. */
export interface Monitors {
  readonly gradient?: string;
  /** ‖w‖ before the update. */
  readonly weight?: string;
  /** ‖Δw‖, weight decay included. */
  readonly update?: string;
}

/** One training step as a graph, and how to run it. */
export interface TrainingStep {
  /** Forward, loss, backward, clipping, optimizer: state in, next state out. */
  readonly graph: Graph;
  /** With k > 1 micro-batches per update: runs k − 1 times before `graph`; returns accumulators and statistics only. */
  readonly accumulate: Graph | undefined;
  readonly microBatches: number;
  /** Output: the loss, one number. */
  readonly loss: string;
  /** Output: the model's output, for metrics. */
  readonly output: string;
  /** Input that takes the target. */
  readonly target: string | undefined;
  /** The model's data inputs. */
  readonly inputs: readonly string[];
  /** Scalar input of the parameters' float type. */
  readonly learningRate: string;
  /** After a run of either graph, each state tensor whose `output` the graph has replaces its input. */
  readonly state: readonly StateTensor[];
  /** Trained parameters, in the order of the monitors. */
  readonly parameters: readonly string[];
  /** Wanted parameters that no path leads to from the loss: they stay as they are. */
  readonly disconnected: readonly string[];
  readonly monitors: Monitors;
  /** Scalar output: the norm of all gradients before clipping, when the clipping computes it. */
  readonly globalNorm: string | undefined;
  /** Trained parameter → output that holds its gradient before clipping, where `expose.gradients` asked. */
  readonly gradients: ReadonlyMap<string, string>;
  readonly masks: readonly DropoutMask[];
}

export interface StepOptions {
  /** The model's parameters that are trained; the others are frozen constants of the graph. */
  readonly parameters: readonly string[];
  readonly optimizer: OptimizerChoice;
  readonly clipping?: Clipping;
  /** Micro-batches per update, default 1: the update uses the mean of their gradients. */
  readonly microBatches?: number;
  /** Which norms to compute in the graph; default none. */
  readonly monitors?: readonly (keyof Monitors)[];
  /** Further outputs: every gradient, forward values by name. */
  readonly expose?: { readonly gradients?: boolean; readonly values?: readonly string[] };
  /** Opset of the model, for messages. */
  readonly opset: number;
}

/** Builds the step. Throws GradientError, and UsageError for parameters or options that make no sense. */
export type BuildTrainingStep = (lossGraph: LossGraph, plan: LossPlan, options: StepOptions) => TrainingStep;
