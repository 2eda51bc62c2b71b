import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.ts';
import type { Value } from '../../src/graph/graph.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { checkGraph } from './gradient-check.ts';
import { pullBackGraph } from './pull-back.ts';

const type = 'float32';
const { abs } = Math;

/** Runs a function written in operators at some points and returns its derivative there. */
async function derivativeOf(write: (g: GraphBuilder, X: Value) => Value, points: number[]): Promise<number[]> {
  const g = new GraphBuilder();
  const X = g.input('X', type, [points.length]);
  const Y = write(g, X);
  expect(g.graph.nodes.at(-1)!.outputs).toEqual([Y.name]);
  const { dX } = await pullBackGraph(
    g.graph,
    new Map([['X', tensorOf(type, [points.length], points)]]),
    ['X'],
    undefined,
  );
  return dX!;
}

const constant = (g: GraphBuilder, value: number) => g.scalar(value, type);
const pointsOf = (truth: [number, number][]) => truth.map(([x]) => x);

/** Truth: torch 1.13 in double precision: [x, derivative]. */
const gelu: [number, number][] = [
  [-2, -0.08523180107819692],
  [-0.5, 0.13250487534383712],
  [0, 0.5],
  [1, 1.0833154705876864],
  [3, 1.011945647204184],
];
const geluTanh: [number, number][] = [
  [-2, -0.0860992566236183],
  [-0.5, 0.13263009646535764],
  [0, 0.5],
  [1, 1.0829640838457826],
  [3, 1.0115841666309695],
];
const silu: [number, number][] = [
  [-6, -0.012326432591525513],
  [-2, -0.09078424878489547],
  [0, 0.5],
  [1, 0.9276705118714869],
  [3, 1.0881041060151693],
];

describe('activations as exporters write them', () => {
  it.each([
    {
      name: 'Gelu by Erf, divided first (PyTorch)',
      truth: gelu,
      write: (g: GraphBuilder, X: Value) => {
        const cdf = g.plus(g.erf(g.div(X, constant(g, Math.SQRT2))), constant(g, 1));
        return g.mul(g.mul(X, cdf), constant(g, 0.5));
      },
    },
    {
      name: 'Gelu by Tanh, with the cube as a power (PyTorch)',
      truth: geluTanh,
      write: (g: GraphBuilder, X: Value) => {
        const cubic = g.mul(constant(g, 0.044715), g.pow(X, constant(g, 3)));
        const inner = g.mul(constant(g, Math.sqrt(2 / Math.PI)), g.plus(X, cubic));
        return g.mul(g.mul(constant(g, 0.5), X), g.plus(constant(g, 1), g.tanh(inner)));
      },
    },
    { name: 'SiLU as X · Sigmoid(X)', truth: silu, write: (g: GraphBuilder, X: Value) => g.mul(X, g.sigmoid(X)) },
    {
      name: 'SiLU as X / (1 + e^−X)',
      truth: silu,
      write: (g: GraphBuilder, X: Value) => g.div(X, g.plus(g.exp(g.neg(X)), constant(g, 1))),
    },
    {
      name: 'Relu as Max with 0, half at the kink',
      truth: [
        [-1, 0],
        [0, 0.5],
        [2, 1],
      ] as [number, number][],
      write: (g: GraphBuilder, X: Value) => g.max(X, constant(g, 0)),
    },
    {
      name: 'Relu6 as Min of Max',
      truth: [
        [-1, 0],
        [2, 1],
        [7, 0],
      ] as [number, number][],
      write: (g: GraphBuilder, X: Value) => g.min(g.max(X, constant(g, 0)), constant(g, 6)),
    },
    {
      name: '|X| as X · Sign(X): the sign’s own gradient is zero',
      truth: [
        [-3, -1],
        [2, 1],
      ] as [number, number][],
      write: (g: GraphBuilder, X: Value) => g.mul(X, g.sign(X)),
    },
  ])('$name', async ({ truth, write }) => {
    const dX = await derivativeOf(write, pointsOf(truth));
    truth.forEach(([x, expected], i) => {
      expect(abs(dX[i]! - expected), `at ${x}: ${dX[i]} against ${expected}`).toBeLessThan(2e-6);
    });
  });
});

describe('layers as exporters decompose them, against differences', () => {
  const feed = (shape: number[], from: (i: number) => number) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return tensorOf(
      'float64',
      shape,
      Array.from({ length: size }, (_, i) => from(i)),
    );
  };
  const wave = (i: number) => Math.sin(1 + 1.7 * i) + 0.1 * i;

  it('LayerNormalization by ReduceMean, Sub, Pow, Sqrt and Div', async () => {
    const g = new GraphBuilder();
    const X = g.input('X', 'float64', [3, 5]);
    const scale = g.input('scale', 'float64', [5]);
    const centred = g.sub(X, g.reduceMean(X, [1]));
    const variance = g.reduceMean(g.pow(centred, g.scalar(2, 'float64')), [1]);
    const normal = g.div(centred, g.sqrt(g.shift(variance, 1e-5)));
    g.output(g.mul(normal, scale));
    const feeds = new Map([
      ['X', feed([3, 5], wave)],
      ['scale', feed([5], (i) => 1 + i / 3)],
    ]);
    await checkGraph(g.graph, feeds, ['X', 'scale']);
  });

  it('Softmax by ReduceMax, Exp and ReduceSum', async () => {
    const g = new GraphBuilder();
    const X = g.input('X', 'float64', [2, 4]);
    const powers = g.exp(g.sub(X, g.reduceMax(X, [1])));
    g.output(g.div(powers, g.reduceSum(powers, [1])));
    await checkGraph(g.graph, new Map([['X', feed([2, 4], wave)]]), ['X']);
  });

  it('a residual block reads its input twice', async () => {
    const g = new GraphBuilder();
    const X = g.input('X', 'float64', [4]);
    const twice = g.plus(X, g.tanh(g.mul(X, X)));
    g.output(g.mul(twice, twice));
    await checkGraph(g.graph, new Map([['X', feed([4], wave)]]), ['X']);
  });

  it('rotary position embedding: halves cut, negated, joined', async () => {
    const g = new GraphBuilder();
    const X = g.input('X', 'float64', [2, 6]);
    const left = g.slice(X, [1], [0], [3]);
    const right = g.slice(X, [1], [3], [6]);
    const rotated = g.concat([g.neg(right), left], 1);
    const angles = g.constant(feed([2, 6], (i) => i / 5));
    g.output(g.plus(g.mul(X, g.unary('Cos', angles)), g.mul(rotated, g.unary('Sin', angles))));
    await checkGraph(g.graph, new Map([['X', feed([2, 6], wave)]]), ['X']);
  });
});
