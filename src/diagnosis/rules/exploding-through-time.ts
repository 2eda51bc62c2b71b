import { powerOfTen } from '../decay.ts';
import type { Case, DiagnosisRule, Finding } from '../finding.ts';
import { hints } from '../remedy-hints.ts';
import { causesThroughTime, lagOf } from '../through-time.ts';

/** A thousandfold gradient at the early steps drowns all others and makes the next update a leap (Pascanu et al. 2013). */
const ERROR_DECADES = 3;
const WARNING_DECADES = 2;

/** The gradient grows on its way to the early steps. */
export const explodingThroughTime: DiagnosisRule = {
  id: 'exploding-through-time',
  summary: 'the gradient grows on its way to the early time steps',
  check({ profile }: Case): Finding[] {
    return (profile.recurrent ?? []).flatMap((flow) => {
      if (!(flow.recurrence >= WARNING_DECADES && Number.isFinite(flow.totalDecades))) return [];
      const steps = flow.gains.length + 1;
      return [
        {
          rule: 'exploding-through-time',
          severity: flow.recurrence >= ERROR_DECADES ? 'error' : 'warning',
          title: `the first of ${steps} steps of ${flow.layer} receives ${powerOfTen(flow.totalDecades)} times the last one's gradient`,
          explanation:
            'A recurrent factor above 1 is multiplied once per step: it compounds with the length of the sequence.',
          where: [flow.layer],
          basis: `+${(flow.recurrence / flow.gains.length).toFixed(2)} decades per step over ${steps} steps; an error from +${ERROR_DECADES} decades on; ${profile.seen.batch} samples`,
          evidence: {
            totalDecades: flow.totalDecades,
            recurrenceDecades: flow.recurrence,
            directDecades: flow.direct,
            decadesPerStep: flow.recurrence / flow.gains.length,
            tenfoldAfterSteps: lagOf(flow, 1) ?? steps,
            steps,
            errorThreshold: ERROR_DECADES,
            warningThreshold: WARNING_DECADES,
          },
          causes: causesThroughTime(flow),
          remedies: hints('clip-gradient-norm', 'use-orthogonal-recurrence', 'use-lstm'),
        },
      ];
    });
  },
};
