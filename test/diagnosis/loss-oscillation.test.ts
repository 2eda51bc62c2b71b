import { describe, expect, it } from 'vitest';
import { normals, seeded } from '../helpers/random.ts';
import { afterSteps, classifier, judge, ofRule, series, trainedOn } from '../helpers/steps.ts';

describe('loss-oscillation', () => {
  it('is found where a linear network overshoots at the learning rate at which it swings', async () => {
    const text = `
input: 1
layers:
  - dense: {units: 1, name: out, bias: false, init: {constant: 3}}
loss: mse
optimizer: {sgd: {lr: LR}}
`;
    const { tensorOf } = await import('../../src/graph/tensor.ts');
    const x = tensorOf(
      'float32',
      [64, 1],
      series(64, (i) => (i % 2 === 0 ? 1 : -1)),
    );
    const y = tensorOf(
      'float32',
      [64, 1],
      series(64, (i) => (i % 2 === 0 ? 1 : -1)),
    );
    const batch = { kind: 'tensors', from: 'line', inputs: new Map([['', x]]), target: y } as const;
    // L = (w − 1)², L'' = 2: at a learning rate of 1 the weight jumps from 3 to −1 and back: the loss stays at 4.
    const even = await afterSteps(text.replace('LR', '1'), { batch, steps: 60 });
    expect(even.steps!.lossAfter).toBeCloseTo(4, 3);
    expect(ofRule('overlarge-update', even)).toMatchObject({ severity: 'error' });
    expect(
      ofRule('loss-oscillation', await afterSteps(text.replace('LR', '0.1'), { batch, steps: 60 })),
    ).toBeUndefined();
  });

  it('is found in a network whose steps are ten times too long, and in none that trains or has trained', async () => {
    const found = async (lr: string) =>
      ofRule(
        'loss-oscillation',
        await afterSteps(classifier({ optimizer: `{sgd: {lr: ${lr}}}`, activation: 'tanh' }), { steps: 100 }),
      );
    expect(await found('4')).toBeDefined();
    expect(await found('0.1')).toBeUndefined();
    const trained = await trainedOn(classifier(), 200);
    expect(ofRule('loss-oscillation', await afterSteps(trained, { steps: 60 }))).toBeUndefined();
  });

  it('tells swings from what small batches differ by', () => {
    const z = normals(seeded(2), 200);
    const found = (loss: number[]) =>
      judge('loss-oscillation', { loss, constantLoss: 2.3 }).map(({ severity }) => severity);
    expect(found(series(100, (i) => 3 + (i % 2 === 0 ? 1.5 : -1.5)))).toEqual(['error']);
    expect(found(series(100, (i) => 2 + (i % 2 === 0 ? 0.4 : -0.4)))).toEqual(['warning']);
    expect(found(series(100, (i) => 2.3 + 0.1 * z[i]!))).toEqual([]);
    // Converged: the swings are half of the loss, and nothing against a constant answer's.
    expect(found(series(100, (i) => 0.05 + (i % 2 === 0 ? 0.03 : -0.03)))).toEqual([]);
    // On its way down.
    expect(found(series(100, (i) => 10 * 0.98 ** i * (i % 2 === 0 ? 1.2 : 0.8)))).toEqual([]);
  });
});
