import { describe, expect, it } from 'vitest';
import { differentiate } from '../../src/autodiff/differentiate.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { sizeOf, tensorOf } from '../../src/graph/tensor.ts';
import { normals, seeded } from '../helpers/random.ts';
import { awayFrom, checkGraph, checkNode, positive } from './gradient-check.ts';
import { pullBack } from './pull-back.ts';
import { itAgreesWithTorch } from './torch-cases.ts';

/** The buffers that ONNX wants and PyTorch's function does not. */
const runningStatistics = (op: string, channels: number): Record<string, { shape: number[]; data: number[] }> => {
  const list = (value: number) => ({ shape: [channels], data: Array<number>(channels).fill(value) });
  return op === 'BatchNormalization' ? { input_mean: list(0), input_var: list(1) } : {};
};

describe('gradients of normalization', () => {
  itAgreesWithTorch('normalization', { extra: runningStatistics, tolerance: 1e-4 });

  it.each([[[5, 3]], [[2, 3, 4]], [[2, 3, 2, 2]]])('BatchNormalization of a batch of shape %j', async (shape) => {
    const random = seeded(3);
    const drawn = (dims: number[]) => tensorOf('float64', dims, normals(random, sizeOf(dims)));
    const feeds = new Map([
      ['X', drawn(shape)],
      ['scale', drawn([3])],
      ['B', drawn([3])],
    ]);
    const builder = new GraphBuilder();
    const inputs = [...feeds].map(([name, { type, dims }]) => builder.input(name, type, dims));
    const buffers = [
      builder.initializer('mean', drawn([3])),
      builder.initializer('var', tensorOf('float64', [3], [1, 2, 3])),
    ];
    const spec = [
      ['float64', shape],
      ['float64', [3]],
      ['float64', [3]],
    ] as const;
    const attributes = { training_mode: 1, epsilon: 1e-2 };
    const [Y] = builder.add('BatchNormalization', [...inputs, ...buffers], spec, attributes);
    builder.output(Y!);
    await checkGraph(builder.graph, feeds, ['X', 'scale', 'B']);
  });

  it.each([[[5, 3]], [[2, 3, 4]], [[2, 3, 2, 2]]])('BatchNormalization in inference, shape %j', async (shape) => {
    const inputs = [
      { name: 'X', shape },
      { name: 'scale', shape: [3] },
      { name: 'B', shape: [3] },
      { name: 'input_mean', shape: [3] },
      { name: 'input_var', shape: [3], domain: positive },
    ];
    await checkNode({ op: 'BatchNormalization', inputs, attributes: { epsilon: 1e-3 } });
  });

  it.each([
    { axis: -1, scale: [4], bias: [4] },
    { axis: 1, scale: [3, 4], bias: [3, 4] },
    { axis: -2, scale: [3, 1], bias: null },
    { axis: 0, scale: [2, 3, 4], bias: [2, 3, 4] },
    { axis: 1, scale: [4], bias: [1, 4] },
  ])('LayerNormalization %j', async ({ axis, scale, bias }) => {
    const inputs = [
      { name: 'X', shape: [2, 3, 4] },
      { name: 'Scale', shape: scale },
      bias && { name: 'B', shape: bias },
    ];
    const attributes = { axis, epsilon: 1e-3 };
    await checkNode({ op: 'LayerNormalization', inputs, attributes });
    await checkNode({ op: 'LayerNormalization', inputs, attributes, type: 'float32' });
  });

  it('LayerNormalization saves its statistics: the backward pass recomputes none', async () => {
    const X = { shape: [2, 4], data: [1, 2, 3, 5, -1, 0, 4, 2] };
    const { backwardOps } = await pullBack('LayerNormalization', { X, Scale: [1, 1, 1, 2] }, undefined, {
      type: 'float32',
    });
    expect(backwardOps).not.toContain('Sqrt');
    expect(backwardOps.filter((op) => op === 'ReduceMean')).toHaveLength(0);
  });

  it('does not change the graph it was given when it asks for saved statistics', () => {
    const builder = new GraphBuilder();
    const X = builder.input('X', 'float32', [2, 3]);
    const Scale = builder.input('Scale', 'float32', [3]);
    const [Y] = builder.add('LayerNormalization', [X, Scale], [['float32', [2, 3]]]);
    const loss = builder.reduceSum(Y!, [0, 1], false);
    const backward = differentiate(builder.graph, builder.values, { loss: loss.name, wrt: ['X'], opset: 21 });
    expect(builder.graph.nodes[0]!.outputs).toHaveLength(1);
    expect(backward.graph.nodes[0]!.outputs).toHaveLength(3);
    expect(backward.values.get(backward.graph.nodes[0]!.outputs[2]!)!.shape).toEqual([2, 1]);
  });

  it.each([[[2, 3, 4]], [[2, 3, 2, 3]], [[1, 2, 2, 2, 3]]])('InstanceNormalization of shape %j', async (shape) => {
    const inputs = [
      { name: 'input', shape },
      { name: 'scale', shape: [shape[1]!] },
      { name: 'B', shape: [shape[1]!] },
    ];
    await checkNode({ op: 'InstanceNormalization', inputs, attributes: { epsilon: 1e-2 }, type: 'float32' });
  });

  it.each([1, 2, 4])('GroupNormalization into %i groups', async (num_groups) => {
    const inputs = [
      { name: 'X', shape: [2, 4, 3, 2] },
      { name: 'scale', shape: [4] },
      { name: 'bias', shape: [4] },
    ];
    await checkNode({ op: 'GroupNormalization', inputs, attributes: { num_groups, epsilon: 1e-2 }, type: 'float32' });
  });

  it.each([
    { axis: -1, scale: [4] },
    { axis: 1, scale: [3, 4] },
  ])('RMSNormalization %j', async ({ axis, scale }) => {
    const inputs = [
      { name: 'X', shape: [2, 3, 4] },
      { name: 'scale', shape: scale },
    ];
    const attributes = { axis, epsilon: 1e-3 };
    await checkNode({ op: 'RMSNormalization', inputs, attributes, type: 'float32', opset: 23 });
  });

  it.each([1, 2])('LpNormalization with p = %i', async (p) => {
    for (const axis of [-1, 0, 1]) {
      const inputs = [{ name: 'input', shape: [2, 3, 4], domain: awayFrom([0]) }];
      await checkNode({ op: 'LpNormalization', inputs, attributes: { p, axis } });
    }
    const input = { shape: [2, 2], data: [0, 0, 3, 4] };
    const { dinput } = await pullBack('LpNormalization', { input }, [1, 1, 1, 0], { attributes: { p } });
    expect(dinput!.slice(0, 2)).toEqual([0, 0]);
  });

  it.each([1, 3, 7])('LRN over %i channels', async (size) => {
    const inputs = [{ name: 'X', shape: [2, 5, 2, 3] }];
    const attributes = { size, alpha: 0.5, beta: 0.75, bias: 1.25 };
    await checkNode({ op: 'LRN', inputs, attributes, type: 'float32' });
  });
});
