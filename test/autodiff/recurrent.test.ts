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
