import { causesOf, forwardDecades } from '../causes.ts';
import { depthOf, effectiveDecades, powerOfTen, scaleFreeDecades, strongestLayers } from '../decay.ts';
import { type Case, causeNames, type DiagnosisRule, type Finding } from '../finding.ts';
import { reliefFirst, reliefOf } from '../relief.ts';
import { hints } from '../remedy-hints.ts';

/**
 * Decades by which the first layer's gradient exceeds the output's. Batch normalization alone gives healthy networks
 * factors of 10 to 250 at small batches (about 1.2 per layer: Yang et al. 2019), so 2 decades are no error.
 */
export const ERROR_DECADES = 3;
export const WARNING_DECADES = 2.5;
/** One layer may not carry more than this part of an error: a single large layer does not compound with depth. */
const ONE_LAYER_SHARE = 0.8;

/** The gradient grows from the output to the first layer. */
export const explodingGradient: DiagnosisRule = {
  id: 'exploding-gradient',
  summary: 'the gradient grows on its way from the output to the first layer',
  about: {
    meaning:
      'Where the factors of the chain rule are above 1 on average their product grows exponentially with depth: the first layers take steps out of all proportion, and a learning rate small enough for them is too small for the others.',
    formula: 'D = log10 |dL/da_1| - log10 |dL/da_n| = sum over l of log10 (|dL/da_l| / |dL/da_(l+1)|)',
    symbols: {
      D: 'decades between the first layer and the output, without pooling, dropout and the loss, and without a normalization right behind the first layer: it makes the scale of that layer arbitrary',
      a_l: 'output of layer l; a_n is what the loss reads',
      L: 'the loss',
    },
    needs: 'one batch',
    thresholds: [
      {
        name: 'error, decades',
        value: ERROR_DECADES,
        source: "the mirror image of AutoTrainer's 1e-3 (Zhang et al. 2021)",
      },
      {
        name: 'warning, decades',
        value: WARNING_DECADES,
        source: 'batch normalization gives healthy networks a factor of about 1.2 per layer (Yang et al. 2019)',
      },
      {
        name: 'largest share of one layer in an error',
        value: ONE_LAYER_SHARE,
        source: 'one large layer does not compound with depth',
      },
    ],
    severity: 'An error from 10^3 on where more than one layer takes part; otherwise a warning.',
    remedies: ['use-he-init', 'use-glorot-init', 'add-layer-norm', 'clip-gradient-norm', 'reduce-learning-rate'],
    references: [
      'Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks',
      'Yang et al. 2019, A Mean Field Theory of Batch Normalization',
      'Arora, Li & Lyu 2019, Theoretical Analysis of Auto Rate-Tuning by Batch Normalization',
    ],
  },
  check({ profile, attribution, theory }: Case): Finding[] {
    if (!attribution || !Number.isFinite(attribution.totalDecades)) return [];
    const aside = scaleFreeDecades(profile, attribution);
    const decades = effectiveDecades(attribution.byKind) - aside;
    if (decades < WARNING_DECADES) return [];
    const causes = causesOf(profile, attribution, 1);
    const worst = strongestLayers(attribution, 1);
    const compounds = (worst[0]?.decades ?? 0) <= ONE_LAYER_SHARE * decades;
    const depth = depthOf(profile);
    const main = causes[0];
    const relief = reliefOf(profile, attribution, causes, theory);
    const forward = forwardDecades(profile);
    const first = profile.values.find((value) => value.name === attribution.from)?.layer || attribution.from;
    return [
      {
        rule: 'exploding-gradient',
        severity: decades >= ERROR_DECADES && compounds ? 'error' : 'warning',
        title: `the first layer (${first}) receives ${powerOfTen(attribution.totalDecades)} times the output's gradient`,
        explanation: main
          ? `${causeNames[main.kind]} added +${main.decades.toFixed(1)} decades; all factors together, pooling${aside === 0 ? '' : ' and the first normalization'} set aside, +${decades.toFixed(1)} over ${depth} layers: a factor above 1 per layer compounds with depth.`
          : '',
        where: worst.slice(0, 5).map(({ layer }) => layer.layer),
        basis: `${(depth > 1 ? decades / (depth - 1) : decades).toFixed(2)} decades per layer over ${depth} layers; an error from +${ERROR_DECADES} decades on where more than one layer takes part; ${profile.seen.batch} samples`,
        evidence: {
          totalDecades: attribution.totalDecades,
          effectiveDecades: decades,
          ...(aside !== 0 && { scaleFreeDecades: aside }),
          decadesPerLayer: depth > 1 ? decades / (depth - 1) : decades,
          errorThreshold: ERROR_DECADES,
          warningThreshold: WARNING_DECADES,
          layers: depth,
          ...(forward !== undefined && { forwardSignalDecades: forward }),
        },
        causes,
        ...(relief && { relief }),
        remedies: reliefFirst(
          relief,
          main?.kind === 'weight-matrix'
            ? hints('use-he-init', 'use-glorot-init', 'add-layer-norm', 'clip-gradient-norm')
            : hints('add-residual', 'clip-gradient-norm', 'reduce-learning-rate'),
        ),
      },
    ];
  },
};
