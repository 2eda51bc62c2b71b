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
  about: {
    meaning:
      'A recurrent layer multiplies the same Jacobian once per step. Where its gain is above 1 the gradient grows with the length of the sequence: the early steps drown all others, and an update becomes a leap.',
    formula: 'D = sum over t of log10 (|J_t^T d_t| / |d_t|)',
    symbols: {
      D: 'decades that the recurrence alone adds between the last step and the first',
      d_t: 'gradient of the hidden state at step t',
      J_t: 'Jacobian of the hidden state at step t by that of the step before',
    },
    needs: 'one batch',
    thresholds: [
      {
        name: 'error, decades',
        value: ERROR_DECADES,
        source: "the mirror image of AutoTrainer's 1e-3 (Zhang et al. 2021), over steps",
      },
      { name: 'warning, decades', value: WARNING_DECADES, source: 'a hundredfold gradient at the first step' },
    ],
    severity: 'An error from 10^3 on, a warning from 10^2.',
    remedies: ['use-orthogonal-recurrence', 'clip-gradient-norm', 'use-lstm'],
    references: ['Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks'],
  },
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
          remedies: hints('use-orthogonal-recurrence', 'clip-gradient-norm', 'use-lstm'),
        },
      ];
    });
  },
};
