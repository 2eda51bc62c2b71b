import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { type Attribute, type Graph, modelOf, type Value } from '../../src/graph/graph.ts';
import { decodeModel } from '../../src/graph/onnx/decode.ts';
import { scalarOf, type Tensor, tensorOf } from '../../src/graph/tensor.ts';
import { bindShapes } from '../../src/runtime/bind.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { normals, seeded } from '../helpers/random.ts';
import { checkGraph } from './gradient-check.ts';
import { pullBackGraph } from './pull-back.ts';

const type = 'float64';
type Shape = readonly number[];
type Spec = readonly [name: string, shape: Shape, type?: Tensor['type']];

/** A subgraph; what it reads of `captured` is given with the name it has outside. */
function subgraph(inputs: Spec[], captured: Value[], write: (g: GraphBuilder, inputs: Value[]) => Value[]): Graph {
  const g = new GraphBuilder(undefined, captured);
  g.scope = `${inputs[0]?.[0] ?? 'branch'}_${counter++}/`;
  const outputs = write(
    g,
    inputs.map(([name, shape, of]) => g.input(g.uniqueName(name), of ?? type, shape)),
  );
  for (const value of outputs) g.output(value);
  return g.graph;
}
let counter = 0;

function draw(...specs: Spec[]): Map<string, Tensor> {
  const random = seeded(3);
  return new Map(
    specs.map(([name, shape]) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return [
        name,
        tensorOf(
          type,
          shape,
          normals(random, size).map((x) => 0.6 * x),
        ),
      ];
    }),
  );
}

/** A graph around one node; every float output enters the loss. */
function around(
  op: string,
  feeds: Map<string, Tensor>,
  inputs: (string | null)[],
  outputs: string[],
  attributes: (values: (name: string) => Value) => Record<string, Attribute>,
  prepare: (g: GraphBuilder) => void = () => {},
): Graph {
  const g = new GraphBuilder();
  for (const [name, tensor] of feeds) g.input(name, tensor.type, tensor.dims);
  prepare(g);
  const node = { name: op.toLowerCase(), op, domain: '', inputs: inputs.map((name) => name ?? ''), outputs };
  g.graph.nodes.push({ ...node, attributes: attributes((name) => g.value(name)) });
  g.graph.outputs = outputs.filter((name) => name !== '').map((name) => ({ name }));
  return g.graph;
}

const rnnFeeds = () => draw(['h0', [2, 3]], ['X', [4, 2, 2]], ['W', [2, 3]], ['R', [3, 3]]);
/** h' = tanh(x W + h R), emitted as well. */
const cell = (g: GraphBuilder, h: Value, x: Value, W: Value, R: Value) =>
  g.tanh(g.plus(g.matmul(x, W), g.matmul(h, R)));
const rnnBody = (value: (name: string) => Value) =>
  subgraph(
    [
      ['h', [2, 3]],
      ['x', [2, 2]],
    ],
    [value('W'), value('R')],
    (g, [h, x]) => {
      const next = cell(g, h!, x!, value('W'), value('R'));
      return [next, g.identity(next)];
    },
  );
const rnn = (attributes: Record<string, Attribute> = {}) =>
  around('Scan', rnnFeeds(), ['h0', 'X'], ['hT', 'Y'], (value) => ({
    body: rnnBody(value),
    num_scan_inputs: 1,
    ...attributes,
  }));

describe('Scan', () => {
  it('a linear recurrence has the gradient of its closed form', async () => {
    // h_T = a^T h_0 + Σ a^(T−t) x_t
    const [a, h0, x] = [0.9, 0.5, [0.3, -1, 2]];
    const feeds = new Map([
      ['h0', scalarOf(type, h0)],
      ['a', scalarOf(type, a)],
      ['X', tensorOf(type, [3], x)],
    ]);
    const graph = around('Scan', feeds, ['h0', 'X'], ['hT'], (value) => ({
      body: subgraph(
        [
          ['h', []],
          ['x', []],
        ],
        [value('a')],
        (g, [h, xt]) => [g.plus(g.mul(value('a'), h!), xt!)],
      ),
      num_scan_inputs: 1,
    }));
    const { dh0, dX, da } = await pullBackGraph(graph, feeds, ['h0', 'X', 'a'], [1]);
    expect(dh0![0]).toBeCloseTo(a ** 3, 14);
    expect(dX).toEqual([a * a, a, 1].map((truth) => expect.closeTo(truth, 14)));
    expect(da![0]).toBeCloseTo(3 * a * a * h0 + 2 * a * x[0]! + x[1]!, 14);
  });

  it.each([0, 1])('equals the unrolled network (direction %i)', async (direction) => {
    const feeds = rnnFeeds();
    const scanned = rnn({ scan_input_directions: [direction] });
    const g = new GraphBuilder();
    const [h0, X, W, R] = [...feeds].map(([name, tensor]) => g.input(name, type, tensor.dims)) as [
      Value,
      Value,
      Value,
      Value,
    ];
    const steps = [0, 1, 2, 3].map((t) => (direction === 0 ? t : 3 - t));
    const last = steps.reduce((h, t) => cell(g, h, g.reshape(g.slice(X, [0], [t], [t + 1]), [2, 2]), W, R), h0);
    expect(g.graph.nodes.at(-1)!.outputs).toEqual([last.name]);
    const dY = normals(seeded(5), 6);
    const wrt = ['h0', 'X', 'W', 'R'];
    const ours = await pullBackGraph(scanned, feeds, wrt, dY);
    const unrolled = await pullBackGraph(g.graph, feeds, wrt, dY);
    for (const name of wrt) {
      const truth = unrolled[`d${name}`]!.map((x) => expect.closeTo(x, 12));
      expect(ours[`d${name}`], name).toEqual(truth);
    }
  });

  it('gradients of all it reads, final state and outputs', () => checkGraph(rnn(), rnnFeeds(), [...rnnFeeds().keys()]));
  it('reverse in, forward out', () =>
    checkGraph(rnn({ scan_input_directions: [1], scan_output_directions: [0] }), rnnFeeds(), ['h0', 'X', 'W', 'R']));
  it('only what is asked for', async () => {
    const { dW, dX, backwardOps } = await pullBackGraph(rnn(), rnnFeeds(), ['W'], normals(seeded(5), 6));
    expect(dW).toHaveLength(6);
    expect(dX).toBeUndefined();
    expect(backwardOps).toContain('Scan');
  });

  it('two states, two inputs along other axes and directions, outputs in reverse', async () => {
    const feeds = draw(['a0', [2]], ['b0', [3]], ['U', [2, 3]], ['V', [3, 4]], ['w', [3]]);
    feeds.set('V', tensorOf(type, [3, 3], normals(seeded(9), 9)));
    const graph = around('Scan', feeds, ['a0', 'b0', 'U', 'V'], ['aT', 'bT', 'P', 'Q'], (value) => ({
      body: subgraph(
        [
          ['a', [2]],
          ['b', [3]],
          ['u', [2]],
          ['v', [3]],
        ],
        [value('w')],
        (g, [a, b, u, v]) => {
          const nextA = g.sigmoid(g.plus(g.mul(a!, u!), g.reduceSum(b!, [0])));
          const nextB = g.mul(g.tanh(g.plus(b!, v!)), value('w'));
          const outer = g.mul(g.reshape(nextA, [2, 1]), g.reshape(nextB, [1, 3]));
          return [nextA, nextB, outer, g.mul(u!, nextA)];
        },
      ),
      num_scan_inputs: 2,
      scan_input_axes: [1, -2],
      scan_input_directions: [1, 0],
      scan_output_axes: [-1, 0],
      scan_output_directions: [1, 0],
    }));
    await checkGraph(graph, feeds, ['a0', 'b0', 'U', 'V', 'w']);
  });

  it('a state nothing wanted reaches carries nothing; a counter runs along', async () => {
    const feeds = rnnFeeds();
    const graph = around(
      'Scan',
      feeds,
      ['n0', 'h0', 'X'],
      ['nT', 'hT', 'ns'],
      (value) => ({
        body: subgraph(
          [
            ['n', [], 'int64'],
            ['h', [2, 3]],
            ['x', [2, 2]],
          ],
          [value('W'), value('R')],
          (g, [n, h, x]) => {
            const next = g.plus(n!, g.scalar(1, 'int64'));
            const scaled = g.div(cell(g, h!, x!, value('W'), value('R')), g.cast(next, type));
            return [next, scaled, g.identity(next)];
          },
        ),
        num_scan_inputs: 1,
      }),
      (g) => g.initializer('n0', scalarOf('int64', 0)),
    );
    await checkGraph(graph, feeds, ['h0', 'X', 'W', 'R']);
  });

  it('a state that reads no input still runs backwards', async () => {
    const feeds = draw(['h0', [2]], ['X', [5, 1]], ['c', [2]]);
    const graph = around('Scan', feeds, ['h0', 'X'], ['hT'], (value) => ({
      body: subgraph(
        [
          ['h', [2]],
          ['x', [1]],
        ],
        [value('c')],
        (g, [h]) => [g.plus(g.scale(h!, 0.5), value('c'))],
      ),
      num_scan_inputs: 1,
    }));
    const { dh0, dc } = await pullBackGraph(graph, feeds, ['h0', 'c'], [1, 2]);
    expect(dh0).toEqual([2 ** -5, 2 ** -4]);
    expect(dc).toEqual([1.9375, 3.875]);
  });

  it('within a Scan', async () => {
    const feeds = draw(['h0', [2]], ['X', [3, 4, 2]], ['w', [2]]);
    const graph = around('Scan', feeds, ['h0', 'X'], ['hT', 'Y'], (value) => ({
      body: subgraph(
        [
          ['row', [2]],
          ['xs', [4, 2]],
        ],
        [value('w')],
        (g, [row, xs]) => {
          const inner = subgraph(
            [
              ['h', [2]],
              ['x', [2]],
            ],
            [value('w'), row!],
            (b, [h, x]) => {
              const next = b.tanh(b.plus(b.mul(h!, value('w')), b.mul(x!, row!)));
              return [next, b.identity(next)];
            },
          );
          const specs = [[type, [2]] as const, [type, [4, 2]] as const];
          const [last, all] = g.add('Scan', [row!, xs!], specs, { body: inner, num_scan_inputs: 1 });
          return [last!, all!];
        },
      ),
      num_scan_inputs: 1,
    }));
    await checkGraph(graph, feeds, ['h0', 'X', 'w']);
  });

  it('with an If on each step', async () => {
    const feeds = rnnFeeds();
    const graph = around('Scan', feeds, ['h0', 'X'], ['hT', 'Y'], (value) => ({
      body: subgraph(
        [
          ['h', [2, 3]],
          ['x', [2, 2]],
        ],
        [value('W'), value('R')],
        (g, [h, x]) => {
          const sum = g.reshape(g.reduceSum(x!, [0, 1]), []);
          const positive = g.greater(sum, g.scalar(0, type));
          const next = g.add('If', [positive], [[type, [2, 3]]], {
            then_branch: subgraph([], [h!, x!, value('W'), value('R')], (b) => [
              cell(b, h!, x!, value('W'), value('R')),
            ]),
            else_branch: subgraph([], [h!, value('R')], (b) => [b.scale(b.matmul(h!, value('R')), 0.5)]),
          })[0]!;
          return [next, g.identity(next)];
        },
      ),
      num_scan_inputs: 1,
    }));
    await checkGraph(graph, feeds, ['h0', 'X', 'W', 'R']);
  });
});

describe('If', () => {
  const choice = (prepare: (g: GraphBuilder) => Value) => (feeds: Map<string, Tensor>) => {
    const g = new GraphBuilder();
    for (const [name, tensor] of feeds) g.input(name, tensor.type, tensor.dims);
    const [A, B] = [g.value('A'), g.value('B')];
    const twice = g.scale(A, 2);
    g.add(
      'If',
      [prepare(g)],
      [[type, [2]]],
      {
        then_branch: subgraph([], [twice, B], (b) => [b.mul(twice, B)]),
        else_branch: subgraph([], [B], (b) => [b.tanh(B)]),
      },
      { node: 'choose', outputs: ['Y'] },
    );
    g.graph.outputs = [{ name: 'Y' }];
    return g.graph;
  };
  const data = (sign: number) =>
    new Map([
      ['A', tensorOf(type, [2], [sign, sign * 2])],
      ['B', tensorOf(type, [2], [0.5, -0.25])],
    ]);
  const onData = choice((g) => {
    const sum = g.reshape(g.reduceSum(g.value('A'), [0]), []);
    return g.greater(sum, g.scalar(0, type));
  });

  it('on the data: the branch taken decides, the other reads nothing', async () => {
    const taken = await pullBackGraph(onData(data(1)), data(1), ['A', 'B'], [1, 1]);
    expect([taken.dA, taken.dB]).toEqual([
      [1, -0.5],
      [2, 4],
    ]);
    expect(taken.backwardOps).toContain('If');
    const other = await pullBackGraph(onData(data(-1)), data(-1), ['A', 'B'], [1, 1]);
    expect(other.dA).toEqual([0, 0]);
    expect(other.dB).toEqual([0.5, -0.25].map((x) => expect.closeTo(1 - Math.tanh(x) ** 2, 12)));
  });

  it.each([
    [1, ['Mul', 'Mul']],
    [0, ['Mul', 'Tanh']],
  ])('on a constant %i: the branch stands in its place', async (value, ops) => {
    const graph = choice((g) => g.initializer('condition', scalarOf('bool', value)))(data(1));
    const bound = await bindShapes(nodeRuntime(), modelOf(graph), data(1));
    expect(bound.graph.nodes.map(({ op }) => op)).toEqual(ops);
    expect(bound.graph.nodes.at(-1)).toMatchObject({ outputs: ['Y'] });
    expect(bound.graph.nodes.at(-1)!.name).toMatch(/^choose\//);
    await checkGraph(graph, data(1), value === 1 ? ['A', 'B'] : ['B']);
  });

  it('on a shape: a branch that could not run is never tried', async () => {
    const g = new GraphBuilder();
    const X = g.input('X', type, [3, 2]);
    const [rows] = g.add('Shape', [X], [['int64', [1]]], { start: 0, end: 1 });
    const one = g.equal(g.reshape(rows!, []), g.scalar(1, 'int64'));
    const squeeze = subgraph([], [X], (b) => [b.add('Squeeze', [X, b.ints([0])], [[type, [2]]])[0]!]);
    const keep = subgraph([], [X], (b) => [b.identity(X)]);
    g.add('If', [one], [[type, [3, 2]]], { then_branch: squeeze, else_branch: keep }, { outputs: ['Y'] });
    const feeds = draw(['X', [3, 2]]);
    const { dX, backwardOps } = await pullBackGraph(g.graph, feeds, ['X'], [1, 2, 3, 4, 5, 6]);
    expect(dX).toEqual([1, 2, 3, 4, 5, 6]);
    expect(backwardOps).not.toContain('If');
  });

  it('nested conditions on constants all go', async () => {
    const g = new GraphBuilder();
    const X = g.input('X', type, [2]);
    const yes = g.initializer('yes', scalarOf('bool', 1));
    const inner = subgraph([], [X, yes], (b) => {
      const no = b.not(yes);
      const branches = {
        then_branch: subgraph([], [X], (c) => [c.neg(X)]),
        else_branch: subgraph([], [X], (c) => [c.exp(X)]),
      };
      return b.add('If', [no], [[type, [2]]], branches);
    });
    g.add('If', [yes], [[type, [2]]], { then_branch: inner, else_branch: inner }, { outputs: ['Y'] });
    const feeds = draw(['X', [2]]);
    const bound = await bindShapes(nodeRuntime(), modelOf(g.graph), feeds);
    expect(bound.graph.nodes.map(({ op }) => op)).toEqual(['Not', 'Exp']);
    await checkGraph(g.graph, feeds, ['X']);
  });

  it('refuses branches of different shapes, and says which', async () => {
    const g = new GraphBuilder();
    const X = g.input('X', type, [2]);
    const positive = g.greater(g.reshape(g.reduceSum(X, [0]), []), g.scalar(0, type));
    const whole = subgraph([], [X], (b) => [b.neg(X)]);
    const sum = subgraph([], [X], (b) => [b.reduceSum(X, [0])]);
    g.add('If', [positive], [[type, [2]]], { then_branch: whole, else_branch: sum }, { outputs: ['Y'] });
    const feeds = new Map([['X', tensorOf(type, [2], [1, 2])]]);
    await expect(pullBackGraph(g.graph, feeds, ['X'], [1, 1])).rejects.toThrow(
      /output 0 has shape \[1\] in its else_branch, \[2\] in the other/,
    );
  });
});

describe('Loop', () => {
  /** y ← y · x + bias, as often as the limit says; each y is emitted. */
  const power = (options: {
    limit?: number;
    limitInput?: boolean;
    condition?: boolean;
    until?: number;
    emit?: boolean;
  }) => {
    const feeds = new Map([
      ['y0', tensorOf(type, [2], [1, 1.5])],
      ['x', tensorOf(type, [2], [1.1, -0.7])],
    ]);
    if (options.limitInput) feeds.set('M', scalarOf('int64', options.limit!));
    const outputs = options.emit ? ['y', 'all'] : ['y'];
    const graph = around(
      'Loop',
      feeds,
      [options.limit === undefined ? null : 'M', options.condition ? 'cond' : null, 'y0'],
      outputs,
      (value) => ({
        body: subgraph(
          [
            ['i', [], 'int64'],
            ['go', [], 'bool'],
            ['y', [2]],
          ],
          [value('x')],
          (g, [i, go, y]) => {
            const next = g.plus(g.mul(y!, value('x')), g.scale(g.cast(i!, type), 0.1));
            const size = g.reshape(g.reduceSum(g.abs(next), [0]), []);
            const goOn = options.until === undefined ? g.identity(go!) : g.less(size, g.scalar(options.until, type));
            return [goOn, next, ...(options.emit ? [g.identity(next)] : [])];
          },
        ),
      }),
      (g) => {
        if (options.limit !== undefined && !options.limitInput) g.initializer('M', scalarOf('int64', options.limit));
        if (options.condition) g.initializer('cond', scalarOf('bool', 1));
      },
    );
    return { graph, feeds };
  };
  const wrt = ['y0', 'x'];

  it('computes the gradient of a power', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', type, [1]);
    const one = g.initializer('one', tensorOf(type, [1], [1]));
    g.initializer('M', scalarOf('int64', 5));
    const body = subgraph(
      [
        ['i', [], 'int64'],
        ['go', [], 'bool'],
        ['y', [1]],
      ],
      [x],
      (b, [, go, y]) => [b.identity(go!), b.mul(y!, x)],
    );
    g.add('Loop', [g.value('M'), null, one], [[type, [1]]], { body }, { outputs: ['Y'] });
    const { Y, dx } = await pullBackGraph(g.graph, new Map([['x', tensorOf(type, [1], [1.5])]]), ['x'], [1]);
    expect(Y[0]).toBeCloseTo(1.5 ** 5, 13);
    expect(dx![0]).toBeCloseTo(5 * 1.5 ** 4, 13);
  });

  it.each([true, false])('counted, with scan outputs and the step number (condition given: %s)', async (condition) => {
    const { graph, feeds } = power({ limit: 4, condition, emit: true });
    await checkGraph(graph, feeds, wrt);
  });

  it('no step at all: the gradient passes', async () => {
    const { graph, feeds } = power({ limit: 0 });
    const { dy0, dx } = await pullBackGraph(graph, feeds, wrt, [2, 3]);
    expect(dy0).toEqual([2, 3]);
    expect(dx).toEqual([0, 0]);
  });

  it('until a condition on the data fails: the final state has a gradient', async () => {
    const { graph, feeds } = power({ condition: true, until: 4 });
    await checkGraph(graph, feeds, wrt);
  });

  it('scan outputs of a loop whose length depends on the data are refused', async () => {
    const { graph, feeds } = power({ limit: 50, condition: true, until: 4, emit: true });
    await expect(checkGraph(graph, feeds, wrt)).rejects.toThrow(/the number of its steps depends on the data/);
  });

  it('a state that grows is refused', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', type, [1]);
    g.initializer('M', scalarOf('int64', 3));
    const body = subgraph(
      [
        ['i', [], 'int64'],
        ['go', [], 'bool'],
        ['y', []],
      ],
      [x],
      (b, [, go, y]) => [b.identity(go!), b.add('Concat', [y!, x], [[type, [2]]], { axis: 0 })[0]!],
    );
    body.inputs[2] = { name: body.inputs[2]!.name, type };
    body.outputs[1] = { name: body.outputs[1]!.name, type };
    g.add('Loop', [g.value('M'), null, x], [[type, [4]]], { body }, { node: 'grow', outputs: ['Y'] });
    const feeds = new Map([['x', tensorOf(type, [1], [1.5])]]);
    await expect(pullBackGraph(g.graph, feeds, ['x'], [1, 1, 1, 1])).rejects.toMatchObject({
      code: 'unbound-body',
      where: 'node "grow"',
    });
  });
});

it('an operator without a gradient in a body is named as the model names it', async () => {
  const feeds = new Map([
    ['s0', tensorOf('float32', [2, 2], [1, 2, 3, 4])],
    ['X', tensorOf('float32', [2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8])],
  ]);
  const body = subgraph(
    [
      ['s', [2, 2], 'float32'],
      ['x', [2, 2], 'float32'],
    ],
    [],
    (g, [s, x]) => {
      const specs = [['uint8', [2, 2]] as const, ['float32', []] as const, ['uint8', []] as const];
      const [, scale] = g.add('DynamicQuantizeLinear', [x!], specs, {}, { node: 'quantize' });
      return [g.mul(s!, scale!)];
    },
  );
  const graph = around('Scan', feeds, ['s0', 'X'], ['sT'], () => ({ body, num_scan_inputs: 1 }));
  await expect(pullBackGraph(graph, feeds, ['X'], undefined)).rejects.toMatchObject({
    message: expect.stringMatching(/operator DynamicQuantizeLinear .* stands between the loss and "s_\d+\/x"/),
    where: 'node "quantize" in the body of Scan "scan"',
  });
});

it("a network scripted by PyTorch, a Loop with an If in it, has PyTorch's gradients", async () => {
  const folder = 'test/fixtures/control-flow';
  const truth = JSON.parse(readFileSync(`${folder}/scripted.json`, 'utf8'));
  const { graph } = await decodeModel(readFileSync(`${folder}/scripted.onnx`), { name: 'scripted.onnx' });
  const feeds = new Map([['x', tensorOf('float32', [5, 2, 3], truth.x)]]);
  const names = ['inp.weight', 'inp.bias', 'hid.weight', 'hid.bias', 'out.weight', 'out.bias'];
  const wrt = ['x', ...names.filter((name) => graph.initializers.has(name))];
  const result = await pullBackGraph(graph, feeds, wrt, truth.dy);
  const near = (values: number[]) => values.map((x) => expect.closeTo(x, 5));
  expect(result.Y).toEqual(near(truth.y));
  expect(result.dx).toEqual(near(truth.dx));
  for (const name of wrt.slice(1)) expect(result[`d${name}`], name).toEqual(near(truth.gradients[name]));
  expect(wrt.length).toBe(7);
});
