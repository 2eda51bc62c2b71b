import type { LayerAblation } from '../../flow/ablation.ts';
import type { Case, DiagnosisRule, Finding } from '../finding.ts';
import { hints } from '../remedy-hints.ts';

/** A layer whose absence costs no more than this part of what was learned is not needed. */
const COST = 0.02;
/** With less than this part of the constant answer's loss gone there is nothing that a layer could be worth. */
const LEARNED = 0.1;
const WARNING_PART = 0.5;

/** Layers that the trained network does not need: measured by leaving each out, and by putting it back to its start. */
export const effectivelyShallow: DiagnosisRule = {
  id: 'effectively-shallow',
  summary: 'layers that could be left out, or left as they started, at no loss',
  about: {
    meaning:
      'A deep network whose early layers hardly learn behaves like a shallow one. What a layer is worth can be measured: leave it out, or put its weights back to their first values, and compute the loss again.',
    formula: 'cost_l = (L_l - L) / (c - L);  not needed: cost_l <= 0.02',
    symbols: {
      L: 'loss of the batch after the steps',
      L_l: 'the same with layer l left out, or put back to its first weights',
      c: 'loss of the best constant answer',
    },
    needs: 'several steps',
    thresholds: [
      {
        name: 'not needed, part of what was learned',
        value: COST,
        source: 'calibrated: rounding and luck of one batch',
      },
      { name: 'learned, part of the constant loss', value: LEARNED, source: 'with less there is nothing to be worth' },
      { name: 'warning, part of the layers', value: WARNING_PART, source: 'half of the depth is idle' },
    ],
    severity:
      'A warning where half of the layers that can be left out are not needed, else a note; never an error: the network works. Layers that could stay at their start are a note.',
    remedies: ['remove-layers', 'freeze-layers', 'add-residual'],
    references: [
      'Zhang, Bengio & Singer 2019, Are All Layers Created Equal?',
      'Veit, Wilber & Belongie 2016, Residual Networks Behave Like Ensembles of Relatively Shallow Networks',
    ],
  },
  check({ profile, ablation }: Case): Finding[] {
    if (!ablation?.constantLoss) return [];
    const { loss, constantLoss, layers } = ablation;
    const learned = constantLoss - loss;
    if (!(learned >= LEARNED * constantLoss)) return [];
    const cost = (other: number | undefined) =>
      other === undefined ? Number.POSITIVE_INFINITY : (other - loss) / learned;
    const removable = layers.filter(({ bypassed }) => cost(bypassed) <= COST);
    const testable = layers.filter(({ bypassed }) => bypassed !== undefined);
    const mixing = new Set(profile.layers.filter(({ mixes }) => mixes).map(({ name }) => name));
    const frozen = layers.filter(
      (one) => cost(one.rewound) <= COST && mixing.has(one.layer) && !removable.includes(one),
    );
    if (removable.length === 0 && frozen.length === 0) return [];
    const some = removable.length > 0;
    const isMost = some && testable.length > 1 && removable.length >= WARNING_PART * testable.length;
    const list = (of: readonly LayerAblation[]) => {
      const names = of.slice(0, 3).map(({ layer }) => layer);
      return of.length > 3 ? `${names.join(', ')} and ${of.length - 3} more` : names.join(', ');
    };
    const costs = (some ? removable : frozen).map((one) => cost(some ? one.bypassed : one.rewound));
    return [
      {
        rule: 'effectively-shallow',
        severity: isMost ? 'warning' : 'info',
        title: some
          ? `${removable.length} of ${testable.length} layers could be left out at no loss: ${list(removable)}`
          : `${frozen.length} of ${layers.length} layers could have stayed as they started: ${list(frozen)}`,
        explanation: some
          ? `Each was left out by itself, its input passed on in its place, and the loss stayed where it was${frozen.length > 0 ? `; ${list(frozen)} could have stayed as they started` : ''}.`
          : 'Each was put back to its first weights by itself, and the loss stayed where it was: what the others learned rests on random features.',
        where: (some ? removable : frozen).map(({ layer }) => layer),
        basis: `measured, one layer at a time: at most ${(100 * Math.max(0, ...costs)).toPrecision(2)} % of what was learned (loss ${loss.toPrecision(3)}, constant answer ${constantLoss.toPrecision(3)}) is lost; not needed: up to ${100 * COST} %; ${profile.seen.batch} samples`,
        evidence: {
          loss,
          constantLoss,
          removable: removable.length,
          tested: testable.length,
          frozen: frozen.length,
          largestCost: Math.max(...costs),
          costThreshold: COST,
          learnedThreshold: LEARNED,
        },
        causes: [],
        remedies: some ? hints('remove-layers', 'add-residual') : hints('freeze-layers'),
      },
    ];
  },
};
