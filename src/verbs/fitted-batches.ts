import type { LossGraph, LossPlan } from '../training/losses.ts';
import { targetFor } from '../training/targets.ts';
import type { TrainingBatch } from '../training/trainer.ts';
import type { TrainingData } from './training-data.ts';

export interface FittedBatchesOptions {
  readonly lossGraph: LossGraph;
  readonly plan: LossPlan;
  readonly batch: number;
  readonly seed: number;
  /** Whether rows come without the target that the loss wants, and labels are drawn for them. */
  readonly madeUpTarget: boolean;
}

/**
 * Batches of an epoch, less the first `skip`, with targets as the loss wants them. Drawn labels go by the place in a
 * batch: rows keep theirs in an order that stays.
 */
export function fittedBatches(
  data: TrainingData,
  { lossGraph, plan, batch, seed, madeUpTarget }: FittedBatchesOptions,
): (epoch: number, skip: number) => AsyncGenerator<TrainingBatch> {
  return async function* (epoch, skip) {
    const order = madeUpTarget ? 0 : epoch;
    for await (const { inputs, target } of data.batches({ batch, seed, epoch: order, skip })) {
      yield { inputs, target: targetFor(lossGraph, plan, target, seed) };
    }
  };
}
