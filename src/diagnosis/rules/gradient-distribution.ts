import type { FlowParameter } from '../../flow/profile.ts';
import type { Log2Histogram } from '../../flow/statistics.ts';
import type { Case, DiagnosisRule, Finding } from '../finding.ts';
import { hints, type RemedyId } from '../remedy-hints.ts';

/** Smaller tensors have no distribution to speak of. */
const FEWEST_ELEMENTS = 256;
const FEWEST_FOR_TAIL = 10_000;
/** Elements smaller than the largest by this factor make the peak: 2^-20, six decades. */
const PEAK_BITS = 20;
const PEAK_PART = 0.95;
/** Part of the squared norm in the largest thousandth: 1.4 % for a normal distribution, 4 % for Laplace's. */
const TAIL_TOP = 1e-3;
const TAIL_PART = 0.5;
const ONE_SIDE = 0.95;
/** Standard deviations of a fair coin tossed once per unit: a unit's inputs may all have one sign, and its weights then share theirs. */
const ONE_SIDE_DEVIATIONS = 4;
/** So many layers alike are no accident of one layer. */
const WARNING_PART = 0.5;

interface Shape {
  readonly form: 'narrow peak at zero' | 'one-sided' | 'heavy tail';
  readonly measure: (parameter: FlowParameter) => number;
  readonly limit: number;
  readonly say: (layer: string, figure: number) => string;
  readonly explanation: string;
  readonly remedies: readonly RemedyId[];
}

const shapes: readonly Shape[] = [
  {
    form: 'narrow peak at zero',
    measure: peakPart,
    limit: PEAK_PART,
    say: (layer, part) => `${percent(part)} of the gradient of ${layer} is a narrow peak at zero`,
    explanation:
      'Nearly all elements are a million times smaller than the largest: one step changes a few weights only.',
    remedies: ['use-leaky-relu', 'use-he-init', 'use-adam'],
  },
  {
    form: 'one-sided',
    measure: oneSidedPart,
    limit: ONE_SIDE,
    say: (layer, part) => `${percent(part)} of the gradient of ${layer} has one sign`,
    explanation:
      'All units of the layer are pushed the same way: the step moves their mean, and differences between units are learned late.',
    remedies: ['standardize-inputs', 'add-batch-norm'],
  },
  {
    form: 'heavy tail',
    measure: tailPart,
    limit: TAIL_PART,
    say: (layer, part) => `a thousandth of the gradient of ${layer} makes ${percent(part)} of its square`,
    explanation:
      'A few elements rule the norm: clipping by the norm and the learning rate see them, and not the others.',
    remedies: ['use-adam', 'clip-gradient-norm', 'standardize-inputs'],
  },
];

/** Gradients whose histogram says that few weights learn, or all the same way. */
export const gradientDistribution: DiagnosisRule = {
  id: 'gradient-distribution',
  summary: 'gradient histograms with a narrow peak at zero, on one side of it, or with a heavy tail',
  about: {
    meaning:
      'A healthy weight gradient spreads over two or three decades and has both signs. A narrow peak at zero with a few large elements, a histogram on one side of zero, or a thousandth of the elements that makes most of the norm say that few weights learn, or that all learn the same.',
    formula:
      'peak = part of g != 0 with |g| < 2^-20 max |g|;  side = max(n+, n-) / (n+ + n-);  tail = sum over the largest 0.1 % of g^2 / sum of g^2',
    symbols: {
      g: 'elements of the gradient of a weight matrix or kernel',
      'n+, n-': 'how many are positive and negative',
    },
    needs: 'one batch',
    thresholds: [
      { name: 'narrow peak, part of the elements', value: PEAK_PART, source: 'calibrated on networks that train' },
      {
        name: 'narrow peak, bits below the largest',
        value: PEAK_BITS,
        source: 'six decades: nothing a float32 sum would notice',
      },
      { name: 'one-sided, part of the elements', value: ONE_SIDE, source: 'calibrated on networks that train' },
      {
        name: 'one-sided, standard deviations',
        value: ONE_SIDE_DEVIATIONS,
        source: 'binomial, one toss per unit: inputs of one sign make the weights of a unit share theirs',
      },
      {
        name: 'heavy tail, part of the square',
        value: TAIL_PART,
        source: "a normal distribution has 1.4 %, Laplace's 4 %",
      },
    ],
    severity: 'A warning where half of the layers with a weight matrix have it, else a note; never an error.',
    remedies: [
      'use-adam',
      'standardize-inputs',
      'clip-gradient-norm',
      'add-batch-norm',
      'use-leaky-relu',
      'use-he-init',
    ],
    references: [
      'LeCun et al. 1998, Efficient BackProp: inputs of one sign',
      'Glorot & Bengio 2010: histograms of gradients by layer',
      'Simsekli et al. 2019, A Tail-Index Analysis of Stochastic Gradient Noise',
    ],
  },
  check({ profile }: Case): Finding[] {
    const mixing = new Set(profile.layers.filter(({ mixes }) => mixes).map(({ name }) => name));
    const weights = profile.parameters.filter(
      ({ layer, shape, connected, roundoffOnly, gradient }) =>
        mixing.has(layer) && connected && !roundoffOnly && shape.length >= 2 && gradient.maxAbs > 0,
    );
    const layers = new Set(weights.map(({ layer }) => layer)).size;
    return shapes.flatMap(({ form, measure, limit, say, explanation, remedies }): Finding[] => {
      const odd = weights
        .map((parameter) => ({ layer: parameter.layer, figure: measure(parameter) }))
        .filter(({ figure }) => figure >= limit)
        .sort((a, b) => b.figure - a.figure);
      const top = odd[0];
      if (!top) return [];
      const where = [...new Set(odd.map(({ layer }) => layer))];
      return [
        {
          rule: 'gradient-distribution',
          severity: layers >= 4 && where.length >= WARNING_PART * layers ? 'warning' : 'info',
          title: `${form}: ${say(top.layer, top.figure)}${where.length > 1 ? `, and ${where.length - 1} more layers` : ''}`,
          explanation,
          where,
          basis: `${where.length} of ${layers} layers with a weight matrix, from ${percent(limit)} on; a warning where it is half of them; ${profile.seen.batch} samples`,
          evidence: { form, layers: where.length, ofLayers: layers, part: top.figure, threshold: limit },
          causes: [],
          remedies: hints(...remedies),
        },
      ];
    });
  },
};

/** Part of the elements that are not zero which lie far below the largest. */
function peakPart({ gradient: { log2Histogram } }: FlowParameter): number {
  const { counts } = log2Histogram;
  const all = sum(counts);
  return all < FEWEST_ELEMENTS ? 0 : sum(counts.slice(0, Math.max(0, counts.length - PEAK_BITS))) / all;
}

/** Part of the elements on the fuller side of zero; 0 where chance over the units explains it. */
function oneSidedPart({ gradient, shape, distinctUnits }: FlowParameter): number {
  const { counts, negatives } = gradient.log2Histogram;
  const all = sum(counts);
  if (all < FEWEST_ELEMENTS) return 0;
  const part = Math.max(negatives, all - negatives) / all;
  const units = distinctUnits?.distinct ?? Math.min(...shape.slice(0, 2));
  return part - 0.5 > ONE_SIDE_DEVIATIONS * 0.5 * Math.sqrt(1 / units) ? part : 0;
}

/** Part of Σ g² in the largest thousandth of the elements that are not zero. */
function tailPart({ gradient: { log2Histogram } }: FlowParameter): number {
  const { counts } = log2Histogram;
  const all = sum(counts);
  if (all < FEWEST_FOR_TAIL) return 0;
  let left = TAIL_TOP * all;
  let [top, total] = [0, 0];
  // Squares relative to the highest bin, which may lie beyond float64: the mean of x² over [1, 2) is 7/3 in every bin.
  for (let i = counts.length - 1; i >= 0; i--) {
    const square = 4 ** (i - counts.length + 1);
    const taken = Math.min(left, counts[i]!);
    left -= taken;
    top += taken * square;
    total += counts[i]! * square;
  }
  return top / total;
}

function sum(counts: Log2Histogram['counts']): number {
  return counts.reduce((total, count) => total + count, 0);
}

function percent(part: number): string {
  return `${Math.floor(1000 * part) / 10} %`;
}
