import type { DiagnosisRule } from '../finding.ts';

/** Every rule, in the order in which one explains the next: nothing is said of decay once numbers are broken. */
export const rules: readonly DiagnosisRule[] = [];
