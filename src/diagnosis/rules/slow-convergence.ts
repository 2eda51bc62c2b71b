import type { Case, DiagnosisRule, Finding } from '../finding.ts';
import { lossCurve, stepsToHalve } from '../loss-curve.ts';
import { motionOf, usualMotion } from '../movement.ts';
import { hints } from '../remedy-hints.ts';
import { FEWEST_STEPS, FLAT_STEPS, MUCH_LEARNED, STILL_STEPS } from './loss-plateau.ts';

/** Half a decade below the rule of thumb for ‖Δw‖ / ‖w‖, 1e-3: steps have room to grow. */
const SMALL_STEPS = 3e-4;

/** The loss falls, but at a pace that would take thousands of steps. */
export const slowConvergence: DiagnosisRule = {
  id: 'slow-convergence',
  summary: 'a loss that falls, but would take thousands of steps to halve',
  about: {
    meaning:
      'The loss falls beyond doubt and yet so slowly that halving it would take thousands of steps: the steps are too small for the landscape, or too little gradient reaches the layers that matter.',
    formula: 'T = 0.5 / rate,  rate = -b / m',
    symbols: {
      T: 'steps to halve the loss at this pace',
      b: 'slope of a line through block means of the second half of the steps, per step',
      m: 'median loss of the second half',
    },
    needs: 'several steps',
    thresholds: [
      {
        name: 'slow, steps to halve the loss',
        value: FLAT_STEPS,
        source: 'calibrated: networks that train halve it in tens to hundreds',
      },
      { name: 'slowest, steps to halve the loss', value: STILL_STEPS, source: 'beyond it is loss-plateau' },
      { name: 'fewest steps', value: FEWEST_STEPS, source: 'fewer steps do not tell a trend from noise' },
      {
        name: 'much learned, part of the constant loss',
        value: MUCH_LEARNED,
        source: 'from here on the end is naturally slow',
      },
      { name: 'small steps, relative update', value: SMALL_STEPS, source: 'below the rule of thumb of 1e-3' },
    ],
    severity: 'A warning where the updates are small against the weights, else a note; never an error: it does learn.',
    remedies: ['increase-learning-rate', 'use-adam', 'standardize-inputs', 'add-batch-norm'],
    references: ['Zhang et al. 2021, AutoTrainer', 'Ben Braiek & Khomh 2023, TheDeepChecker'],
  },
  check({ profile, history }: Case): Finding[] {
    const curve = history && lossCurve(history, FEWEST_STEPS);
    if (!curve || !(curve.slowest > 0)) return [];
    const { level, constant, start, rate, steps } = curve;
    const halving = stepsToHalve(rate);
    if (stepsToHalve(curve.fastest) < FLAT_STEPS || halving >= STILL_STEPS) return [];
    if (level < MUCH_LEARNED * (constant ?? start)) return [];
    const motion = usualMotion(motionOf(profile, history));
    return [
      {
        rule: 'slow-convergence',
        severity: motion < SMALL_STEPS ? 'warning' : 'info',
        title: `the loss falls, but at this pace halving it takes ${Math.round(halving)} steps`,
        explanation:
          motion < SMALL_STEPS
            ? `A step changes the weights by ${motion.toExponential(1)}; around 1e-3 is usual.`
            : 'The weights move at a usual pace: it is the direction that yields little, or a slow start.',
        where: [],
        basis: `${(100 * rate).toPrecision(2)} % a step over the last ${Math.ceil(steps / 2)} of ${steps} steps, beyond two standard errors; slow: more than ${FLAT_STEPS} steps to halve`,
        evidence: {
          stepsToHalve: halving,
          fallPerStep: rate,
          level,
          ...(constant !== undefined && { constantLoss: constant }),
          steps,
          updateRatio: motion,
          slowThreshold: FLAT_STEPS,
        },
        causes: [],
        remedies: hints('increase-learning-rate', 'use-adam', 'standardize-inputs', 'add-batch-norm'),
      },
    ];
  },
};
