import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareReports, nearer, renderComparisonJson } from '../../src/report/compare.ts';
import { matchLayers } from '../../src/report/compare-layers.ts';
import { renderComparisonMarkdown } from '../../src/report/compare-markdown.ts';
import { renderComparison } from '../../src/report/compare-terminal.ts';
import { renderJson } from '../../src/report/json.ts';
import { LONGEST_COMMENT } from '../../src/report/markdown.ts';
import { readReport, type SavedReport, savedReportOf } from '../../src/report/read-json.ts';
import { widthOf } from '../../src/report/text.ts';
import { findingOf, type LayerSketch, type SubjectSketch, statisticsOf, subjectOf } from '../helpers/subjects.ts';

const chain = (count: number, decades: (fromOutput: number) => number, name = 'hidden'): LayerSketch[] =>
  Array.from({ length: count }, (_, i) => ({ name: `${name}.${i}`, decades: decades(count - 1 - i) }));
const reportOf = (sketch: SubjectSketch): SavedReport => savedReportOf(subjectOf(sketch));
const compared = (a: SubjectSketch, b: SubjectSketch, tolerance?: number) =>
  compareReports({ label: 'a.onnx', report: reportOf(a) }, { label: 'b.onnx', report: reportOf(b) }, tolerance);

const sick: SubjectSketch = { layers: chain(4, (i) => -2 * i), verdict: 'vanishing', findings: [findingOf()] };
const well: SubjectSketch = { layers: chain(4, (i) => -0.1 * i) };
const layerNames = (count: number) => Array.from({ length: count }, (_, i) => ({ layer: `l${i}`, decades: -i }));

describe('what is better and worse', () => {
  it('says at the top which is better, by the first layer’s part of the gradient', () => {
    const comparison = compared(sick, well);
    expect(comparison.outcome).toBe('better');
    expect(comparison.sentence).toBe(
      "b is better: the first layer receives 10^-0.3 instead of 10^-6.0 of the output's gradient",
    );
    expect(comparison.decadesBetter).toBeCloseTo(5.7);
    expect(comparison.regressions).toEqual([]);
    expect(comparison.findings).toMatchObject([{ rule: 'vanishing-gradient', change: 'gone' }]);
  });

  it('turns everything round when the two change places', () => {
    const comparison = compared(well, sick);
    expect(comparison.outcome).toBe('worse');
    expect(comparison.decadesBetter).toBeCloseTo(-5.7);
    expect(comparison.regressions).toHaveLength(2);
    expect(comparison.regressions[0]).toMatch(/^the first layer receives 10\^-6\.0 instead of 10\^-0\.3/);
    expect(comparison.regressions[1]).toMatch(/^new error: vanishing-gradient: /);
  });

  it('finds no change between a report and itself, whatever it holds', () => {
    for (const sketch of [sick, well, { layers: [{ name: 'a', gradient: statisticsOf(Number.NaN) }, { name: 'b' }] }]) {
      const comparison = compared(sketch, sketch);
      expect(comparison).toMatchObject({ outcome: 'same', regressions: [], improvements: [], notes: [] });
      expect(comparison.findings.every(({ change }) => change === 'same')).toBe(true);
    }
  });

  it('lets decades change up to the tolerance, and not beyond', () => {
    const at = (decades: number): SubjectSketch => ({ layers: chain(2, (i) => decades * i) });
    expect(compared(at(-1), at(-1.5)).outcome).toBe('same');
    expect(compared(at(-1), at(-1.6)).outcome).toBe('worse');
    expect(compared(at(-1), at(-1.6), 1).outcome).toBe('same');
    expect(compared(at(-1), at(-1.05), 0).outcome).toBe('worse');
    // Growth is as bad as decay: what counts is the distance from the output's size.
    expect(compared(at(-1), at(1.6)).outcome).toBe('worse');
    expect(compared(at(2), at(-1)).outcome).toBe('better');
  });

  it('sets aside what starves nothing: a new average over places is no regression', () => {
    const at = (pooling: number): SubjectSketch => ({
      layers: chain(2, (i) => (-0.2 + pooling) * i),
      byKind: { 'weight-matrix': -0.2, pooling },
    });
    const comparison = compared(at(0), at(-3));
    expect(comparison.outcome).toBe('same');
    expect(comparison.decadesBetter).toBe(0);
  });

  it('counts what receives nothing at all as worse than any number, and as the same as itself', () => {
    const nothing: SubjectSketch = { layers: [{ name: 'a', gradient: statisticsOf(0) }, { name: 'b' }] };
    const little: SubjectSketch = { layers: [{ name: 'a', decades: -30 }, { name: 'b' }] };
    expect(compared(little, nothing)).toMatchObject({ outcome: 'worse', decadesBetter: Number.NEGATIVE_INFINITY });
    expect(compared(nothing, little).sentence).toContain(
      "receives 10^-30.0 instead of nothing of the output's gradient",
    );
    expect(compared(nothing, nothing).outcome).toBe('same');
  });

  it('is a distance: nothing changes by going back, and 0 means the same size', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), fc.double({ noNaN: true }), (a, b) => {
        expect(nearer(a, b) + 0).toBe(-nearer(b, a) + 0);
        expect(nearer(a, -a)).toBe(0);
      }),
    );
  });

  it('takes a finding that became an error, and an error that grew, as regressions', () => {
    const at = (severity: 'warning' | 'error', decades: number): SubjectSketch => ({
      layers: chain(2, () => 0),
      findings: [findingOf({ rule: 'saturated-units', severity, evidence: { derivativeDecades: decades } })],
    });
    expect(compared(at('warning', -1), at('error', -1)).regressions).toMatchObject([
      /^saturated-units is an error now/,
    ]);
    expect(compared(at('error', -2), at('error', -2.4)).regressions).toEqual([]);
    const grown = compared(at('error', -2), at('error', -2.6));
    expect(grown.regressions).toMatchObject([/^saturated-units got worse/]);
    expect(grown.findings[0]!.decadesWorse).toBeCloseTo(0.6);
    expect(compared(at('error', -2), at('warning', -2)).improvements).toMatchObject([/^saturated-units is no error/]);
    // Warnings that come and go are shown, and fail nothing.
    expect(compared({ layers: chain(2, () => 0) }, at('warning', -1))).toMatchObject({
      outcome: 'same',
      regressions: [],
    });
  });

  it('says of which data, seeds and steps the two are', () => {
    const a = reportOf(well);
    const b = { ...a, probe: { ...a.probe, data: 'synthetic', seed: 3, learningRate: 0.5 } };
    const { notes } = compareReports({ label: 'a', report: a }, { label: 'b', report: b });
    expect(notes).toEqual([
      'measured with different data: mnist in a, synthetic in b',
      'measured with different seeds: 0 in a, 3 in b',
      'update ratios are of different steps: sgd at 0.01 in a, sgd at 0.5 in b',
    ]);
  });
});

describe('which layer stands for which', () => {
  it('is decided by name, wherever the layer stands', () => {
    const { pairs, byPosition } = matchLayers(layerNames(3), [layerNames(3)[2]!, layerNames(3)[0]!]);
    expect(byPosition).toBe(0);
    expect(pairs.map(({ a, b }) => [a?.layer, b?.layer])).toEqual([
      ['l0', 'l0'],
      ['l1', undefined],
      ['l2', 'l2'],
    ]);
  });

  it('else by position, with a note', () => {
    const comparison = compared({ layers: chain(3, () => 0) }, { layers: chain(3, () => 0, 'layers') });
    expect(comparison.layers.map(({ a, b }) => [a?.layer, b?.layer])).toContainEqual(['hidden.0', 'layers.0']);
    expect(comparison.notes).toContain('3 layers matched by position: the names differ');
  });

  it('of networks of different depth from the output on, where no name is common', () => {
    const other = layerNames(2).map(({ decades }, i) => ({ layer: `x${i}`, decades }));
    const { pairs } = matchLayers(layerNames(3), other);
    expect(pairs.map(({ a, b }) => [a?.layer, b?.layer])).toEqual([
      ['l0', 'x0'],
      ['l1', 'x1'],
      ['l2', undefined],
    ]);
  });

  it('keeps every layer of both exactly once', () => {
    const names = fc.uniqueArray(fc.constantFrom(...'abcdefghij'), { maxLength: 8 });
    fc.assert(
      fc.property(names, names, (left, right) => {
        const [a, b] = [left, right].map((list) => list.map((layer) => ({ layer, decades: 0 })));
        const { pairs } = matchLayers(a!, b!);
        const seen = (side: 'a' | 'b') => pairs.flatMap((pair) => pair[side]?.layer ?? []).sort();
        expect(seen('a')).toEqual([...left].sort());
        expect(seen('b')).toEqual([...right].sort());
        for (const { a: x, b: y } of pairs) if (x && left.includes(y?.layer ?? '')) expect(y!.layer).toBe(x.layer);
      }),
    );
  });

  it('is found in reports that list no layers yet', () => {
    const { layerGradients: _, ...old } = reportOf(sick);
    const { layers } = compareReports({ label: 'a', report: old }, { label: 'b', report: reportOf(well) });
    expect(layers.map(({ a, b }) => [a?.layer, a?.decades, b?.layer])).toEqual([
      ['hidden.3', 0, 'hidden.3'],
      ['hidden.2', -2, 'hidden.2'],
      ['hidden.1', -4, 'hidden.1'],
      ['hidden.0', -6, 'hidden.0'],
    ]);
  });
});

describe('the comparison as text', () => {
  it('gives the sentence first, then the sides, figures, findings and layers', () => {
    expect(renderComparison(compared(sick, well))).toMatchInlineSnapshot(`
      "  ✓ b is better: the first layer receives 10^-0.3 instead of 10^-6.0 of the
          output's gradient

        a          a.onnx
                   ✗ vanishing
                   4 layers, 170 110 parameters; 64 real digits (mnist, seed 0)
        b          b.onnx
                   ✓ healthy
                   4 layers, 170 110 parameters; 64 real digits (mnist, seed 0)

        decades                           a        b
        first layer                    -6.0     -0.3  5.7 better
          activation derivatives       -6.0     -0.3  +5.7
        loss                           2.34     2.34
        parameters                  170 110  170 110

        gone       vanishing-gradient (error): the first layer (hidden.0) receives
                   10^-6.0 of the output's gradient

        layer           a        b                update a  update b
        hidden.3      0.0      0.0                  1.0e-3    1.0e-3
        hidden.2     -2.0     -0.1  1.9 better      1.0e-3    1.0e-3
        hidden.1     -4.0     -0.2  3.8 better      1.0e-3    1.0e-3
        hidden.0     -6.0     -0.3  5.7 better      1.0e-3    1.0e-3
      "
    `);
  });

  it('keeps to the width of the terminal, and to ASCII where it must', () => {
    const names = [
      'encoder.layers.11.self_attention.output_projection',
      '层'.repeat(30),
      '\x1b[31mred',
      'x'.repeat(300),
    ];
    const sketch = (decades: number): SubjectSketch => ({
      layers: names.map((name, i) => ({ name, decades: decades * i })),
      findings: [findingOf({ title: names.join(' '), where: names })],
      name: names[3],
    });
    for (const columns of [20, 40, 60, 80, 100, 200]) {
      const text = renderComparison(compared(sketch(-1), sketch(2)), { columns });
      for (const line of text.split('\n'))
        expect(widthOf(line)).toBeLessThanOrEqual(Math.min(100, Math.max(40, columns)));
      expect(text).not.toContain('\x1b');
    }
    expect(renderComparison(compared(sketch(-1), sketch(2)), { unicode: false })).toMatch(/^[\n -~]+$/);
  });

  it('shows of many layers the ends and those that changed most', () => {
    const deep = (extra: number): SubjectSketch => ({ layers: chain(200, (i) => (i === 77 ? extra : 0)) });
    const text = renderComparison(compared(deep(0), deep(-4)));
    expect(text).toContain('hidden.122');
    expect(text).toMatch(/⋮ \d+ layers not shown \(--all-layers shows them\)/);
    expect(text.split('\n').length).toBeLessThan(60);
    expect(renderComparison(compared(deep(0), deep(-4)), { allLayers: true })).not.toContain('not shown');
  });

  it('fits a comment, whatever the names', () => {
    const layers = chain(300, () => 0, '<|`[x](y)@z#1'.repeat(20));
    const findings = Array.from({ length: 100 }, (_, i) => findingOf({ title: '<|`'.repeat(900), where: [`p${i}`] }));
    const text = renderComparisonMarkdown(compared({ layers }, { layers, findings }));
    expect(text.length).toBeLessThanOrEqual(LONGEST_COMMENT);
    for (const line of text.split('\n').filter((row) => row.startsWith('| '))) {
      expect([4, 6]).toContain(line.slice(2, -2).split(' | ').length);
    }
  });

  it('is JSON for scripts, numbers that are not finite as strings', () => {
    const nothing: SubjectSketch = { layers: [{ name: 'a', gradient: statisticsOf(0) }, { name: 'b' }] };
    const json = JSON.parse(renderComparisonJson(compared(well, nothing)));
    expect(json).toMatchObject({
      schema: 'gradient-doctor/comparison@1',
      outcome: 'worse',
      decadesBetter: '-Infinity',
      b: { label: 'b.onnx', totalDecades: '-Infinity' },
    });
  });
});

describe('reading a JSON report back', () => {
  const bytesOf = (text: string) => new TextEncoder().encode(text);
  const json = renderJson(subjectOf(sick));
  const read = (text: string) => readReport(bytesOf(text), 'r.json');

  it('gives what the report was made of', () => {
    expect(read(json)).toEqual(savedReportOf(subjectOf(sick)));
    const odd = subjectOf({
      layers: [{ name: 'a', gradient: statisticsOf(Number.NaN, 1) }, { name: 'b' }],
      loss: Number.NaN,
    });
    const back = read(renderJson(odd));
    expect(back.probe.loss).toBeNaN();
    expect(back).toEqual(savedReportOf(odd));
  });

  it.each([
    ['cut off', json.slice(0, json.length / 2), /r\.json: is no whole JSON report: .+; make the report again/],
    [
      'of another version',
      json.replace('report@1', 'report@2'),
      /its schema is "gradient-doctor\/report@2", expected "gradient-doctor\/report@1"/,
    ],
    ['no report', '{"layers": []}', /its schema is none/],
    ['null', 'null', /its schema is none/],
    [
      'without findings',
      JSON.stringify({ ...JSON.parse(json), findings: undefined }),
      /docs\/report-json\.md describes it: findings: /,
    ],
    [
      'with an unknown severity',
      json.replace('"severity": "error"', '"severity": "fatal"'),
      /findings\[0\]\.severity: /,
    ],
    [
      'with a number in words',
      json.replace(/"loss": [\d.]+/, '"loss": "much"'),
      /probe\.loss: expected a number, "NaN"/,
    ],
  ])('says in one line that it is %s', (_, text, message) => {
    const error = (() => {
      try {
        read(text);
      } catch (thrown) {
        return thrown as { describe(): string };
      }
    })();
    expect(error?.describe()).toMatch(message);
    expect(error?.describe()).not.toContain('\n');
  });

  it('never fails otherwise, whatever JSON it is given', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(JSON.parse(json))), (value, key) => {
        try {
          read(JSON.stringify({ ...JSON.parse(json), [key]: value }));
        } catch (error) {
          expect(error).toMatchObject({ name: 'DataError' });
        }
      }),
    );
  });
});
