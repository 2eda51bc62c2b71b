import type { TheoryNetwork } from './network.ts';

/** What mean-field theory says of a network's weights, without data and without a run. */
export interface Theory {
  /** `fully`: every layer on the way is covered; `partly`: the layers listed are; `not`: see the reasons. */
  readonly applies: 'fully' | 'partly' | 'not';
  /** Plain statements of what is not covered, or assumed, one sentence each. */
  readonly reasons: readonly string[];
  /** Layers with a weight matrix that theory covers, from input to output. */
  readonly layers: readonly LayerTheory[];
  /** Predicted log₁₀ ‖∂L/∂first layer's output‖ − log₁₀ ‖∂L/∂output‖: what attribution's total is compared with. */
  readonly predictedDecades: number;
  /** Standard deviation, in decades, by which networks of these widths scatter about that: leading order in 1 / width. */
  readonly spread?: number;
  /** Depth scale ξ of the layer that repeats, at its fixed point, in layers; Infinity where χ = 1. */
  readonly depthScale?: number;
  /** About 6ξ: layers deeper than this do not train (Schoenholz et al. 2017). */
  readonly trainableDepth?: number;
  /** What was read of the network, for predicting changes; not part of any report. */
  readonly network?: TheoryNetwork;
}

export interface LayerTheory {
  readonly layer: string;
  /** The activation after the layer, as ONNX names it; undefined: linear. */
  readonly activation?: string;
  readonly fanIn: number;
  /** σ_w² = fan-in · Var(w), and σ_b² = Var(b). */
  readonly sigmaW2: number;
  readonly sigmaB2: number;
  /** Predicted variance of the layer's pre-activations, and the fixed point of its recursion (NaN where it has none). */
  readonly q: number;
  readonly qStar: number;
  /** χ = σ_w² E[φ′(√q z)²] here, and at the fixed point: the factor of the gradient's mean square per layer. */
  readonly chi: number;
  readonly chiStar: number;
  /** Correlation to which two inputs tend: 1 where χ* ≤ 1. */
  readonly cStar?: number;
  /** ξ: −1 / ln χ at the fixed point, in the chaotic phase (χ* > 1) at c* (Schoenholz et al. 2017); positive, in layers. */
  readonly depthScale: number;
  /** Decades that the layer takes from the gradient on its way from its output to the previous layer's output. */
  readonly decades: number;
  /** Predicted log₁₀ ‖∂L/∂this layer's output‖ − log₁₀ ‖∂L/∂output‖. */
  readonly decadesFromOutput?: number;
  /** The initialization with χ = 1 for this activation, where there is one. */
  readonly critical?: { readonly sigmaW2: number; readonly sigmaB2: number; readonly q: number };
  /** What stands around the layer and enters the recursion: a normalization by its operator, a residual branch. */
  readonly normalization?: string;
  readonly residual?: boolean;
}
