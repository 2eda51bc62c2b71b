import type { StepHistory } from '../../flow/history.ts';
import { median } from '../../flow/quantiles.ts';
import type { Case, DiagnosisRule, Finding, Severity } from '../finding.ts';
import { lossCurve } from '../loss-curve.ts';
import { motionOf } from '../movement.ts';
import { hints } from '../remedy-hints.ts';
import { faultOf } from './loss-divergence.ts';

/** Upper limit of ‖Δw‖ / ‖w‖ in DeepDiagnosis, TheDeepChecker and torchmortem. */
const LARGE_RATIO = 0.1;
/** An update as large as the weights replaces them. */
const REPLACED_RATIO = 1;
/**
 * Half of the layers changed by this part of themselves in the very first step: in bench/calibration the healthy have at
 * most 0.05, those whose learning rate is too large at least 0.45.
 */
const LEAP_RATIO = 0.3;
const FEWEST_STEPS = 10;
/** A loss that has fallen by this part of its start shows that the steps are not too large. */
const IMPROVED = 0.1;

/** Steps so large against the weights that they replace what was learned. */
export const overlargeUpdate: DiagnosisRule = {
  id: 'overlarge-update',
  summary: 'updates that are large against the weights they change',
  about: {
    meaning:
      'The gradient describes the loss near the weights only. A step that changes them by a tenth or more leaves that neighbourhood; one as large as the weights replaces them, and the next gradient has to start from anywhere.',
    formula: 'r_l = median over steps of |Dw_l| / |w_l|',
    symbols: {
      r_l: 'relative update of the weights of layer l, over the second half of the steps',
      Dw_l: 'what one step adds to them',
    },
    needs: 'several steps',
    thresholds: [
      {
        name: 'large, relative update',
        value: LARGE_RATIO,
        source: 'DeepDiagnosis (Wardat et al. 2022), TheDeepChecker, torchmortem',
      },
      { name: 'error, relative update', value: REPLACED_RATIO, source: 'the step is as large as the weights' },
      {
        name: 'error at the first step, median over the layers',
        value: LEAP_RATIO,
        source: 'calibrated: at most 0.05 in networks that train, at least 0.45 where the learning rate is too large',
      },
      {
        name: 'fewest steps for more than a note',
        value: FEWEST_STEPS,
        source: 'first steps from small weights are large and harmless',
      },
      {
        name: 'fall of the loss that disproves it',
        value: IMPROVED,
        source: 'calibrated: with such a fall the steps lead somewhere',
      },
    ],
    severity:
      'From one batch a note, and an error where half of the layers would change by a third in one step; a note where the loss falls all the same; with ten steps, or a loss that diverges before, a warning, and an error where steps are as large as the weights.',
    remedies: ['reduce-learning-rate', 'clip-gradient-norm', 'add-batch-norm'],
    references: ['Wardat et al. 2022, DeepDiagnosis', 'Ben Braiek & Khomh 2023, TheDeepChecker'],
  },
  check({ profile, history }: Case): Finding[] {
    const motion = motionOf(profile, history);
    // Weights that grow from zero by n equal steps change by 1/t at step t: by 1.3 / n in the middle of the second half.
    const limit = Math.max(LARGE_RATIO, motion.steps >= FEWEST_STEPS ? 2 / motion.steps : 0);
    const large = motion.layers.filter(({ ratio }) => ratio > limit).sort((a, b) => b.ratio - a.ratio);
    const top = large[0];
    if (!top) return [];
    const fell = history ? fallOf(history) : 0;
    const settled =
      motion.steps >= FEWEST_STEPS ? fell < IMPROVED : history !== undefined && faultOf(history) !== undefined;
    const leap = motion.steps === 0 ? median(motion.layers.map(({ ratio }) => ratio)) : 0;
    const severity: Severity =
      leap >= LEAP_RATIO ? 'error' : settled ? (top.ratio >= REPLACED_RATIO ? 'error' : 'warning') : 'info';
    const seen = motion.steps > 0 ? `median over ${motion.steps} steps` : 'the first step, judged from its gradient';
    return [
      {
        rule: 'overlarge-update',
        severity,
        title: `a step changes ${top.layer} by ${top.ratio.toPrecision(2)} times its weights${large.length > 1 ? `, and ${large.length - 1} more layers by more than ${Number(limit.toPrecision(2))}` : ''}`,
        explanation:
          'The gradient holds near the weights only: a step that leaves their neighbourhood is a leap, not a descent.',
        where: large.map(({ layer }) => layer),
        basis: `large: above ${Number(limit.toPrecision(2))} (DeepDiagnosis, TheDeepChecker), ${motion.steps === 0 ? `an error where the median layer's first step is above ${LEAP_RATIO}: here ${leap.toPrecision(2)}` : `an error from ${REPLACED_RATIO} on unless the loss falls`}; ${seen}${history ? `; the loss fell by ${Math.round(100 * fell)} %` : ''}`,
        evidence: {
          layers: large.length,
          updateRatio: top.ratio,
          steps: motion.steps,
          ...(history && { lossFall: fell }),
          largeThreshold: limit,
          ...(motion.steps === 0
            ? { medianUpdateRatio: leap, errorThreshold: LEAP_RATIO }
            : { errorThreshold: REPLACED_RATIO }),
        },
        causes: [],
        remedies: hints('reduce-learning-rate', 'clip-gradient-norm', 'add-batch-norm'),
      },
    ];
  },
};

/** Part by which the second half lies below the first losses, or below the constant answer's where that is more. */
function fallOf(history: StepHistory): number {
  const curve = lossCurve(history, 2);
  return curve ? 1 - curve.level / Math.max(curve.start, curve.constant ?? 0) : 0;
}
