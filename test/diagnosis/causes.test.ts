import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { forwardDecades, lostDecades } from '../../src/diagnosis/causes.ts';
import { effectiveDecades } from '../../src/diagnosis/decay.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import type { ReportSubject } from '../../src/report/subject.ts';
import { diagnose } from '../../src/verbs/diagnose.ts';
import { examine } from '../helpers/examine.ts';
import { exported, runtime } from '../remedies/structure/patient.ts';

const mlpSpec = (activation: string, depth: number, init: unknown, more: object = {}) => ({
  input: 100,
  layers: [{ dense: { units: 100, activation, repeat: depth, name: 'hidden' } }, { dense: { units: 10, name: 'out' } }],
  init,
  loss: 'cross-entropy',
  ...more,
});

describe('causes of a decay', () => {
  it('names the collapse of both signals in the 34-layer Glorot-ReLU network whose weight gradients look alike', async () => {
    const { profile, diagnosis } = await examine(buildSpec(mlpSpec('relu', 34, 'glorot-uniform')));
    const [main] = diagnosis.findings;
    expect(main).toMatchObject({ rule: 'vanishing-gradient', severity: 'error' });
    // First over last weight gradient is what other tools look at: within a factor of 30 here, while each has collapsed.
    const weights = profile.parameters.filter(({ shape, layer }) => shape.length === 2 && layer.startsWith('hidden'));
    const logs = weights.map(({ gradient }) => gradient.log10L2);
    expect(Math.abs(logs[0]! - logs.at(-1)!)).toBeLessThan(1.5);
    expect(main!.causes.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['activation-derivative', 'forward-signal']),
    );
    expect(main!.evidence.forwardSignalDecades).toBeLessThan(-3);
    // χ = 1/2 in each of 34 layers, forward and backward: 17 · log10 2.
    expect(main!.evidence.effectiveDecades).toBeCloseTo(-34 * 0.5 * Math.log10(2), -0.5);
    expect(main!.explanation).toContain('forward signal');
    expect(main!.relief).toMatchObject({ remedy: 'use-he-init' });
    expect(Math.abs(main!.relief!.predictedDecades)).toBeLessThan(0.5);
  });

  describe('in 34 convolutions that PyTorch exported', () => {
    const diagnosed = async (name: string) => {
      const { model, batch } = await exported(name);
      return diagnose(model, { runtime, batch });
    };
    let collapsed: ReportSubject;
    let kept: ReportSubject;
    beforeAll(async () => {
      collapsed = await diagnosed('plainconv34_gain1');
      kept = await diagnosed('plainconv34_he');
    });

    it('follows the forward signal to the last hidden layer: the biases of the output hide its collapse', () => {
      const truth = JSON.parse(
        readFileSync(new URL('../fixtures/torch/plainconv34_gain1.values.json', import.meta.url), 'utf8'),
      );
      const sizeOf = (node: string): number => truth.values[`${node}_output_0`].value.l2;
      const expected = Math.log10(sizeOf('/body.33/Conv') / sizeOf('/stem/Conv'));
      expect(expected).toBeLessThan(-6);
      expect(forwardDecades(collapsed.profile)).toBeCloseTo(expected, 3);
      const [main] = collapsed.diagnosis.findings;
      expect(main).toMatchObject({ rule: 'vanishing-gradient', severity: 'error' });
      expect(main!.causes.find(({ kind }) => kind === 'forward-signal')!.decades).toBeCloseTo(expected, 3);
      expect(main!.explanation).toContain(`forward signal collapses by ${expected.toFixed(1)} decades`);
    });

    it('finds that both signals together take as much from every weight gradient', () => {
      // The same draw with weights √2 larger: ReLU is homogeneous, and the 34 layers that a weight gradient passes,
      // forward to the weight or backward to it, differ by 34 · log10 √2.
      const lost = (subject: ReportSubject) => lostDecades(subject.profile, subject.diagnosis.attribution!);
      const [less, more] = [lost(kept), lost(collapsed)];
      expect(more.size).toBe(36);
      for (const [layer, decades] of more) {
        expect(Math.abs(decades - less.get(layer)! + 17 * Math.log10(2)), layer).toBeLessThan(0.2);
      }
    });
  });

  it('adds up, without the forward signal, to the kinds that took something', async () => {
    const { diagnosis } = await examine(buildSpec(mlpSpec('sigmoid', 8, 'glorot-uniform')));
    const { causes } = diagnosis.findings[0]!;
    const sum = causes
      .filter(({ kind }) => kind !== 'forward-signal')
      .reduce((total, { decades }) => total + decades, 0);
    const taken = Object.entries(diagnosis.attribution!.byKind).filter(
      ([kind, decades]) => decades < 0 && !['pooling', 'loss', 'dropout'].includes(kind),
    );
    expect(sum).toBeCloseTo(
      taken.reduce((total, [, decades]) => total + decades, 0),
      9,
    );
    expect(causes.reduce((total, { share }) => total + share, 0)).toBeCloseTo(1, 12);
  });

  it('charges what eighty mild layers lose to depth, where one of them is not to blame', async () => {
    const { diagnosis } = await examine(buildSpec(mlpSpec('tanh', 80, { 'glorot-normal': 0.97 })));
    const [main] = diagnosis.findings;
    expect(main!.rule).toBe('vanishing-gradient');
    expect(main!.causes[0]!.kind).toBe('depth');
  });

  it('tells a flat function before the loss from one between layers', async () => {
    const network = {
      input: 50,
      layers: [
        { dense: { units: 50, activation: 'relu', repeat: 2 } },
        { dense: { units: 5, name: 'out', init: { normal: 0.01 }, bias: -18 } },
        'sigmoid',
      ],
      init: 'he-normal',
      loss: 'mse',
    };
    const { diagnosis } = await examine(buildSpec(network));
    const main = diagnosis.findings.find(({ rule }) => rule === 'vanishing-gradient');
    // σ′(−18) = 1.5e-8.
    expect(main!.causes[0]).toMatchObject({ kind: 'loss-saturation' });
    expect(main!.causes[0]!.decades).toBeLessThan(-7);
  });
});

describe('relief', () => {
  it.each([
    ['ten sigmoids', 'sigmoid', 10, 'glorot-uniform', 'use-relu'],
    ['tanh with weights ten times too small', 'tanh', 10, { normal: 0.01 }, 'use-glorot-init'],
    ['ReLU with weights ten times too small', 'relu', 10, { normal: 0.014 }, 'use-he-init'],
    ['ReLU with weights four times too large', 'relu', 12, { normal: 0.56 }, 'use-he-init'],
  ])('names what restores %s, and what the change leaves', async (_name, activation, depth, init, remedy) => {
    const { diagnosis } = await examine(buildSpec(mlpSpec(activation, depth, init)));
    const [main] = diagnosis.findings;
    expect(main!.relief).toMatchObject({ remedy });
    expect(main!.remedies[0]!.id).toBe(remedy);
    const changed = await examine(
      buildSpec(
        mlpSpec(
          ...({
            'use-relu': ['relu', depth, 'he-normal'],
            'use-glorot-init': [activation, depth, 'glorot-normal'],
            'use-he-init': [activation, depth, 'he-normal'],
          }[remedy]! as [string, number, unknown]),
        ),
      ),
    );
    const measured = effectiveDecades(changed.diagnosis.attribution!.byKind);
    expect(Math.abs(measured - main!.relief!.predictedDecades)).toBeLessThan(0.5);
  });
});
