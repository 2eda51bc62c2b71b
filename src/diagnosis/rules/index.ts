import type { DiagnosisRule } from '../finding.ts';
import { deadUnits } from './dead-units.ts';
import { disconnectedParameter } from './disconnected-parameter.ts';
import { effectivelyShallow } from './effectively-shallow.ts';
import { explodingGradient } from './exploding-gradient.ts';
import { explodingThroughTime } from './exploding-through-time.ts';
import { gradientDistribution } from './gradient-distribution.ts';
import { lossDivergence } from './loss-divergence.ts';
import { lossOscillation } from './loss-oscillation.ts';
import { lossPlateau } from './loss-plateau.ts';
import { nonFinite } from './non-finite.ts';
import { overlargeUpdate } from './overlarge-update.ts';
import { poorInitialization } from './poor-initialization.ts';
import { saturatedUnits } from './saturated-units.ts';
import { slowConvergence } from './slow-convergence.ts';
import { stalledLayer } from './stalled-layer.ts';
import { symmetricInitialization } from './symmetric-initialization.ts';
import { vanishingGradient } from './vanishing-gradient.ts';
import { vanishingThroughTime } from './vanishing-through-time.ts';

/** Every rule, in the order in which one explains the next: nothing is said of decay once numbers are broken. */
export const rules: readonly DiagnosisRule[] = [
  nonFinite,
  deadUnits,
  vanishingGradient,
  explodingGradient,
  vanishingThroughTime,
  explodingThroughTime,
  saturatedUnits,
  symmetricInitialization,
  poorInitialization,
  disconnectedParameter,
  lossDivergence,
  lossOscillation,
  overlargeUpdate,
  stalledLayer,
  lossPlateau,
  slowConvergence,
  effectivelyShallow,
  gradientDistribution,
];
