import { describe, expect, it } from 'vitest';
import { tensorOf } from '../../src/graph/tensor.ts';
import { normals, seeded } from '../helpers/random.ts';
import { afterSteps, alarms, classifier, judge, ofRule, series, trainedOn } from '../helpers/steps.ts';

const noise = (seed: number) => {
  const values = normals(seeded(seed), 1000);
  return (i: number) => values[i]!;
};

describe('loss-plateau', () => {
  it('is an error where steps of usual size learn nothing: labels that have nothing to do with the inputs', async () => {
    const random = seeded(3);
    const rows = 4096;
    const x = tensorOf('float32', [rows, 8], normals(random, 8 * rows));
    const y = tensorOf(
      'int64',
      [rows],
      series(rows, () => (random() < 0.5 ? 0 : 1)),
    );
    const network = classifier({ depth: 1, units: 4, classes: 2, optimizer: '{sgd: {lr: 0.1}}' });
    const subject = await afterSteps(network, {
      batch: { kind: 'tensors', from: 'noise', inputs: new Map([['', x]]), target: y },
      steps: 300,
      size: 64,
    });
    expect(subject.steps!.history.constantLoss).toBeCloseTo(Math.LN2, 2);
    expect(ofRule('loss-plateau', subject)).toMatchObject({ severity: 'error' });
  });

  it('is a warning where the steps are too small to tell', async () => {
    const subject = await afterSteps(classifier({ optimizer: '{sgd: {lr: 0.00001}}' }), {
      batch: { kind: 'none' },
      steps: 120,
    });
    const finding = ofRule('loss-plateau', subject)!;
    expect(finding).toMatchObject({ severity: 'warning' });
    expect(finding.remedies[0]!.id).toBe('increase-learning-rate');
    expect(subject.diagnosis.verdict).toBe('healthy');
  });

  it('is silent for a network that learns, and for one that has learned', async () => {
    expect(alarms(await afterSteps(classifier()))).toEqual([]);
    const trained = await trainedOn(classifier(), 300);
    const subject = await afterSteps(trained, { steps: 120, learningRate: 1e-4 });
    expect(subject.steps!.lossBefore).toBeLessThan(0.1);
    expect(alarms(subject)).toEqual([]);
    expect(subject.diagnosis.verdict).toBe('healthy');
  });

  it('tells a plateau from noise, a slow start and convergence', () => {
    const z = noise(1);
    const flat = (level: number, sigma: number) => series(200, (i) => level + sigma * z(i));
    const found = (loss: number[], constantLoss?: number) =>
      judge('loss-plateau', { loss, constantLoss }).map(({ severity }) => severity);
    expect(found(flat(2.3, 0.02), 2.3)).toEqual(['error']);
    expect(found(flat(2.3, 0.1).slice(0, 60), 2.3)).toEqual([]);
    expect(found(flat(2.3, 0.002).slice(0, 60), 2.3)).toEqual(['warning']);
    expect(found(flat(2.3, 0.02).slice(0, 15), 2.3)).toEqual([]);
    expect(found(flat(2.3, 0.3), 2.3)).toEqual([]);
    expect(found(flat(0.2, 0.002), 2.3)).toEqual([]);
    expect(found(flat(1.7, 0.01), 2.3)).toEqual(['info']);
    expect(found(flat(2.3, 0.02))).toEqual(['info']);
    expect(
      found(
        series(200, (i) => 2.3 * 0.99 ** i + 0.02 * z(i)),
        2.3,
      ),
    ).toEqual([]);
    expect(
      found(
        series(200, () => 0),
        2.3,
      ),
    ).toEqual([]);
  });
});
