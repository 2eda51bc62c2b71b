import type { DiagnosisRule } from '../finding.ts';
import { deadUnits } from './dead-units.ts';
import { disconnectedParameter } from './disconnected-parameter.ts';
import { explodingGradient } from './exploding-gradient.ts';
import { explodingThroughTime } from './exploding-through-time.ts';
import { nonFinite } from './non-finite.ts';
import { saturatedUnits } from './saturated-units.ts';
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
  disconnectedParameter,
];
