import type { FactorKind } from './kinds.ts';
import type { RecurrentFlow } from './recurrent.ts';
import type { TensorStatistics } from './statistics.ts';
import type { UnitStatistics } from './units.ts';

/**
 * Gradient statistics at every measured value and parameter, with the gains between them. The common data model:
 * it comes from a probe of a graph, from training, or from a log, and diagnosis reads nothing else.
 */
export interface FlowProfile {
  readonly loss: number;
  /** Loss of the best constant answer (ln C, ln 2, the variance of the target), where known and above 0. */
  readonly constantLoss?: number;
  /** The value the loss reads (logits): decades are counted from its gradient. */
  readonly output: string;
  /** Values on the gradient's path, from output to input. */
  readonly values: readonly FlowValue[];
  readonly parameters: readonly FlowParameter[];
  /** Edges of the backward pass between values on the path, from output to input. */
  readonly edges: readonly FlowEdge[];
  /** Layers that have parameters, from input to output. */
  readonly layers: readonly FlowLayer[];
  /** Values that every path from the first layer to the loss passes through, from output to input. */
  readonly cuts: readonly string[];
  /** Recurrent layers step by step, one entry per direction, from input to output; absent where there are none. */
  readonly recurrent?: readonly RecurrentFlow[];
  /** How many samples and batches the numbers rest on. */
  readonly seen: { readonly batch: number; readonly batches: number; readonly step: number };
}

export interface FlowValue {
  readonly name: string;
  readonly node: string;
  readonly op: string;
  readonly kind: FactorKind;
  readonly layer: string;
  readonly shape: readonly number[];
  readonly gradient: TensorStatistics;
  readonly value: TensorStatistics;
  /** log₁₀ ‖∂L/∂value‖ − log₁₀ ‖∂L/∂output‖. */
  readonly decadesFromOutput: number;
  /** The block of several operators that the value belongs to, by its id: `gelu`, `attention`. */
  readonly block?: string;
  /** Whether the value lies inside the block; its output does not. */
  readonly inner?: boolean;
  /** Present where the value is an activation function's output. */
  readonly units?: UnitStatistics;
}

export interface FlowParameter {
  readonly name: string;
  readonly layer: string;
  readonly shape: readonly number[];
  readonly gradient: TensorStatistics;
  readonly value: TensorStatistics;
  /** ‖Δw‖ / ‖w‖ of one step of the optimizer; undefined for a parameter that is all zero. */
  readonly updateRatio: number | undefined;
  /** Whether any path leads from the parameter to the loss. */
  readonly connected: boolean;
  /** The two signals a weight gradient is made of; absent where the operator is not a product with the weight. */
  readonly signals?: WeightSignals;
  /** The gradient is zero in exact arithmetic (a bias before batch normalization): what is measured is rounding. */
  readonly roundoffOnly: boolean;
  /** Units of a weight matrix or kernel, and how many differ in their weights or gradients; absent where units are not its rows or columns. */
  readonly distinctUnits?: { readonly units: number; readonly distinct: number };
}

/** log₁₀ ‖dW‖ = log₁₀ ‖X‖ + log₁₀ ‖dY‖ + log₁₀ alignment, with alignment ≤ 1. */
export interface WeightSignals {
  readonly forward: number;
  readonly backward: number;
  readonly alignment: number;
}

/** What a node, or a block of several taken as one, contributed to the gradient of one of its inputs. */
export interface FlowEdge {
  readonly node: string;
  /** The operator; of a block, the ONNX operator that computes the same. */
  readonly op: string;
  readonly kind: FactorKind;
  readonly layer: string;
  /** The block of several operators, by its id: `gelu`, `attention`. */
  readonly block?: string;
  /** Whether the edge receives inside the block, whose own edge stands for it. */
  readonly inner?: boolean;
  /** The value that receives the contribution. */
  readonly value: string;
  /** The node's outputs that have a gradient. */
  readonly outputs: readonly string[];
  /** log₁₀ ‖contribution‖. */
  readonly log10L2: number;
  /** ⟨c, g⟩ / ‖g‖² of the contribution c in the gradient g; 1 where it is the only one, shares of a value add to 1. */
  readonly share: number;
}

export interface FlowLayer {
  readonly name: string;
  /** The operator that holds the layer's weight. */
  readonly op: string;
  readonly node: string;
  /** The layer's output before its activation: where its δ is measured. */
  readonly value: string;
  readonly parameters: readonly string[];
  /** Whether the layer mixes units with a weight matrix or kernel (rank ≥ 2); normalization layers do not. */
  readonly mixes: boolean;
  readonly decadesFromOutput: number;
}
