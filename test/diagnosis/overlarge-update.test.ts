import { describe, expect, it } from 'vitest';
import { afterSteps, classifier, judge, ofRule, series, trainedOn } from '../helpers/steps.ts';

describe('overlarge-update', () => {
  it('is found where steps replace the weights and nothing is learned', async () => {
    const subject = await afterSteps(classifier({ activation: 'tanh', optimizer: '{rmsprop: {lr: 1}}' }), {
      steps: 30,
    });
    const finding = ofRule('overlarge-update', subject)!;
    expect(['warning', 'error']).toContain(finding.severity);
    expect(finding.remedies[0]!.id).toBe('reduce-learning-rate');
    expect(finding.evidence.updateRatio).toBeGreaterThan(0.1);
  });

  it('is only noted from one batch', async () => {
    const network = classifier({ optimizer: '{sgd: {lr: 1}}' });
    expect(ofRule('overlarge-update', await afterSteps(network, { steps: 0 }))).toMatchObject({ severity: 'info' });
  });

  it('is an error from one batch where half of the layers would be changed by a third', async () => {
    for (const optimizer of ['{sgd: {lr: 100}}', '{adam: {lr: 1}}']) {
      const subject = await afterSteps(classifier({ optimizer }), { steps: 0 });
      expect(ofRule('overlarge-update', subject)).toMatchObject({ severity: 'error' });
    }
  });

  it('is silent for networks that train or have trained, a zero last layer among them', async () => {
    for (const head of ['he', 'zeros']) {
      expect(ofRule('overlarge-update', await afterSteps(classifier({ head })))).toBeUndefined();
    }
    const trained = await trainedOn(classifier(), 200);
    expect(ofRule('overlarge-update', await afterSteps(trained))).toBeUndefined();
  });

  it('is disproved by a loss that falls', () => {
    const updates = { a: 0.3, b: 1e-3 };
    const found = (loss: number[], ratio = 0.3) =>
      judge('overlarge-update', { loss, constantLoss: 2.3, updates: { ...updates, a: ratio } }).map(
        ({ severity }) => severity,
      );
    expect(found(series(20, () => 2.3))).toEqual(['warning']);
    expect(
      found(
        series(20, () => 2.3),
        1.5,
      ),
    ).toEqual(['error']);
    expect(found(series(20, (i) => 2.3 * 0.9 ** i))).toEqual(['info']);
    expect(
      found(
        series(20, () => 2.3),
        0.05,
      ),
    ).toEqual([]);
    expect(found(series(5, () => 2.3))).toEqual(['info']);
  });
});
