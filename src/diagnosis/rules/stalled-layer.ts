import { lostDecades } from '../causes.ts';
import type { Case, DiagnosisRule, Finding, Severity } from '../finding.ts';
import { type Motion, motionOf, usualMotion } from '../movement.ts';
import { hints } from '../remedy-hints.ts';
import { vanishingGradient } from './vanishing-gradient.ts';

/** Lower limit of ‖Δw‖ / ‖w‖ in DeepDiagnosis and torchmortem. */
export const STALLED_RATIO = 1e-5;
/** Decades below the layers that move: in a converged network all layers are slow alike, and none is stalled. */
const BELOW_OTHERS = 3;
/** Half a unit in the last place of float32 next to 1: smaller updates are rounded away. */
const ROUNDED_AWAY = 2 ** -24;
const FEWEST_STEPS = 10;
/** A loss above this part of the constant answer's has hardly learned: what stands still there has not converged. */
const UNLEARNED = 0.5;
/** What helps where a layer moves too little because too little reaches it. */
const againstStarving = hints('use-relu', 'use-he-init', 'add-batch-norm', 'add-residual', 'use-adam');

/** Layers whose weights an update hardly changes, while it does change those of others. */
export const stalledLayer: DiagnosisRule = {
  id: 'stalled-layer',
  summary: 'layers whose weights hardly change while those of others do',
  about: {
    meaning:
      'Layers learn at the pace of their updates against their weights. A layer that moves a thousand times slower than the others keeps its random start while the rest adapts to it; below the rounding of float32 it does not move at all.',
    formula: 'r_l = median over steps of |Dw_l| / |w_l|;  stalled: r_l < 1e-5 and log10 (r / r_l) > 3',
    symbols: {
      r_l: 'relative update of the weights of layer l, over the second half of the steps',
      Dw_l: 'what one step adds to them',
      r: 'upper quartile of r_l over the layers that mix units: the pace of those that move',
    },
    needs: 'several steps',
    thresholds: [
      {
        name: 'stalled, relative update',
        value: STALLED_RATIO,
        source: 'DeepDiagnosis (Wardat et al. 2022), torchmortem',
      },
      {
        name: 'decades below the others',
        value: BELOW_OTHERS,
        source: 'calibrated: converged networks are slow in all layers',
      },
      {
        name: 'error, relative update',
        value: ROUNDED_AWAY,
        source: 'IEEE 754 binary32: half a unit in the last place',
      },
      {
        name: 'fewest steps for more than a note',
        value: FEWEST_STEPS,
        source: 'small last layers open within a few steps',
      },
    ],
    severity:
      'An error where no layer moves by as much as the rounding of float32 and nothing has been learned; left to vanishing-gradient where one would move if the network lost nothing of its signals. Else a note from one batch; with ten steps a warning, and an error where updates are below the rounding of float32.',
    remedies: ['use-relu', 'use-he-init', 'add-batch-norm', 'add-residual', 'use-adam', 'increase-learning-rate'],
    references: ['Wardat et al. 2022, DeepDiagnosis', 'Ben Braiek & Khomh 2023, TheDeepChecker'],
  },
  check(subject: Case): Finding[] {
    const motion = motionOf(subject.profile, subject.history);
    const usual = usualMotion(motion);
    const still = allStill(subject, motion);
    if (still) return [still];
    const stalled = motion.layers.filter(({ ratio }) => ratio < STALLED_RATIO && ratio < usual * 10 ** -BELOW_OTHERS);
    if (stalled.length === 0) return [];
    const worst = [...stalled].sort((a, b) => a.ratio - b.ratio);
    const { layer, ratio } = worst[0]!;
    const settled = motion.steps >= FEWEST_STEPS;
    const severity: Severity = settled ? (ratio < ROUNDED_AWAY ? 'error' : 'warning') : 'info';
    const seen = motion.steps > 0 ? `median over ${motion.steps} steps` : 'the first step, judged from its gradient';
    return [
      {
        rule: 'stalled-layer',
        severity,
        title: `${stalled.length} of ${motion.layers.length} layers hardly move: a step changes ${layer} by ${ratio.toExponential(1)} of its weights`,
        explanation:
          ratio < ROUNDED_AWAY
            ? 'An update below half a unit in the last place of the weights is rounded away: the layer stays as it was drawn.'
            : 'The layer stays near its random start while the others adapt to it.',
        where: worst.map((entry) => entry.layer),
        basis: `the layers that move change by ${usual.toExponential(1)} a step (upper quartile); stalled: below ${STALLED_RATIO} (DeepDiagnosis) and ${BELOW_OTHERS} decades below them; ${seen}`,
        evidence: {
          layers: stalled.length,
          ofLayers: motion.layers.length,
          updateRatio: ratio,
          usualUpdateRatio: usual,
          steps: motion.steps,
          stalledThreshold: STALLED_RATIO,
          decadesBelowOthers: BELOW_OTHERS,
          errorThreshold: ROUNDED_AWAY,
        },
        causes: [],
        remedies: againstStarving,
      },
    ];
  },
};

/**
 * No layer moves at all, in a network that has learned nothing. The learning rate is to blame, unless some layer would
 * move if the network passed its signals on at their size: then vanishing-gradient says what is wrong.
 */
function allStill(subject: Case, motion: Motion): Finding | undefined {
  const { profile, history } = subject;
  const fastest = Math.max(...motion.layers.map(({ ratio }) => ratio));
  const constant = history?.constantLoss ?? profile.constantLoss;
  const learned = constant === undefined || profile.loss < UNLEARNED * constant;
  if (motion.layers.length === 0 || learned || !(fastest > 0 && fastest < ROUNDED_AWAY)) return undefined;
  const unhindered = withoutLoss(subject, motion);
  const [vanishing] = unhindered >= ROUNDED_AWAY ? vanishingGradient.check(subject) : [];
  if (vanishing?.severity === 'error') return undefined;
  const starved = vanishing?.severity === 'warning';
  return {
    rule: 'stalled-layer',
    severity: 'error',
    title: `no layer moves: a step changes none by more than ${fastest.toExponential(1)} of its weights`,
    explanation: starved
      ? `An update below half a unit in the last place of the weights is rounded away. The network itself starves them: were its signals passed on at their size, a step would change a layer by ${unhindered.toExponential(1)}.`
      : 'An update below half a unit in the last place of the weights is rounded away: with this learning rate the network stays as it was drawn.',
    where: motion.layers.map(({ layer }) => layer),
    basis: `below ${ROUNDED_AWAY.toExponential(1)}, the rounding of float32, in all ${motion.layers.length} layers, at a loss of ${profile.loss.toPrecision(3)} where a constant answer has ${constant.toPrecision(3)}`,
    evidence: {
      layers: motion.layers.length,
      fastestUpdateRatio: fastest,
      updateRatioWithoutCollapse: unhindered,
      loss: profile.loss,
      constantLoss: constant,
      steps: motion.steps,
      errorThreshold: ROUNDED_AWAY,
    },
    causes: [],
    remedies: starved ? againstStarving : hints('increase-learning-rate', 'use-adam'),
  };
}

/** The largest relative update of a layer if the network took nothing from its gradient. */
function withoutLoss({ profile, attribution }: Case, { layers }: Motion): number {
  const lost = attribution ? lostDecades(profile, attribution) : new Map<string, number>();
  const ratios = layers.filter(({ ratio }) => ratio > 0);
  return Math.max(...ratios.map(({ layer, ratio }) => ratio * 10 ** -(lost.get(layer) ?? 0)));
}
