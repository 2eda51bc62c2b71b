import { activationRemedies } from './activations/index.ts';
import { dataRemedies } from './data.ts';
import { initializationRemedies } from './initialization/index.ts';
import { normalizationRemedies } from './normalization.ts';
import { outputRemedies } from './outputs.ts';
import { recurrentRemedies } from './recurrent/index.ts';
import type { Remedy } from './remedy.ts';
import { structureRemedies } from './structure/index.ts';
import { trainingRemedies } from './training/index.ts';

/** Every remedy this project knows, in no order of preference. */
export const remedies: readonly Remedy[] = [
  ...activationRemedies,
  ...initializationRemedies,
  ...normalizationRemedies,
  ...structureRemedies,
  ...recurrentRemedies,
  ...outputRemedies,
  ...dataRemedies,
  ...trainingRemedies,
];
