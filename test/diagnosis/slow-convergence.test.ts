import { describe, expect, it } from 'vitest';
import { afterSteps, classifier, judge, ofRule, series } from '../helpers/steps.ts';

describe('slow-convergence', () => {
  it('is a warning where small steps do learn, but would take thousands', async () => {
    const subject = await afterSteps(classifier({ optimizer: '{sgd: {lr: 0.0001}}' }), {
      batch: { kind: 'none' },
      steps: 100,
    });
    const finding = ofRule('slow-convergence', subject)!;
    expect(finding).toMatchObject({ severity: 'warning' });
    expect(finding.evidence.stepsToHalve).toBeGreaterThan(1000);
    expect(ofRule('loss-plateau', subject)).toBeUndefined();
  });

  it('is silent at a usual pace', async () => {
    expect(ofRule('slow-convergence', await afterSteps(classifier()))).toBeUndefined();
    expect(
      ofRule('slow-convergence', await afterSteps(classifier({ optimizer: '{sgd: {lr: 0.05}}' }))),
    ).toBeUndefined();
  });

  it('measures the pace it was given', () => {
    // A fall of 1 part in 4000 of the level in the middle of the second half: halved after 2000 steps.
    const loss = series(100, (i) => 2 - (i - 74.5) * (2 / 4000));
    const [finding] = judge('slow-convergence', { loss, constantLoss: 2.3, updates: { a: 1e-4, b: 1e-4 } });
    expect(finding!.evidence.stepsToHalve as number).toBeCloseTo(2000, 0);
    expect(finding!.severity).toBe('warning');
    expect(judge('slow-convergence', { loss, constantLoss: 2.3 })).toMatchObject([{ severity: 'info' }]);
    // Learned already, or fast, or a plateau.
    expect(judge('slow-convergence', { loss, constantLoss: 5 })).toEqual([]);
    expect(judge('slow-convergence', { loss: series(100, (i) => 2 * 0.99 ** i), constantLoss: 2 })).toEqual([]);
    expect(judge('slow-convergence', { loss: series(100, (i) => 2 - i * 1e-7), constantLoss: 2 })).toEqual([]);
  });
});
