import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type CompositeId, findComposites } from '../../src/flow/composites.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { producers, type Value } from '../../src/graph/graph.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { readModelSource } from '../../src/readers/index.ts';
import { openSource } from '../../src/runtime/node/files.ts';

const fixtures = join(dirname(fileURLToPath(import.meta.url)), '../fixtures');
const truth = JSON.parse(readFileSync(join(fixtures, 'composites/truth.json'), 'utf8')) as Record<
  string,
  { modules: Record<string, number> }
>;
const read = async (path: string) => (await readModelSource(await openSource(join(fixtures, path)))).graph;
const countIds = (found: readonly { id: string }[]) => {
  const counts: Record<string, number> = {};
  for (const { id } of found) counts[id] = (counts[id] ?? 0) + 1;
  return counts;
};

describe('composites of exported networks', () => {
  it.each(Object.keys(truth))('%s: as many as the network has modules', async (name) => {
    const graph = await read(`composites/${name}.onnx`);
    const expected = { ...truth[name]!.modules };
    // Opset 17 has an operator for it: nothing is written out.
    if (graph.nodes.some((node) => node.op === 'LayerNormalization')) delete expected['layer-norm'];
    expect(countIds(findComposites(graph))).toEqual(expected);
  });

  it.each([
    ['vit_small', { gelu: 4, 'layer-norm': 9, attention: 4 }],
    ['transformer_encoder_x2', { 'layer-norm': 4, attention: 2 }],
  ])('%s', async (name, expected) => {
    expect(countIds(findComposites(await read(`torch/${name}.onnx`)))).toEqual(expected);
  });

  const plain = readdirSync(join(fixtures, 'torch')).filter((file) =>
    /^(mlp|plainconv|resnet|vgg).*\.onnx$/.test(file),
  );
  it.each(plain)('%s has none', async (file) => {
    expect(findComposites(await read(`torch/${file}`))).toEqual([]);
  });

  it.each(['composites/zoo.onnx', 'composites/swin.onnx', 'torch/vit_small.onnx'])(
    '%s: blocks share no node, and lie between their input and output',
    async (file) => {
      const graph = await read(file);
      const made = producers(graph);
      const found = findComposites(graph);
      const names = found.flatMap(({ nodes }) => nodes);
      expect(new Set(names).size).toBe(names.length);
      for (const { nodes, input, output } of found) {
        expect(nodes.at(-1)).toBe(made.get(output)!.name);
        expect(nodes).not.toContain(made.get(input)?.name);
        const inputs = graph.nodes.filter(({ name }) => nodes.includes(name)).flatMap((node) => node.inputs);
        expect(inputs).toContain(input);
      }
    },
  );
});

type Build = (g: GraphBuilder, x: Value) => Value;

/** What is found in x → build(x) → a weight matrix. */
function found(build: Build): { id: CompositeId; input: string; nodes: number }[] {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [4, 6]);
  const W = g.initializer('W', tensorOf('float32', [6, 6], new Array(36).fill(0.1)));
  const y = build(g, g.matmul(x, W));
  g.output(g.matmul(y, W));
  return findComposites(g.graph).map(({ id, input, nodes }) => ({ id, input, nodes: nodes.length }));
}
const idsOf = (build: Build) => found(build).map(({ id }) => id);
const vector = (g: GraphBuilder, name: string, value = 1.3) =>
  g.initializer(name, tensorOf('float32', [6], new Array(6).fill(value)));

describe('activation functions written out', () => {
  const phi = (g: GraphBuilder, x: Value, root = Math.SQRT2) => g.shift(g.erf(g.div(x, g.scalar(root, 'float32'))), 1);

  it.each<[string, Build]>([
    ['(x · (1 + erf)) · ½', (g, x) => g.scale(g.mul(x, phi(g, x)), 0.5)],
    ['(½ x) · (1 + erf)', (g, x) => g.mul(g.scale(x, 0.5), phi(g, x))],
    ['(1 + erf) · ½ · x', (g, x) => g.mul(g.scale(phi(g, x), 0.5), x)],
    ['(1 + erf) · x / 2', (g, x) => g.div(g.mul(phi(g, x), x), g.scalar(2, 'float32'))],
    ['½ x + ½ x · erf', (g, x) => g.plus(g.scale(x, 0.5), g.mul(g.scale(x, 0.5), g.erf(g.scale(x, Math.SQRT1_2))))],
    ['constants of shape [1]', (g, x) => g.mul(g.mul(x, g.constant(tensorOf('float32', [1], [0.5]))), phi(g, x))],
    ['through Identity', (g, x) => g.mul(g.identity(g.scale(x, 0.5)), g.identity(phi(g, g.identity(x))))],
  ])('GELU as %s', (_, build) => {
    expect(found(build)).toEqual([{ id: 'gelu', input: 'MatMul_out', nodes: expect.any(Number) }]);
  });

  it('knows functions by their constants', () => {
    expect(idsOf((g, x) => g.mul(x, g.sigmoid(x)))).toEqual(['silu']);
    expect(idsOf((g, x) => g.mul(x, g.sigmoid(g.scale(x, 1.702))))).toEqual(['gelu']);
    expect(idsOf((g, x) => g.mul(x, g.tanh(g.softplus(x))))).toEqual(['mish']);
    expect(idsOf((g, x) => g.mul(x, g.tanh(g.log(g.shift(g.exp(x), 1)))))).toEqual(['mish']);
    const relu6 = (g: GraphBuilder, x: Value) => g.min(g.relu(g.shift(x, 3)), g.scalar(6, 'float32'));
    expect(idsOf((g, x) => g.div(g.mul(x, relu6(g, x)), g.scalar(6, 'float32')))).toEqual(['hard-swish']);
    expect(idsOf((g, x) => g.mul(x, g.scale(relu6(g, x), 1 / 6)))).toEqual(['hard-swish']);
  });

  it('does not take neighbours for them', () => {
    expect(idsOf((g, x) => g.mul(x, g.sigmoid(g.scale(x, 1.2))))).toEqual([]);
    expect(idsOf((g, x) => g.mul(x, phi(g, x)))).toEqual([]); // twice GELU
    expect(idsOf((g, x) => g.scale(g.mul(x, phi(g, x, 1.5)), 0.5))).toEqual([]);
    expect(idsOf((g, x) => g.mul(x, g.tanh(x)))).toEqual([]);
    expect(idsOf((g, x) => g.mul(g.sigmoid(x), g.tanh(x)))).toEqual([]);
    expect(idsOf((g, x) => g.plus(x, g.tanh(x)))).toEqual([]);
    // A gate made of another value: squeeze and excitation, GLU.
    expect(idsOf((g, x) => g.mul(x, g.sigmoid(g.matmul(x, g.value('W')))))).toEqual([]);
  });

  it('leaves a block alone that others look into', () => {
    expect(
      idsOf((g, x) => {
        const gate = g.sigmoid(x);
        return g.plus(g.matmul(g.mul(x, gate), g.value('W')), g.matmul(gate, g.value('W')));
      }),
    ).toEqual([]);
  });

  it('ends at the bias before it', () => {
    const [gelu] = found((g, x) => {
      const z = g.plus(x, vector(g, 'bias'));
      return g.mul(g.scale(z, 0.5), phi(g, z));
    });
    expect(gelu).toMatchObject({ id: 'gelu', input: 'Add_out' });
  });
});

describe('normalizations written out', () => {
  const variance = (g: GraphBuilder, c: Value) => g.shift(g.reduceMean(g.mul(c, c), [1]), 1e-5);
  const centered = (g: GraphBuilder, x: Value) => g.sub(x, g.reduceMean(x, [1]));

  it.each<[string, Build]>([
    ['c / √v', (g, x) => g.div(centered(g, x), g.sqrt(variance(g, centered(g, x))))],
    ['c · 1/√v', (g, x) => g.mul(centered(g, x), g.reciprocal(g.sqrt(variance(g, centered(g, x)))))],
    ['c · v^-½', (g, x) => g.mul(centered(g, x), g.pow(variance(g, centered(g, x)), g.scalar(-0.5, 'float32')))],
    [
      'c / √v · scale + bias',
      (g, x) =>
        g.plus(g.mul(vector(g, 'scale'), g.div(centered(g, x), g.sqrt(variance(g, centered(g, x))))), vector(g, 'b')),
    ],
    ['c / √v + bias', (g, x) => g.plus(g.div(centered(g, x), g.sqrt(variance(g, centered(g, x)))), vector(g, 'b'))],
  ])('layer normalization as %s', (_, build) => {
    expect(found(build)).toMatchObject([{ id: 'layer-norm', input: 'MatMul_out' }]);
  });

  it('tells RMS normalization, and statistics over the batch', () => {
    expect(idsOf((g, x) => g.mul(g.div(x, g.sqrt(variance(g, x))), vector(g, 'scale')))).toEqual(['rms-norm']);
    expect(
      idsOf((g, x) => {
        const c = g.sub(x, g.reduceMean(x, [0]));
        return g.div(c, g.sqrt(g.shift(g.reduceMean(g.mul(c, c), [0]), 1e-5)));
      }),
    ).toEqual(['batch-norm']);
  });

  it('does not take half of one for it', () => {
    expect(idsOf(centered)).toEqual([]);
    expect(idsOf((g, x) => g.div(x, variance(g, x)))).toEqual([]); // no root
    expect(idsOf((g, x) => g.div(centered(g, x), g.sqrt(variance(g, x))))).toEqual([]); // not its own spread
    // Mean over one axis, spread over the other.
    const c = (g: GraphBuilder, x: Value) => g.sub(x, g.reduceMean(x, [0]));
    expect(idsOf((g, x) => g.div(c(g, x), g.sqrt(variance(g, c(g, x)))))).toEqual(['rms-norm']);
  });

  it('does not take a standardized weight for a layer', () => {
    expect(
      idsOf((g, x) => g.matmul(x, g.div(centered(g, g.value('W')), g.sqrt(variance(g, centered(g, g.value('W'))))))),
    ).toEqual([]);
  });

  it('leaves a scale before it outside', () => {
    const [norm] = found((g, x) => {
      const z = g.scale(x, 7);
      return g.div(centered(g, z), g.sqrt(variance(g, centered(g, z))));
    });
    expect(norm).toMatchObject({ id: 'layer-norm', input: 'Mul_out' });
  });
});

describe('attention written out', () => {
  const softmax = (g: GraphBuilder, x: Value) => g.unary('Softmax', x, { axis: -1 });
  const project = (g: GraphBuilder, x: Value, name: string) => {
    const W = g.initializer(name, tensorOf('float32', [6, 6], new Array(36).fill(0.2)));
    return g.matmul(x, W);
  };
  const qkv = (g: GraphBuilder, x: Value) =>
    ['Wq', 'Wk', 'Wv'].map((name) => project(g, x, name)) as [Value, Value, Value];

  it('goes from queries, keys and values to the product', () => {
    const [attention] = found((g, x) => {
      const [q, k, v] = qkv(g, x);
      return g.matmul(softmax(g, g.scale(g.matmul(q, g.transposeMatrix(k)), 0.4)), v);
    });
    expect(attention).toEqual({ id: 'attention', input: 'MatMul_out_1', nodes: 4 });
  });

  it('includes a scale on the queries, behind reshapes, and a mask', () => {
    const [attention] = found((g, x) => {
      const [q, k, v] = qkv(g, x);
      const scaled = g.reshape(g.div(q, g.scalar(2.4, 'float32')), [1, 4, 6]);
      const mask = g.initializer('mask', tensorOf('float32', [4, 4], new Array(16).fill(0)));
      return g.matmul(softmax(g, g.plus(mask, g.matmul(scaled, g.transposeMatrix(k)))), v);
    });
    expect(attention).toEqual({ id: 'attention', input: 'MatMul_out_1', nodes: 6 });
  });

  it('sees through the form of softmax before opset 13, which flattens', () => {
    expect(
      idsOf((g, x) => {
        const [q, k, v] = qkv(g, x);
        const flat = g.add('Flatten', [g.matmul(q, g.transposeMatrix(k))], [['float32', [4, 4]]], { axis: 1 })[0]!;
        const weights = g.add('Reshape', [softmax(g, flat), g.ints([4, 4])], [['float32', [4, 4]]])[0]!;
        return g.matmul(weights, v);
      }),
    ).toEqual(['attention']);
  });

  it('is not a softmax over weights: gates of experts, memories, classes', () => {
    expect(idsOf((g, x) => g.matmul(softmax(g, project(g, x, 'gate')), project(g, x, 'value')))).toEqual([]);
    expect(
      idsOf((g, x) => {
        const [q, k] = qkv(g, x);
        return g.matmul(
          softmax(g, g.matmul(q, g.transposeMatrix(k))),
          g.initializer('M', tensorOf('float32', [4, 6], new Array(24).fill(1))),
        );
      }),
    ).toEqual([]);
    expect(idsOf((g, x) => softmax(g, project(g, x, 'classes')))).toEqual([]);
  });
});
