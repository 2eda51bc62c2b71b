import { factorKinds } from '../../flow/kinds.ts';
import type { Cell, Example } from '../../report/explanation.ts';
import type { ReportSubject } from '../../report/subject.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { activationOf } from '../../theory/activations.ts';
import { chiOf, fixedPointOf, nextVariance } from '../../theory/recursion.ts';
import { chainExample } from './chain.ts';
import { quantities as q, runComparison } from './compare.ts';
import {
  cell,
  DEPTH,
  deepNetwork,
  digits,
  INDEPENDENT,
  independent,
  layerLine,
  look,
  type Network,
  powerOf,
  rows,
  WIDTH,
} from './lab.ts';
import { ruleCases } from './rules.ts';
import { decayExample, learningRateExample } from './training.ts';

const SIGMOIDS = `an MLP of ${DEPTH} sigmoid layers of width ${WIDTH}, Glorot, 64 standard-normal inputs, seed 0`;

/** The worked examples of concepts, by id. */
export const conceptExamples: Readonly<Record<string, (runtime: Runtime) => Promise<Example>>> = {
  'chain-rule': (runtime) => chainExample(runtime),
  gain: gainExample,
  'learning-speed': speedExample,
  'repeated-matrix': matrixExample,
  'mean-field': theoryExample,
  'long-term-dependencies': (runtime) => runComparison(runtime, ruleCases['vanishing-through-time']()),
  'learning-rate': learningRateExample,
  'weight-decay': decayExample,
  detection: detectionExample,
  tensorboard: histogramExample,
  transformer: streamExample,
};

async function gainExample(runtime: Runtime): Promise<Example> {
  const subject = await look(runtime, deepNetwork('sigmoid', 'glorot'));
  const { totalDecades, byKind, byLayer } = subject.diagnosis.attribution!;
  const kinds = Object.entries(byKind) as [keyof typeof factorKinds, number][];
  const sum = kinds.reduce((total, [, decades]) => total + decades, 0);
  return {
    setup: SIGMOIDS,
    plots: [],
    tables: [
      {
        caption: 'by kind of factor',
        columns: ['kind', 'decades'],
        rows: [
          ...kinds.map(([kind, decades]): Cell[] => [factorKinds[kind], cell(decades, 'decades')]),
          ['sum', cell(sum, 'decades')],
        ],
      },
      {
        caption: 'by layer',
        columns: ['layer', 'decades'],
        rows: byLayer.map(({ layer, decades }): Cell[] => [layer, cell(decades, 'decades')]),
      },
    ],
    conclusions: [`the parts add up to ${sum.toFixed(4)}; measured from end to end: ${totalDecades.toFixed(4)}`],
    numbers: { sum, totalDecades },
  };
}

async function speedExample(runtime: Runtime): Promise<Example> {
  const subject = await look(runtime, deepNetwork('sigmoid', 'glorot'));
  const layers = subject.profile.layers.filter(({ mixes }) => mixes).toReversed();
  const norm = (layer: (typeof layers)[number], rank: number) =>
    subject.profile.parameters.find(({ name, shape }) => layer.parameters.includes(name) && shape.length === rank)
      ?.gradient.l2 ?? Number.NaN;
  const ratio = norm(layers[0]!, 2) / norm(layers.at(-1)!, 2);
  return {
    setup: SIGMOIDS,
    plots: [
      {
        title: 'δ',
        kind: 'lines',
        x: 'layer, from input to output',
        y: 'δ in decades below the output’s',
        series: [layerLine('δ', subject)],
      },
    ],
    tables: [
      {
        columns: ['layer', 'δ', '∂C/∂W', '∂C/∂b'],
        rows: layers.map((layer): Cell[] => [
          layer.name,
          cell(layer.decadesFromOutput, 'decades'),
          cell(norm(layer, 2), 'size'),
          cell(norm(layer, 1), 'size'),
        ]),
      },
    ],
    conclusions: [`the last layer’s weights learn ${digits(ratio)} times as fast as the first’s`],
    numbers: { lastOverFirst: ratio },
  };
}

/** The gradient from the output of a chain of equal matrices to its input. */
async function matrixExample(runtime: Runtime): Promise<Example> {
  const depths = [4, 5, 10, 20];
  const scales = [2, 1, 0.5];
  const gains: number[][] = [];
  for (const n of depths) {
    const row: number[] = [];
    for (const scale of scales) {
      const dense = {
        units: 2,
        weights: [
          [scale, 0],
          [0, scale],
        ],
        bias: false,
        repeat: n,
      };
      // Small enough that 2²⁰ times the input is no number to speak of, and the target one away.
      const options = { batch: rows([[1e-6, 1e-6]], [[1, 1]]) };
      const subject = await look(runtime, { input: 2, layers: [{ dense }], loss: 'mse' }, options);
      row.push(inputGain(subject));
    }
    gains.push(row);
  }
  return {
    setup: 'linear chains of n layers W = s · I with two units each, biases 0: the gain from output to input',
    plots: [],
    tables: [
      {
        columns: ['n', ...scales.map((scale) => `W = ${scale} · I`)],
        rows: depths.map((n, i): Cell[] => [String(n), ...gains[i]!.map((gain) => cell(10 ** gain, 'number'))]),
      },
    ],
    conclusions: [`20 layers of W = 2I multiply the gradient by ${Math.round(10 ** gains.at(-1)![0]!)} = 2²⁰`],
    numbers: Object.fromEntries(
      depths.flatMap((n, i) => scales.map((scale, j) => [`W=${scale}I, n=${n}`, 10 ** gains[i]![j]!])),
    ),
  };
}

/** log₁₀ ‖∂L/∂input‖ − log₁₀ ‖∂L/∂output‖. */
function inputGain({ profile }: ReportSubject): number {
  const output = profile.values.find(({ name }) => name === profile.output)!;
  return profile.values.at(-1)!.gradient.log10L2 - output.gradient.log10L2;
}

const predicted = [
  ['tanh', 'Tanh', 0.5, { glorot: Math.SQRT1_2 }],
  ['tanh', 'Tanh', 1, 'glorot'],
  ['tanh', 'Tanh', 2.25, { glorot: 1.5 }],
  ['relu', 'Relu', 1, 'glorot'],
  ['relu', 'Relu', 2, 'he'],
  ['sigmoid', 'Sigmoid', 1, 'glorot'],
] as const;

async function theoryExample(runtime: Runtime): Promise<Example> {
  const table: Cell[][] = [];
  const numbers: Record<string, number> = {};
  for (const [layer, op, sigmaW2, init] of predicted) {
    const activation = activationOf(op)!;
    const variances = { sigmaW2, sigmaB2: 0 };
    let decades = 0;
    let variance: number = sigmaW2;
    for (let i = 0; i < DEPTH; i++) {
      decades += 0.5 * Math.log10(chiOf(activation, variances, variance));
      variance = nextVariance(activation, variances, variance);
    }
    const { chiStar, depthScale } = fixedPointOf(activation, variances);
    const { diagnosis } = await look(runtime, deepNetwork(layer, init), { batch: independent(WIDTH, 0) });
    const measured = diagnosis.attribution!.totalDecades;
    table.push([
      `${layer}, ${sigmaW2}`,
      cell(chiStar),
      cell(depthScale),
      cell(decades, 'decades'),
      cell(measured, 'decades'),
    ]);
    numbers[`${layer} ${sigmaW2}: predicted`] = decades;
    numbers[`${layer} ${sigmaW2}: measured`] = measured;
  }
  return {
    setup: `MLPs of ${DEPTH} layers of width ${WIDTH}, biases 0, ${INDEPENDENT}, seed 0; σ_w² as given`,
    plots: [],
    tables: [
      { columns: ['activation, σ_w²', 'χ at the fixed point', 'ξ, layers', 'predicted', 'measured'], rows: table },
    ],
    conclusions: [
      `decades over ${DEPTH} layers, predicted from the weights’ variance alone, beside those of one real network`,
    ],
    numbers,
  };
}

async function detectionExample(runtime: Runtime): Promise<Example> {
  const network = deepNetwork('sigmoid', 'glorot');
  const before = await look(runtime, network);
  const after = await look(runtime, network, { steps: 10 });
  const total = q.decades.of;
  const [first, then] = [total(before), total(after)];
  return {
    setup: `${SIGMOIDS}; before training and after 10 steps`,
    plots: [
      {
        title: 'gradient',
        kind: 'lines',
        x: 'layer, from input to output',
        y: 'decades, before the first step',
        series: [layerLine('before', before)],
      },
    ],
    tables: [
      {
        columns: ['', 'before', 'after 10 steps'],
        rows: [[q.decades.name, cell(first, 'decades'), cell(then, 'decades')]],
      },
    ],
    conclusions: [
      `three decades or more are an error: here ${powerOf(first)} before the first step, ${powerOf(then)} after ten`,
    ],
    numbers: { before: first, after: then },
  };
}

async function histogramExample(runtime: Runtime): Promise<Example> {
  const { profile } = await look(runtime, deepNetwork('sigmoid', 'glorot'));
  const weights = profile.parameters.filter(({ shape }) => shape.length === 2);
  const [first, last] = [weights[0]!, weights.at(-1)!];
  const line = (name: string, { gradient }: (typeof weights)[number]) => {
    const { from, counts } = gradient.log2Histogram;
    return { name, x: counts.map((_, i) => (from + i) * Math.log10(2)), y: counts };
  };
  const middle = ({ gradient }: (typeof weights)[number]) => gradient.meanAbs;
  return {
    setup: SIGMOIDS,
    plots: [
      {
        title: 'elements of the weights’ gradients',
        kind: 'lines',
        x: 'log₁₀ |g|',
        y: 'elements',
        series: [line('last layer', last), line('first layer', first)],
      },
    ],
    tables: [],
    conclusions: [`mean |g|: ${digits(middle(last))} in the last layer, ${digits(middle(first))} in the first`],
    numbers: { first: middle(first), last: middle(last) },
  };
}

/** Ten encoder blocks with and without the stream: one design, two ways past the blocks. */
async function streamExample(runtime: Runtime): Promise<Example> {
  const plain: Network = {
    input: [16, 32],
    layers: [
      { repeat: 10, layers: ['layer-norm', { dense: { units: 32, activation: 'sigmoid' } }] },
      { dense: { units: 8, name: 'out' } },
    ],
    loss: 'mse',
  };
  const encoder: Network = {
    input: [16, 32],
    layers: [{ 'transformer-encoder': { heads: 4, repeat: 10 } }, { dense: { units: 8, name: 'out' } }],
    loss: 'mse',
  };
  return runComparison(runtime, {
    setup:
      'ten blocks on 16 steps of 32 numbers: sigmoid layers one after the other, and Transformer encoders (pre-norm)',
    specimens: [
      { label: 'sigmoid layers', network: plain, options: { size: 8 } },
      { label: 'Transformer', network: encoder, options: { size: 8 } },
    ],
    quantities: [q.decades, q.slopes, q.skip],
    drawing: 'layers',
  });
}
