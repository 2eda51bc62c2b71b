import type { Theory } from './theory.ts';

/** A prediction beside what was measured. */
export interface Comparison {
  readonly predicted: number;
  readonly measured: number;
  /** Within 5 % of the measurement, twice what finite width scatters, or a tenth of a decade. */
  readonly agrees: boolean;
}

/** Part of the decades by which theory and a wide network may differ: what the formulas are tested to. */
const RELATIVE = 0.05;
/** Decades that no one would act on: a quarter of the gradient. */
const ABSOLUTE = 0.1;

/** Compares the predicted decades with those measured; undefined where either is not a finite number. */
export function compareTheory(theory: Theory, measured: number | undefined): Comparison | undefined {
  const { predictedDecades: predicted, spread = 0 } = theory;
  if (measured === undefined || !Number.isFinite(measured) || !Number.isFinite(predicted)) return undefined;
  const allowed = Math.max(RELATIVE * Math.abs(measured), 2 * spread, ABSOLUTE);
  return { predicted, measured, agrees: Math.abs(predicted - measured) <= allowed };
}

/** Median χ of the layers that an activation function follows: what one layer does to the gradient's mean square. */
export function chiPerLayer({ layers }: Theory): number | undefined {
  const values = layers
    .filter(({ activation, chi }) => activation !== undefined && !Number.isNaN(chi))
    .map((l) => l.chi);
  return values.sort((a, b) => a - b)[values.length >> 1];
}
