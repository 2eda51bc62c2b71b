import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { modelOf } from '../../src/graph/graph.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { diagnose } from '../../src/node.ts';
import { mlp } from '../helpers/networks.ts';

const fixture = (name: string) => join(dirname(fileURLToPath(import.meta.url)), '../fixtures/torch', name);

describe('a probe in many small passes', () => {
  it.each([
    ['a residual network', fixture('resnet18_quarter.onnx')],
    ['a network that needs rescaling', mlp({ depth: 60, width: 24 })],
  ])('measures %s as in one', async (_name, model) => {
    const whole = await diagnose(model);
    const small = await diagnose(model, { passBytes: 2 ** 16 });
    expect(small.profile.values.map(({ name }) => name)).toEqual(whole.profile.values.map(({ name }) => name));
    whole.profile.values.forEach((value, i) => {
      expect(small.profile.values[i]!.gradient.log10L2, value.name).toBeCloseTo(value.gradient.log10L2, 4);
    });
    expect(small.diagnosis.attribution!.totalDecades).toBeCloseTo(whole.diagnosis.attribution!.totalDecades, 4);
  });
});

describe('units', () => {
  it('of a one-dimensional convolution are its channels, not its places', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [16, 1, 20]);
    const W = g.initializer('conv.weight', tensorOf('float32', [4, 1, 1], [1, 1, 1, 1]));
    const B = g.initializer('conv.bias', tensorOf('float32', [4], [0, -50, -50, -50]));
    const z = g.add('Conv', [x, W, B], [['float32', [16, 4, 20]]], {}, { node: 'conv', outputs: ['z'] })[0]!;
    const a = g.add('Relu', [z], [['float32', [16, 4, 20]]], {}, { node: 'relu', outputs: ['a'] })[0]!;
    g.output(g.reduceSum(a, [0, 1, 2], false));
    const { profile, diagnosis } = await diagnose(modelOf(g.graph));
    expect(profile.values.find(({ name }) => name === 'a')!.units).toMatchObject({ units: 4, dead: 3 });
    expect(diagnosis.findings.map(({ rule }) => rule)).toContain('dead-units');
  });
});
