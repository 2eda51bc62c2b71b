import type { Case, DiagnosisRule, Finding, Severity } from '../finding.ts';
import { lossCurve } from '../loss-curve.ts';
import { hints } from '../remedy-hints.ts';

const FEWEST_STEPS = 20;
const ERROR_STEPS = 50;
/** Typical change from one step to the next, as a part of the constant answer's loss. */
const SWING = 0.25;
/** Losses of single samples differ about as much as the constant answer's loss: batches of N by 1/√N of it, twice that. */
const NOISE_OF_ONE = 2;
/** A fall by this part over the second half is progress: swings on the way down do no harm. */
const PROGRESS = 0.1;

/** The loss leaps up and down instead of falling. */
export const lossOscillation: DiagnosisRule = {
  id: 'loss-oscillation',
  summary: 'a loss that leaps up and down without falling',
  about: {
    meaning:
      'Steps that overshoot the valley land on its other wall, and the next ones come back: the loss swings by more than batches differ, and does not fall. A converged network swings too, but by little against the loss of a constant answer.',
    formula: 'swing = median |L_t - L_(t-1)| / c > max(0.25, 2 / sqrt N)',
    symbols: {
      L_t: 'loss of step t, over the second half of the steps',
      c: 'loss of the best constant answer; where it is not known, the first losses',
      N: 'samples in a batch',
    },
    needs: 'several steps',
    thresholds: [
      {
        name: 'swing, part of the constant loss',
        value: SWING,
        source: 'calibrated: batches of 64 differ by about a tenth',
      },
      { name: 'swing of single samples', value: NOISE_OF_ONE, source: 'standard error of a mean: 1 / sqrt N' },
      { name: 'fewest steps', value: FEWEST_STEPS, source: 'fewer swings are chance' },
      {
        name: 'fewest steps for an error',
        value: ERROR_STEPS,
        source: 'calibrated: overshoot of the start is over by then',
      },
      { name: 'progress, fall over the second half', value: PROGRESS, source: 'swings on the way down do no harm' },
    ],
    severity:
      'A warning; an error from 50 steps on where the loss swings by as much as the constant answer costs and lies above it.',
    remedies: ['reduce-learning-rate', 'clip-gradient-norm', 'larger-batch'],
    references: [
      'Zhang et al. 2021, AutoTrainer',
      'Cohen et al. 2021, Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability',
    ],
  },
  check({ profile, history }: Case): Finding[] {
    const curve = history && lossCurve(history, FEWEST_STEPS);
    if (!curve) return [];
    const { level, constant, start, swing, steps } = curve;
    const reference = constant ?? start;
    const limit = Math.max(SWING, NOISE_OF_ONE / Math.sqrt(Math.max(1, profile.seen.batch)));
    const span = (history.steps.at(-1)! - history.steps[0]!) / 2;
    const fall = curve.rate * span;
    if (!(reference > 0 && swing > limit * reference) || fall > PROGRESS) return [];
    const severity: Severity = steps >= ERROR_STEPS && swing >= reference && level >= reference ? 'error' : 'warning';
    return [
      {
        rule: 'loss-oscillation',
        severity,
        title: `the loss leaps by ${swing.toPrecision(2)} from step to step around ${level.toPrecision(3)} and does not fall`,
        explanation:
          'Steps that are too long for the curvature overshoot: each lands on the other side of the valley, and the next comes back.',
        where: [],
        basis: `${(swing / reference).toPrecision(2)} of ${constant === undefined ? 'the first losses' : "the constant answer's loss"}, above ${limit.toPrecision(2)}, what batches of ${profile.seen.batch} explain; over the last ${Math.ceil(steps / 2)} of ${steps} steps`,
        evidence: {
          swing,
          level,
          reference,
          swingThreshold: limit,
          fall,
          steps,
        },
        causes: [],
        remedies: hints('reduce-learning-rate', 'clip-gradient-norm', 'larger-batch'),
      },
    ];
  },
};
