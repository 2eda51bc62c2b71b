import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { decodeNpy } from '../../src/data/index.ts';
import { readModelSource } from '../../src/readers/index.ts';
import { openSource } from '../../src/runtime/node/files.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { diagnose } from '../../src/verbs/diagnose.ts';
import { inFloat64, widen } from '../helpers/float64.ts';

const fixtures = join(dirname(fileURLToPath(import.meta.url)), '../fixtures/torch');

/** Networks for whose every operator onnxruntime has a float64 kernel on the CPU: convolutions, recurrence and Selu have none. */
const networks = [
  'mlp_relu_he_x10',
  'mlp_sigmoid_x10',
  'mlp_sigmoid_x3_glorot',
  'mlp_tanh_xavier_x10',
  'mlp_relu_dead_x6',
  'transformer_encoder_x2',
];

describe('in float64 the engine equals PyTorch to 1e-6', () => {
  it.each(networks)('%s', async (name) => {
    const file = (extension: string) => join(fixtures, `${name}${extension}`);
    const { float64 } = JSON.parse(readFileSync(file('.json'), 'utf8'));
    const { values } = JSON.parse(readFileSync(file('.values.json'), 'utf8'));
    const model = inFloat64(await readModelSource(await openSource(file('.onnx'))));
    const { profile } = await diagnose(model, {
      runtime: nodeRuntime(),
      batch: {
        kind: 'tensors',
        from: name,
        inputs: new Map([['', widen(decodeNpy(readFileSync(file('.input.npy')), 'input'))]]),
        target: decodeNpy(readFileSync(file('.labels.npy')), 'labels'),
      },
    });
    const near = (got: number, expected: number, what: string) =>
      expect(Math.abs(got - expected), `${what}: ${got}, PyTorch ${expected}`).toBeLessThanOrEqual(
        1e-6 * Math.abs(expected),
      );
    near(profile.loss, float64.loss, 'loss');
    for (const { name: parameter, gradient } of profile.parameters) {
      const expected = float64.parameters[parameter];
      // What is zero in exact arithmetic (a key's bias before softmax) is rounding of 1e-17 on both sides.
      if (expected.l2 < 1e-14) expect(gradient.l2).toBeLessThan(1e-14);
      else
        for (const [key, got] of [
          ['l2', gradient.l2],
          ['max_abs', gradient.maxAbs],
          ['mean_abs', gradient.meanAbs],
        ] as const)
          near(got, expected[key], `${parameter} ${key}`);
      expect(Math.abs(gradient.zeroFraction - expected.fraction_zero), parameter).toBeLessThan(0.05);
    }
    for (const { name: value, gradient } of profile.values) {
      const expected = values[value]?.grad;
      if (expected) near(gradient.l2, expected.l2, `gradient of ${value}`);
    }
  });
});
