import type { RemedyId } from '../../diagnosis/remedy-hints.ts';
import { type Comparison, type Drawing, type Quantity, quantities as q, type Specimen } from './compare.ts';
import { deepNetwork, type LookOptions, type Network, rows, WIDTH } from './lab.ts';
import { ruleCases } from './rules.ts';

const DEEP = 'MLPs of 10 layers of width 100, 64 standard-normal inputs, seed 0';
const RECURRENT = 'recurrent layers of 32 units over 50 steps of noise, the last step is read, seed 0';

/** The same network before and after. */
function beforeAfter(
  setup: string,
  before: Specimen,
  after: Specimen,
  drawing: Drawing,
  ...quantities: Quantity[]
): Comparison {
  return { setup, specimens: [before, after], quantities, drawing };
}

const specimen = (label: string, network: Network, options?: LookOptions): Specimen => ({ label, network, options });

/** Ten layers, each made of these. */
function blocks(layers: readonly unknown[], init: unknown): Network {
  return {
    input: WIDTH,
    layers: [{ repeat: 10, layers }, { dense: { units: WIDTH, name: 'out' } }],
    init,
    loss: 'mse',
  };
}

const sigmoids = () => specimen('sigmoid', deepNetwork('sigmoid', 'glorot'));

function recurrent(label: string, layer: Readonly<Record<string, unknown>>): Specimen {
  return specimen(label, { input: [50, 4], layers: [layer, { dense: 1 }], loss: 'mse' }, { size: 16 });
}

const plainRecurrence = () => recurrent('RNN', { rnn: { units: 32, 'recurrent-init': { glorot: 0.8 } } });

const small = (init: unknown) => deepNetwork('relu', init, { depth: 2, width: 16 });

function zeroLast(): Network {
  const out = { units: 16, name: 'out', init: 'zeros' };
  return {
    input: 16,
    layers: [{ dense: { units: 16, activation: 'relu', repeat: 2 } }, { dense: out }],
    init: 'he',
    loss: 'mse',
  };
}

/** Eight rows of sixteen numbers, of which one is given. */
function eightRows(odd: number): LookOptions['batch'] {
  const inputs = Array.from({ length: 8 }, (_, i) => Array.from({ length: 16 }, (_, j) => Math.sin(1 + 16 * i + j)));
  inputs[3]![5] = odd;
  return rows(inputs);
}

/** The comparison of another rule's example: its sick network is before, its healthy one after. */
const asIn = (rule: keyof typeof ruleCases) => ruleCases[rule];

/** For each remedy a network before and after it; undefined where nothing is changed that an engine could show. */
export const remedyCases: Readonly<Record<RemedyId, (() => Comparison) | undefined>> = {
  'use-relu': () =>
    beforeAfter(
      DEEP,
      sigmoids(),
      specimen('ReLU, He', deepNetwork('relu', 'he')),
      'layers',
      q.decades,
      q.slopes,
      q.weights,
    ),
  'use-he-init': () =>
    beforeAfter(
      DEEP,
      specimen('ReLU, Glorot', deepNetwork('relu', 'glorot')),
      specimen('ReLU, He', deepNetwork('relu', 'he')),
      'layers',
      q.decades,
      q.signal,
    ),
  'use-glorot-init': () =>
    beforeAfter(
      DEEP,
      specimen('tanh, deviation 1', deepNetwork('tanh', { normal: 1 })),
      specimen('tanh, Glorot', deepNetwork('tanh', 'glorot')),
      'layers',
      q.decades,
      q.saturated,
    ),
  'use-critical-init': () =>
    beforeAfter(
      DEEP,
      specimen('tanh, half of Glorot', deepNetwork('tanh', { glorot: 0.5 })),
      specimen('tanh, σ_w² = 1', deepNetwork('tanh', 'lecun')),
      'layers',
      q.decades,
      q.signal,
    ),
  'randomize-init': asIn('symmetric-initialization'),
  'use-leaky-relu': () =>
    beforeAfter(
      'MLPs of 3 layers of width 100, biases −5, 64 standard-normal inputs, seed 0',
      specimen('ReLU', deepNetwork('relu', 'he', { bias: -5, depth: 3 })),
      specimen('Leaky ReLU, 0.1', deepNetwork({ 'leaky-relu': 0.1 }, 'he', { bias: -5, depth: 3 })),
      'layers',
      q.dead,
      q.decades,
    ),
  'zero-biases': asIn('dead-units'),
  'add-batch-norm': () =>
    beforeAfter(
      DEEP,
      specimen('tanh, deviation 0.5', deepNetwork('tanh', { normal: 0.5 })),
      specimen('with batch norm', blocks([{ dense: WIDTH }, 'batch-norm', 'tanh'], { normal: 0.5 })),
      'layers',
      q.decades,
      q.saturated,
    ),
  'add-layer-norm': () =>
    beforeAfter(
      DEEP,
      specimen('tanh, deviation 0.5', deepNetwork('tanh', { normal: 0.5 })),
      specimen('with layer norm', blocks([{ dense: WIDTH }, 'layer-norm', 'tanh'], { normal: 0.5 })),
      'layers',
      q.decades,
      q.saturated,
    ),
  'add-residual': () =>
    beforeAfter(
      DEEP,
      sigmoids(),
      specimen('sigmoid, skips', blocks([{ residual: [{ dense: WIDTH }, 'sigmoid'] }], 'glorot')),
      'layers',
      q.decades,
      q.skip,
    ),
  'use-lstm': () =>
    beforeAfter(RECURRENT, plainRecurrence(), recurrent('LSTM', { lstm: 32 }), 'time', q.through, q.perStep),
  'open-forget-gate': () =>
    beforeAfter(
      RECURRENT,
      recurrent('forget bias 0', { lstm: { units: 32, 'forget-bias': 0 } }),
      recurrent('forget bias 1', { lstm: { units: 32, 'forget-bias': 1 } }),
      'time',
      q.through,
      q.perStep,
    ),
  'use-orthogonal-recurrence': () =>
    beforeAfter(
      RECURRENT,
      plainRecurrence(),
      recurrent('orthogonal', { rnn: { units: 32, init: { glorot: 0.1 }, 'recurrent-init': 'orthogonal' } }),
      'time',
      q.through,
      q.perStep,
    ),
  'clip-gradient-norm': undefined,
  'reduce-learning-rate': asIn('loss-divergence'),
  'increase-learning-rate': asIn('slow-convergence'),
  'use-adam': () =>
    beforeAfter(
      '10 sigmoid layers of width 100, 20 steps on the same batch; sgd at 0.01, Adam at 0.001',
      specimen('sgd', deepNetwork('sigmoid', 'glorot'), { steps: 20, optimizer: 'sgd', learningRate: 0.01 }),
      specimen('Adam', deepNetwork('sigmoid', 'glorot'), { steps: 20, optimizer: 'adam', learningRate: 0.001 }),
      'loss',
      q.firstMoved,
      q.lastMoved,
      q.lastLoss,
    ),
  'larger-batch': undefined,
  'standardize-inputs': asIn('gradient-distribution'),
  'check-data': () =>
    beforeAfter(
      'an MLP of 2 layers of width 16 and 8 rows of numbers, once with one NaN among the 128',
      specimen('one NaN', small('he'), { batch: eightRows(Number.NaN) }),
      specimen('without it', small('he'), { batch: eightRows(0.5) }),
      'none',
      q.broken,
    ),
  'guard-operator': undefined,
  'train-some-steps': () =>
    beforeAfter(
      'an MLP of 2 ReLU layers and a last layer of zeros, gradient descent at 0.1',
      specimen('before', zeroLast(), { optimizer: 'sgd', learningRate: 0.1 }),
      specimen('after 10 steps', zeroLast(), { optimizer: 'sgd', learningRate: 0.1, steps: 10 }),
      'none',
      q.decades,
    ),
  'remove-layers': asIn('effectively-shallow'),
  'freeze-layers': asIn('effectively-shallow'),
  'connect-parameter': asIn('disconnected-parameter'),
};
