import { describe, expect, it } from 'vitest';
import { motionOf } from '../../src/diagnosis/movement.ts';
import { afterSteps, classifier, judge, ofRule, series, trainedOn } from '../helpers/steps.ts';
import { exported } from '../remedies/structure/patient.ts';

const deepSigmoids = classifier({
  activation: 'sigmoid',
  init: 'glorot-uniform',
  depth: 12,
  optimizer: '{sgd: {lr: 0.1}}',
});

describe('stalled-layer', () => {
  it('is an error where updates are rounded away while the last layers move', async () => {
    const subject = await afterSteps(deepSigmoids, { steps: 30 });
    const finding = ofRule('stalled-layer', subject)!;
    expect(finding).toMatchObject({ severity: 'error' });
    expect(finding.where[0]).toBe('hidden.0');
    expect(finding.where).not.toContain('out');
    const moved = Object.fromEntries(subject.steps!.layers.map((layer) => [layer.layer, layer.moved]));
    expect(moved['hidden.0']! / moved.out!).toBeLessThan(1e-5);
  });

  it('is only noted before any step', async () => {
    expect(ofRule('stalled-layer', await afterSteps(deepSigmoids, { steps: 0 }))).toMatchObject({ severity: 'info' });
  });

  it('is silent for networks that train, start from a zero last layer, or have trained', async () => {
    expect(ofRule('stalled-layer', await afterSteps(classifier({ optimizer: '{sgd: {lr: 0.1}}' })))).toBeUndefined();
    const opening = classifier({ head: 'zeros', depth: 5, optimizer: '{sgd: {lr: 0.1}}' });
    expect(ofRule('stalled-layer', await afterSteps(opening))).toBeUndefined();
    const trained = await trainedOn(classifier(), 300);
    const slow = await afterSteps(trained, { optimizer: 'sgd', learningRate: 1e-4 });
    expect(Math.max(...slow.steps!.layers.map(({ updateRatio }) => updateRatio))).toBeLessThan(1e-5);
    expect(ofRule('stalled-layer', slow)).toBeUndefined();
  });

  it('is an error from one batch where rounding takes every update of a network that has learned nothing', async () => {
    const slow = classifier({ optimizer: '{sgd: {lr: 1.0e-9}}' });
    const finding = ofRule('stalled-layer', await afterSteps(slow, { steps: 0 }))!;
    expect(finding).toMatchObject({ severity: 'error' });
    expect(finding.remedies[0]!.id).toBe('increase-learning-rate');
    const trained = await trainedOn(classifier(), 300);
    const after = await afterSteps(trained, { steps: 0, optimizer: 'sgd', learningRate: 1e-9 });
    expect(ofRule('stalled-layer', after)).toBeUndefined();
  });

  it('gives way to vanishing-gradient where the network starves itself, and only there', async () => {
    const { model, batch } = await exported('plainconv34_gain1');
    const small = await afterSteps(model, { batch, steps: 0, optimizer: 'sgd', learningRate: 0.01 });
    const ratios = motionOf(small.profile, undefined).layers.map(({ ratio }) => ratio);
    expect(ratios).toHaveLength(36);
    expect(Math.max(...ratios)).toBeLessThan(2 ** -24);
    expect(ofRule('vanishing-gradient', small)).toMatchObject({ severity: 'error' });
    expect(ofRule('stalled-layer', small)).toBeUndefined();
    // Nor would the same layers with He weights, at full size, move at this rate.
    const both = await afterSteps(model, { batch, steps: 0, optimizer: 'sgd', learningRate: 1e-9 });
    expect(ofRule('vanishing-gradient', both)).toMatchObject({ severity: 'error' });
    expect(ofRule('stalled-layer', both)!.remedies[0]!.id).toBe('increase-learning-rate');
  });

  it('blames the learning rate where only the gradient vanishes: the last layer has all of its own', async () => {
    const slow = deepSigmoids.replace('lr: 0.1', 'lr: 1.0e-9');
    const subject = await afterSteps(slow, { steps: 0 });
    expect(ofRule('vanishing-gradient', subject)).toMatchObject({ severity: 'error' });
    expect(ofRule('stalled-layer', subject)!.remedies[0]!.id).toBe('increase-learning-rate');
  });

  it('compares each layer with those that move', () => {
    const found = (updates: Record<string, number>, steps = 20) =>
      judge('stalled-layer', { loss: series(steps, () => 1), updates }).map(({ severity, where }) => [
        severity,
        ...where,
      ]);
    expect(found({ a: 1e-6, b: 1e-2, c: 1e-2 })).toEqual([['warning', 'a']]);
    expect(found({ a: 1e-9, b: 1e-6, c: 1e-2, d: 1e-2 })).toEqual([['error', 'a', 'b']]);
    expect(found({ a: 1e-6, b: 1e-2 }, 5)).toEqual([['info', 'a']]);
    expect(found({ a: 1e-8, b: 1e-8, c: 1e-8 })).toEqual([]);
    expect(found({ a: 1e-6, b: 1e-4, c: 1e-4 })).toEqual([]);
    expect(found({ a: 0, b: 1e-3 })).toEqual([['error', 'a']]);
  });
});
