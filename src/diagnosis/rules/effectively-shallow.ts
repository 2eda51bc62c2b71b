import type { JointAblation } from '../../flow/ablation.ts';
import type { Case, DiagnosisRule, Finding } from '../finding.ts';
import { hints } from '../remedy-hints.ts';

/** A layer whose absence costs no more than this part of what was learned is not needed. */
const COST = 0.02;
/** With less than this part of the constant answer's loss gone there is nothing that a layer could be worth. */
const LEARNED = 0.1;
const WARNING_PART = 0.5;
/** Single layers that may stay as they started are common in wide networks (Zhang et al. 2019): no news. */
const FROZEN_PART = 0.5;

/** Layers that the trained network does not need: measured by leaving each out, and by putting it back to its start. */
export const effectivelyShallow: DiagnosisRule = {
  id: 'effectively-shallow',
  summary: 'layers that could be left out, or left as they started, at no loss',
  about: {
    meaning:
      'A deep network whose early layers hardly learn behaves like a shallow one. What a layer is worth can be measured: leave it out, or put its weights back to their first values, and compute the loss again.',
    formula:
      'cost(S) = (L_S - L) / (c - L);  not needed: the largest S, grown by the cheapest layer, with cost(S) <= 0.02',
    symbols: {
      L: 'loss of the batch after the steps',
      L_S: 'the same with the layers S left out, or put back to their first weights, all at once',
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
      {
        name: 'note on layers that could stay at their start, part of the layers',
        value: FROZEN_PART,
        source: 'single ones are common in wide networks (Zhang et al. 2019)',
      },
    ],
    severity:
      'A warning where half of the layers that can be left out are not needed, else a note; never an error: the network works. Half of the layers staying at their start is a note.',
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
    const mixing = new Set(profile.layers.filter(({ mixes }) => mixes).map(({ name }) => name));
    const most = (joint: readonly JointAblation[] = []) => joint.findLast((one) => (one.loss - loss) / learned <= COST);
    const without = most(ablation.bypassedTogether);
    const removable = without?.layers ?? [];
    const testable = layers.filter(({ bypassed }) => bypassed !== undefined).length;
    const back = most(ablation.rewoundTogether);
    const frozen = back?.layers.filter((layer) => mixing.has(layer)) ?? [];
    const some = removable.length > 0;
    if (!some && !(frozen.length >= FROZEN_PART * mixing.size && frozen.length > 0)) return [];
    const isMost = some && testable > 1 && removable.length >= WARNING_PART * testable;
    const cost = ((some ? without! : back!).loss - loss) / learned;
    const list = (of: readonly string[]) =>
      of.length > 3 ? `${of.slice(0, 3).join(', ')} and ${of.length - 3} more` : of.join(', ');
    return [
      {
        rule: 'effectively-shallow',
        severity: isMost ? 'warning' : 'info',
        title: some
          ? `${removable.length} of ${testable} layers could be left out at no loss: ${list(removable)}`
          : `${frozen.length} of ${mixing.size} layers could have stayed as they started: ${list(frozen)}`,
        explanation: some
          ? `They were left out together, their inputs passed on in their place, and the loss stayed where it was${frozen.length > 0 ? `; ${list(frozen)} could have stayed as they started` : ''}.`
          : 'They were put back to their first weights together, and the loss stayed where it was: what the others learned rests on random features.',
        where: [...(some ? removable : frozen)],
        basis: `measured, all of them at once: ${(100 * Math.max(0, cost)).toPrecision(2)} % of what was learned (loss ${loss.toPrecision(3)}, constant answer ${constantLoss.toPrecision(3)}) is lost; not needed: up to ${100 * COST} %; ${profile.seen.batch} samples`,
        evidence: {
          loss,
          constantLoss,
          removable: removable.length,
          tested: testable,
          frozen: frozen.length,
          cost,
          costThreshold: COST,
          learnedThreshold: LEARNED,
        },
        causes: [],
        remedies: some ? hints('remove-layers', 'add-residual') : hints('freeze-layers'),
      },
    ];
  },
};
