import type { Log2Histogram } from './statistics.ts';

/** What several training steps showed: from a run, or from a log. Arrays hold one entry per step. */
export interface StepHistory {
  /** Steps done, counted from 1, rising. */
  readonly steps: readonly number[];
  /** Loss of each step's own batch, before its update. */
  readonly loss: readonly number[];
  readonly learningRate?: readonly number[];
  /** Loss of the best constant answer (ln C, ln 2, the variance of the target), where the loss is known. */
  readonly constantLoss?: number;
  /** From input to output. */
  readonly layers: readonly LayerHistory[];
}

/** NaN stands for a step without a figure. */
export interface LayerHistory {
  readonly layer: string;
  /** ‖∂L/∂w‖ before clipping. */
  readonly gradientNorm?: readonly number[];
  /** ‖w‖ before the update. */
  readonly weightNorm?: readonly number[];
  /** ‖Δw‖. */
  readonly updateNorm?: readonly number[];
  /** Histograms of the weights' gradients and of what the layer passes on, at some of the steps. */
  readonly histograms?: readonly StepHistograms[];
}

export interface StepHistograms {
  readonly step: number;
  readonly gradient?: Log2Histogram;
  readonly activation?: Log2Histogram;
}
