import type { Remedy } from '../remedy.ts';
import { usePreNorm } from './pre-norm.ts';
import { removeLayers } from './remove-layers.ts';
import { addResidual, addScaledResidual } from './residual.ts';

/** Remedies that change what is connected to what. */
export const structureRemedies: readonly Remedy[] = [addResidual, addScaledResidual, usePreNorm, removeLayers];
