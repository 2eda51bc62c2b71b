import { buildSpec } from '../../readers/spec/index.ts';
import type { Cell, Example, Series } from '../../report/explanation.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Clipping } from '../../training/clipping.ts';
import { type TrainStepEvent, train } from '../train.ts';
import { openTrainingData } from '../training-data.ts';
import { measureOperator } from './curve.ts';
import { cell, deepNetwork, digits, look, type Network } from './lab.ts';
import { Valley } from './optimizers.ts';

/** The norm of the gradient and of the first update, with and without clipping. */
export async function clippingExample(runtime: Runtime): Promise<Example> {
  const network = deepNetwork('relu', { he: 3 });
  const learningRate = 0.01;
  const first = async (clipping: Clipping | undefined) => {
    const model = buildSpec(network as Record<string, unknown>);
    const data = await openTrainingData({ kind: 'none' }, model.graph.inputs, {
      seed: 0,
      output: model.graph.outputs[0],
      samples: 32,
    });
    const options = { runtime, data, steps: 1, optimizer: { name: 'sgd' }, learningRate, clipping, seed: 0 };
    let step: TrainStepEvent | undefined;
    for await (const event of train(model, options)) {
      if (event.kind === 'step') step = event;
      // A fault would be diagnosed: one step is all that is asked for.
      if (event.kind === 'step' || event.kind === 'fault') break;
    }
    return {
      gradient: step?.gradientNorm ?? Number.NaN,
      update: Math.hypot(...(step?.layers.map(({ updateNorm = 0 }) => updateNorm) ?? [])),
    };
  };
  const kinds: [string, Clipping | undefined][] = [
    ['not clipped', undefined],
    ['norm 1', { kind: 'norm', maximum: 1 }],
    ['value 0.01', { kind: 'value', maximum: 0.01 }],
  ];
  const measured: [string, Awaited<ReturnType<typeof first>>][] = [];
  for (const [label, clipping] of kinds) measured.push([label, await first(clipping)]);
  return {
    setup: `an MLP of 10 ReLU layers of width 100 with three times He’s deviation, one step of gradient descent at ${learningRate}`,
    plots: [],
    tables: [
      {
        columns: ['', ...measured.map(([label]) => label)],
        rows: [
          ['norm of the gradient', ...measured.map(([, { gradient }]) => cell(gradient, 'size'))],
          ['norm of the update', ...measured.map(([, { update }]) => cell(update, 'size'))],
        ],
      },
    ],
    conclusions: ['clipped to norm 1, the update is the learning rate times 1, however large the gradient was'],
    numbers: Object.fromEntries(
      measured.flatMap(([label, { gradient, update }]) => [
        [`${label}: gradient`, gradient],
        [`${label}: update`, update],
      ]),
    ),
  };
}

const BATCHES = [4, 16, 64];
const DRAWS = 40;

/** How much the gradient of one bias varies between batches of different sizes. */
export async function batchExample(runtime: Runtime): Promise<Example> {
  const network: Network = {
    input: 8,
    layers: [{ dense: { units: 8, activation: 'tanh' } }, { dense: 1 }],
    loss: 'mse',
  };
  const deviations: number[] = [];
  for (const size of BATCHES) {
    const gradients: number[] = [];
    for (let seed = 0; seed < DRAWS; seed++) {
      const { profile } = await look(runtime, network, { size, seed });
      gradients.push(profile.parameters.find(({ shape }) => shape.length === 1 && shape[0] === 1)!.gradient.mean);
    }
    const mean = gradients.reduce((sum, x) => sum + x, 0) / DRAWS;
    deviations.push(Math.sqrt(gradients.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (DRAWS - 1)));
  }
  return {
    setup: `a network of one hidden layer; the gradient of its last bias on ${DRAWS} batches of each size`,
    plots: [],
    tables: [
      {
        columns: ['samples', 'deviation of the gradient', 'times √B'],
        rows: BATCHES.map((size, i) => [String(size), cell(deviations[i]!), cell(deviations[i]! * Math.sqrt(size))]),
      },
    ],
    conclusions: ['the deviation falls as 1/√B: the last column stays about the same'],
    numbers: Object.fromEntries(BATCHES.map((size, i) => [`deviationAt${size}`, deviations[i]!])),
  };
}

/** The derivative of a root near 0, and with a guard. */
export async function guardExample(runtime: Runtime): Promise<Example> {
  const points = [0, 1e-12, 1e-8, 1e-4, 1];
  const guard = 1e-8;
  const bare = await measureOperator(runtime, 'Sqrt', points);
  const guarded = await measureOperator(
    runtime,
    'Sqrt',
    points.map((x) => x + guard),
  );
  return {
    setup: `the derivative of √x and of √(x + 1e-8), run by the engine`,
    plots: [],
    tables: [
      {
        columns: ['x', 'of √x', 'of √(x + 1e-8)'],
        rows: points.map((x, i): Cell[] => [digits(x), cell(bare.slope[i]!, 'size'), cell(guarded.slope[i]!, 'size')]),
      },
    ],
    conclusions: [
      `at 0 the one is ${bare.slope[0] === Number.POSITIVE_INFINITY ? 'infinite' : digits(bare.slope[0]!)}, the other ${digits(guarded.slope[0]!)}; infinity times a gradient of 0 is NaN`,
    ],
    numbers: { bareAtZero: bare.slope[0]!, guardedAtZero: guarded.slope[0]! },
  };
}

/** Gradient descent below, at and above the limit 2/λ = 0.08 of a valley. */
export async function learningRateExample(runtime: Runtime): Promise<Example> {
  const rates = [0.01, 0.04, 0.079, 0.081];
  const valley = await Valley.open(runtime, 'sgd');
  const walks = [];
  try {
    for (const rate of rates) walks.push(await valley.walk(rate));
  } finally {
    await valley.release();
  }
  return {
    setup:
      'the valley L = ½ (w₁² + 25 w₂²) as a network of two weights, from w = (−2, 0.5), 60 steps of gradient descent; λ = 25, 2/λ = 0.08',
    plots: [
      {
        title: 'loss',
        kind: 'lines',
        x: 'step',
        y: 'loss',
        logarithmic: true,
        series: walks.map(
          ({ learningRate, losses }): Series => ({
            name: `η = ${learningRate}`,
            x: losses.map((_, i) => i),
            y: losses,
          }),
        ),
      },
    ],
    tables: [
      {
        columns: ['η', 'factor 1 − 25η', 'loss after 60 steps'],
        rows: walks.map(({ learningRate, losses }) => [
          String(learningRate),
          cell(1 - 25 * learningRate),
          cell(losses.at(-1)!, 'size'),
        ]),
      },
    ],
    conclusions: ['below 0.08 the loss falls, above it grows: the factor’s size passes 1 there'],
    numbers: Object.fromEntries(walks.map(({ learningRate, losses }) => [`lossAt${learningRate}`, losses.at(-1)!])),
  };
}

/** The same walk with a pull on the weights. */
export async function decayExample(runtime: Runtime): Promise<Example> {
  const decays = [0, 0.1, 1];
  const results: [number, number][] = [];
  for (const weightDecay of decays) {
    const valley = await Valley.open(runtime, 'sgd', { weightDecay });
    try {
      const { moved } = await valley.walk(0.01, 1);
      results.push([weightDecay, moved[0]!]);
    } finally {
      await valley.release();
    }
  }
  return {
    setup: 'one step of gradient descent at η = 0.01 from w₁ = −2, where the gradient is −2',
    plots: [],
    tables: [
      {
        columns: ['λ', 'step of w₁', '−η (g + λ w)'],
        rows: results.map(([decay, moved]) => [String(decay), cell(moved), cell(-0.01 * (-2 + decay * -2))]),
      },
    ],
    conclusions: ['the pull towards 0 is λ times the weight, on top of the gradient'],
    numbers: Object.fromEntries(results.map(([decay, moved]) => [`movedAt${decay}`, moved])),
  };
}
