import type { Remedy } from '../remedy.ts';
import { clipAdaptive, clipNorm, clipValue } from './clipping.ts';
import { increaseLearningRate, reduceLearningRate, warmUp } from './learning-rate.ts';
import { optimizerSwaps } from './optimizers.ts';
import { addL2Penalty, addWeightDecay, largerBatch } from './regularization.ts';

/** Remedies that change how a network is trained, and leave the network alone; what comes first is tried first. */
export const trainingRemedies: readonly Remedy[] = [
  clipNorm,
  reduceLearningRate,
  increaseLearningRate,
  ...optimizerSwaps,
  warmUp,
  clipAdaptive,
  clipValue,
  largerBatch,
  addWeightDecay,
  addL2Penalty,
];
