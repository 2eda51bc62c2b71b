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
