import { describe, expect, it } from 'vitest';
import { afterSteps, classifier, judge, ofRule, series, trainedOn } from '../helpers/steps.ts';

describe('loss-divergence', () => {
  it('is an error where the steps are far too long', async () => {
    const subject = await afterSteps(classifier({ optimizer: '{sgd: {lr: 20}}' }));
    expect(ofRule('loss-divergence', subject)).toMatchObject({ severity: 'error' });
    expect(subject.diagnosis.verdict).not.toBe('healthy');
    expect(subject.steps!.fault).toMatchObject({ kind: 'divergence' });
    expect(ofRule('loss-divergence', subject)!.title).toContain(subject.steps!.fault!.message);
  });

  it('is silent for networks that train, or have trained', async () => {
    expect(ofRule('loss-divergence', await afterSteps(classifier()))).toBeUndefined();
    const trained = await trainedOn(classifier(), 200);
    expect(ofRule('loss-divergence', await afterSteps(trained))).toBeUndefined();
  });

  it('judges as training does: against the first loss and the constant answer', () => {
    const found = (loss: number[], constantLoss?: number) =>
      judge('loss-divergence', { loss, constantLoss }).map(({ severity }) => severity);
    expect(
      found(
        series(40, (i) => 2.3 * 1.2 ** i),
        2.3,
      ),
    ).toEqual(['error']);
    expect(
      found(
        series(40, (i) => (i < 10 ? 2.3 : 6)),
        2.3,
      ),
    ).toEqual(['warning']);
    expect(found([2.3, 2.2, Number.NaN], 2.3)).toEqual(['error']);
    expect(found([0.01, 0.02, 0.04, 0.08, 0.1, 0.09, 0.1, 0.1, 0.1, 0.1, 0.1], 2.3)).toEqual([]);
    expect(
      found(
        series(40, (i) => 50 * 0.9 ** i),
        2.3,
      ),
    ).toEqual([]);
    expect(found([])).toEqual([]);
  });
});
