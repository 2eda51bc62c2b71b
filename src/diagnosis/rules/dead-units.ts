import type { FlowProfile, FlowValue } from '../../flow/profile.ts';
import { hasNonFinite } from '../../flow/statistics.ts';
import { sizeOf } from '../../graph/tensor.ts';
import type { Case, DiagnosisRule, Finding } from '../finding.ts';
import { hints } from '../remedy-hints.ts';

/** SageMaker Debugger's dead-ReLU rule: more than half of a layer's units. */
const WARNING_FRACTION = 0.5;
/** A unit must have had this many chances to be active before its silence means anything. */
const FEWEST_CHANCES = 8;

/** Units whose derivative is zero for the whole batch: they pass nothing back and cannot recover by themselves. */
export const deadUnits: DiagnosisRule = {
  id: 'dead-units',
  summary: 'units that are inactive for every sample',
  about: {
    meaning:
      'A ReLU whose input is negative for every sample has derivative 0: its weights receive no gradient and it stays silent. Half of the elements being zero is normal; a unit that is zero for all samples is not.',
    formula: "f = |{u : phi'(z_us) = 0 for all s}| / U",
    symbols: {
      f: 'fraction of dead units of a layer',
      z_us: 'input of unit u for sample (and place) s',
      U: 'units of the layer',
    },
    needs: 'one batch',
    thresholds: [
      {
        name: 'warning, fraction of units',
        value: WARNING_FRACTION,
        source: 'SageMaker Debugger: more than half of a layer',
      },
      { name: 'fewest chances', value: FEWEST_CHANCES, source: 'silence of fewer samples means nothing' },
    ],
    severity: 'An error where a whole layer is dead and no gradient passes; a warning above half of a layer.',
    remedies: ['zero-biases', 'use-leaky-relu', 'use-he-init', 'reduce-learning-rate', 'randomize-init'],
    references: [
      'Lu et al. 2020, Dying ReLU and Initialization: Theory and Numerical Examples',
      'Rauschmayr et al. 2021, Amazon SageMaker Debugger',
    ],
  },
  check({ profile, attribution }: Case): Finding[] {
    // A comparison with NaN is false: that is no silence, and non-finite says what it is.
    const layers = profile.values.filter(
      (value) => value.op === 'Relu' && value.units !== undefined && !isBroken(value),
    );
    const sick = layers.filter((value) => chances(value) >= FEWEST_CHANCES && fraction(value) > WARNING_FRACTION);
    if (sick.length === 0) return [];
    const whole = sick.filter((value) => fraction(value) === 1);
    const blocked = new Set(attribution?.blockedBy.map(({ node }) => node));
    const fatal = whole.length > 0 && attribution?.totalDecades === Number.NEGATIVE_INFINITY && blocked.size > 0;
    const worst = [...sick].sort((a, b) => fraction(b) - fraction(a));
    const named = worst.slice(0, 3).map(labelOf).join(', ');
    const top = worst[0]!;
    const unset = hasZeroWeights(profile, whole);
    return [
      {
        rule: 'dead-units',
        severity: fatal ? 'error' : 'warning',
        title: fatal
          ? `every unit of ${labelOf(whole[0]!)} is dead: no gradient passes`
          : `${top.units!.dead} of ${top.units!.units} units of ${labelOf(top)} are dead for all ${profile.seen.batch} samples`,
        explanation: unset
          ? 'The weights before it are all zero, so its input is 0 and its derivative too: no gradient will ever move them.'
          : 'A ReLU whose input is never positive has derivative 0 for every sample: its weights receive no gradient and stay as they are.',
        where: worst.map((value) => value.layer || value.name),
        basis: `${top.units!.dead} of ${top.units!.units} units never active in ${chances(top)} chances each; a warning above half (SageMaker Debugger), an error where nothing passes`,
        evidence: {
          layers: sick.length,
          layersWhollyDead: whole.length,
          worst: named,
          deadFraction: fraction(top),
          warningThreshold: WARNING_FRACTION,
          samples: profile.seen.batch,
        },
        causes: [
          { kind: 'activation-derivative', decades: fatal ? Number.NEGATIVE_INFINITY : decadesOf(top), share: 1 },
        ],
        remedies: unset
          ? hints('randomize-init', 'use-he-init')
          : hints('zero-biases', 'use-leaky-relu', 'use-he-init', 'reduce-learning-rate'),
      },
    ];
  },
};

function isBroken({ value, gradient }: FlowValue): boolean {
  return hasNonFinite(value) || hasNonFinite(gradient);
}

/** Whether a dead layer's weights are zero: then neither biases nor the activation are what is wrong. */
function hasZeroWeights({ parameters }: FlowProfile, dead: readonly FlowValue[]): boolean {
  const layers = new Set(dead.map(({ layer }) => layer));
  return parameters.some(({ layer, shape, value }) => layers.has(layer) && shape.length >= 2 && value.maxAbs === 0);
}

function fraction({ units }: FlowValue): number {
  return units!.dead / units!.units;
}

function chances({ shape, units }: FlowValue): number {
  return sizeOf(shape) / units!.units;
}

function decadesOf({ units }: FlowValue): number {
  return 0.5 * Math.log10(units!.meanSquareDerivative);
}

function labelOf(value: FlowValue): string {
  return value.node || value.name;
}
