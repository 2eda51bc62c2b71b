import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.ts';
import type { Attribute } from '../../src/graph/graph.ts';
import { sizeOf, type Tensor, tensorOf } from '../../src/graph/tensor.ts';
import { normals, seeded } from '../helpers/random.ts';
import { checkGraph } from './gradient-check.ts';

const gates = { RNN: 1, GRU: 3, LSTM: 4 } as const;
type Op = keyof typeof gates;

interface Sequence {
  op: Op;
  direction?: 'forward' | 'reverse' | 'bidirectional';
  /** Which outputs the loss reads. */
  reads?: readonly string[];
  lengths?: readonly number[];
  initial?: boolean;
  bias?: boolean;
  peepholes?: boolean;
  attributes?: Record<string, Attribute>;
  sizes?: readonly [T: number, N: number, I: number, H: number];
  seed?: number;
  step?: number;
  tolerance?: number;
}

/** Checks every gradient of a recurrent node by central differences; float32 is all its kernels have. */
async function checkSequence(test: Sequence): Promise<void> {
  const { op, direction = 'forward', reads = ['Y'], lengths, initial = true, bias = true, seed = 1 } = test;
  const [T, N, I, H] = test.sizes ?? [4, 2, 3, 2];
  const D = direction === 'bidirectional' ? 2 : 1;
  const G = gates[op] * H;
  const random = seeded(seed);
  const g = new GraphBuilder();
  const feeds = new Map<string, Tensor>();
  const wrt: string[] = [];
  const input = (name: string, shape: number[], size = 1) => {
    const tensor = tensorOf(
      'float32',
      shape,
      normals(random, sizeOf(shape)).map((x) => x * size),
    );
    feeds.set(name, tensor);
    wrt.push(name);
    return g.input(name, 'float32', shape);
  };
  const inputs = [
    input('X', [T, N, I]),
    input('W', [D, G, I], 0.6),
    input('R', [D, G, H], 0.6),
    bias ? input('B', [D, 2 * G], 0.3) : null,
    lengths ? g.initializer('lengths', tensorOf('int32', [N], lengths)) : null,
    initial ? input('initial_h', [D, N, H]) : null,
    op === 'LSTM' && initial ? input('initial_c', [D, N, H]) : null,
    op === 'LSTM' && test.peepholes ? input('P', [D, 3 * H], 0.5) : null,
  ];
  const last: readonly ['float32', number[]] = ['float32', [D, N, H]];
  const names = op === 'LSTM' ? ['Y', 'Y_h', 'Y_c'] : ['Y', 'Y_h'];
  const specs = [['float32', [T, D, N, H]] as const, last, last].slice(0, names.length);
  const outputs = names.map((name) => (reads.includes(name) ? name : ''));
  g.add(op, inputs, specs, { hidden_size: H, direction, ...test.attributes }, { node: op, outputs });
  for (const name of reads) g.output({ name, type: 'float32', shape: [] });
  g.graph.outputs = g.graph.outputs.map(({ name }) => ({ name }));
  const { step = 1e-2, tolerance = 2e-3 } = test;
  await checkGraph(g.graph, feeds, wrt, { step, tolerance, random });
}

describe.each(['RNN', 'GRU', 'LSTM'] as const)('%s', (op) => {
  it.each(['forward', 'reverse', 'bidirectional'] as const)('%s', (direction) => checkSequence({ op, direction }));
  it.each(['forward', 'reverse', 'bidirectional'] as const)('variable lengths, %s', (direction) =>
    checkSequence({ op, direction, lengths: [4, 2, 3], sizes: [4, 3, 2, 2], reads: ['Y', 'Y_h'] }),
  );
});

describe.each(['RNN', 'GRU', 'LSTM'] as const)('an empty sequence in %s', (op) => {
  it.each(['forward', 'reverse', 'bidirectional'] as const)('%s', (direction) =>
    checkSequence({ op, direction, lengths: [0, 3], reads: op === 'LSTM' ? ['Y', 'Y_h', 'Y_c'] : ['Y', 'Y_h'] }),
  );
});

describe('LSTM', () => {
  it.each(['forward', 'reverse', 'bidirectional'] as const)('peepholes, %s', (direction) =>
    checkSequence({ op: 'LSTM', direction, peepholes: true, reads: ['Y', 'Y_c'] }),
  );
  it.each(['forward', 'reverse'] as const)('peepholes and variable lengths, %s', (direction) =>
    checkSequence({ op: 'LSTM', direction, peepholes: true, lengths: [2, 4], reads: ['Y', 'Y_h', 'Y_c'] }),
  );
});

describe('GRU', () => {
  it.each(['forward', 'reverse', 'bidirectional'] as const)('reset after the product, %s', (direction) =>
    checkSequence({ op: 'GRU', direction, attributes: { linear_before_reset: 1 }, reads: ['Y', 'Y_h'] }),
  );
  it.each(['forward', 'reverse'] as const)('reset after the product, variable lengths, %s', (direction) =>
    checkSequence({
      op: 'GRU',
      direction,
      attributes: { linear_before_reset: 1 },
      lengths: [2, 4],
      reads: ['Y', 'Y_h'],
    }),
  );
});

describe('any combination', () => {
  it('of outputs, lengths, directions and initial states', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          op: fc.constantFrom('RNN' as const, 'GRU' as const, 'LSTM' as const),
          direction: fc.constantFrom('forward' as const, 'reverse' as const, 'bidirectional' as const),
          outputs: fc.subarray(['Y', 'Y_h', 'Y_c'], { minLength: 1 }),
          sizes: fc.tuple(
            fc.integer({ min: 1, max: 5 }),
            fc.constant(3),
            fc.constant(2),
            fc.integer({ min: 1, max: 3 }),
          ),
          lengths: fc.option(fc.tuple(fc.nat(4), fc.nat(4), fc.nat(4)), { nil: undefined }),
          initial: fc.boolean(),
          bias: fc.boolean(),
          peepholes: fc.boolean(),
          reset: fc.boolean(),
          seed: fc.nat(1000),
        }),
        async ({ outputs, lengths, reset, ...rest }) => {
          const T = rest.sizes[0];
          const reads = rest.op === 'LSTM' ? outputs : outputs.map((name) => (name === 'Y_c' ? 'Y_h' : name));
          await checkSequence({
            ...rest,
            reads: [...new Set(reads)],
            lengths: lengths?.map((n) => 1 + (n % T)),
            attributes: rest.op === 'GRU' ? { linear_before_reset: +reset } : {},
          });
        },
      ),
      { numRuns: 60, seed: 11 },
    );
  });
});

describe('activation functions', () => {
  const smooth = ['Sigmoid', 'Tanh', 'Softsign', 'Softplus'];
  it.each(smooth)('%s in an RNN', (name) => checkSequence({ op: 'RNN', attributes: { activations: [name] } }));

  it.each([
    ['Affine', [0.7], [0.2]],
    ['ScaledTanh', [1.7], [0.6]],
    ['HardSigmoid', [0.1], [0.5]],
    ['Elu', [0.8], []],
    ['LeakyRelu', [0.3], []],
  ] as const)('%s in an RNN', (name, alpha, beta) => {
    const parameters = { activation_alpha: [...alpha], ...(beta.length > 0 && { activation_beta: [...beta] }) };
    // A small step: a kink inside it would spoil the difference.
    return checkSequence({
      op: 'RNN',
      attributes: { activations: [name], ...parameters },
      step: 2e-3,
      tolerance: 1e-2,
    });
  });

  it('Relu in an RNN', () =>
    checkSequence({ op: 'RNN', attributes: { activations: ['Relu'] }, step: 1e-3, tolerance: 1e-2, seed: 3 }));

  it.each(['RNN', 'GRU', 'LSTM'] as const)(
    'others in every place of a bidirectional %s, numbers used in order',
    (op) => {
      const activations = {
        RNN: ['HardSigmoid', 'Elu'],
        GRU: ['HardSigmoid', 'Tanh', 'Sigmoid', 'ScaledTanh'],
        LSTM: ['HardSigmoid', 'ScaledTanh', 'Tanh', 'Sigmoid', 'Affine', 'Softsign'],
      }[op];
      const numbers = {
        RNN: { activation_alpha: [0.15, 0.6], activation_beta: [0.4] },
        GRU: { activation_alpha: [0.15, 1.3], activation_beta: [0.4, 0.7] },
        LSTM: { activation_alpha: [0.15, 1.3, 0.8], activation_beta: [0.4, 0.7, 0.1] },
      }[op];
      return checkSequence({
        op,
        direction: 'bidirectional',
        attributes: { activations, ...numbers },
        step: 2e-3,
        tolerance: 1e-2,
      });
    },
  );
});

describe('what is refused says why', () => {
  it.each([
    ['LSTM', { input_forget: 1 }, /couples input and forget gates/],
    ['RNN', { clip: 2.5 }, /clips its pre-activations/],
  ] as const)('%s %o', async (op, attributes, message) => {
    await expect(checkSequence({ op, attributes })).rejects.toThrow(message);
  });
});
