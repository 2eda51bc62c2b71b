import { powerOfTen } from '../decay.ts';
import type { Case, DiagnosisRule, Finding } from '../finding.ts';
import { hints } from '../remedy-hints.ts';
import { causesThroughTime, lagOf } from '../through-time.ts';

/** A gradient below a thousandth of what it began with is lost among the others: AutoTrainer's ratio, over steps. */
const LOST_DECADES = -3;

/**
 * The gradient dies on its way to the early steps. For a plain recurrence this is an error: nothing but its weights can
 * change it (Bengio et al. 1994). Gates can learn to open, so for LSTM and GRU it is a warning.
 */
export const vanishingThroughTime: DiagnosisRule = {
  id: 'vanishing-through-time',
  summary: 'the gradient shrinks on its way to the early time steps',
  about: {
    meaning:
      'A recurrent layer multiplies the same Jacobian once per step. Where its gain is below 1 what happened long ago has no influence on the gradient: dependencies longer than that lag are not learned.',
    formula: 'D = sum over t of log10 (|J_t^T d_t| / |d_t|),  lag = least k whose last k terms sum to -3',
    symbols: {
      D: 'decades that the recurrence alone takes between the last step and the first',
      d_t: 'gradient of the hidden state at step t',
      J_t: 'Jacobian of the hidden state at step t by that of the step before',
      lag: 'steps after which a thousandth is left',
    },
    needs: 'one batch',
    thresholds: [
      { name: 'lost, decades', value: LOST_DECADES, source: "AutoTrainer's 1e-3 (Zhang et al. 2021), over steps" },
    ],
    severity:
      'An error for a plain recurrence, which nothing but its weights can change; a warning for gates, which can open.',
    remedies: ['use-lstm', 'use-orthogonal-recurrence', 'open-forget-gate'],
    references: [
      'Bengio, Simard & Frasconi 1994, Learning long-term dependencies with gradient descent is difficult',
      'Hochreiter & Schmidhuber 1997, Long Short-Term Memory',
      'Le, Jaitly & Hinton 2015, A simple way to initialize recurrent networks of rectified linear units',
    ],
  },
  check({ profile }: Case): Finding[] {
    return (profile.recurrent ?? []).flatMap((flow) => {
      if (!(flow.totalDecades <= LOST_DECADES && flow.recurrence <= LOST_DECADES)) return [];
      const steps = flow.gains.length + 1;
      const lag = lagOf(flow, LOST_DECADES);
      const gated = flow.op !== 'RNN';
      return [
        {
          rule: 'vanishing-through-time',
          severity: gated ? 'warning' : 'error',
          title: `the first of ${steps} steps of ${flow.layer} receives ${powerOfTen(flow.totalDecades)} of the last one's gradient`,
          explanation: `What happened ${lag ?? steps} or more steps ago is lost: less than a thousandth of the gradient comes back from it.`,
          where: [flow.layer],
          basis: `${(flow.recurrence / flow.gains.length).toFixed(2)} decades per step; lost from ${LOST_DECADES} decades on (AutoTrainer's 1e-3), reached after ${lag ?? steps} steps; ${profile.seen.batch} samples`,
          evidence: {
            totalDecades: flow.totalDecades,
            recurrenceDecades: flow.recurrence,
            directDecades: flow.direct,
            decadesPerStep: flow.recurrence / flow.gains.length,
            lostAfterSteps: lag ?? steps,
            steps,
            threshold: LOST_DECADES,
          },
          causes: causesThroughTime(flow),
          remedies: gated
            ? hints('open-forget-gate', 'use-orthogonal-recurrence')
            : hints('use-lstm', 'use-orthogonal-recurrence'),
        },
      ];
    });
  },
};
