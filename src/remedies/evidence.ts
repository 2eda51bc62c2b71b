import { effectiveDecades } from '../diagnosis/decay.ts';
import type { Finding } from '../diagnosis/finding.ts';
import type { FactorKind } from '../flow/kinds.ts';
import type { Change } from '../theory/predict.ts';
import { foresee } from './patient.ts';
import type { Patient } from './remedy.ts';

/** The first error or warning of one of these rules. */
export function findingOf({ diagnosis }: Patient, ...rules: readonly Finding['rule'][]): Finding | undefined {
  return diagnosis.findings.find(({ rule, severity }) => severity !== 'info' && rules.includes(rule));
}

/** The first error or warning of any rule; undefined for a network that nothing is wrong with. */
export function anyFinding({ diagnosis }: Patient): Finding | undefined {
  return diagnosis.findings.find(({ severity }) => severity !== 'info');
}

/** The first error or warning that names a remedy, as its relief or among what to try. */
export function findingNaming({ diagnosis }: Patient, id: string): Finding | undefined {
  return diagnosis.findings.find(
    ({ severity, relief, remedies }) =>
      severity !== 'info' && (relief?.remedy === id || remedies.some((hint) => hint.id === id)),
  );
}

/** The measured decades less those of some factors: what is left where theory does not say. */
export function decadesWithout({ diagnosis }: Patient, ...kinds: readonly FactorKind[]): number | undefined {
  const byKind = diagnosis.attribution?.byKind;
  if (!byKind) return undefined;
  const left = kinds.reduce((sum, kind) => sum - (byKind[kind] ?? 0), effectiveDecades(byKind));
  return Number.isFinite(left) ? left : undefined;
}

/** Effective decades that theory predicts of a change: pooling, which moves no weight's gradient, is not counted. */
export function foreseeEffective(patient: Patient, change: Change): number | undefined {
  const decades = foresee(patient, change);
  return decades === undefined ? undefined : decades - (patient.diagnosis.attribution?.byKind.pooling ?? 0);
}
