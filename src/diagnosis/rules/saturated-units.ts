import type { FlowValue } from '../../flow/profile.ts';
import { median } from '../../flow/quantiles.ts';
import { SATURATION, saturating } from '../../flow/units.ts';
import type { Case, DiagnosisRule, Finding } from '../finding.ts';
import { hints } from '../remedy-hints.ts';

/** DeepDiagnosis (Wardat et al. 2022) and TheDeepChecker: more than half of the activations. */
const WARNING_FRACTION = 0.5;
/** A layer whose derivatives alone cost this many decades starves what lies before it. */
const ERROR_DECADES = -1.5;
/** TheDeepChecker's saturation of 0.85, here of the median layer: a network of flat functions, whatever its weights. */
const ERROR_FRACTION = 0.8;
/** Up to so many sigmoids in a row train with weights that fit (bench/calibration). */
const SHORT_CHAIN = 2;

/** Sigmoids and their kin driven to where their derivative is nearly zero. */
export const saturatedUnits: DiagnosisRule = {
  id: 'saturated-units',
  summary: 'activations driven to the flat ends of their function',
  about: {
    meaning:
      'Far from 0 a sigmoid is flat: where |z| is large its derivative is nearly zero, the unit passes little gradient back and hardly changes.',
    formula: "f = |{i : |phi'(z_i)| < s max |phi'|}| / n,   D = log10 rms phi'(z)",
    symbols: {
      f: 'fraction of saturated elements',
      s: 'part of the largest derivative below which an element counts as saturated',
      D: "decades that the layer's derivatives alone cost",
      z_i: 'input of element i of n',
    },
    needs: 'one batch',
    thresholds: [
      {
        name: 'saturated below, part of the largest derivative',
        value: SATURATION,
        source: '|z| > 5 for sigmoid: DeepDiagnosis (Wardat et al. 2022)',
      },
      {
        name: 'warning, fraction of elements',
        value: WARNING_FRACTION,
        source: 'DeepDiagnosis (Wardat et al. 2022), TheDeepChecker (Ben Braiek & Khomh 2023)',
      },
      {
        name: 'error, decades of one layer',
        value: ERROR_DECADES,
        source: 'one layer then takes half of what vanishing-gradient calls an error',
      },
      {
        name: 'error, fraction of elements of the median layer',
        value: ERROR_FRACTION,
        source: 'TheDeepChecker (Ben Braiek & Khomh 2023): 0.85; calibrated',
      },
    ],
    severity:
      'A warning above half of the elements; an error where the derivatives of one layer cost 1.5 decades, or where the median of several layers is four fifths saturated.',
    remedies: ['use-glorot-init', 'add-batch-norm', 'standardize-inputs', 'use-relu'],
    references: [
      'Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks',
      'Wardat et al. 2022, DeepDiagnosis',
    ],
  },
  check({ profile }: Case): Finding[] {
    const sick = profile.values
      .filter((value) => saturating.has(value.op) && (value.units?.saturatedFraction ?? 0) > WARNING_FRACTION)
      .sort((a, b) => b.units!.saturatedFraction - a.units!.saturatedFraction);
    const top = sick[0];
    if (!top) return [];
    const decades = gainOf(top);
    const layers = profile.values.filter((value) => saturating.has(value.op) && value.units);
    const typical = median(layers.map(({ units }) => units!.saturatedFraction));
    const flat = layers.length > 1 && typical > ERROR_FRACTION;
    return [
      {
        rule: 'saturated-units',
        severity: decades <= ERROR_DECADES || flat ? 'error' : 'warning',
        title: `${percent(top.units!.saturatedFraction)} of ${top.node || top.name} is saturated${sick.length > 1 ? `, and ${sick.length - 1} more layers` : ''}`,
        explanation: `Where |z| is large the derivative of ${top.op.toLowerCase()} is nearly zero; the root mean square of this layer's derivatives is ${(10 ** decades).toPrecision(2)}.`,
        where: sick.map((value) => value.layer || value.name),
        basis: `saturated: a derivative below ${SATURATION} of its maximum (|z| > 5 for sigmoid); a warning above half of the elements (DeepDiagnosis), an error from ${ERROR_DECADES} decades on; ${profile.seen.batch} samples`,
        evidence: {
          layers: sick.length,
          saturatedFraction: top.units!.saturatedFraction,
          saturatedUnits: top.units!.saturated,
          units: top.units!.units,
          saturatedBelowPartOfMaximum: SATURATION,
          warningThreshold: WARNING_FRACTION,
          derivativeDecades: decades,
          medianSaturatedFraction: typical,
        },
        causes: [{ kind: 'activation-derivative', decades, share: 1 }],
        // Weights that fit leave a chain of sigmoids its own decay: normalization keeps them where they are steep.
        remedies:
          top.op.endsWith('Sigmoid') && layers.length > SHORT_CHAIN
            ? hints('add-batch-norm', 'use-relu', 'use-glorot-init', 'standardize-inputs')
            : hints('use-glorot-init', 'add-batch-norm', 'standardize-inputs', 'use-relu'),
      },
    ];
  },
};

function gainOf({ units }: FlowValue): number {
  return 0.5 * Math.log10(units!.meanSquareDerivative);
}

function percent(fraction: number): string {
  return `${Math.round(100 * fraction)} %`;
}
