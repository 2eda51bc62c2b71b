import type { Model } from '../graph/graph.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { ReportSubject } from '../report/subject.ts';
import type { Fault } from '../training/fault.ts';
import type { CheckpointEvent, EpochEvent, StepEvent } from '../training/loop.ts';
import type { LossPlan } from '../training/losses.ts';
import type { LayerNorms, TrainedLayer } from './training-layers.ts';

/** What a run is, before its first step. */
export interface TrainStartEvent {
  readonly kind: 'start';
  /** Steps done: more than 0 where a run goes on. */
  readonly step: number;
  readonly model: string;
  readonly plan: LossPlan;
  readonly data: {
    readonly name: string;
    readonly real: boolean;
    readonly training?: number;
    readonly validation: number;
  };
  readonly batch: number;
  readonly stepsPerEpoch: number | undefined;
  /** Steps until the end; undefined where the data's rows are not counted. */
  readonly steps: number | undefined;
  readonly optimizer: string;
  readonly learningRate: number;
  /** From input to output: in the order of step events' layers. */
  readonly layers: readonly TrainedLayer[];
  /** Numbers that are trained. */
  readonly parameters: number;
  readonly seed: number;
  readonly runtime: string;
  /** What was assumed on the way, in sentences. */
  readonly notes: readonly string[];
}

export interface TrainStepEvent extends Omit<StepEvent, 'gradientNorms' | 'weightNorms' | 'updateNorms' | 'inspected'> {
  /** ‖∂L/∂w‖ over all parameters before clipping, where monitored. */
  readonly gradientNorm?: number;
  readonly layers: readonly LayerNorms[];
  readonly inspected?: Inspected;
}

/** Tensors of one step, to be read before the next is asked for. */
export interface Inspected {
  /** Parameter → its gradient before clipping. */
  readonly gradients: ReadonlyMap<string, Tensor>;
  /** Parameter → its value after the update. */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Layer → what it passes on. */
  readonly activations: ReadonlyMap<string, Tensor>;
}

export interface TrainFaultEvent {
  readonly kind: 'fault';
  readonly step: number;
  readonly fault: Fault;
  /** Layers, nearest the cause first. */
  readonly where: readonly string[];
  /** The network as it was before the step, on the step's own batch. */
  readonly report: ReportSubject;
}

export interface TrainEndEvent {
  readonly kind: 'end';
  readonly step: number;
  readonly epoch: number;
  readonly reason: 'done' | 'aborted' | 'fault';
  /** The trained model as it is used: batch normalization by running statistics, dropout off. */
  readonly model: Model;
  /** The same as it trains: for a diagnosis, or to go on elsewhere. */
  readonly trainingModel: Model;
}

export type TrainEvent =
  | TrainStartEvent
  | TrainStepEvent
  | EpochEvent
  | CheckpointEvent
  | TrainFaultEvent
  | TrainEndEvent;
