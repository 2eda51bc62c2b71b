/** log₁₀ norms of gradients at each step of one direction of a recurrent layer, by time index. */
export interface RecurrentNorms {
  /** ‖∂L/∂h_t‖. */
  readonly hidden: readonly number[];
  /** The part of it that came through the step read after this one; the rest came directly, from the layer's output. */
  readonly carried: readonly number[];
  /** ‖∂L/∂a_t‖ before the activation function, where a step has only one. */
  readonly preactivation?: readonly number[];
  /** ‖∂L/∂c_t‖ of an LSTM's cell state. */
  readonly cell?: readonly number[];
}

/** One direction of a recurrent layer: how the gradient fares from step to step. */
export interface RecurrentFlow extends RecurrentNorms {
  readonly layer: string;
  readonly node: string;
  readonly op: string;
  readonly direction: 'forward' | 'reverse';
  /** The step where the account begins: the last one read that has a gradient. Undefined when none has. */
  readonly from: number | undefined;
  /** The step where it ends: the first one read. */
  readonly to: number;
  /** From each step to the one read before it, beginning at `from`. */
  readonly gains: readonly StepGain[];
  /** log₁₀ ‖∂L/∂h_to‖ − log₁₀ ‖∂L/∂h_from‖; equal to `recurrence` + `direct`. */
  readonly totalDecades: number;
  /** What the recurrence alone does to a gradient on this way, whatever arrives beside it. */
  readonly recurrence: number;
  /** What gradients that reach the steps directly make up for. 0 where the loss reads the last step only. */
  readonly direct: number;
  /** The two factors of `recurrence` where the chain rule has only them (RNN). */
  readonly factors?: { readonly activationDerivative: number; readonly recurrentWeights: number };
}

/** Decades between the gradient of one step and that of the step read before it. */
export interface StepGain {
  /** The step that receives. */
  readonly step: number;
  /** log₁₀ ‖carried into it‖ − log₁₀ ‖∂L/∂h‖ of the step after. */
  readonly recurrence: number;
  /** log₁₀ ‖∂L/∂h‖ − log₁₀ ‖carried‖ at this step. */
  readonly direct: number;
  readonly activationDerivative?: number;
  readonly recurrentWeights?: number;
}

/**
 * Accounts for the gradient on its way back through time. With δ_t = ∂L/∂h_t, κ_t its carried part and, for an RNN,
 * α_t = ∂L/∂a_t, every step read is, in log₁₀ norms,
 *
 *     δ_{t−1} − δ_t = (κ_{t−1} − δ_t) + (δ_{t−1} − κ_{t−1}),   κ_{t−1} − δ_t = (α_t − δ_t) + (κ_{t−1} − α_t):
 *
 * activation derivative, recurrent weights, and what arrives directly. The sum over the steps telescopes.
 */
export function recurrentFlow(
  place: Pick<RecurrentFlow, 'layer' | 'node' | 'op' | 'direction'>,
  norms: RecurrentNorms,
): RecurrentFlow {
  const { hidden, carried, preactivation } = norms;
  const last = hidden.length - 1;
  const order = place.direction === 'forward' ? hidden.map((_, t) => last - t) : hidden.map((_, t) => t);
  const start = order.findIndex((t) => hidden[t] !== Number.NEGATIVE_INFINITY);
  const to = order.at(-1) ?? 0;
  const gains = (start < 0 ? [] : order.slice(start + 1)).map((step, i): StepGain => {
    const after = order[start + i]!;
    const recurrence = decades(hidden[after]!, carried[step]!);
    const direct = decades(carried[step]!, hidden[step]!);
    if (!preactivation) return { step, recurrence, direct };
    const alpha = preactivation[after]!;
    const activationDerivative = decades(hidden[after]!, alpha);
    return { step, recurrence, direct, activationDerivative, recurrentWeights: decades(alpha, carried[step]!) };
  });
  const sum = (part: (gain: StepGain) => number) => gains.reduce((total, gain) => total + part(gain), 0);
  return {
    ...place,
    ...norms,
    from: start < 0 ? undefined : order[start],
    to,
    gains,
    totalDecades: start < 0 ? Number.NaN : decades(hidden[order[start]!]!, hidden[to]!),
    recurrence: sum((gain) => gain.recurrence),
    direct: sum((gain) => gain.direct),
    ...(preactivation && {
      factors: {
        activationDerivative: sum((gain) => gain.activationDerivative!),
        recurrentWeights: sum((gain) => gain.recurrentWeights!),
      },
    }),
  };
}

/** From one log₁₀ norm to the next; from nothing to nothing is no change. */
function decades(from: number, to: number): number {
  return from === to ? 0 : to - from;
}
