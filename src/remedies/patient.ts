import { commonActivation } from '../diagnosis/relief.ts';
import { saturating } from '../flow/units.ts';
import { type Change, predictChange } from '../theory/predict.ts';
import type { Patient } from './remedy.ts';

/** Whether a rule found an error or a warning. */
export function has(patient: Patient, ...rules: readonly string[]): boolean {
  return patient.diagnosis.findings.some(({ rule, severity }) => severity !== 'info' && rules.includes(rule));
}

/** The activation most layers have, by its ONNX operator or the id of its block; undefined where there is none. */
export function activationOf({ profile }: Patient): string | undefined {
  return commonActivation(profile);
}

/** Whether the network's activation function is flat on both sides. */
export function isBounded(patient: Patient): boolean {
  const activation = activationOf(patient);
  return activation !== undefined && saturating.has(activation);
}

/** What theory says of a change, where it covers the network. */
export function foresee({ theory }: Patient, change: Change): number | undefined {
  const decades = theory && predictChange(theory, change);
  return decades !== undefined && Number.isFinite(decades) ? decades : undefined;
}
