import { describe, expect, it } from 'vitest';
import { renderJson } from '../../src/report/json.ts';
import { findingOf, statisticsOf, subjectOf, tinyStatistics } from '../helpers/subjects.ts';

const layers = [
  { name: 'hidden', decades: -2 },
  { name: 'out', decades: 0 },
];
const parsed = (sketch: Parameters<typeof subjectOf>[0]) => JSON.parse(renderJson(subjectOf(sketch)));

describe('the JSON report', () => {
  it('has the keys of the contract, in their order', () => {
    const report = parsed({ layers, verdict: 'vanishing', findings: [findingOf()] });
    expect(Object.keys(report)).toEqual([
      'schema',
      'verdict',
      'model',
      'probe',
      'parameters',
      'flow',
      'layerGradients',
      'attribution',
      'findings',
    ]);
    expect(report).toMatchObject({ schema: 'gradient-doctor/report@1', verdict: 'vanishing' });
    expect(report.model).toEqual({
      name: 'net',
      format: 'onnx',
      parameters: 170110,
      operators: { Gemm: 3, Sigmoid: 2 },
    });
    expect(report.probe).toMatchObject({ loss: 2.34, batch: 64, seed: 0, lossKind: 'cross-entropy', data: 'mnist' });
    expect(Object.keys(report.parameters[0]).slice(0, 5)).toEqual([
      'name',
      'shape',
      'gradient',
      'value',
      'updateRatio',
    ]);
    const statistics = ['l2', 'maxAbs', 'meanAbs', 'zeroFraction', 'nonFinite', 'log2Histogram'];
    for (const key of ['gradient', 'value']) {
      expect(Object.keys(report.parameters[0][key]).slice(0, 6)).toEqual(statistics);
    }
    expect(Object.keys(report.flow[0]).slice(0, 6)).toEqual([
      'value',
      'node',
      'operator',
      'layer',
      'gradientL2',
      'decadesFromOutput',
    ]);
    expect(report.flow.map(({ layer }: { layer: string }) => layer)).toEqual(['out', 'hidden']);
    expect(report.layerGradients).toEqual([
      expect.objectContaining({ layer: 'out', decadesFromOutput: 0 }),
      {
        layer: 'hidden',
        value: 'hidden_out',
        operator: 'Gemm',
        mixes: true,
        decadesFromOutput: -2,
        weightGradientDecades: -2,
        updateRatio: 1e-3,
        parameters: ['hidden.weight'],
      },
    ]);
    expect(Object.keys(report.attribution)).toEqual([
      'totalDecades',
      'byKind',
      'byLayer',
      'merges',
      'from',
      'to',
      'blockedBy',
    ]);
    expect(report.findings[0]).toMatchObject({
      rule: 'vanishing-gradient',
      severity: 'error',
      where: ['hidden.0'],
      evidence: { totalDecades: -6, errorThreshold: -3 },
      causes: [{ kind: 'activation-derivative', decades: -6, share: 1 }],
      remedies: ['use-relu'],
    });
  });

  it('writes the statistics of a tensor as they are', () => {
    const weight = statisticsOf(3, -4, 0, 0);
    const { gradient } = parsed({ layers: [{ name: 'a', weight }] }).parameters[0];
    expect(gradient).toEqual({
      l2: 5,
      maxAbs: 4,
      meanAbs: 1.75,
      zeroFraction: 0.5,
      nonFinite: 0,
      // 3 lies in [2, 4), 4 in [4, 8).
      log2Histogram: { from: 1, counts: [1, 1], zeros: 2, negatives: 1 },
      decades: Math.log10(5),
      mean: -0.25,
    });
  });

  it('writes numbers that are not finite as strings, and what the finite elements give beside them', () => {
    const report = parsed({
      layers: [
        { name: 'a', gradient: statisticsOf(Number.NaN, 3, 4) },
        { name: 'b', gradient: statisticsOf(Number.NEGATIVE_INFINITY, 1) },
        { name: 'out', gradient: statisticsOf(1) },
      ],
      loss: Number.NaN,
      verdict: 'non-finite',
    });
    expect(report.probe.loss).toBe('NaN');
    const [out, b, a] = report.flow;
    expect(out.decadesFromOutput).toBe(0);
    expect(b).toMatchObject({ gradientL2: 'Infinity', decadesFromOutput: 'Infinity' });
    expect(a).toMatchObject({ gradientL2: 'NaN', decadesFromOutput: 'NaN' });
    expect(a.gradient).toMatchObject({
      l2: 'NaN',
      nonFinite: 1,
      nonFiniteCounts: { nan: 1, positiveInfinity: 0, negativeInfinity: 0 },
      finite: { l2: 5, maxAbs: 4 },
    });
    expect(b.gradient.mean).toBe('-Infinity');
  });

  it('keeps the decades of what float64 cannot hold', () => {
    const report = parsed({ layers: [{ name: 'a', gradient: tinyStatistics(-400) }, { name: 'out' }] });
    expect(report.flow[1]).toMatchObject({ gradientL2: 0, decadesFromOutput: -400, gradient: { decades: -400 } });
    const zero = parsed({ layers: [{ name: 'a', gradient: statisticsOf(0) }, { name: 'out' }] });
    expect(zero.flow[1].gradient.decades).toBe('-Infinity');
    expect(zero.attribution.totalDecades).toBe('-Infinity');
  });

  it('has every key of attribution where there is nothing to account for', () => {
    const subject = subjectOf({ layers });
    const without = { ...subject, diagnosis: { ...subject.diagnosis, attribution: undefined } };
    expect(JSON.parse(renderJson(without)).attribution).toEqual({
      totalDecades: 'NaN',
      byKind: {},
      byLayer: [],
      merges: [],
      from: null,
      to: 'out_out',
      blockedBy: [],
    });
  });

  it('survives names that look like its own layout', () => {
    const name = '[\n 1,\n 2 ]"\\';
    expect(parsed({ layers: [{ name }] }).parameters[0].layer).toBe(name);
  });
});
