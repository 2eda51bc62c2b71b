import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { csvCell, renderSeries, seriesColumns, seriesOf } from '../../src/report/series.ts';
import { clean } from '../../src/report/text.ts';
import { statisticsOf, subjectOf, tinyStatistics } from '../helpers/subjects.ts';

const python = '/usr/bin/python3';
const has = (module: string) => existsSync(python) && spawnSync(python, ['-c', `import ${module}`]).status === 0;
const hasNumpy = has('numpy');
const hasMatplotlib = hasNumpy && has('matplotlib');
const folder = mkdtempSync(join(tmpdir(), 'gradient-doctor-series-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const runPython = (script: string) => {
  const { status, stdout, stderr } = spawnSync(python, ['-c', script], { cwd: folder, encoding: 'utf8' });
  return { status, stdout, stderr };
};

const subject = subjectOf({
  layers: [
    { name: 'first', gradient: tinyStatistics(-400) },
    { name: 'broken', gradient: statisticsOf(Number.NaN, 3) },
    { name: 'zero', gradient: statisticsOf(0) },
    { name: 'out', gradient: statisticsOf(3, -4) },
  ],
});

/** RFC 4180, by the letter: fields in quotes may hold commas and doubled quotes. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  const field = /("(?:[^"]|"")*"|[^",\n]*)(,|\n|$)/y;
  for (let match = field.exec(text); match && match.index < text.length; match = field.exec(text)) {
    const cell = match[1]!;
    rows.at(-1)!.push(cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell);
    if (match[2] === '\n') rows.push([]);
  }
  return rows.filter((row) => row.length > 0);
}

describe('the series of a report', () => {
  it('hold each layer’s decades, from input to output', () => {
    const rows = seriesOf(subject).filter(({ series }) => series === 'layer-decades');
    expect(rows.map(({ layer, x, value }) => [layer, x, value])).toEqual([
      ['first', 0, -400 - Math.log10(5)],
      ['broken', 1, Number.NaN],
      ['zero', 2, Number.NEGATIVE_INFINITY],
      ['out', 3, 0],
    ]);
  });

  it('hold histograms by the exponent of their bins, which add up to the elements', () => {
    const rows = seriesOf(subject).filter(
      ({ series, layer }) => series === 'value-gradient-histogram' && layer === 'out',
    );
    // 3 lies in [2, 4), 4 in [4, 8).
    expect(rows.map(({ x, value }) => [x, value])).toEqual([
      [1, 1],
      [2, 1],
    ]);
  });

  it('hold what adds up: kinds of factors and layers to the total', () => {
    const chain = subjectOf({ layers: [{ name: 'a', decades: -3 }, { name: 'b', decades: -1 }, { name: 'c' }] });
    const rows = seriesOf(chain);
    const sum = (series: string) =>
      rows.filter((row) => row.series === series).reduce((all, { value }) => all + value, 0);
    expect(sum('attribution-total')).toBe(-3);
    expect(sum('attribution-by-kind')).toBeCloseTo(-3);
  });

  it('hold every step of a training, theory and ablations', () => {
    const layers = [{ layer: 'first', gradientNorm: [1, 2], weightNorm: [3, 4], updateNorm: [5, Number.NaN] }];
    const histogram = { from: -2, counts: [7], zeros: 0, negatives: 0 };
    const history = {
      steps: [1, 2],
      loss: [9, 8],
      layers: [{ ...layers[0]!, histograms: [{ step: 2, gradient: histogram }] }],
    };
    const ablation = { loss: 8, layers: [{ layer: 'first', bypassed: 8.5 }] };
    const after = { verdict: 'healthy', findings: [], attribution: undefined, step: 2 } as const;
    const steps = {
      count: 2,
      optimizer: 'sgd',
      learningRate: 0.1,
      lossBefore: 9,
      lossAfter: 7,
      layers: [],
      fates: [],
      after,
    };
    const rows = seriesOf({ ...subject, steps: { ...steps, history, ablation } });
    const of = (name: string) =>
      rows.filter(({ series }) => series === name).map(({ step, x, value }) => [step, x, value]);
    expect(of('step-loss')).toEqual([
      [1, 0, 9],
      [2, 0, 8],
    ]);
    expect(of('step-update-norm')).toEqual([
      [1, 0, 5],
      [2, 0, Number.NaN],
    ]);
    expect(of('step-gradient-histogram')).toEqual([[2, -2, 7]]);
    expect(of('ablation-bypassed-loss')).toEqual([[2, 0, 8.5]]);
  });

  it('are the same in CSV and in JSON', () => {
    const [header, ...rows] = parseCsv(renderSeries(subject, 'csv'));
    const json = JSON.parse(renderSeries(subject, 'json'));
    expect(header).toEqual([...seriesColumns]);
    expect(json.schema).toBe('gradient-doctor/series@1');
    expect(json.layer).toEqual(rows.map((row) => row[1]));
    const number = (text: string) => Number(text.replace('inf', 'Infinity'));
    expect(json.value.map(Number)).toEqual(rows.map((row) => number(row[6]!)));
    expect(rows).toHaveLength(seriesOf(subject).length);
  });
});

describe('a cell of CSV', () => {
  const nasty = [
    '=1+1',
    '+1',
    '-1',
    '@SUM(A1)',
    '\t=1',
    '=cmd|" /C calc"!A0',
    'a,b',
    'say "hi"',
    'a\r\nb',
    '\u0000',
    ' x ',
    '',
    '＝1',
  ];

  it('reads back as the name, on one line, and never as a formula', () => {
    fc.assert(
      fc.property(fc.oneof(fc.constantFrom(...nasty), fc.string()), (name) => {
        const text = `${csvCell(name)},1\n`;
        expect(text.match(/\n/g)).toHaveLength(1);
        const [[cell, one]] = parseCsv(text) as [[string, string]];
        expect(one).toBe('1');
        expect(cell.trimStart()).not.toMatch(/^[=+\-@＝＋－＠]/);
        expect(cell.replace(/^'/, '')).toBe(clean(name).replace(/^'/, ''));
      }),
    );
  });

  it('leaves numbers numbers: a sign is no formula', () => {
    expect([-6.1, 1e-300, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map(csvCell)).toEqual([
      '-6.1',
      '1e-300',
      'nan',
      'inf',
      '-inf',
    ]);
  });
});

describe('what Python makes of them', () => {
  it.skipIf(!hasNumpy)('NumPy reads every number, NaN and infinities too (needs python3 with numpy)', () => {
    writeFileSync(join(folder, 'numbers.csv'), renderSeries(subject, 'csv'));
    writeFileSync(join(folder, 'numbers.json'), renderSeries(subject, 'json'));
    const { status, stdout, stderr } = runPython(`
import json, numpy as np
d = np.genfromtxt("numbers.csv", delimiter=",", names=True, dtype=None, encoding="utf-8", comments=None)
assert d.dtype["value"] == np.float64 and d.dtype["step"].kind in "if", d.dtype
v = d[d["series"] == "layer-decades"]["value"]
assert np.array_equal(v, np.array(json.load(open("numbers.json"))["value"], dtype=float)[d["series"] == "layer-decades"], equal_nan=True)
print(len(d), v.tolist())`);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout.trim()).toBe(`${seriesOf(subject).length} [${-400 - Math.log10(5)}, nan, -inf, 0.0]`);
  });

  it.skipIf(!hasMatplotlib)('the example of docs/series.md draws a picture (needs python3-matplotlib)', () => {
    const page = readFileSync('docs/series.md', 'utf8');
    const script = /```python\n([\s\S]*?)```/.exec(page)![1]!;
    const plain = subjectOf({ layers: ['a', 'b', 'c'].map((name, i) => ({ name, decades: i - 2 })) });
    writeFileSync(join(folder, 'series.csv'), renderSeries(plain, 'csv'));
    const { status, stderr } = runPython(script);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(readFileSync(join(folder, 'decades.png')).subarray(1, 4).toString()).toBe('PNG');
  });

  it('every series is described in docs/series.md', () => {
    const page = readFileSync('docs/series.md', 'utf8');
    const groups = ['value-gradient', 'activation', 'parameter-gradient', 'parameter'];
    const parts = ['log10', 'mean', 'zero-fraction', 'non-finite', 'histogram'];
    const grouped = new Set(groups.flatMap((group) => parts.map((part) => `${group}-${part}`)));
    for (const name of new Set(seriesOf(subject).map(({ series }) => series))) {
      if (!grouped.has(name)) expect(page).toContain(`\`${name}\``);
    }
  });
});
