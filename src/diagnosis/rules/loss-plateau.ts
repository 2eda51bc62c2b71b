import type { Case, DiagnosisRule, Finding, Severity } from '../finding.ts';
import { type LossCurve, lossCurve, stepsToHalve } from '../loss-curve.ts';
import { motionOf, usualMotion } from '../movement.ts';
import { hints } from '../remedy-hints.ts';

export const FEWEST_STEPS = 20;
const ERROR_STEPS = 100;
/** Even at the fastest pace the noise leaves possible, halving the loss would take more steps than this. */
export const FLAT_STEPS = 1000;
/** A fall that is beyond noise, but takes more than this many steps to halve the loss, is a plateau all the same. */
export const STILL_STEPS = 10_000;
/** Part of the constant answer's loss from which on nothing has been learned, and below which much has. */
const NOTHING_LEARNED = 0.95;
export const MUCH_LEARNED = 0.5;
/** Relative updates below this are small steps, which may well lead nowhere: the lower limit of TheDeepChecker. */
const SMALL_STEPS = 1e-4;

/** Whether these steps show, noise taken into account, that the loss stands still. */
export function isFlat({ rate, slowest, fastest }: LossCurve): boolean {
  if (stepsToHalve(fastest) < FLAT_STEPS) return false;
  return !(slowest > 0 && stepsToHalve(rate) < STILL_STEPS);
}

/** The loss stands still, far from having learned anything. */
export const lossPlateau: DiagnosisRule = {
  id: 'loss-plateau',
  summary: 'a loss that stands still, far from having learned',
  about: {
    meaning:
      'A constant answer has a loss of its own: ln C for C equally frequent classes, the variance of the target for numbers. A loss that stays there has learned nothing of the inputs. A plateau far below it is convergence.',
    formula: 'rate = -b / m +- 2 s / m;  flat: 0.5 / (rate + 2 s / m) > 1000;  learned = 1 - m / c',
    symbols: {
      b: 'slope of a line through block means of the second half of the steps, per step',
      s: 'its standard error',
      m: 'median loss of the second half',
      c: 'loss of the best constant answer',
      learned: 'part of it that is gone',
    },
    needs: 'several steps',
    thresholds: [
      { name: 'fewest steps', value: FEWEST_STEPS, source: 'fewer steps do not tell standing still from noise' },
      { name: 'fewest steps for an error', value: ERROR_STEPS, source: 'calibrated: slow starts are over by then' },
      {
        name: 'flat, steps to halve the loss',
        value: FLAT_STEPS,
        source: 'calibrated, with two standard errors in favour of learning',
      },
      {
        name: 'flat beyond noise, steps to halve',
        value: STILL_STEPS,
        source: 'calibrated; between the two it is slow-convergence',
      },
      {
        name: 'nothing learned, part of the constant loss',
        value: NOTHING_LEARNED,
        source: 'the constant answer, less noise',
      },
      {
        name: 'much learned, part of the constant loss',
        value: MUCH_LEARNED,
        source: 'from here on a plateau is convergence',
      },
      { name: 'small steps, relative update', value: SMALL_STEPS, source: 'TheDeepChecker (Ben Braiek & Khomh 2023)' },
    ],
    severity:
      'At the constant answer: a warning from 20 steps on, an error from 100 on if the weights do move. Between that and half of it: a note. Below: silent.',
    remedies: ['use-he-init', 'increase-learning-rate', 'use-adam', 'check-data', 'standardize-inputs'],
    references: ['Zhang et al. 2021, AutoTrainer', 'Ben Braiek & Khomh 2023, TheDeepChecker'],
  },
  check({ profile, history }: Case): Finding[] {
    const curve = history && lossCurve(history, FEWEST_STEPS);
    if (!curve || !isFlat(curve)) return [];
    const { level, constant, steps } = curve;
    const part = level / (constant ?? curve.start);
    if (part < MUCH_LEARNED) return [];
    const motion = usualMotion(motionOf(profile, history));
    const small = motion < SMALL_STEPS;
    return [
      {
        rule: 'loss-plateau',
        severity: severityOf(curve, part, small),
        title: constant
          ? `the loss stays at ${level.toPrecision(3)}; always answering the same costs ${constant.toPrecision(3)}`
          : `the loss stays at ${level.toPrecision(3)}, ${Math.round(100 * part)} % of what it began with`,
        explanation: small
          ? `The steps are small: they change the weights by ${motion.toExponential(1)} each. They may lead nowhere for that reason alone.`
          : 'The weights move, and the loss does not: what the gradient says of the inputs does not arrive, or the targets have nothing to do with them.',
        where: [],
        basis: `over the last ${Math.ceil(steps / 2)} of ${steps} steps it falls by ${percent(curve.rate)} a step, by at most ${percent(curve.fastest)} within two standard errors; flat: more than ${FLAT_STEPS} steps to halve`,
        evidence: {
          level,
          ...(constant !== undefined && { constantLoss: constant }),
          partOfConstant: part,
          fallPerStep: curve.rate,
          fastestFallPerStep: curve.fastest,
          steps,
          updateRatio: motion,
          nothingLearnedThreshold: NOTHING_LEARNED,
          flatThreshold: FLAT_STEPS,
        },
        causes: [],
        remedies: small
          ? hints('increase-learning-rate', 'use-adam', 'use-he-init', 'standardize-inputs')
          : hints('check-data', 'use-he-init', 'use-adam', 'reduce-learning-rate', 'standardize-inputs'),
      },
    ];
  },
};

function severityOf({ constant, steps }: LossCurve, part: number, small: boolean): Severity {
  // Where the constant answer is not known, a network that has converged before the first step looks the same.
  if (constant === undefined || part < NOTHING_LEARNED) return 'info';
  return steps >= ERROR_STEPS && !small ? 'error' : 'warning';
}

function percent(rate: number): string {
  return `${(100 * rate).toPrecision(2)} %`;
}
