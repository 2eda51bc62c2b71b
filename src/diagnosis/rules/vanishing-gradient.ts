import { saturating } from '../../flow/units.ts';
import { causesOf, FORWARD_DECADES, forwardDecades } from '../causes.ts';
import {
  depthOf,
  effectiveDecades,
  powerOfTen,
  scaleFreeDecades,
  strongestLayers,
  withoutBottleneck,
} from '../decay.ts';
import {
  type Case,
  type Cause,
  type CauseKind,
  causeNames,
  type DiagnosisRule,
  type Finding,
  type Severity,
} from '../finding.ts';
import { reliefFirst, reliefOf } from '../relief.ts';
import { hints, hintsAgainstVanishing } from '../remedy-hints.ts';

/**
 * Decades between the output's and the first layer's gradient. 3 is AutoTrainer's ratio (Zhang et al. 2021: first over
 * last below 1e-3); it is judged here after pooling and bottlenecks are set aside, because those starve nothing.
 */
export const ERROR_DECADES = -3;
export const WARNING_DECADES = -2;
const NOTE_DECADES = -1.5;

/** The gradient shrinks from the output to the first layer until nothing is left to learn from. */
export const vanishingGradient: DiagnosisRule = {
  id: 'vanishing-gradient',
  summary: 'the gradient shrinks on its way from the output to the first layer',
  about: {
    meaning:
      'The chain rule multiplies one factor per layer. Where they are below 1 on average the product falls exponentially with depth: the first layers receive next to no gradient, stay near their random start, and the layers behind them build on noise.',
    formula: 'D = log10 |dL/da_1| - log10 |dL/da_n| = sum over l of log10 (|dL/da_l| / |dL/da_(l+1)|)',
    symbols: {
      D: 'decades between the first layer and the output, without pooling, dropout and the loss, which starve no weight, and without a normalization right behind the first layer: it makes the scale of that layer arbitrary',
      a_l: 'output of layer l; a_n is what the loss reads',
      L: 'the loss',
    },
    needs: 'one batch',
    thresholds: [
      {
        name: 'error, decades',
        value: ERROR_DECADES,
        source: 'AutoTrainer (Zhang et al. 2021): first over last below 1e-3',
      },
      { name: 'warning, decades', value: WARNING_DECADES, source: 'a hundredth: calibrated on networks that train' },
      { name: 'note, decades', value: NOTE_DECADES, source: 'calibrated on networks that train' },
    ],
    severity:
      'An error from 10^-3 on, counted without up to three small weight layers that open by themselves; otherwise a warning. Exactly zero is an error unless zero weights that receive a gradient themselves are the reason: then a note.',
    remedies: ['use-relu', 'use-he-init', 'add-batch-norm', 'add-residual'],
    references: [
      'Hochreiter 1991, Untersuchungen zu dynamischen neuronalen Netzen',
      'Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks',
      'Schoenholz et al. 2017, Deep Information Propagation',
      'Zhang et al. 2021, AutoTrainer',
    ],
  },
  check({ profile, attribution, theory }: Case): Finding[] {
    if (!attribution || Number.isNaN(attribution.totalDecades)) return [];
    if (attribution.totalDecades === Number.NEGATIVE_INFINITY) return exactlyZero({ profile, attribution });
    const aside = scaleFreeDecades(profile, attribution);
    const decades = effectiveDecades(attribution.byKind) - aside;
    const bottleneck = withoutBottleneck(attribution);
    const remaining = bottleneck.remaining - aside;
    const severity = severityOf(decades, remaining);
    if (!severity) return [];
    const causes = causesOf(profile, attribution, -1);
    const worst = strongestLayers(attribution, -1);
    const depth = depthOf(profile);
    const main = causes[0];
    const first = profile.values.find((value) => value.name === attribution.from)?.layer || attribution.from;
    const bounded = profile.values.some((value) => saturating.has(value.op) && !value.inner);
    const transient = severity !== 'error' && decades <= ERROR_DECADES;
    const relief = transient ? undefined : reliefOf(profile, attribution, causes, theory);
    const forward = forwardDecades(profile);
    return [
      {
        rule: 'vanishing-gradient',
        severity,
        title: `the first layer (${first}) receives ${powerOfTen(attribution.totalDecades)} of the output's gradient`,
        explanation: transient
          ? `The weights of ${bottleneck.layers.join(', ')} alone take ${(decades - remaining).toFixed(1)} decades; they receive a full gradient themselves and usually grow within a few steps.`
          : explain(main, { total: decades, aside, depth, forward }),
        where: transient ? bottleneck.layers : worst.slice(0, 5).map(({ layer }) => layer.layer),
        basis: basisOf(decades, remaining, depth, profile.seen.batch),
        evidence: {
          totalDecades: attribution.totalDecades,
          effectiveDecades: decades,
          ...(aside !== 0 && { scaleFreeDecades: aside }),
          decadesWithoutBottleneck: remaining,
          decadesPerLayer: depth > 1 ? decades / (depth - 1) : decades,
          depthScaleInLayers: depth > 1 ? -(depth - 1) / (decades * Math.LN10) : 0,
          errorThreshold: ERROR_DECADES,
          warningThreshold: WARNING_DECADES,
          layers: depth,
          ...(forward !== undefined && { forwardSignalDecades: forward }),
        },
        causes,
        ...(relief && { relief }),
        remedies: transient
          ? hints('train-some-steps', 'use-he-init')
          : reliefFirst(relief, hintsAgainstVanishing(main?.kind, bounded)),
      },
    ];
  },
};

function severityOf(decades: number, remaining: number): Severity | undefined {
  if (decades <= ERROR_DECADES) return remaining <= ERROR_DECADES ? 'error' : 'warning';
  if (decades <= WARNING_DECADES) return 'warning';
  return decades <= NOTE_DECADES ? 'info' : undefined;
}

const reasons: Partial<Record<CauseKind, string>> = {
  'activation-derivative': 'the chain rule multiplies one derivative per layer, and here they are below 1',
  'weight-matrix': 'each weight matrix is too small to carry the gradient at its size',
  normalization: 'each normalization divides by a standard deviation above 1',
  attention: 'softmax derivatives are at most 1/4 and shrink when attention is sharp',
  depth: 'no single layer takes much, but the product of so many does',
  'loss-saturation': 'the function before the loss is flat where its input stands',
};

function explain(
  main: Cause | undefined,
  { total, aside, depth, forward }: { total: number; aside: number; depth: number; forward: number | undefined },
): string {
  if (main === undefined) return '';
  const without = aside === 0 ? 'pooling' : 'pooling and the first normalization';
  const share = `${causeNames[main.kind]} took ${main.decades.toFixed(1)} decades; all factors together, ${without} set aside, ${total.toFixed(1)} over ${depth} layers`;
  const why = reasons[main.kind] ? `${share}: ${reasons[main.kind]}.` : `${share}.`;
  if (forward === undefined || forward > -FORWARD_DECADES) return why;
  return `${why} The forward signal collapses by ${forward.toFixed(1)} decades as well; a weight's gradient is the product of both, so it is small in every layer, whatever the ratio of first to last says.`;
}

function basisOf(decades: number, remaining: number, depth: number, samples: number): string {
  const perLayer = depth > 1 ? decades / (depth - 1) : decades;
  const scale = -1 / (perLayer * Math.LN10);
  const rate = `${perLayer.toFixed(2)} decades per layer: it falls to 1/e every ${scale.toPrecision(2)} layers`;
  const open = remaining > decades + 0.05 ? `; without the small weights ${remaining.toFixed(1)} remain` : '';
  return `${rate}${open}; an error from ${ERROR_DECADES} decades on (AutoTrainer's 1e-3); ${samples} samples`;
}

/** Nothing at all arrives. Zero weights that receive a gradient themselves open after one step; anything else stays. */
function exactlyZero({ profile, attribution }: Case): Finding[] {
  const blocks = attribution!.blockedBy;
  const layerOfNode = new Map(profile.layers.map((layer) => [layer.node, layer]));
  const opens = (node: string) => {
    const layer = layerOfNode.get(node);
    return profile.parameters.some(
      (parameter) =>
        layer?.parameters.includes(parameter.name) && parameter.shape.length >= 2 && parameter.gradient.maxAbs > 0,
    );
  };
  const transient = blocks.length > 0 && blocks.every(({ node, kind }) => kind === 'weight-matrix' && opens(node));
  const names = blocks.map(({ node, op }) => layerOfNode.get(node)?.name ?? `${node} (${op})`);
  const place = names.slice(0, 3).join(', ') || 'an unknown place';
  return [
    {
      rule: 'vanishing-gradient',
      severity: transient ? 'info' : 'error',
      title: transient
        ? `the weights of ${place} are zero, so no gradient passes it yet`
        : `no gradient at all reaches the first layer: it is exactly zero before ${place}`,
      explanation: transient
        ? 'A zero-initialized layer receives a gradient itself and opens with the first step: this is a common initialization.'
        : 'A product with a factor that is exactly zero is zero: no learning rate and no number of steps changes it.',
      where: names,
      basis: `every one of ${profile.values.at(-1)!.gradient.count} elements is exactly zero, with rescaling against underflow; ${profile.seen.batch} samples`,
      evidence: { totalDecades: Number.NEGATIVE_INFINITY, blockedNodes: blocks.length },
      causes: [...new Set(blocks.map(({ kind }) => kind))].map((kind) => ({
        kind,
        decades: Number.NEGATIVE_INFINITY,
        share: 1,
      })),
      remedies: transient ? hints('train-some-steps') : hints('randomize-init', 'use-leaky-relu', 'zero-biases'),
    },
  ];
}
