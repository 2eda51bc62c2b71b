import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.ts';
import type { Attribute, Model, Value } from '../../src/graph/graph.ts';
import { findParameters } from '../../src/graph/parameters.ts';
import { findResidualBranches } from '../../src/graph/residual-branches.ts';
import { filledTensor, tensorOf } from '../../src/graph/tensor.ts';
import { readModel } from '../../src/node.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';

const torch = (name: string) => readModel(`${import.meta.dirname}/../fixtures/torch/${name}.onnx`);
const found = ({ graph, ...model }: Model) =>
  findResidualBranches(graph, findParameters({ graph, ...model })).map(({ add, input, branch, weights, shortcut }) => ({
    add: add.name,
    input,
    weights: weights.flatMap(({ parameters }) => parameters),
    operators: branch.map(({ op }) => op),
    shortcut: shortcut.map(({ op }) => op),
  }));

/** A graph of named nodes over one shape. */
class Sketch {
  readonly g = new GraphBuilder();
  readonly parameters: string[] = [];
  readonly x = this.g.input('x', 'float32', [1, 4]);

  node(op: string, inputs: Value[], attributes: Record<string, Attribute> = {}): Value {
    const name = `${op}${this.g.graph.nodes.length}`;
    return this.g.add(op, inputs, [['float32', [1, 4]]], attributes, { node: name, outputs: [name] })[0]!;
  }

  weight(size = 4): Value {
    const name = `W${this.parameters.length}`;
    this.parameters.push(name);
    return this.g.initializer(name, filledTensor('float32', [size, 4], 1));
  }

  layer(x: Value): Value {
    return this.node('MatMul', [x, this.weight()]);
  }

  branches() {
    return findResidualBranches(this.g.graph, this.parameters).map(({ add, weights, shortcut, input }) => ({
      add: add.name,
      input,
      weights: weights.flatMap(({ parameters }) => parameters),
      shortcut: shortcut.length,
    }));
  }
}

describe('findResidualBranches', () => {
  it('finds the blocks of a ResNet that PyTorch exported, with identity and projection', async () => {
    const blocks = found(await torch('resnet18_quarter'));
    const names = [1, 2, 3, 4].flatMap((layer) => [`layer${layer}.0`, `layer${layer}.1`]);
    expect(blocks.map(({ add }) => add)).toEqual(names.map((name) => `/${name.split('.')[0]}/${name}/Add`));
    expect(blocks.map(({ weights }) => weights)).toEqual(
      names.map((name) => [`${name}.conv1.weight`, `${name}.conv2.weight`]),
    );
    const projected = ['layer2.0', 'layer3.0', 'layer4.0'];
    expect(blocks.map(({ shortcut }) => shortcut)).toEqual(
      names.map((name) => (projected.includes(name) ? ['BatchNormalization', 'Conv'] : [])),
    );
    for (const { operators } of blocks) {
      expect(operators).toEqual(['Conv', 'BatchNormalization', 'Relu', 'Conv', 'BatchNormalization']);
    }
  });

  it('finds attention and feed-forward in Transformers, normalized after the sum and before the branch', async () => {
    const layers = (prefix: string, count: number, parts: string[]) =>
      Array.from({ length: count }, (_, i) => [
        [`${prefix}${i}.${parts[0]}`, `${prefix}${i}.${parts[1]}`],
        [`${prefix}${i}.${parts[2]}`, `${prefix}${i}.${parts[3]}`],
      ]).flat();
    const encoder = ['self_attn.in_proj_weight', 'self_attn.out_proj.weight', 'linear1.weight', 'linear2.weight'];
    expect(found(await torch('transformer_encoder_x2')).map(({ weights }) => weights)).toEqual(
      layers('encoder.layers.', 2, encoder),
    );
    const vit = ['self_attention.in_proj_weight', 'self_attention.out_proj.weight', 'mlp.0.weight', 'mlp.3.weight'];
    const blocks = found(await torch('vit_small'));
    expect(blocks.map(({ weights }) => weights)).toEqual(layers('encoder.layers.encoder_layer_', 4, vit));
    for (const { shortcut } of blocks) expect(shortcut).toEqual([]);
  });

  it('finds the blocks of a spec', () => {
    const model = buildSpec({
      input: [3, 8, 8],
      layers: [
        { conv2d: { filters: 4, padding: 'same' } },
        { residual: [{ conv2d: { filters: 4, padding: 'same', activation: 'relu' } }], activation: 'relu' },
        {
          residual: [
            { conv2d: { filters: 8, stride: 2, padding: 'same' } },
            'relu',
            { conv2d: { filters: 8, padding: 'same' } },
          ],
          shortcut: 'projection',
        },
        'global-average-pool',
        { dense: 10 },
      ],
    });
    expect(found(model)).toEqual([
      {
        add: 'residual',
        input: 'conv2d',
        weights: ['residual.conv2d.weight'],
        operators: ['Conv', 'Relu'],
        shortcut: [],
      },
      {
        add: 'residual2',
        input: 'residual.relu',
        weights: ['residual2.conv2d.weight', 'residual2.conv2d2.weight'],
        operators: ['Conv', 'Relu', 'Conv'],
        shortcut: ['Conv'],
      },
    ]);
  });

  it('finds none where nothing is added back', async () => {
    for (const name of ['vgg11_bn_quarter', 'bilstm_2layer_seq50', 'embed_lstm', 'gru_seq50', 'mlp_relu_he_x10']) {
      expect(found(await torch(name)), name).toEqual([]);
    }
  });

  it('tells two projections of one value apart by their size, and two alike not at all', () => {
    const alike = new Sketch();
    alike.node('Add', [alike.layer(alike.x), alike.layer(alike.x)]);
    expect(alike.branches()).toEqual([]);
    const wide = new Sketch();
    const branch = wide.node('MatMul', [wide.x, wide.weight(16)]);
    wide.node('Add', [wide.layer(wide.x), branch]);
    expect(wide.branches()).toEqual([{ add: 'Add2', input: 'x', weights: ['W0'], shortcut: 1 }]);
    const deep = new Sketch();
    const end = deep.layer(deep.node('Relu', [deep.layer(deep.x)]));
    deep.node('Add', [end, deep.layer(deep.x)]);
    expect(deep.branches()).toEqual([{ add: 'Add4', input: 'x', weights: ['W0', 'W1'], shortcut: 1 }]);
  });

  it('takes neither gates, nor sums of elementwise branches, nor steps of an unrolled recurrence', () => {
    const gelu = new Sketch();
    gelu.node('Add', [gelu.x, gelu.node('Tanh', [gelu.x])]);
    expect(gelu.branches()).toEqual([]);
    const gate = new Sketch();
    const open = gate.node('Sigmoid', [gate.layer(gate.x)]);
    const shut = gate.node('Neg', [open]);
    gate.node('Add', [gate.node('Mul', [open, gate.layer(gate.x)]), gate.node('Mul', [shut, gate.x])]);
    expect(gate.branches()).toEqual([]);
    const unrolled = new Sketch();
    const { g } = unrolled;
    const one = (name: string, value: number) => g.initializer(name, tensorOf('int64', [1], [value]));
    const step = (t: number) =>
      unrolled.node('Slice', [unrolled.x, one(`from${t}`, t), one(`to${t}`, t + 1), one(`axis${t}`, 0)]);
    const [W, U] = [unrolled.weight(), unrolled.weight()];
    let h = unrolled.node('Tanh', [unrolled.node('MatMul', [step(0), W])]);
    for (const t of [1, 2, 3]) {
      const sum = unrolled.node('Add', [unrolled.node('MatMul', [step(t), W]), unrolled.node('MatMul', [h, U])]);
      h = unrolled.node('Tanh', [sum]);
    }
    expect(unrolled.branches()).toEqual([]);
  });

  it('a shortcut may take every second pixel, and nested blocks are found inside and out', () => {
    const strided = new Sketch();
    const { g } = strided;
    const steps = g.initializer('steps', tensorOf('int64', [1], [2]));
    const ends = ['a', 'b', 'c'].map((name) => g.initializer(name, tensorOf('int64', [1], [0])));
    strided.node('Add', [strided.layer(strided.x), strided.node('Slice', [strided.x, ...ends, steps])]);
    expect(strided.branches()).toEqual([{ add: 'Add2', input: 'x', weights: ['W0'], shortcut: 1 }]);
    const nested = new Sketch();
    const first = nested.layer(nested.x);
    const inner = nested.node('Add', [first, nested.layer(nested.node('Relu', [nested.layer(first)]))]);
    nested.node('Add', [nested.layer(inner), nested.x]);
    expect(nested.branches()).toEqual([
      { add: 'Add4', input: 'MatMul0', weights: ['W1', 'W2'], shortcut: 0 },
      { add: 'Add6', input: 'x', weights: ['W0', 'W1', 'W2', 'W3'], shortcut: 0 },
    ]);
  });
});
