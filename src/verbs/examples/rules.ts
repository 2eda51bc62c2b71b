import type { RuleId } from '../../diagnosis/finding.ts';
import { cloneGraph, type Model } from '../../graph/graph.ts';
import { tensorOf } from '../../graph/tensor.ts';
import { buildSpec } from '../../readers/spec/index.ts';
import { type Comparison, type Drawing, type Quantity, quantities as q, type Specimen } from './compare.ts';
import { deepNetwork, type LookOptions, type Network, rows } from './lab.ts';

const DEEP = 'MLPs of 10 layers of width 100, 64 standard-normal inputs, seed 0';

/** A network that has the problem beside one that has not. */
function pair(setup: string, sick: Specimen, well: Specimen, drawing: Drawing, ...quantities: Quantity[]): Comparison {
  return { setup, specimens: [sick, well], quantities, drawing };
}

const specimen = (label: string, network: Network, options?: LookOptions): Specimen => ({ label, network, options });

/** A small classifier of spirals, trained for some steps. */
function trained(
  label: string,
  learningRate: number,
  steps: number,
  more: Readonly<Record<string, unknown>> = {},
): Specimen {
  const { activation = 'relu', depth = 3, width = 32, init = 'he', optimizer = 'sgd' } = more;
  const hidden = { units: width, activation, repeat: depth, name: 'hidden' };
  const network = {
    input: 2,
    layers: [{ dense: hidden }, { dense: { units: 2, name: 'out' } }],
    init,
    loss: 'cross-entropy',
  };
  const options = {
    batch: { kind: 'named' as const, name: (more.data as string) ?? 'spirals' },
    steps,
    learningRate,
    optimizer: optimizer as string,
  };
  return specimen(label, network, options);
}

const trainedOn = (steps: number, data = 'two spirals') =>
  `classifiers of ${data}, ${steps} steps of gradient descent, seed 0`;

/** A recurrent network over a sequence of noise that is read out at its end. */
function recurrent(label: string, layer: Readonly<Record<string, unknown>>, steps = 50): Specimen {
  const network = { input: [steps, 4], layers: [layer, { dense: 1 }], loss: 'mse' };
  return specimen(label, network, { size: 16 });
}

/** One more matrix that feeds an output nobody reads. */
function withLooseMatrix(): Model {
  const model = buildSpec(deepNetwork('relu', 'he', { depth: 2, width: 16 }));
  const graph = cloneGraph(model.graph);
  graph.initializers.set('aside.weight', tensorOf('float32', [16, 4], new Float32Array(64).fill(0.1)));
  const input = graph.inputs[0]!.name;
  graph.nodes.push({
    name: 'aside',
    op: 'MatMul',
    domain: '',
    inputs: [input, 'aside.weight'],
    outputs: ['aside'],
    attributes: {},
  });
  graph.outputs.push({ name: 'aside', type: 'float32', shape: ['batch', 4] });
  return { ...model, graph };
}

const positive = rows(
  Array.from({ length: 64 }, (_, i) => Array.from({ length: 32 }, (_, j) => 1 + ((i * 7 + j * 5) % 11) / 10)),
  Array.from({ length: 64 }, () => [50]),
);

/** Rows x = ±1 with targets x: the mean squared error of y = w x is (w − 1)². */
function parabola(label: string, learningRate: number): Specimen {
  const x = Array.from({ length: 64 }, (_, i) => [i % 2 === 0 ? 1 : -1]);
  const network = { input: 1, layers: [{ dense: { units: 1, weights: [[3]], bias: false } }], loss: 'mse' };
  return specimen(label, network, { batch: rows(x, x), steps: 100, learningRate, optimizer: 'lion' });
}

const twoLinear = (init: unknown): Network => ({
  input: 32,
  layers: [{ dense: { units: 32, init } }, { dense: { units: 1, init } }],
  loss: 'mse',
});

/** 64 points of a smooth function, learned as one batch: no noise but the steps' own. */
function regression(label: string, learningRate: number): Specimen {
  const x = Array.from({ length: 64 }, (_, i) => [0, 7, 14, 21].map((phase) => 2 * Math.sin(1 + 3 * i + phase)));
  const y = x.map(([a, b]) => [Math.sin(a!) + Math.cos(b!)]);
  const hidden = { units: 32, activation: 'relu', repeat: 2 };
  const network = { input: 4, layers: [{ dense: hidden }, { dense: 1 }], init: 'he', loss: 'mse' };
  return specimen(label, network, { batch: rows(x, y), steps: 60, learningRate, optimizer: 'sgd' });
}

function residualBlocks(): Network {
  const block = { residual: [{ dense: 32 }, 'relu', { dense: 32 }] };
  const layers = [{ dense: { units: 32, activation: 'relu' } }, { repeat: 4, layers: [block] }, { dense: 2 }];
  return { input: 2, layers, init: 'he', loss: 'cross-entropy' };
}

/** For each rule a network that has the problem and one that has not, and the quantity that tells them apart. */
export const ruleCases: Readonly<Record<RuleId, () => Comparison>> = {
  'vanishing-gradient': () =>
    pair(
      DEEP,
      specimen('sigmoid, Glorot', deepNetwork('sigmoid', 'glorot')),
      specimen('ReLU, He', deepNetwork('relu', 'he')),
      'layers',
      q.decades,
      q.slopes,
      q.weights,
    ),
  'exploding-gradient': () =>
    pair(
      DEEP,
      specimen('ReLU, three times He', deepNetwork('relu', { he: 3 })),
      specimen('ReLU, He', deepNetwork('relu', 'he')),
      'layers',
      q.decades,
      q.slopes,
      q.weights,
    ),
  'non-finite': () =>
    pair(
      DEEP,
      specimen('weights of deviation 1e5', deepNetwork('relu', { normal: 1e5 })),
      specimen('He', deepNetwork('relu', 'he')),
      'none',
      q.broken,
    ),
  'dead-units': () =>
    pair(
      DEEP,
      specimen('ReLU, biases −5', deepNetwork('relu', 'he', { bias: -5 })),
      specimen('ReLU, biases 0', deepNetwork('relu', 'he')),
      'none',
      q.dead,
      q.decades,
    ),
  'saturated-units': () =>
    pair(
      DEEP,
      specimen('tanh, deviation 1', deepNetwork('tanh', { normal: 1 })),
      specimen('tanh, Glorot', deepNetwork('tanh', 'glorot')),
      'layers',
      q.saturated,
      q.slopes,
    ),
  'vanishing-through-time': () =>
    pair(
      'recurrent layers of 32 units over 50 steps of noise, the last step is read, seed 0',
      recurrent('RNN, Glorot', { rnn: { units: 32, 'recurrent-init': { glorot: 0.8 } } }),
      recurrent('LSTM, forget bias 5', { lstm: { units: 32, 'forget-bias': 5 } }),
      'time',
      q.through,
      q.perStep,
    ),
  'exploding-through-time': () =>
    pair(
      'recurrent layers of 32 units over 50 steps of noise, the last step is read, seed 0',
      recurrent('ReLU, 2.5 Q', { rnn: { units: 32, activation: 'relu', 'recurrent-init': { orthogonal: 2.5 } } }),
      recurrent('tanh, Q', { rnn: { units: 32, init: { glorot: 0.1 }, 'recurrent-init': 'orthogonal' } }),
      'time',
      q.through,
      q.perStep,
    ),
  'poor-initialization': () =>
    pair(
      DEEP,
      specimen('ReLU, deviation 0.05', deepNetwork('relu', { normal: 0.05 })),
      specimen('ReLU, He', deepNetwork('relu', 'he')),
      'layers',
      q.decades,
      q.signal,
    ),
  'symmetric-initialization': () =>
    pair(
      'MLPs of 3 tanh layers of width 16, 64 standard-normal inputs, seed 0',
      specimen('all weights 0.1', deepNetwork('tanh', { constant: 0.1 }, { depth: 3, width: 16 })),
      specimen('Glorot', deepNetwork('tanh', 'glorot', { depth: 3, width: 16 })),
      'none',
      q.decades,
    ),
  'disconnected-parameter': () =>
    pair(
      'MLPs of 2 layers of width 16; one has a matrix more whose output nobody reads',
      specimen('a matrix aside', withLooseMatrix()),
      specimen('without it', deepNetwork('relu', 'he', { depth: 2, width: 16 })),
      'none',
      q.loose,
    ),
  'stalled-layer': () =>
    pair(
      trainedOn(20),
      trained('10 sigmoids', 0.1, 20, { activation: 'sigmoid', depth: 10, init: 'glorot' }),
      trained('10 ReLUs', 0.01, 20, { depth: 10 }),
      'none',
      q.smallestUpdate,
      q.firstMoved,
      q.lastMoved,
    ),
  'overlarge-update': () =>
    pair(
      'classifiers of two spirals, 20 steps of Adam, seed 0',
      trained('rate 0.5', 0.5, 20, { optimizer: 'adam' }),
      trained('rate 0.001', 0.001, 20, { optimizer: 'adam' }),
      'loss',
      q.largestUpdate,
    ),
  'loss-plateau': () =>
    pair(
      trainedOn(100, 'two blobs'),
      trained('10 sigmoids', 0.01, 100, { activation: 'sigmoid', depth: 10, init: 'glorot', data: 'blobs' }),
      trained('3 ReLUs', 0.01, 100, { data: 'blobs' }),
      'loss',
      q.firstLoss,
      q.lastLoss,
    ),
  'loss-oscillation': () =>
    pair(
      'L = (w − 1)² as a network of one weight, from w = 3, 100 steps of Lion, which moves w by the learning rate each time',
      parabola('rate 1.6', 1.6),
      parabola('rate 0.1', 0.1),
      'loss',
      q.firstLoss,
      q.lastLoss,
    ),
  'loss-divergence': () =>
    pair(trainedOn(40), trained('rate 20', 20, 40), trained('rate 0.03', 0.03, 40), 'loss', q.firstLoss, q.lastLoss),
  'slow-convergence': () =>
    pair(
      'regressions of 64 points by 2 ReLU layers of width 32, 60 steps of gradient descent, seed 0',
      regression('rate 1e-6', 1e-6),
      regression('rate 0.01', 0.01),
      'loss',
      q.firstLoss,
      q.lastLoss,
      q.largestUpdate,
    ),
  'effectively-shallow': () =>
    pair(
      trainedOn(100, 'two blobs'),
      specimen('4 residual blocks', residualBlocks(), {
        batch: { kind: 'named', name: 'blobs' },
        steps: 100,
        learningRate: 0.01,
        optimizer: 'sgd',
      }),
      trained('6 layers, Adam', 0.003, 60, { depth: 6, data: 'blobs', optimizer: 'adam' }),
      'loss',
      q.firstMoved,
      q.lastLoss,
    ),
  'gradient-distribution': () =>
    pair(
      'two linear layers of 32 inputs; once inputs and weights are all above 0, once both are centred at 0',
      specimen('all above 0', twoLinear({ uniform: { low: 0.01, high: 0.1 } }), { batch: positive }),
      specimen('centred', twoLinear('glorot')),
      'none',
      q.oneSign,
    ),
};
