import { describe, expect, it } from 'vitest';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { renderJson } from '../../src/report/json.ts';
import { renderTerminal } from '../../src/report/terminal.ts';
import { renderTheory, renderTheoryJson } from '../../src/report/theory-report.ts';
import { sayTheory, showChi, showTrainable } from '../../src/report/theory-section.ts';
import type { LayerTheory, Theory } from '../../src/theory/theory.ts';
import { theory } from '../../src/verbs/theory.ts';
import { findingOf, subjectOf } from '../helpers/subjects.ts';

const layer = (name: string, fromOutput: number, more: Partial<LayerTheory> = {}): LayerTheory => ({
  layer: name,
  activation: 'Sigmoid',
  fanIn: 100,
  sigmaW2: 1,
  sigmaB2: 0,
  q: 0.27,
  qStar: 0.27,
  chi: 0.056,
  chiStar: 0.056,
  depthScale: 0.35,
  decades: -0.6,
  decadesFromOutput: fromOutput,
  ...more,
});
const predicted = (more: Partial<Theory> = {}): Theory => ({
  applies: 'fully',
  reasons: [],
  layers: [layer('hidden.0', -6.1), layer('hidden.1', -3), layer('out', 0, { activation: undefined, chi: 1.8 })],
  predictedDecades: -6.1,
  spread: 0.05,
  depthScale: 0.35,
  trainableDepth: 2.1,
  ...more,
});
const layers = [
  { name: 'hidden.0', decades: -6 },
  { name: 'hidden.1', decades: -3 },
  { name: 'out', decades: 0 },
];
const subject = (said: Theory, decades = -6) => ({
  ...subjectOf({
    layers: [{ name: 'hidden.0', decades }, ...layers.slice(1)],
    findings: [findingOf()],
    verdict: 'vanishing',
  }),
  theory: said,
});

describe('theory in a report', () => {
  it('says that it is the design where prediction and measurement agree', () => {
    const [first, second] = sayTheory(subject(predicted()));
    expect(first).toBe('-6.1 expected (χ = 0.056 per layer): this is the design, not bad luck');
    expect(second).toBe('depth scale ξ = 0.35: trainable to about 2.1 layers (6ξ), and there are 3');
  });

  it('blames no design where little decays', () => {
    expect(sayTheory(subject(predicted({ predictedDecades: -0.4 }), -0.4))[0]).toMatch(/expected .*, as measured$/);
  });

  it('says where the weights or the data make the difference', () => {
    const [first] = sayTheory(subject(predicted(), -9));
    expect(first).toBe(
      '-6.1 expected (χ = 0.056 per layer), -9.0 measured: not the design alone, but these weights or this data, most of ' +
        'it at hidden.0 (-2.9)',
    );
  });

  it('says plainly where theory does not apply, or covers a part', () => {
    const not = predicted({
      applies: 'not',
      reasons: ['Recurrence is not covered: LSTM.'],
      predictedDecades: Number.NaN,
    });
    expect(sayTheory(subject(not))).toEqual(['does not apply here. Recurrence is not covered: LSTM.']);
    const open = predicted({ applies: 'partly', reasons: ['Softmax is not covered.'], predictedDecades: Number.NaN });
    expect(sayTheory(subject(open))).toEqual(['covers 3 layers only. Softmax is not covered.']);
    const part = predicted({ applies: 'partly', reasons: ['MaxPool is covered for gradients alone.'] });
    expect(sayTheory(subject(part)).at(-1)).toBe('covered in part. MaxPool is covered for gradients alone.');
    expect(sayTheory(subjectOf({ layers }))).toEqual([]);
  });

  it('stands in the terminal report before what to try', () => {
    const text = renderTerminal(subject(predicted()));
    expect(text).toMatch(/\n {2}theory {5}-6\.1 expected \(χ = 0\.056 per layer\): this is the design/);
    expect(text.indexOf('  theory')).toBeLessThan(text.indexOf('  try'));
  });

  it('stands in the JSON report beside the measurement', () => {
    const { theory: section } = JSON.parse(renderJson(subject(predicted({ network: {} as never }))));
    expect(section).toMatchObject({
      applies: 'fully',
      reasons: [],
      predictedDecades: -6.1,
      measuredDecades: -6,
      agrees: true,
      spread: 0.05,
      depthScale: 0.35,
      trainableDepth: 2.1,
    });
    expect(section.network).toBeUndefined();
    expect(section.layers[1]).toMatchObject({ layer: 'hidden.1', decadesFromOutput: -3, measuredFromOutput: -3 });
    expect(section.layers[2]).toMatchObject({ activation: null, critical: null });
    expect(JSON.parse(renderJson(subjectOf({ layers }))).theory).toBeUndefined();
  });

  it('shows χ with the digits that matter', () => {
    expect([0.0557, 0.4, 0.975, 1.0004, 1.34, 12.7].map(showChi)).toEqual([
      '0.056',
      '0.4',
      '0.97',
      '1.00',
      '1.3',
      '13',
    ]);
    expect([2.08, 53.4, 1, 2000, Infinity].map(showTrainable)).toEqual([
      'about 2.1 layers',
      'about 53 layers',
      'about 1 layer',
      'any depth',
      'any depth',
    ]);
  });
});

describe('the page of theory', () => {
  const spec = (activation: string, depth: number, init: unknown = { lecun: 1 }) =>
    buildSpec({
      name: 'net',
      input: 50,
      layers: [
        { dense: { units: 50, activation, repeat: depth, name: 'hidden' } },
        { dense: { units: 10, name: 'out' } },
      ],
      init,
      bias: { normal: 0.2236 },
    } as Parameters<typeof buildSpec>[0]);

  it('gives the formulas’ verdict, the critical point and every layer', async () => {
    const text = renderTheory(await theory(spec('tanh', 4)));
    expect(text).toMatch(/gradient {3}-0\.\d ± 0\.\d decades from the output to the first layer/);
    expect(text).toMatch(
      /depth {6}ξ = 3\.\d+ layers: trainable to about 2\d layers \(6ξ\); this network\s+has 5 layers/,
    );
    expect(text).toMatch(/fixed at {3}q\* = 0\.\d+, χ\* = 0\.7\d*, c\* = 1 \(ordered: gradients decay\)/);
    expect(text).toMatch(/critical {3}Tanh: σ_w² = 1\.\d+, σ_b² = 0\.0\d+ at q\* = 0\.\d+/);
    expect(text).toMatch(/hidden\.0 tanh +1\.0\d +0\.0\d+ +1\.0\d+ +0\.4\d* +0\.0/);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('stays narrow, short and in ASCII where asked', async () => {
    const text = renderTheory(await theory(spec('gelu', 60)), { columns: 60, unicode: false });
    expect(text).toMatch(/layers not shown/);
    expect(text).toMatch(/^[\x20-\x7e\n]*$/);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(60);
  });

  it('says that there is no critical point, and that theory does not apply', async () => {
    expect(renderTheory(await theory(spec('softplus', 3)))).toMatch(/Softplus: no σ_w has χ = 1 at a fixed point/);
    const text = renderTheory(await theory(spec('tanh', 3, 'ones')));
    expect(text).toMatch(/Mean-field theory does not apply to this network\./);
    expect(text).toMatch(/limits {5}The weights of .* share a sign\s+or a value/);
  });

  it('is JSON for scripts, with the numbers JSON cannot hold as strings', async () => {
    const report = JSON.parse(renderTheoryJson(await theory(spec('relu', 3, 'he'))));
    expect(Object.keys(report)).toEqual([
      'schema',
      'model',
      'notes',
      'applies',
      'reasons',
      'predictedDecades',
      'spread',
      'depthScale',
      'trainableDepth',
      'layers',
    ]);
    expect(report).toMatchObject({ schema: 'gradient-doctor/theory@1', applies: 'fully' });
    expect(report.layers[0].critical).toEqual({ sigmaW2: 2, sigmaB2: 0, q: 'NaN' });
  });
});
