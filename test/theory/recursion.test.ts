import { describe, expect, it } from 'vitest';
import { activationOf, activationOps } from '../../src/theory/activations.ts';
import { criticalInitialization } from '../../src/theory/critical.ts';
import { meanField } from '../../src/theory/mean-field.ts';
import { chiOf, fixedPointOf, nextVariance, scaleOf } from '../../src/theory/recursion.ts';

const phi = (op: string, attributes = {}) => activationOf(op, attributes)!;
const tanh = phi('Tanh');

describe('fixed points', () => {
  // σ_w², q*, χ*, c*, ξ of tanh at σ_b² = 0.05, the setting of Schoenholz et al. 2017: by iterating the recursion on a
  // grid of 1601 (for c: 1601²) points in NumPy.
  it.each([
    [1, 0.19359252, 0.75903165, 1, 3.62698],
    [1.5, 0.4180372, 0.93863627, 1, 15.79099],
    [1.7, 0.53307563, 0.98674081, 1, 74.91827],
  ])('of tanh at σ_w² = %d are those of plain iteration', (sigmaW2, q, chi, c, scale) => {
    const found = fixedPointOf(tanh, { sigmaW2, sigmaB2: 0.05 });
    expect(found.qStar).toBeCloseTo(q, 7);
    expect(found.chiStar).toBeCloseTo(chi, 7);
    expect(found.cStar).toBeCloseTo(c, 5);
    expect(found.depthScale / scale).toBeCloseTo(1, 4);
  });

  it('are fixed, wherever the search begins', () => {
    for (const op of ['Tanh', 'Sigmoid', 'Gelu', 'Elu', 'Softsign', 'Swish']) {
      for (const [sigmaW2, sigmaB2] of [
        [0.7, 0.1],
        [1.3, 0.02],
        [1.6, 0.3],
      ] as const) {
        const near = fixedPointOf(phi(op), { sigmaW2, sigmaB2 }, 0.01).qStar;
        expect(nextVariance(phi(op), { sigmaW2, sigmaB2 }, near) / near).toBeCloseTo(1, 10);
        let q = 0.01;
        for (let i = 0; i < 600; i++) q = nextVariance(phi(op), { sigmaW2, sigmaB2 }, q);
        expect(near / q).toBeCloseTo(1, 3);
      }
    }
  });

  it('of the ReLU family are closed forms', () => {
    const point = fixedPointOf(phi('Relu'), { sigmaW2: 1.5, sigmaB2: 0.1 });
    expect(point.qStar).toBeCloseTo(0.4, 12);
    expect(point).toMatchObject({ chiStar: 0.75, cStar: 1 });
    expect(point.depthScale).toBeCloseTo(-1 / Math.log(0.75), 12);
    expect(fixedPointOf(phi('Relu'), { sigmaW2: 2, sigmaB2: 0 }, 3)).toMatchObject({ qStar: 3, depthScale: Infinity });
    expect(fixedPointOf(phi('Relu'), { sigmaW2: 2, sigmaB2: 0.1 }).qStar).toBe(Infinity);
    const growing = fixedPointOf(phi('Relu'), { sigmaW2: 3, sigmaB2: 0 });
    expect(growing.qStar).toBe(Infinity);
    expect(growing.depthScale).toBeCloseTo(1 / Math.log(1.5), 12);
  });

  it('of an ordered network without biases are silence, and of a chaotic one are not', () => {
    const ordered = fixedPointOf(tanh, { sigmaW2: 0.8, sigmaB2: 0 });
    expect(ordered.qStar).toBe(0);
    expect(ordered.chiStar).toBeCloseTo(0.8, 6);
    const chaotic = fixedPointOf(tanh, { sigmaW2: 2, sigmaB2: 0 });
    expect(chaotic.qStar).toBeGreaterThan(0.3);
    // Odd functions: without biases inputs decorrelate altogether (Poole et al. 2016).
    expect(chaotic.cStar).toBeLessThan(1e-6);
  });

  it('turn from order to chaos where Schoenholz et al. 2017 have it: near σ_w² = 1.76 at σ_b² = 0.05', () => {
    expect(
      chiOf(tanh, { sigmaW2: 1.76, sigmaB2: 0.05 }, fixedPointOf(tanh, { sigmaW2: 1.76, sigmaB2: 0.05 }).qStar),
    ).toBeLessThan(1);
    expect(fixedPointOf(tanh, { sigmaW2: 1.77, sigmaB2: 0.05 }).chiStar).toBeGreaterThan(1);
    const scales = [1, 1.4, 1.7, 1.75, 1.8, 2, 3, 4].map(
      (sigmaW2) => fixedPointOf(tanh, { sigmaW2, sigmaB2: 0.05 }).depthScale,
    );
    const peak = scales.indexOf(Math.max(...scales));
    expect(peak).toBe(3);
    expect(scales.slice(0, peak)).toEqual(scales.slice(0, peak).toSorted((a, b) => a - b));
    expect(scales.slice(peak)).toEqual(scales.slice(peak).toSorted((a, b) => b - a));
  });

  it('say NaN of NaN', () => {
    const { qStar, chiStar } = fixedPointOf(tanh, { sigmaW2: Number.NaN, sigmaB2: 0 });
    expect([qStar, chiStar]).toEqual([Number.NaN, Number.NaN]);
    expect(scaleOf(1)).toBe(Infinity);
    expect(scaleOf(0)).toBe(0);
  });
});

describe('the critical initialization', () => {
  it('of the ReLU family is 2 / (1 + a²) without biases (He et al. 2015)', () => {
    expect(criticalInitialization(phi('Relu'))).toMatchObject({ sigmaW2: 2, sigmaB2: 0 });
    expect(criticalInitialization(phi('LeakyRelu', { alpha: 0.5 }))!.sigmaW2).toBeCloseTo(2 / 1.25, 12);
    expect(criticalInitialization(phi('Identity'))!.sigmaW2).toBe(1);
  });

  it('of tanh is (1, 0), and with biases what Pennington et al. 2017 trained with', () => {
    expect(criticalInitialization(tanh)).toEqual({ sigmaW2: 1, sigmaB2: 0, q: 0 });
    expect(criticalInitialization(tanh, 2.01e-5)!.sigmaW2).toBeCloseTo(1.05, 4);
    expect(criticalInitialization(tanh, 0.05)!.sigmaW2).toBeCloseTo(1.761, 3);
  });

  // Roberts, Yaida and Hanin 2022, The Principles of Deep Learning Theory, section 5.3.4.
  it.each([
    ['Gelu', 1.98305826, 0.17292239, (3 + Math.sqrt(17)) / 2],
    ['Swish', 1.98800468, 0.55514317, 14.32017362],
  ])('of %s is the point at which neither gradients nor variances drift', (op, sigmaW2, sigmaB2, q) => {
    const found = criticalInitialization(phi(op))!;
    expect(found.sigmaW2).toBeCloseTo(sigmaW2, 6);
    expect(found.sigmaB2).toBeCloseTo(sigmaB2, 6);
    expect(found.q / q).toBeCloseTo(1, 5);
  });

  it.each(activationOps)('of %s, where there is one, has χ = 1 at its fixed point', (op) => {
    const found = criticalInitialization(phi(op));
    if (['Softplus', 'ThresholdedRelu', 'Shrink'].includes(op)) return expect(found).toBeUndefined();
    const q = found!.q > 0 ? found!.q : 1e-12;
    expect(chiOf(phi(op), found!, q)).toBeCloseTo(1, 4);
    if (found!.q > 0) expect(nextVariance(phi(op), found!, q) / q).toBeCloseTo(1, 8);
  });

  it('needs enormous weights for sigmoid: its slope is at most a quarter', () => {
    expect(criticalInitialization(phi('Sigmoid'))!.sigmaW2).toBeGreaterThan(16);
  });
});

describe('meanField', () => {
  it('is the theory of one layer by name', () => {
    const found = meanField('Tanh', { sigmaW2: 1.5, sigmaB2: 0.05 });
    expect(found.trainableDepth).toBeCloseTo(94.75, 1);
    expect(found.critical!.sigmaW2).toBeCloseTo(1.761, 3);
    expect(() => meanField('Thanh', { sigmaW2: 1, sigmaB2: 0 })).toThrow(/no activation "Thanh"/);
  });
});
