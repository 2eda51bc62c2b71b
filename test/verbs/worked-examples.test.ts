import { describe, expect, it } from 'vitest';
import { tensorOf } from '../../src/graph/tensor.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { diagnose } from '../../src/verbs/diagnose.ts';
import { chain, mlp } from '../helpers/networks.ts';

const runtime = nodeRuntime();
const fed = (values: number[]) => ({
  kind: 'tensors' as const,
  from: 'test',
  inputs: new Map([['', tensorOf('float32', [1, values.length], values)]]),
});

describe('the worked examples of the textbooks, through the engine', () => {
  it.each([4, 5, 10, 20])('%i sigmoid layers with unit weights at z = 0 leave 0.25^n', async (n) => {
    // σ(0) = ½, so a bias of −½ holds every later layer at z = 0 too; the first is held there by x = ½.
    const model = chain(n, 'Sigmoid', [[1]], [-0.5]);
    const { profile, diagnosis } = await diagnose(model, { runtime, batch: fed([0.5]) });
    const input = profile.values.at(-1)!;
    expect(input.op).toBe('Input');
    expect(input.gradient.l2 / 0.25 ** n).toBeCloseTo(1, 6);
    expect(diagnosis.attribution!.byKind['activation-derivative']).toBeCloseTo(n * Math.log10(0.25), 5);
    expect(diagnosis.attribution!.byKind['weight-matrix'] ?? 0).toBeCloseTo(0, 6);
  });

  it.each([4, 10, 20])('%i ReLU layers with unit weights keep 1', async (n) => {
    const { profile, diagnosis } = await diagnose(chain(n, 'Relu', [[1]]), { runtime, batch: fed([1]) });
    expect(profile.values.at(-1)!.gradient.l2).toBe(1);
    expect(diagnosis.verdict).toBe('healthy');
  });

  it.each([4, 10, 20, 100])('%i layers of W = 2I multiply by 2^n', async (n) => {
    const model = chain(n, 'Identity', [
      [2, 0],
      [0, 2],
    ]);
    const { profile, diagnosis } = await diagnose(model, { runtime, batch: fed([1e-9, 1e-9]) });
    // dL/da = (1, 1) at the end, with norm √2
    expect(profile.values.at(-1)!.gradient.l2).toBe(Math.fround(2 ** n) * Math.SQRT2);
    if (n > 10) expect(diagnosis.verdict).toBe('exploding');
  });
});

describe('beyond the range of float32', () => {
  it('measures a 100-layer sigmoid network: finite decades, no layer reported as zero', async () => {
    const model = mlp({ depth: 100, width: 50 });
    const { profile, diagnosis } = await diagnose(model, { runtime });
    const decades = diagnosis.attribution!.totalDecades;
    expect(decades).toBeLessThan(-50);
    expect(decades).toBeGreaterThan(-75);
    for (const value of profile.values) expect(value.gradient.log10L2, value.name).toBeGreaterThan(-100);
    for (const parameter of profile.parameters) {
      expect(parameter.gradient.zeroFraction, parameter.name).toBe(0);
      expect(parameter.gradient.l2, parameter.name).toBeGreaterThan(0);
    }
    const sum = Object.values(diagnosis.attribution!.byKind).reduce((a, b) => a + b, 0);
    expect(sum).toBeCloseTo(decades, 9);
    expect(diagnosis.verdict).toBe('vanishing');
  });

  it('agrees with an unscaled run where float32 suffices, and goes on at the same rate below', async () => {
    const rate = async (depth: number) => {
      const { diagnosis } = await diagnose(mlp({ depth, width: 200 }), { runtime });
      return diagnosis.attribution!.totalDecades / depth;
    };
    // 20 layers end near 1e-12 and need no rescaling; 200 layers end near 1e-120 and need several.
    expect((await rate(200)) / (await rate(20))).toBeCloseTo(1, 1);
  });

  it.each([
    ['Sigmoid' as const, 30, 30],
    ['Tanh' as const, 15, 15],
  ])('keeps the size of a saturated %s derivative, where 1 − y is zero in float32', async (activation, bias, x) => {
    const { profile } = await diagnose(chain(1, activation, [[1]], [bias]), { runtime, batch: fed([0]) });
    const truth = activation === 'Sigmoid' ? Math.exp(-x) / (1 + Math.exp(-x)) ** 2 : 1 / Math.cosh(x) ** 2;
    expect(profile.values.at(-1)!.gradient.l2 / truth).toBeCloseTo(1, 5);
    expect(profile.values.at(-1)!.gradient.zeroFraction).toBe(0);
  });

  it('measures gradients that overflow float32 on their way', async () => {
    const model = chain(160, 'Identity', [[2]]);
    const { profile } = await diagnose(model, { runtime, batch: fed([1e-30]) });
    expect(profile.values.at(-1)!.gradient.log10L2).toBeCloseTo(160 * Math.log10(2), 9);
  });

  it('still calls a gradient zero that is zero', async () => {
    const { profile, diagnosis } = await diagnose(mlp({ depth: 6, activation: 'Relu', bias: -50 }), { runtime });
    expect(diagnosis.attribution!.totalDecades).toBe(Number.NEGATIVE_INFINITY);
    expect(profile.values.at(-1)!.gradient.zeroFraction).toBe(1);
    expect(diagnosis.verdict).toBe('dead');
  });
});
