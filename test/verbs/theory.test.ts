import { describe, expect, it } from 'vitest';
import { tensorOf } from '../../src/graph/tensor.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { compareTheory } from '../../src/theory/compare.ts';
import { diagnose } from '../../src/verbs/diagnose.ts';
import { inputSignal } from '../../src/verbs/input-signal.ts';
import { theory } from '../../src/verbs/theory.ts';

const runtime = nodeRuntime({ threads: 2 });
type Spec = Parameters<typeof buildSpec>[0];

function network(depth: number, activation: string, init: unknown, seed: number) {
  return buildSpec({
    input: 100,
    layers: [{ dense: { units: 500, activation, repeat: depth } }, { dense: 10 }],
    init,
    loss: 'cross-entropy',
    seed,
  } as Spec);
}

async function measured(model: ReturnType<typeof network>) {
  const subject = await diagnose(model, { runtime, size: 16 });
  return { theory: subject.theory!, total: subject.diagnosis.attribution!.totalDecades };
}

describe('theory against measurement, at width 500', () => {
  // A single ReLU network scatters by √(5 · depth / width) in the gradient's square: the average of three is judged.
  it.each([
    ['tanh', 10, { lecun: 0.8 }, 3],
    ['relu', 10, 'glorot-normal', 3],
    ['sigmoid', 10, 'glorot-normal', 3],
    ['tanh', 100, { lecun: 0.8 }, 1],
    ['relu', 40, 'glorot-normal', 1],
    ['sigmoid', 25, 'glorot-normal', 1],
  ] as const)('%s, %i layers: decades within 5 %', { timeout: 180_000 }, async (activation, depth, init, seeds) => {
    let [predicted, found] = [0, 0];
    for (let seed = 0; seed < seeds; seed++) {
      const { theory: said, total } = await measured(network(depth, activation, init, seed));
      expect(said.applies).toBe('fully');
      expect(compareTheory(said, total)!.agrees).toBe(true);
      expect(Math.abs(said.predictedDecades - total)).toBeLessThan(3 * said.spread!);
      predicted += said.predictedDecades;
      found += total;
    }
    expect(Math.abs(predicted / found - 1)).toBeLessThan(0.05);
  });

  it('at χ = 1, where nothing decays, stays within what finite width scatters', async () => {
    for (const [activation, init] of [
      ['relu', 'he'],
      ['tanh', 'lecun'],
    ] as const) {
      const { theory: predicted, total } = await measured(network(20, activation, init, 0));
      expect(Math.abs(predicted.predictedDecades - total)).toBeLessThan(3 * predicted.spread!);
      expect(predicted.spread).toBeLessThan(0.15);
    }
  });

  it('holds layer by layer, and for normalized and residual networks', async () => {
    const block = { residual: [{ dense: 300 }, 'batch-norm', 'relu', { dense: 300 }], repeat: 4, name: 'r' };
    const model = buildSpec({
      input: 100,
      layers: [{ dense: 300 }, block, 'layer-norm', { dense: 10 }],
      init: 'he',
    } as Spec);
    const subject = await diagnose(model, { runtime, size: 64 });
    const decades = new Map(subject.profile.layers.map((layer) => [layer.name, layer.decadesFromOutput]));
    for (const layer of subject.theory!.layers) {
      expect(Math.abs(layer.decadesFromOutput! - decades.get(layer.layer)!)).toBeLessThan(0.1);
    }
  });
});

describe('theory of a model', () => {
  const model = network(4, 'sigmoid', 'glorot-normal', 0);

  it('needs neither data nor a run', async () => {
    const subject = await theory(model);
    expect(subject.theory.applies).toBe('fully');
    expect(subject.theory.predictedDecades).toBeLessThan(-2);
    expect(subject.model).toMatchObject({ format: 'spec', parameters: 100 * 500 + 3 * 500 ** 2 + 4 * 500 + 5010 });
    expect(subject.notes).toContain('inputs are taken as standardized: mean square 1');
  });

  it('answers what if the weights were drawn otherwise', async () => {
    const subject = await theory(network(4, 'relu', 'normal', 0), { init: 'he' });
    expect(subject.theory.predictedDecades).toBeCloseTo(0, 1);
    expect(subject.notes[0]).toMatch(/drawn anew: he, seed 0/);
  });

  it('refuses what it cannot do in one sentence', async () => {
    await expect(theory(model, { init: 'lsuv' })).rejects.toThrow(/"lsuv" measures on data/);
    await expect(theory(model, { init: 'hee' })).rejects.toThrow(/unknown initialization "hee"/);
    await expect(theory(model, { output: 'nope' })).rejects.toThrow(/no output "nope"/);
  });
});

describe('what theory wants to know of a batch', () => {
  it('mean square, mean and the product of different samples', () => {
    const batch = tensorOf('float32', [2, 2], [1, 2, 3, -4]);
    expect(inputSignal(new Map([['x', batch]]))).toEqual({ square: 7.5, mean: 0.5, cross: (3 - 8) / 2 });
    const images = tensorOf('float32', [1, 1, 1, 3], [1, 2, 3]);
    // Of pixels 1, 2 and 3: (2 + 3 + 6) / 3.
    expect(inputSignal(new Map([['x', images]])).cross).toBeCloseTo(11 / 3, 10);
  });

  it('takes standardized inputs where there is nothing to measure', () => {
    const standard = { square: 1, mean: 0, cross: 0 };
    expect(inputSignal(new Map())).toEqual(standard);
    expect(inputSignal(new Map([['ids', tensorOf('int64', [2], [1, 2])]]))).toEqual(standard);
    expect(inputSignal(new Map([['x', tensorOf('float32', [1, 2], [Number.NaN, 1])]]))).toEqual(standard);
  });
});
