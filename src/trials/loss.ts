import type { TrialResult } from './trial.ts';

/** What a trial is compared by: the held-out loss, without held-out rows that of training; Infinity where it broke down. */
export function lossOf({ status, heldOut, training }: TrialResult): number {
  const loss = status === 'done' ? (heldOut?.loss ?? training.at(-1)?.loss) : undefined;
  return loss !== undefined && Number.isFinite(loss) ? loss : Number.POSITIVE_INFINITY;
}

/** Compares losses, the lower first; infinities are equal. */
export function byLoss(a: number, b: number): number {
  return a === b ? 0 : a - b;
}
