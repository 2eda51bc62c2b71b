import type { StepHistory } from '../../flow/history.ts';
import { type Fault, FaultWatch, JUMP, RISE } from '../../training/fault.ts';
import type { Case, DiagnosisRule, Finding } from '../finding.ts';
import { lossCurve } from '../loss-curve.ts';
import { hints } from '../remedy-hints.ts';

const FEWEST_STEPS = 10;
/** Half way to divergence. */
const RISEN = RISE / 2;

/** The loss grows beyond what an untrained network has. */
export const lossDivergence: DiagnosisRule = {
  id: 'loss-divergence',
  summary: 'a loss that grows beyond that of an untrained network',
  about: {
    meaning:
      'Steps that are too long climb: each makes the next gradient larger. A loss several times that of an untrained network does not come back by itself.',
    formula: 'S_t = mean of L up to t, weights 0.98^(t-s);  diverged: S_t > 4 max(L_1, c), or L_t > 1000 max(L_1, c)',
    symbols: { L_t: 'loss of step t', S_t: 'its smoothed mean', c: 'loss of the best constant answer' },
    needs: 'several steps',
    thresholds: [
      {
        name: 'error, times an untrained loss',
        value: RISE,
        source: "fastai's and Lightning's learning-rate finders; the fault that stops training",
      },
      { name: 'error, times an untrained loss, one step', value: JUMP, source: 'no batch is that unlike the others' },
      {
        name: 'warning, times an untrained loss',
        value: RISEN,
        source: 'half of it, over the second half of the steps',
      },
      {
        name: 'fewest steps for a warning',
        value: FEWEST_STEPS,
        source: 'a few large losses at the start are harmless',
      },
    ],
    severity: 'An error where the loss has diverged or is not finite; a warning where it has doubled.',
    remedies: ['reduce-learning-rate', 'clip-gradient-norm', 'use-he-init'],
    references: ['Smith 2017, Cyclical Learning Rates for Training Neural Networks'],
  },
  check({ profile, history }: Case): Finding[] {
    if (!history || history.steps.length === 0) return [];
    const fault = faultOf(history);
    // Numbers that are broken in the batch itself are non-finite's to explain.
    if (fault?.kind === 'non-finite' && !Number.isFinite(profile.loss)) return [];
    const reference = Math.max(history.loss.find(Number.isFinite) ?? 0, history.constantLoss ?? 0);
    const remedies = hints('reduce-learning-rate', 'clip-gradient-norm', 'use-he-init');
    const common = { rule: 'loss-divergence', where: [], causes: [], remedies } as const;
    if (fault) {
      return [
        {
          ...common,
          severity: 'error',
          title: fault.message,
          explanation: 'Each step is longer than the one before: the updates climb instead of descending.',
          basis: `an error where the mean loss is ${RISE} times, or one loss ${JUMP} times, what an untrained network has; ${history.steps.length} steps`,
          evidence: {
            step: fault.step,
            risingSince: fault.since,
            reference,
            errorThreshold: RISE,
            jumpThreshold: JUMP,
          },
        },
      ];
    }
    const curve = lossCurve(history, FEWEST_STEPS);
    if (!curve || !(curve.level > RISEN * reference)) return [];
    return [
      {
        ...common,
        severity: 'warning',
        title: `the loss has risen to ${curve.level.toPrecision(3)}, ${(curve.level / reference).toPrecision(2)} times what an untrained network has`,
        explanation: 'The updates climb instead of descending: steps are too long.',
        basis: `median of the last ${Math.ceil(curve.steps / 2)} of ${curve.steps} steps; a warning from ${RISEN} times on, an error from ${RISE} times on`,
        evidence: { level: curve.level, reference, steps: curve.steps, warningThreshold: RISEN, errorThreshold: RISE },
      },
    ];
  },
};

/** The first fault of these losses, as training itself sees it. */
export function faultOf({ steps, loss, constantLoss }: StepHistory): Fault | undefined {
  const watch = new FaultWatch([], constantLoss ?? 0);
  for (const [i, step] of steps.entries()) {
    const fault = watch.see({ step, loss: loss[i]! });
    if (fault) return fault;
  }
  return undefined;
}
