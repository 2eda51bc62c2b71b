import { activationRemedies } from './activations/index.ts';
import { initializationRemedies } from './initialization/index.ts';
import type { Remedy } from './remedy.ts';
import { trainingRemedies } from './training/index.ts';

/** Every remedy this project knows, in no order of preference. */
export const remedies: readonly Remedy[] = [...activationRemedies, ...initializationRemedies, ...trainingRemedies];
