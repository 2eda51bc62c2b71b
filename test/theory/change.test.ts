import { describe, expect, it } from 'vitest';
import { effectiveDecades } from '../../src/diagnosis/decay.ts';
import type { Model } from '../../src/graph/graph.ts';
import { sizeOf, tensorOf } from '../../src/graph/tensor.ts';
import { createRandom } from '../../src/random/random.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { heVariance, predictChange, usualScheme } from '../../src/theory/predict.ts';
import type { Theory } from '../../src/theory/theory.ts';
import { diagnose } from '../../src/verbs/diagnose.ts';

const runtime = nodeRuntime({ threads: 1 });
const DEPTH = 10;

/** A dense network of one width, every weight of standard deviation √(σ_w² / width), biases of √σ_b². */
function network(activation: string, sigmaW2: number, sigmaB2 = 0): Model {
  const width = 128;
  const model = buildSpec({
    input: width,
    layers: [
      { dense: { units: width, activation, repeat: DEPTH, name: 'hidden' } },
      { dense: { units: 16, name: 'out' } },
    ],
  });
  const random = createRandom(8);
  for (const [name, { dims }] of model.graph.initializers) {
    const square = name.includes('bias') ? sigmaB2 : (name.startsWith('out') ? 1 : sigmaW2) / width;
    const values = Array.from({ length: sizeOf(dims) }, () => random.normal() * Math.sqrt(square));
    model.graph.initializers.set(name, tensorOf('float32', dims, values));
  }
  return model;
}

/** By cross-entropy: the gradient of a squared error is the output itself, which leans to the weights' long directions. */
async function measure(model: Model): Promise<{ theory: Theory; decades: number }> {
  const { theory, diagnosis } = await diagnose(model, { runtime, batch: { kind: 'none' }, loss: 'cross-entropy' });
  return { theory: theory!, decades: effectiveDecades(diagnosis.attribution!.byKind) };
}

describe('predictChange of a redesign', () => {
  // From sigmoid to what is named; the network with that function and those variances is built and measured.
  it.each<[string, string, 'usual' | 'critical', number, number]>([
    ['Relu', 'relu', 'usual', 2, 0],
    ['Elu', 'elu', 'critical', 1, 0],
    ['Selu', 'selu', 'usual', 1, 0],
    ['Tanh', 'tanh', 'usual', 1, 0],
    ['Gelu', 'gelu', 'usual', 2, 0],
    ['Gelu', 'gelu', 'critical', 1.98305, 0.17292],
    ['Mish', 'mish', 'critical', 2.0135, 0.0945],
  ])('%s (%s), weights %s', async (op, activation, init, sigmaW2, sigmaB2) => {
    const { theory } = await measure(network('sigmoid', 1));
    const predicted = predictChange(theory, { activation: op, init })!;
    const { decades } = await measure(network(activation, sigmaW2, sigmaB2));
    expect(Math.abs(predicted - decades)).toBeLessThan(0.25);
  });

  it('is what theory says of the changed network itself', async () => {
    const { theory } = await measure(network('sigmoid', 1));
    const { theory: after } = await measure(network('tanh', 1));
    expect(predictChange(theory, { activation: 'Tanh' })!).toBeCloseTo(after.predictedDecades, 1);
    const nowhere = predictChange(theory, { activation: 'Tanh', instead: ['Relu'] });
    expect(nowhere).toBeUndefined();
    expect(predictChange(theory, { activation: 'Softmax' })).toBeUndefined();
    expect(predictChange(theory, {})).toBe(theory.predictedDecades);
    // Weights by layer: the one that is named, whose σ_w² becomes 4, gives log10 2 where its signal is small already.
    const { layer } = theory.layers[5]!;
    const one = predictChange(theory, { init: (step) => (step.layer === layer ? { sigmaW2: 4 } : undefined) })!;
    expect(one - theory.predictedDecades).toBeGreaterThan(0.2);
    expect(one - theory.predictedDecades).toBeLessThan(Math.log10(2) + 0.01);
  });

  it('LSUV leaves a ReLU network without decay: every layer doubles what its ReLU halves', async () => {
    const { theory } = await measure(network('relu', 0.5));
    expect(theory.predictedDecades).toBeLessThan(-2.5);
    expect(Math.abs(predictChange(theory, 'lsuv-init')!)).toBeLessThan(0.2);
  });

  it("knows each function's usual weights", () => {
    expect(['Relu', 'PRelu', 'Gelu', 'Swish'].map((op) => usualScheme(op))).toEqual(['he', 'he', 'he', 'he']);
    expect(['Selu', 'Elu'].map((op) => usualScheme(op))).toEqual(['lecun', 'lecun']);
    expect([undefined, 'Tanh', 'Sigmoid'].map((op) => usualScheme(op))).toEqual(['glorot', 'glorot', 'glorot']);
    // He et al. 2015, eq. 15.
    expect(heVariance('PRelu', { slope: 0.25 })).toBeCloseTo(2 / 1.0625, 12);
    expect(heVariance('LeakyRelu', { alpha: 0.3 })).toBeCloseTo(2 / 1.09, 12);
  });
});
