import type { CauseKind, RemedyHint } from './finding.ts';

/** What can be tried; the ids are stable. */
export const remedyHints = {
  'use-relu': { action: 'ReLU in place of the saturating activation, with He initialization', changes: 'the model' },
  'use-he-init': { action: 'He initialization: variance 2 / fan-in for the ReLU family', changes: 'nothing else' },
  'use-glorot-init': { action: 'Glorot initialization: variance 2 / (fan-in + fan-out)', changes: 'nothing else' },
  'randomize-init': { action: 'draw the weights at random instead of zero', changes: 'nothing else' },
  'use-leaky-relu': { action: 'Leaky ReLU: its derivative is never zero', changes: 'the model' },
  'use-critical-init': {
    action: 'the critical variance for this activation, at which a signal keeps its size (mean-field theory)',
    changes: 'nothing else',
  },
  'zero-biases': { action: 'start the biases at zero', changes: 'nothing else' },
  'add-batch-norm': { action: 'batch normalization after each weight layer', changes: 'the model' },
  'add-layer-norm': { action: 'layer normalization', changes: 'the model' },
  'add-residual': { action: 'skip connections around pairs of layers', changes: 'the model' },
  'use-lstm': { action: 'LSTM or GRU of the same hidden size: gates can keep the gradient', changes: 'the model' },
  'open-forget-gate': { action: 'start the forget gate open: its bias at 1', changes: 'nothing else' },
  'use-orthogonal-recurrence': { action: 'orthogonal or identity recurrent weights', changes: 'nothing else' },
  'clip-gradient-norm': { action: 'clip the gradient by its global norm', changes: 'training' },
  'reduce-learning-rate': { action: 'a smaller learning rate', changes: 'training' },
  'increase-learning-rate': { action: 'a larger learning rate', changes: 'training' },
  'use-adam': { action: 'Adam: each weight its own step size, whatever the size of its gradient', changes: 'training' },
  'larger-batch': { action: 'a larger batch: its gradient varies less', changes: 'training' },
  'standardize-inputs': { action: 'inputs of zero mean and unit variance', changes: 'training' },
  'check-data': { action: 'look for NaN, infinities and outliers in the data', changes: 'training' },
  'guard-operator': {
    action: 'guard the operator: an epsilon under roots, logarithms and divisions',
    changes: 'the model',
  },
  'train-some-steps': { action: 'a few training steps open it by themselves', changes: 'training' },
  'remove-layers': { action: 'leave the layers out that the loss does not need', changes: 'the model' },
  'freeze-layers': { action: 'leave the layers as they started: train the others only', changes: 'training' },
  'connect-parameter': { action: 'use the parameter in the loss, or freeze or remove it', changes: 'the model' },
} as const satisfies Record<string, Omit<RemedyHint, 'id'>>;

export type RemedyId = keyof typeof remedyHints;

/** Hints by id, in the order given. */
export function hints(...ids: RemedyId[]): RemedyHint[] {
  return ids.map((id) => ({ id, ...remedyHints[id] }));
}

const againstVanishing: Partial<Record<CauseKind, RemedyId[]>> = {
  'activation-derivative': ['use-relu', 'add-batch-norm', 'add-residual'],
  'weight-matrix': ['use-he-init', 'add-batch-norm', 'add-residual'],
  normalization: ['use-he-init', 'add-residual'],
  attention: ['add-residual', 'add-layer-norm'],
};

/** What helps against a decay whose main factor is `kind`; `bounded` where the activations saturate. */
export function hintsAgainstVanishing(kind: CauseKind | undefined, bounded: boolean): RemedyHint[] {
  if (kind === 'activation-derivative' && !bounded) return hints('use-he-init', 'add-batch-norm', 'add-residual');
  return hints(...(againstVanishing[kind ?? 'weight-matrix'] ?? ['use-he-init', 'add-residual']));
}
