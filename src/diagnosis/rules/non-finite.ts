import type { FlowParameter, FlowValue } from '../../flow/profile.ts';
import { hasNonFinite, type NonFiniteCounts } from '../../flow/statistics.ts';
import type { Case, DiagnosisRule, Finding, RemedyHint } from '../finding.ts';
import { hints } from '../remedy-hints.ts';

/** NaN or infinity in the loss or the gradients, traced to the first operator that produced it. */
export const nonFinite: DiagnosisRule = {
  id: 'non-finite',
  summary: 'NaN or infinity in the loss or in a gradient',
  about: {
    meaning:
      'Sums and products with NaN are NaN: one such gradient destroys the weights with the next update. The first place where it arises, forward or backward, is what to mend.',
    formula: 'not all of {L, dL/dv} are finite',
    symbols: { L: 'the loss', v: "any value or parameter on the gradient's path" },
    needs: 'one batch',
    thresholds: [],
    severity: 'Always an error.',
    remedies: [
      'check-data',
      'guard-operator',
      'use-critical-init',
      'add-layer-norm',
      'reduce-learning-rate',
      'clip-gradient-norm',
    ],
    references: ['IEEE 754-2019, section 6: infinity, NaNs'],
  },
  check({ profile }: Case): Finding[] {
    const parameters = profile.parameters.filter((parameter) => hasNonFinite(parameter.gradient));
    const backward = profile.values.filter((value) => hasNonFinite(value.gradient));
    if (Number.isFinite(profile.loss) && parameters.length === 0 && backward.length === 0) return [];
    const source = firstSource(profile.parameters, profile.values, Number.isFinite(profile.loss));
    const affected = parameters.map((parameter) => parameter.name);
    return [
      {
        rule: 'non-finite',
        severity: 'error',
        title: `${source.what}${affected.length > 0 ? `; ${affected.length} of ${profile.parameters.length} parameter gradients are not finite` : ''}`,
        explanation:
          'Every later sum or product with a NaN is NaN, and one update with it destroys the weights: find the first place, not the loudest.',
        where: [...source.where, ...affected.slice(0, 5)],
        basis: `any NaN or infinity in the loss or a gradient is an error; loss ${profile.loss}; ${profile.seen.batch} samples`,
        evidence: { loss: profile.loss, firstIn: source.pass, ...source.counts, parametersAffected: affected.length },
        causes: [],
        remedies: grown(profile) && source.pass !== 'parameter' ? overgrown : remedies[source.pass],
      },
    ];
  },
};

const unguarded = hints('guard-operator', 'check-data', 'reduce-learning-rate', 'clip-gradient-norm');
const remedies: Record<FirstSource['pass'], readonly RemedyHint[]> = {
  input: hints('check-data'),
  // The operators are innocent: an update, or whatever wrote the file, has left it there.
  parameter: hints('reduce-learning-rate', 'clip-gradient-norm', 'check-data'),
  forward: unguarded,
  backward: unguarded,
  loss: unguarded,
};

/** What grew out of float32 layer by layer is for the weights or a normalization to mend, not for the operator it hit. */
const overgrown = hints('use-critical-init', 'add-layer-norm', 'guard-operator', 'check-data');

/** √3.4e38, the largest float32: the square of more is infinite. */
const SQUARE_OVERFLOWS = 1.8e19;

/** Whether values or gradients grew to sizes whose squares float32 does not hold. */
function grown({ values }: Case['profile']): boolean {
  return values.some(({ node, value, gradient }) => {
    return node !== '' && Math.max(value.maxAbs, gradient.maxAbs) > SQUARE_OVERFLOWS;
  });
}

interface FirstSource {
  readonly what: string;
  readonly where: string[];
  readonly pass: 'input' | 'parameter' | 'forward' | 'backward' | 'loss';
  readonly counts: Partial<NonFiniteCounts>;
}

/**
 * The first place that is not finite: a parameter, an input, then values in forward order (when the loss itself is
 * broken; masks of −∞ before a softmax are legitimate otherwise), then gradients in backward order.
 */
function firstSource(
  parameters: readonly FlowParameter[],
  values: readonly FlowValue[],
  lossIsFinite: boolean,
): FirstSource {
  const broken = parameters.find((parameter) => hasNonFinite(parameter.value));
  if (broken) {
    const what = `parameter ${broken.name} holds ${describe(broken.value.nonFinite)}`;
    return { what, where: [broken.name], pass: 'parameter', counts: broken.value.nonFinite };
  }
  if (!lossIsFinite) {
    const first = values.toReversed().find((value) => hasNonFinite(value.value));
    if (first) {
      const isInput = first.node === '';
      const what = isInput
        ? `the input ${first.name} holds ${describe(first.value.nonFinite)}`
        : `${first.op} (${first.node}) is the first to produce ${describe(first.value.nonFinite)} in the forward pass`;
      return {
        what,
        where: [first.node || first.name],
        pass: isInput ? 'input' : 'forward',
        counts: first.value.nonFinite,
      };
    }
    return { what: 'the loss is not finite', where: [], pass: 'loss', counts: {} };
  }
  const first = values.find((value) => hasNonFinite(value.gradient));
  if (first) {
    const what = `the gradient of ${first.op} (${first.node || first.name}) is the first to hold ${describe(first.gradient.nonFinite)}`;
    return { what, where: [first.node || first.name], pass: 'backward', counts: first.gradient.nonFinite };
  }
  return { what: 'a parameter gradient is not finite', where: [], pass: 'backward', counts: {} };
}

function describe({ nan, positiveInfinity, negativeInfinity }: NonFiniteCounts): string {
  const parts = [
    [nan, 'NaN'],
    [positiveInfinity, '+∞'],
    [negativeInfinity, '−∞'],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .map(([count, name]) => `${count} ${name}`)
    .join(' and ');
}
