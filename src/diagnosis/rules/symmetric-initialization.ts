import type { FlowParameter } from '../../flow/profile.ts';
import type { Case, DiagnosisRule, Finding } from '../finding.ts';
import { hints } from '../remedy-hints.ts';

/** Fewer different units than this part of all: half of the layer is wasted. */
const FEW_DISTINCT = 0.5;

/** Units that are copies of each other, and stay it: equal weights that receive equal gradients. */
export const symmetricInitialization: DiagnosisRule = {
  id: 'symmetric-initialization',
  summary: 'units of a layer that are copies of each other and receive the same gradient',
  about: {
    meaning:
      'Units with the same weights in and out compute the same and receive the same gradient, so that no update ever tells them apart: a layer of equal units is a layer of one unit, however wide. Weights drawn at random break the symmetry; constant ones, zero included, do not.',
    formula: 'n = |{(w_u, dL/dw_u) : u = 1 ... U}|',
    symbols: {
      n: 'units that differ in their weights or in their gradients',
      w_u: 'weights that lead into unit u of U',
      L: 'the loss',
    },
    needs: 'one batch',
    thresholds: [
      { name: 'error, distinct units', value: 1, source: 'equal weights and gradients stay equal under every update' },
      { name: 'note, part of the units that are distinct', value: FEW_DISTINCT, source: 'half of the layer is wasted' },
    ],
    severity:
      'An error where all units of a hidden layer are equal, a warning where dropout follows, whose masks tell units apart; a note where less than half differ. A last layer of zeros whose units receive different gradients is none of it.',
    remedies: ['randomize-init', 'use-he-init', 'use-glorot-init'],
    references: [
      'Rumelhart, Hinton & Williams 1986, Learning internal representations by error propagation',
      'Goodfellow, Bengio & Courville 2016, Deep Learning, section 8.4',
    ],
  },
  check({ profile }: Case): Finding[] {
    const mixing = new Set(profile.layers.filter(({ mixes }) => mixes).map(({ name }) => name));
    const measured = profile.parameters.filter(
      ({ layer, connected, distinctUnits }) => connected && mixing.has(layer) && (distinctUnits?.units ?? 0) > 1,
    );
    const partOf = ({ distinctUnits: d }: FlowParameter) => d!.distinct / d!.units;
    const last = profile.layers.findLast(({ mixes }) => mixes)?.name;
    const equal = measured.filter(({ distinctUnits, layer }) => distinctUnits!.distinct === 1 && layer !== last);
    const few = equal.length > 0 ? equal : measured.filter((one) => partOf(one) < FEW_DISTINCT && one.layer !== last);
    const top = [...few].sort((a, b) => partOf(a) - partOf(b))[0];
    if (!top) return [];
    const { units, distinct } = top.distinctUnits!;
    const masked = profile.values.some(({ op }) => op === 'Dropout');
    const names = [...new Set(few.map(({ layer }) => layer))];
    return [
      {
        rule: 'symmetric-initialization',
        severity: equal.length === 0 ? 'info' : masked ? 'warning' : 'error',
        title:
          distinct === 1
            ? `all ${units} units of ${top.layer} are equal and receive equal gradients${names.length > 1 ? `, and so in ${names.length - 1} more layers` : ''}`
            : `only ${distinct} of ${units} units of ${top.layer} differ${names.length > 1 ? `, and few in ${names.length - 1} more layers` : ''}`,
        explanation:
          top.value.maxAbs === 0
            ? 'Their weights are all zero, and their gradients are equal: every update keeps them equal.'
            : 'Equal weights with equal gradients stay equal under every update: the layer counts as one unit, however wide it is.',
        where: names,
        basis: `${distinct} of ${units} units differ in their weights (exactly) or their gradients (beyond rounding); an error where none does; ${profile.seen.batch} samples`,
        evidence: {
          layers: names.length,
          units,
          distinctUnits: distinct,
          errorThreshold: 1,
          noteThreshold: FEW_DISTINCT,
        },
        causes: [],
        remedies: hints('randomize-init', 'use-he-init', 'use-glorot-init'),
      },
    ];
  },
};
