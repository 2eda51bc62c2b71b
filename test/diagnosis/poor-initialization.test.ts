import { describe, expect, it } from 'vitest';
import { poorInitialization } from '../../src/diagnosis/rules/poor-initialization.ts';
import type { FlowProfile } from '../../src/flow/profile.ts';
import type { LayerTheory, Theory } from '../../src/theory/theory.ts';
import { afterSteps, classifier, ofRule, trainedOn } from '../helpers/steps.ts';
import { subjectOf } from '../helpers/subjects.ts';

const examine = async (options: Parameters<typeof classifier>[0]) =>
  ofRule('poor-initialization', await afterSteps(classifier({ units: 64, ...options }), { steps: 0 }));

describe('poor-initialization', () => {
  it('is an error where the variance is the reason that the gradient vanishes, and says which it should have', async () => {
    // ReLU: χ = σ_w²/2, so that σ_w² = 0.5 takes log₁₀ 2 decades a layer; critical is 2 (He et al. 2015).
    const finding = (await examine({ depth: 14, init: '{he: {gain: 0.5}}' }))!;
    expect(finding.severity).toBe('error');
    const { variance, criticalVariance, factor, predictedDecades, measuredDecades } = finding.evidence as Record<
      string,
      number
    >;
    expect(factor).toBeGreaterThan(0.15);
    expect(factor).toBeLessThan(0.35);
    expect(variance! / criticalVariance!).toBeCloseTo(factor!, 6);
    expect(predictedDecades).toBeCloseTo(-13 * Math.log10(2), 0);
    expect(Math.abs(measuredDecades! - predictedDecades!)).toBeLessThan(1);
    expect(finding.relief!.remedy).toBe('use-critical-init');
    expect(Math.abs(finding.relief!.predictedDecades)).toBeLessThan(1.5);
    expect(finding.remedies[0]!.id).toBe('use-critical-init');
  });

  it('is an error where it is too large and the gradient explodes', async () => {
    const finding = (await examine({ depth: 14, init: '{normal: 0.5}' }))!;
    expect(finding.severity).toBe('error');
    expect(finding.title).toContain('too large');
  });

  it('is silent at He for ReLU and Glorot for tanh, for shallow networks and after training', async () => {
    expect(await examine({ depth: 14 })).toBeUndefined();
    expect(await examine({ depth: 6, activation: 'tanh', init: 'glorot-normal', units: 64 })).toBeUndefined();
    expect(await examine({ depth: 2, init: '{normal: 0.0884}' })).toBeUndefined();
    const trained = await trainedOn(classifier(), 200);
    expect(ofRule('poor-initialization', await afterSteps(trained, { steps: 0 }))).toBeUndefined();
  });

  it('stands after training steps where the gradient still vanishes', async () => {
    const subject = await afterSteps(
      classifier({ units: 64, depth: 14, init: '{normal: 0.0884}', optimizer: '{sgd: {lr: 0.01}}' }),
      { steps: 10 },
    );
    const fate = subject.steps!.fates.find(({ rule }) => rule === 'poor-initialization')!;
    expect(fate.fate).toBe('confirmed');
    expect(ofRule('poor-initialization', subject)!.severity).toBe('error');
  });

  const layer = (name: string, sigmaW2: number, more: Partial<LayerTheory> = {}): LayerTheory => ({
    layer: name,
    activation: 'Tanh',
    fanIn: 100,
    sigmaW2,
    sigmaB2: 0,
    q: 1,
    qStar: 1,
    chi: sigmaW2,
    chiStar: sigmaW2,
    depthScale: 1,
    decades: 0.5 * Math.log10(sigmaW2),
    critical: { sigmaW2: 1, sigmaB2: 0, q: 0 },
    ...more,
  });
  const check = (layers: LayerTheory[], measured: number, profile: Partial<FlowProfile> = {}) => {
    const subject = subjectOf({
      layers: layers.map(({ layer: name }) => ({ name })),
      byKind: { 'weight-matrix': measured },
    });
    const predictedDecades = layers.slice(0, -1).reduce((sum, { decades }) => sum + decades, 0);
    const theory: Theory = { applies: 'fully', reasons: [], layers, predictedDecades };
    return poorInitialization
      .check({ profile: { ...subject.profile, ...profile }, attribution: subject.diagnosis.attribution, theory })
      .map(({ severity }) => severity);
  };
  const stack = (sigmaW2: number, more: Partial<LayerTheory> = {}) =>
    Array.from({ length: 8 }, (_, i) => layer(`l${i}`, sigmaW2, more));

  it('needs prediction and measurement to agree', () => {
    expect(check(stack(0.1), -3.5)).toEqual(['error']);
    expect(check(stack(0.1), -2)).toEqual(['warning']);
    expect(check(stack(0.1), 0)).toEqual(['info']);
    expect(check(stack(0.1), 3.5)).toEqual(['info']);
    expect(check(stack(10), 3.5)).toEqual(['error']);
    expect(check(stack(0.9), -3.5)).toEqual([]);
  });

  it('leaves normalized layers, small residual branches, the last layer and trained weights alone', () => {
    expect(check(stack(0.1, { normalization: 'BatchNormalization' }), -3.5)).toEqual([]);
    expect(check(stack(0.1, { residual: true }), -3.5)).toEqual([]);
    expect(check(stack(0.1, { critical: undefined }), -3.5)).toEqual([]);
    expect(check([...stack(1), layer('out', 1e-6)], 0)).toEqual([]);
    expect(check(stack(0.1), -3.5, { loss: 0.1, constantLoss: 2.3 })).toEqual([]);
    expect(check(stack(0.1), -3.5, { seen: { batch: 64, batches: 1, step: 10 } })).toEqual([]);
  });
});
