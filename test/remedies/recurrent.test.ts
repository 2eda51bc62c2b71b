import { describe, expect, it } from 'vitest';
import { type Graph, type Model, modelOf, type Node } from '../../src/graph/graph.ts';
import { type Tensor, tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import { createRandom } from '../../src/random/random.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { recurrentRemedies } from '../../src/remedies/recurrent/index.ts';
import { useGates } from '../../src/remedies/recurrent/rewrite.ts';
import { RemedyError } from '../../src/remedies/remedy.ts';
import { train } from '../../src/verbs/train.ts';
import { openTrainingData } from '../../src/verbs/training-data.ts';
import { decadesOf, exported, patientOf, reread, run, runtime } from './patients.ts';

const remedy = (id: string) => recurrentRemedies.find((candidate) => candidate.id === id)!;
const [T, N, I, H] = [7, 3, 4, 5] as const;
const random = createRandom(7);
const drawn = (...dims: number[]): Tensor =>
  tensorOf(
    'float32',
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => 0.5 * random.normal()),
  );

/** An RNN with every input and output, as a file might have it. */
function wholeRnn(direction: 'forward' | 'reverse' | 'bidirectional', extra: Partial<Node> = {}): Model {
  const D = direction === 'bidirectional' ? 2 : 1;
  const node: Node = {
    name: 'cell',
    op: 'RNN',
    domain: '',
    inputs: ['X', 'W', 'R', 'B', 'lengths', 'start'],
    outputs: ['Y', 'Y_h'],
    attributes: { hidden_size: H, direction, activations: Array.from({ length: D }, () => 'Relu') },
    ...extra,
  };
  const graph: Graph = {
    name: 'whole',
    nodes: [node],
    inputs: [
      { name: 'X', type: 'float32', shape: [T, N, I] },
      { name: 'start', type: 'float32', shape: [D, N, H] },
    ],
    outputs: [
      { name: 'Y', type: 'float32', shape: [T, D, N, H] },
      { name: 'Y_h', type: 'float32', shape: [D, N, H] },
    ],
    initializers: new Map([
      ['W', drawn(D, H, I)],
      ['R', drawn(D, H, H)],
      ['B', drawn(D, 2 * H)],
      ['lengths', tensorOf('int32', [N], [T, 4, 1])],
    ]),
    values: new Map(),
  };
  return modelOf(graph);
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** The equations of ONNX for one sample and direction: the states by step, in the order of time. */
function statesOf(
  op: 'LSTM' | 'GRU',
  xs: readonly number[][],
  weights: {
    W: (row: number, column: number) => number;
    R: (row: number, column: number) => number;
    B: (row: number) => number;
  },
  start: readonly number[],
  hidden: number,
): number[][] {
  const rows = (op === 'LSTM' ? 4 : 3) * hidden;
  let h = [...start];
  let c = h.map(() => 0);
  return xs.map((x) => {
    const fromX = Array.from({ length: rows }, (_, r) =>
      x.reduce((sum, v, i) => sum + v * weights.W(r, i), weights.B(r)),
    );
    const fromH = Array.from({ length: rows }, (_, r) =>
      h.reduce((sum, v, i) => sum + v * weights.R(r, i), weights.B(rows + r)),
    );
    const gate = (k: number, u: number) => sigmoid(fromX[k * hidden + u]! + fromH[k * hidden + u]!);
    if (op === 'LSTM') {
      const at = 3 * hidden;
      c = c.map((old, u) => gate(2, u) * old + gate(0, u) * Math.tanh(fromX[at + u]! + fromH[at + u]!));
      h = c.map((cell, u) => gate(1, u) * Math.tanh(cell));
    } else {
      const at = 2 * hidden;
      h = h.map((old, u) => {
        const candidate = Math.tanh(fromX[at + u]! + gate(1, u) * fromH[at + u]!);
        return gate(0, u) * old + (1 - gate(0, u)) * candidate;
      });
    }
    return h;
  });
}

describe.each(['LSTM', 'GRU'] as const)('%s in the place of an RNN', (op) => {
  const gates = op === 'LSTM' ? 4 : 3;

  it.each(['forward', 'reverse', 'bidirectional'] as const)(
    'keeps lengths, first state and outputs: %s',
    async (direction) => {
      const treated = await reread(useGates(wholeRnn(direction), op, 3));
      const { graph } = treated;
      const [node] = graph.nodes;
      expect(node).toMatchObject({ op, inputs: ['X', 'W', 'R', 'B', 'lengths', 'start'], outputs: ['Y', 'Y_h'] });
      expect(node!.attributes).toMatchObject({ hidden_size: H, direction });
      expect(node!.attributes).not.toHaveProperty('activations');
      const D = direction === 'bidirectional' ? 2 : 1;
      const inputs = new Map([
        ['X', drawn(T, N, I)],
        ['start', drawn(D, N, H)],
      ]);
      const [Y, last] = (await run(treated, inputs)).map(toFloat64) as [Float64Array, Float64Array];
      const [X, start] = [...inputs.values()].map(toFloat64) as [Float64Array, Float64Array];
      const [W, R, B] = ['W', 'R', 'B'].map((name) => toFloat64(graph.initializers.get(name)!)) as [
        Float64Array,
        Float64Array,
        Float64Array,
      ];
      [T, 4, 1].forEach((length, n) => {
        for (let d = 0; d < D; d++) {
          const backward = direction === 'reverse' || d === 1;
          const times = Array.from({ length }, (_, t) => (backward ? length - 1 - t : t));
          const states = statesOf(
            op,
            times.map((t) => Array.from(X.subarray((t * N + n) * I, (t * N + n + 1) * I))),
            {
              W: (r, i) => W[(d * gates * H + r) * I + i]!,
              R: (r, i) => R[(d * gates * H + r) * H + i]!,
              B: (r) => B[d * 2 * gates * H + r]!,
            },
            Array.from(start.subarray((d * N + n) * H, (d * N + n + 1) * H)),
            H,
          );
          times.forEach((t, step) => {
            const at = ((t * D + d) * N + n) * H;
            for (const [u, h] of states[step]!.entries()) expect(Y[at + u]).toBeCloseTo(h, 5);
          });
          for (const [u, h] of states.at(-1)!.entries()) expect(last[(d * N + n) * H + u]).toBeCloseTo(h, 5);
        }
      });
    },
  );

  it('draws each gate orthogonal from the past and Glorot from the input', () => {
    const { initializers } = useGates(wholeRnn('bidirectional'), op, 3).graph;
    expect(initializers.get('W')!.dims).toEqual([2, gates * H, I]);
    expect(initializers.get('R')!.dims).toEqual([2, gates * H, H]);
    expect(initializers.get('B')!.dims).toEqual([2, 2 * gates * H]);
    const R = toFloat64(initializers.get('R')!);
    for (let block = 0; block < 2 * gates; block++) {
      for (let a = 0; a < H; a++) {
        for (let b = 0; b <= a; b++) {
          let dot = 0;
          for (let k = 0; k < H; k++) dot += R[(block * H + a) * H + k]! * R[(block * H + b) * H + k]!;
          expect(dot).toBeCloseTo(a === b ? 1 : 0, 5);
        }
      }
    }
    const limit = Math.sqrt(6 / (I + H));
    const W = toFloat64(initializers.get('W')!);
    expect(Math.max(...W.map(Math.abs))).toBeLessThanOrEqual(limit * (1 + 1e-6));
    expect(Math.max(...W.map(Math.abs))).toBeGreaterThan(0.9 * limit);
    // Jozefowicz et al. 2015: the forget gate alone, once.
    const ones = op === 'LSTM' ? [2 * H, 3 * H] : [0, 0];
    const expected = Array.from({ length: 2 * gates * H }, (_, i) => Number(i >= ones[0]! && i < ones[1]!));
    expect(Array.from(toFloat64(initializers.get('B')!))).toEqual([...expected, ...expected]);
  });
});

describe('weights of a PyTorch export', () => {
  it.each([
    ['use-lstm', 4],
    ['use-gru', 3],
  ] as const)('keep names, PyTorch’s shapes and gate order: %s', async (id, gates) => {
    const { model, batch } = await exported('rnn_tanh_seq50');
    const patient = await patientOf(model, batch);
    const treated = await reread((await remedy(id).apply(patient.design, patient)).model);
    const { initializers } = treated.graph;
    const shapes = Object.fromEntries(
      [...initializers].filter(([name]) => /^(rnn|fc)\.\w+$/.test(name)).map(([name, { dims }]) => [name, dims]),
    );
    expect(shapes).toEqual({
      'rnn.weight_ih_l0': [gates * 32, 8],
      'rnn.weight_hh_l0': [gates * 32, 32],
      'rnn.bias_ih_l0': [gates * 32],
      'rnn.bias_hh_l0': [gates * 32],
      'fc.weight': [10, 32],
      'fc.bias': [10],
    });
    for (const name of ['fc.weight', 'fc.bias'])
      expect(initializers.get(name)).toEqual(model.graph.initializers.get(name));
    expect(treated.graph.inputs.map(({ name }) => name)).toEqual(model.graph.inputs.map(({ name }) => name));
    expect(treated.graph.outputs.map(({ name }) => name)).toEqual(['logits']);
    // torch.nn.LSTM: i, f, g, o and torch.nn.GRU: r, z, n, seen through the equations in ONNX order.
    const torch = id === 'use-lstm' ? [0, 3, 1, 2] : [1, 0, 2];
    const stored = (name: string) => toFloat64(initializers.get(name)!);
    const [W, R, b, c] = ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'].map((part) => stored(`rnn.${part}_l0`)) as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    if (id === 'use-lstm') expect(Array.from(b.subarray(32, 64))).toEqual(Array(32).fill(1));
    const row = (r: number) => torch[Math.floor(r / 32)]! * 32 + (r % 32);
    const X = [...(batch as { inputs: ReadonlyMap<string, Tensor> }).inputs.values()][0]!;
    const [samples, steps] = X.dims as [number, number, number];
    const x = toFloat64(X);
    const sample = 2;
    const states = statesOf(
      id === 'use-lstm' ? 'LSTM' : 'GRU',
      Array.from({ length: steps }, (_, t) =>
        Array.from(x.subarray((sample * steps + t) * 8, (sample * steps + t + 1) * 8)),
      ),
      {
        W: (r, i) => W[row(r) * 8 + i]!,
        R: (r, i) => R[row(r) * 32 + i]!,
        B: (r) => (r < gates * 32 ? b[row(r)]! : c[row(r - gates * 32)]!),
      },
      Array(32).fill(0),
      32,
    );
    const [logits] = await run(treated, new Map([[treated.graph.inputs[0]!.name, X]]));
    expect(logits!.dims).toEqual([samples, 10]);
    const [F, f] = [stored('fc.weight'), stored('fc.bias')];
    for (let k = 0; k < 10; k++) {
      const expected = states.at(-1)!.reduce((sum, h, u) => sum + h * F[k * 32 + u]!, f[k]!);
      expect(toFloat64(logits!)[sample * 10 + k]).toBeCloseTo(expected, 5);
    }
  });

  it('train, and pass more gradient through time than before', async () => {
    const { model, batch } = await exported('rnn_tanh_seq50');
    const patient = await patientOf(model, batch);
    expect(patient.diagnosis.verdict).toBe('vanishing');
    for (const { id, apply, predict } of recurrentRemedies) {
      const treated = await reread((await apply(patient.design, patient)).model);
      const after = await patientOf(treated, batch);
      expect(after.diagnosis.verdict, id).not.toBe('vanishing');
      const [before, now] = [patient, after].map(({ profile }) => profile.recurrent![0]!.recurrence);
      expect(now! - before!, id).toBeGreaterThan(5);
      expect(Math.abs(predict(patient)! - (await decadesOf(treated, batch))), id).toBeLessThan(1);
      const data = await openTrainingData(batch, treated.graph.inputs, { seed: 1, output: treated.graph.outputs[0] });
      const options = { runtime, data, batch: 4, steps: 12, learningRate: 0.02, seed: 1, monitor: false };
      const losses: number[] = [];
      for await (const event of train(treated, { ...options, optimizer: { name: 'adam' } })) {
        if (event.kind === 'step') losses.push(event.loss);
      }
      expect(losses.length).toBe(12);
      expect(losses.at(-1)!, id).toBeLessThan(losses[0]!);
    }
  }, 30_000);
});

describe('forms of storage', () => {
  it('are kept in specs, of both directions and in stacks, with biases for the forget gate', async () => {
    const model = buildSpec({
      input: [9, 4],
      layers: [{ rnn: { units: 6, bias: false, repeat: 2, bidirectional: true, name: 'memory' } }, { dense: 3 }],
      seed: 1,
    });
    const treated = await reread(useGates(model, 'LSTM', 1));
    const shapes = Object.fromEntries(
      [...treated.graph.initializers]
        .filter(([name]) => name.startsWith('memory'))
        .map(([name, { dims }]) => [name, dims]),
    );
    expect(shapes).toMatchObject({
      'memory.0.weight': [2, 24, 4],
      'memory.1.weight': [2, 24, 12],
      'memory.1.recurrent': [2, 24, 6],
      'memory.0.bias': [2, 48],
      'memory.1.bias': [2, 48],
    });
    const [before] = await run(model, new Map([['input', drawn(2, 9, 4)]]));
    const [after] = await run(treated, new Map([['input', drawn(2, 9, 4)]]));
    expect(after!.dims).toEqual(before!.dims);
    expect(useGates(model, 'GRU', 1).graph.initializers.has('memory.0.bias')).toBe(false);
  });

  it('may be shared by layers: drawn once', async () => {
    const model = wholeRnn('forward', { inputs: ['X', 'W', 'R', 'B'] });
    const twin: Node = { ...model.graph.nodes[0]!, name: 'twin', outputs: ['Y2', ''], attributes: { hidden_size: H } };
    model.graph.nodes.push(twin);
    model.graph.outputs.push({ name: 'Y2', type: 'float32', shape: [T, 1, N, H] });
    const treated = await reread(useGates(model, 'LSTM', 1));
    expect(treated.graph.nodes.map(({ op, inputs }) => [op, ...inputs])).toEqual(
      Array(2).fill(['LSTM', 'X', 'W', 'R', 'B']),
    );
    const inputs = new Map([
      ['X', drawn(T, N, I)],
      ['start', drawn(1, N, H)],
    ]);
    const results = await run(treated, inputs);
    expect(results[2]!.data).toEqual(results[0]!.data);
  });

  it('that count rows get new tensors', async () => {
    const model = wholeRnn('forward', { inputs: ['X', 'turned', 'R', 'B', '', 'start'] });
    model.graph.initializers.set('Wt', drawn(1, I, H));
    model.graph.nodes.unshift({
      name: 'turn',
      op: 'Transpose',
      domain: '',
      inputs: ['Wt'],
      outputs: ['turned'],
      attributes: { perm: [0, 2, 1] },
    });
    const treated = await reread(useGates(model, 'GRU', 1));
    expect(treated.graph.nodes.map(({ op }) => op)).toEqual(['GRU']);
    expect(treated.graph.initializers.has('Wt')).toBe(false);
    const [Y] = await run(
      treated,
      new Map([
        ['X', drawn(T, N, I)],
        ['start', drawn(1, N, H)],
      ]),
    );
    expect(Y!.dims).toEqual([T, 1, N, H]);
  });

  it('that are computed are refused', async () => {
    const model = wholeRnn('forward', { inputs: ['X', 'scaled', 'R', 'B'] });
    model.graph.nodes.unshift({
      name: 'scale',
      op: 'Abs',
      domain: '',
      inputs: ['W'],
      outputs: ['scaled'],
      attributes: {},
    });
    const patient = { seed: 1, design: { model } } as never;
    expect(() => remedy('use-lstm').apply({ model } as never, patient)).toThrow(RemedyError);
  });
});

describe('applies', () => {
  it('speaks of time only, and not of gates or of healthy networks', async () => {
    const why = async (name: string) => {
      const { model, batch } = await exported(name);
      const patient = await patientOf(model, batch);
      return recurrentRemedies.map(({ applies }) => applies(patient));
    };
    const [lstm, gru] = await why('rnn_relu_explode_seq50');
    expect(lstm).toMatch(/10\^11\.\d times the last one's gradient, and rnn\.l0 has no gates/);
    expect(gru).toBe(lstm);
    expect(await why('rnn_relu_identity_seq50')).toEqual([undefined, undefined]);
    expect(await why('lstm_seq50')).toEqual([undefined, undefined]);
    expect(await why('mlp_sigmoid_x10')).toEqual([undefined, undefined]);
  });

  it('rules out what it replaces', () => {
    expect(remedy('use-lstm').conflicts).toEqual(['use-gru', 'use-orthogonal-recurrence', 'use-identity-recurrence']);
  });
});

describe('patches', () => {
  it('name the module, the layer and its size', async () => {
    const { model, batch } = await exported('rnn_tanh_seq50');
    const patient = await patientOf(model, batch);
    const { pytorch, keras, tfjs } = remedy('use-lstm').patch(patient);
    expect(pytorch).toContain('model.rnn = gated(model.rnn)');
    expect(keras).toContain('names = ["rnn.l0"]');
    expect(keras).toContain('keras.layers.LSTM(name=name, **{key: config[key] for key in shared})');
    expect(tfjs).toContain('const names = new Set(["rnn.l0"]);');
    expect(tfjs).toContain("tf.layers.lstm({ ...shared, recurrentActivation: 'sigmoid', name })");
  });
});
