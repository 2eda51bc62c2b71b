import { describe, expect, it } from 'vitest';
import { layerTable } from '../../../src/readers/spec/layers/index.ts';
import { declaredShapes, forward, fromYaml, run } from './run.ts';

const X = [-3, -1, -0.2, 0, 0.5, 2, 7];

// torch 1.13, float64, torch.nn.functional of the same name.
const activationTruth: [string, number[]][] = [
  ['relu', [0, 0, 0, 0, 0.5, 2, 7]],
  ['leaky-relu', [-0.03, -0.01, -0.002, 0, 0.5, 2, 7]],
  ['{leaky-relu: 0.2}', [-0.6, -0.2, -0.04, 0, 0.5, 2, 7]],
  ['prelu', [-0.75, -0.25, -0.05, 0, 0.5, 2, 7]],
  ['elu', [-0.9502129, -0.6321206, -0.1812692, 0, 0.5, 2, 7]],
  ['{elu: 2}', [-1.900426, -1.264241, -0.3625385, 0, 0.5, 2, 7]],
  ['celu', [-0.9502129, -0.6321206, -0.1812692, 0, 0.5, 2, 7]],
  ['selu', [-1.670569, -1.111331, -0.3186893, 0, 0.5253505, 2.101402, 7.354907]],
  ['gelu', [-0.004049694, -0.1586553, -0.08414806, 0, 0.3457312, 1.9545, 7]],
  ['{gelu: tanh}', [-0.003637392, -0.158808, -0.08414857, 0, 0.345714, 1.954598, 7]],
  ['silu', [-0.1422776, -0.2689414, -0.0900332, 0, 0.3112297, 1.761594, 6.993623]],
  ['swish', [-0.1422776, -0.2689414, -0.0900332, 0, 0.3112297, 1.761594, 6.993623]],
  ['mish', [-0.1456475, -0.3034015, -0.1071448, 0, 0.3752452, 1.943959, 6.999988]],
  ['sigmoid', [0.04742587, 0.2689414, 0.450166, 0.5, 0.6224593, 0.8807971, 0.9990889]],
  ['tanh', [-0.9950548, -0.7615942, -0.1973753, 0, 0.4621172, 0.9640276, 0.9999983]],
  ['softplus', [0.04858735, 0.3132617, 0.5981389, Math.LN2, 0.974077, 2.126928, 7.000911]],
  ['softsign', [-0.75, -0.5, -0.1666667, 0, 0.3333333, 0.6666667, 0.875]],
  ['hard-sigmoid', [0, 0.3333333, 0.4666667, 0.5, 0.5833333, 0.8333333, 1]],
  ['hard-swish', [0, -0.3333333, -0.09333333, 0, 0.2916667, 1.666667, 7]],
  ['softmax', [4.493794e-5, 0.0003320489, 0.0007389885, 0.0009026026, 0.00148814, 0.006669381, 0.9898239]],
  ['log-softmax', [-10.01023, -8.010228, -7.210228, -7.010228, -6.510228, -5.010228, -0.01022823]],
  ['relu6', [0, 0, 0, 0, 0.5, 2, 6]],
  ['{clip: {min: -0.5, max: 1}}', [-0.5, -0.5, -0.2, 0, 0.5, 1, 1]],
  ['{clip: {max: 1}}', [-3, -1, -0.2, 0, 0.5, 1, 1]],
];

describe('activations', () => {
  it.each(activationTruth)('%s is what PyTorch computes', async (activation, expected) => {
    const layer = await forward(await fromYaml(`input: 7\nlayers:\n  - ${activation}`), X);
    const option = await forward(
      await fromYaml(`input: 7\nlayers: [{dense: {units: 7, init: identity, activation: ${activation}}}]`),
      X,
    );
    expected.forEach((y, i) => {
      expect(Math.abs(layer[i]! - y)).toBeLessThan(1e-5 * Math.max(1, Math.abs(y)));
      expect(option[i]).toBeCloseTo(layer[i]!, 6);
    });
  });

  it('covers every activation there is', () => {
    const tested = new Set(activationTruth.map(([text]) => /[\w-]+/.exec(text)![0]));
    expect(Object.keys(layerTable.activations).filter((name) => !tested.has(name))).toEqual([]);
  });

  it('takes an axis of the sample', async () => {
    const net = await fromYaml('input: [2, 2]\nlayers: [{softmax: 0}]');
    // Along the first axis of a sample: pairs (0, 1) and (0, 3).
    const y = await forward(net, [0, 0, 1, 3]);
    const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
    [sigmoid(-1), sigmoid(-3), sigmoid(1), sigmoid(3)].forEach((p, i) => {
      expect(y[i]).toBeCloseTo(p, 6);
    });
  });
});

describe('dense', () => {
  it('computes W x + b, W laid out [out, in]', async () => {
    const net = await fromYaml(
      'input: 2\nlayers: [{dense: {units: 3, weights: [[1, 2], [3, 4], [5, 6]], bias: [10, 20, 30]}}]',
    );
    expect(net.graph.initializers.get('dense.weight')!.dims).toEqual([3, 2]);
    expect(await forward(net, [1, -1])).toEqual([9, 19, 29]);
  });

  it('acts on the last axis of a sequence, with the same weights', async () => {
    const spec = 'layers: [{dense: {units: 3, weights: [[1, 2], [3, 4], [5, 6]], bias: [10, 20, 30]}}]';
    const net = await fromYaml(`input: [2, 2]\n${spec}`);
    expect(net.graph.initializers.get('dense.weight')!.dims).toEqual([2, 3]);
    expect(await forward(net, [1, -1, 0, 1])).toEqual([9, 19, 29, 12, 24, 36]);
  });

  it('repeats W = 2I as the documents do', async () => {
    const net = await fromYaml('input: 2\nlayers: [{dense: {units: 2, repeat: 10, bias: false}}]\ninit: {identity: 2}');
    expect(await forward(net, [1, -3])).toEqual([1024, -3072]);
    expect([...net.graph.initializers.keys()]).toEqual(Array.from({ length: 10 }, (_, i) => `dense.${i}.weight`));
  });

  it('runs in double precision', async () => {
    const net = await fromYaml(
      'input: {shape: 1, type: float64, name: x}\nlayers: [{dense: {units: 1, init: 0.1}}, tanh]',
    );
    expect(await forward(net, [1])).toEqual([Math.tanh(0.1)]);
  });
});

describe('convolution and pooling', () => {
  it('conv2d equals PyTorch with groups, stride, dilation and padding', async () => {
    const weights = [
      [
        [
          [-5, 0],
          [5, -1],
          [4, -2],
        ],
      ],
      [
        [
          [3, -3],
          [2, -4],
          [1, -5],
        ],
      ],
      [
        [
          [0, 5],
          [-1, 4],
          [-2, 3],
        ],
      ],
      [
        [
          [-3, 2],
          [-4, 1],
          [-5, 0],
        ],
      ],
    ];
    const net = await fromYaml(
      JSON.stringify({
        input: [2, 4, 5],
        layers: [
          {
            conv2d: 4,
            kernel: [3, 2],
            stride: [1, 2],
            padding: [1, 0],
            dilation: [1, 2],
            groups: 2,
            weights,
            bias: [1, -1, 0.5, 2],
          },
        ],
      }),
    );
    const x = Array.from({ length: 40 }, (_, i) => (i % 7) - 3);
    // torch.nn.functional.conv2d(x, W, b, (1, 2), (1, 0), (1, 2), 2)
    expect(await forward(net, x)).toEqual([
      1, -15, 25, 6, -19, 25, -9, -11, 14, -5, -1, 8, 4, -1, -11, 6, -3.5, -9.5, 6.5, -3.5, 23.5, 6.5, 4.5, 20.5, -17,
      -5, -7, -11, 25, -7, 18, 10,
    ]);
  });

  it('pools as PyTorch does, without counting the padding', async () => {
    const x = [1, 2, 4, 8, 16];
    const pool = (kind: string) => fromYaml(`input: [1, 5]\nlayers: [{${kind}: 3, stride: 2, padding: 1}]`);
    expect(await forward(await pool('max-pool'), x)).toEqual([2, 8, 16]);
    const average = await forward(await pool('average-pool'), x);
    [1.5, 14 / 3, 12].forEach((y, i) => {
      expect(average[i]).toBeCloseTo(y, 6);
    });
  });

  it('pads "same" so that the output is input / stride, rounded up, the odd zero last', async () => {
    const net = await fromYaml(
      'input: [1, 6]\nlayers: [{conv1d: 1, kernel: 3, stride: 2, padding: same, weights: [[[1, 10, 100]]]}]',
    );
    // tf.nn.conv1d(..., padding='SAME'): one zero, at the end.
    expect(await forward(net, [1, 2, 3, 4, 5, 6])).toEqual([321, 543, 65]);
  });

  it('averages whole channels into a flat sample', async () => {
    const net = await fromYaml('input: [2, 2, 2]\nlayers: [global-average-pool]');
    expect(await forward(net, [1, 2, 3, 4, 5, 5, 5, 9])).toEqual([2.5, 6]);
    const top = await fromYaml('input: [2, 2, 2]\nlayers: [global-max-pool]');
    expect(await forward(top, [1, 2, 3, 4, 5, 5, 5, 9])).toEqual([4, 9]);
  });
});

describe('normalization', () => {
  it('layer-norm equals PyTorch', async () => {
    const y = await forward(await fromYaml('input: 4\nlayers: [layer-norm]'), [1, 2, 4, 8]);
    // torch.nn.LayerNorm(4)
    [-1.0257546, -0.6527529, 0.0932504, 1.5852571].forEach((value, i) => {
      expect(y[i]).toBeCloseTo(value, 5);
    });
  });

  it('layer-norm over the whole sample has a weight of its shape', async () => {
    const net = await fromYaml('input: [2, 3]\nlayers: [{layer-norm: {axis: 0}}]');
    expect(net.graph.initializers.get('layer-norm.weight')!.dims).toEqual([2, 3]);
    const y = await forward(net, [1, 2, 3, 4, 5, 6]);
    expect(y.reduce((sum, v) => sum + v, 0)).toBeCloseTo(0, 5);
    expect(y.reduce((sum, v) => sum + v * v, 0)).toBeCloseTo(6, 3);
  });

  it('batch-norm normalizes over the batch and keeps running statistics that are no parameters', async () => {
    const net = await fromYaml('input: 2\nlayers: [batch-norm]');
    const y = await forward(net, [1, 2, 3, 8, 5, 5], 3);
    // torch.nn.BatchNorm1d(2) in training mode
    [-1.2247426, -1.2247439, 0, 1.2247439, 1.2247426, 0].forEach((value, i) => {
      expect(y[i]).toBeCloseTo(value, 5);
    });
    expect([...net.constants]).toEqual(['batch-norm.running_mean', 'batch-norm.running_var']);
    expect([...net.graph.initializers.get('batch-norm.running_var')!.data]).toEqual([1, 1]);
  });
});

describe('residual', () => {
  it('adds its input to what its layers give', async () => {
    const net = await fromYaml('input: 2\nlayers: [{residual: [{dense: {units: 2, init: {identity: 3}}}], repeat: 3}]');
    expect(await forward(net, [1, -2])).toEqual([64, -128]);
  });

  it('applies its activation after the sum', async () => {
    const net = await fromYaml(
      'input: 2\nlayers: [{residual: [{dense: 2, init: {identity: 3}}, relu], activation: relu}]',
    );
    expect(await forward(net, [1, -2])).toEqual([4, 0]);
    expect(net.graph.nodes.map((node) => node.name)).toEqual([
      'residual.dense',
      'residual.relu',
      'residual',
      'residual.relu2',
    ]);
  });

  it('projects where the shapes differ', async () => {
    const flat = await fromYaml(
      'input: 2\nlayers: [{residual: [{dense: 3, init: zeros}], shortcut: projection}]\ninit: ones',
    );
    expect(await forward(flat, [1, 2])).toEqual([3, 3, 3]);
    const strided = await fromYaml(
      'input: [1, 4, 4]\ninit: ones\nlayers:\n  - residual:\n    - conv2d: {filters: 2, stride: 2, padding: same, init: zeros}\n    shortcut: projection',
    );
    expect(strided.graph.initializers.get('residual.projection.weight')!.dims).toEqual([2, 1, 1, 1]);
    const x = Array.from({ length: 16 }, (_, i) => i);
    expect(await forward(strided, x)).toEqual([0, 2, 8, 10, 0, 2, 8, 10]);
  });

  it('takes layers as its shortcut', async () => {
    const net = await fromYaml(
      'input: 2\nlayers: [{residual: [{dense: 1, init: ones}], shortcut: [{dense: 1, init: {constant: 10}}]}]',
    );
    expect(await forward(net, [1, 2])).toEqual([33]);
    expect(net.graph.initializers.has('residual.shortcut.dense.weight')).toBe(true);
  });
});

it('dropout drops the share asked for and scales the rest', async () => {
  const net = await fromYaml('input: 4000\nlayers: [{dropout: 0.25}]');
  const y = await forward(net, new Float32Array(4000).fill(3));
  const kept = y.filter((v) => v !== 0);
  expect(kept.every((v) => Math.abs(v - 4) < 1e-6)).toBe(true);
  expect(kept.length / 4000).toBeCloseTo(0.75, 1);
  expect(await forward(net, new Float32Array(4000).fill(3))).toEqual(y);
});

it('reshapes a sample, whatever the batch', async () => {
  const net = await fromYaml('input: 12\nlayers: [{reshape: [2, -1, 3]}]');
  const result = await run(net, undefined, 5);
  expect(result.reshape!.dims).toEqual([5, 2, 2, 3]);
});

describe('shapes agree with onnxruntime for every value', () => {
  it.each([
    ['input: 784', '[{dense: {units: 30, activation: silu}}, layer-norm, {dropout: 0.1}, {dense: 10}, softmax]'],
    [
      'input: [3, 17, 12]',
      '[{conv2d: 8, kernel: 5, stride: 3, padding: 2}, batch-norm, {max-pool: 2}, flatten, {dense: 4}]',
    ],
    [
      'input: [3, 17, 12]',
      '[{conv2d: 8, kernel: [5, 2], stride: [2, 3], padding: same, dilation: 2}, prelu, {average-pool: {kernel: 3, stride: 2, padding: same}}]',
    ],
    [
      'input: [6, 9, 9]',
      '[{conv2d: {filters: 12, groups: 6, kernel: 4, bias: false}}, global-max-pool, {dense: {units: 3, repeat: 2}}]',
    ],
    [
      'input: [4, 50]',
      '[{conv1d: {filters: 6, kernel: 7, stride: 2}}, {max-pool: {kernel: 3, stride: 2, padding: 1}}, global-average-pool, log-softmax]',
    ],
    [
      'input: [7, 5]',
      '[{dense: {units: 9, activation: gelu}}, layer-norm, {residual: [{dense: 9}, tanh]}, flatten, {dense: 2}]',
    ],
    [
      'input: [4, 8, 8]',
      '[{residual: [{conv2d: 6, stride: 2, padding: same}, {conv2d: 6, padding: 1}], shortcut: projection, activation: relu}]',
    ],
    ['input: 6', '[{reshape: [2, 3]}, {repeat: 2, layers: [{dense: 3}, relu6]}, {clip: {max: 1}}]'],
  ])('%s, %s', async (input, layers) => {
    for (const batch of [1, 4]) {
      const net = await fromYaml(`${input}\nlayers: ${layers}`);
      const measured = await run(net, undefined, batch);
      const dims = Object.fromEntries(Object.entries(measured).map(([name, value]) => [name, value.dims]));
      expect(dims).toEqual(declaredShapes(net, batch));
    }
  });
});
