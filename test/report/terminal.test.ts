import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderTerminal } from '../../src/report/terminal.ts';
import { widthOf } from '../../src/report/text.ts';
import { findingOf, type LayerSketch, statisticsOf, subjectOf } from '../helpers/subjects.ts';

const chain = (count: number, decades: (fromOutput: number) => number): LayerSketch[] =>
  Array.from({ length: count }, (_, i) => ({ name: `hidden.${i}`, decades: decades(count - 1 - i) }));
const linesOf = (text: string) => text.split('\n');
const rowOf = (text: string, name: string) => linesOf(text).find((line) => line.trim().startsWith(`${name} `))!;
const barOf = (line: string) => [...line].filter((char) => /[█▉▊▋▌▍▎▏▓]/u.test(char)).join('');

describe('the terminal report', () => {
  it('says verdict, place, reason and remedy of a vanishing gradient in this order', () => {
    const layers = chain(5, (i) => -1.5 * i);
    const text = renderTerminal(
      subjectOf({
        layers,
        verdict: 'vanishing',
        byKind: { 'activation-derivative': -6.2, 'weight-matrix': 0.2 },
        findings: [findingOf()],
      }),
    );
    expect(text).toMatchInlineSnapshot(`
      "  net   ONNX, 5 layers, 170 110 parameters
        64 real digits (mnist, seed 0)   cross-entropy 2.34
        loss: cross-entropy, because the output [64, 10] looks like 10 logits

        ✗ vanishing   the first layer (hidden.0) receives 10^-6.0 of the output's
                      gradient

        layer     gradient, in decades from the output's    weight grad  update/weight
        hidden.4  ███████████████████████████████      0.0        1.0e0         1.0e-3
        hidden.3  ████████████████████████▍           -1.5       3.2e-2         1.0e-3
        hidden.2  █████████████████▊                  -3.0       1.0e-3         1.0e-3
        hidden.1  ███████████▏                        -4.5       3.2e-5         1.0e-3
        hidden.0  ████▍                               -6.0       1.0e-6         1.0e-3
        update/weight: one step of sgd at learning rate 0.01

        why        activation derivatives    -6.2   the slope of the activation
                                                    functions
                   weights                   +0.2
                   evenly: -1.5 in each of 4 layers
        rests on   -0.6 decades per layer; an error from -3 decades on
        try        use-relu   ReLU in place of the activation (changes the model)
      "
    `);
  });

  it('stays short and calm for a healthy network', () => {
    const text = renderTerminal(subjectOf({ layers: chain(3, (i) => -0.1 * i) }));
    expect(text).toMatchInlineSnapshot(`
      "  net   ONNX, 3 layers, 170 110 parameters
        64 real digits (mnist, seed 0)   cross-entropy 2.34
        loss: cross-entropy, because the output [64, 10] looks like 10 logits

        ✓ healthy   the gradient reaches the first layer: -0.2 decades from the
                    output's

        layer     gradient, in decades from the output's    weight grad  update/weight
        hidden.2  ███████████████████████████████      0.0        1.0e0         1.0e-3
        hidden.1  ██████████████████████████████▎     -0.1       7.9e-1         1.0e-3
        hidden.0  █████████████████████████████▌      -0.2       6.3e-1         1.0e-3
        update/weight: one step of sgd at learning rate 0.01
      "
    `);
  });

  it('never shows two layers under one shortened name', () => {
    const names = ['encoder', 'extractor', 'embedder'].map((part) => `${part}.attention.projection`);
    const text = renderTerminal(subjectOf({ layers: names.map((name) => ({ name, decades: -3 })) }));
    const shown = linesOf(text)
      .filter((line) => barOf(line) !== '')
      .map((line) => line.trim().split(/ +/)[0]);
    expect(new Set(shown).size).toBe(3);
  });

  it('draws a gradient beyond the output in another texture', () => {
    const layers = chain(5, (i) => i);
    const text = renderTerminal(
      subjectOf({ layers, verdict: 'exploding', findings: [findingOf({ rule: 'exploding-gradient' })] }),
    );
    const output = barOf(rowOf(text, 'hidden.4'));
    const first = barOf(rowOf(text, 'hidden.0'));
    expect(output).toMatch(/^█+$/);
    expect(first).toMatch(new RegExp(`^${output}▓+$`));
    // 0 to 4 decades on a linear scale of decades: the extra cells of two layers are as 4 to 2.
    const extra = (name: string) => barOf(rowOf(text, name)).length - output.length;
    expect(extra('hidden.0') / extra('hidden.2')).toBeCloseTo(2, 0);
    expect(rowOf(text, 'hidden.0')).toContain('+4.0');
  });

  it('draws bars whose lengths differ as the decades do', () => {
    const text = renderTerminal(subjectOf({ layers: chain(7, (i) => -i) }));
    const eighths = (line: string) =>
      [...barOf(line)].reduce((sum, char) => sum + (char === '█' ? 8 : ' ▏▎▍▌▋▊▉'.indexOf(char)), 0);
    const lengths = [6, 5, 4, 3, 2, 1, 0].map((i) => eighths(rowOf(text, `hidden.${i}`)));
    const steps = lengths.slice(1).map((length, i) => lengths[i]! - length);
    expect(Math.max(...steps) - Math.min(...steps)).toBeLessThanOrEqual(2);
    expect(lengths[6]).toBeGreaterThan(0);
  });

  it('tells exactly zero, NaN and infinity apart from small', () => {
    const layers: LayerSketch[] = [
      { name: 'nan', gradient: statisticsOf(Number.NaN, 1, 2) },
      { name: 'infinite', gradient: statisticsOf(Number.POSITIVE_INFINITY, 1) },
      { name: 'zero', gradient: statisticsOf(0, 0), weight: statisticsOf(0) },
      { name: 'tiny', decades: -400 },
      { name: 'out', decades: 0 },
    ];
    const text = renderTerminal(subjectOf({ layers, loss: Number.NaN }));
    expect(rowOf(text, 'nan')).toMatch(/NaN in 1 of 3 elements +NaN +NaN +NaN$/);
    expect(rowOf(text, 'infinite')).toMatch(/∞ in 1 of 2 elements +∞ +∞/);
    expect(rowOf(text, 'zero')).toMatch(/0 \(exactly zero\) +-∞ +0 /);
    expect(rowOf(text, 'tiny')).toMatch(/▏|▎|▌|▍|█.* -400\.0 +1\.0e-400/);
    expect(text).toContain('cross-entropy NaN');
  });

  it('shows the first, the last and the outstanding of 300 layers, and how many are hidden', () => {
    const layers = chain(300, (i) => -0.01 * i - (i >= 100 ? 3 : 0));
    const findings = [findingOf({ where: [] })];
    const text = renderTerminal(subjectOf({ layers, findings, verdict: 'vanishing' }));
    const rows = linesOf(text).filter((line) => /^ {2}hidden\.\d+ /.test(line));
    expect(rows.length).toBeLessThanOrEqual(40);
    for (const name of ['hidden.299', 'hidden.0', 'hidden.199']) expect(rowOf(text, name)).toBeDefined();
    const hidden = [...text.matchAll(/⋮ (\d+) layers? not shown/g)].reduce((sum, match) => sum + Number(match[1]), 0);
    expect(hidden + rows.length).toBe(300);
    const all = renderTerminal(subjectOf({ layers, findings }), { allLayers: true });
    expect(linesOf(all).filter((line) => /^ {2}hidden\.\d+ /.test(line))).toHaveLength(300);
  });

  it('leaves normalization layers out unless all layers are asked for', () => {
    const layers = [{ name: 'conv' }, { name: 'norm', mixes: false }, { name: 'out' }];
    expect(rowOf(renderTerminal(subjectOf({ layers })), 'norm')).toBeUndefined();
    expect(rowOf(renderTerminal(subjectOf({ layers }), { allLayers: true }), 'norm')).toBeDefined();
  });

  it('says how much of the gradient came by skip connections, and where least', () => {
    const branch = (op: string, share: number) => ({ node: op, op, share, decades: 0 });
    const merge = (layer: string, share: number) => ({
      value: `${layer}_out`,
      kind: 'skip-connection' as const,
      branches: [branch('Add', share), branch('Conv', 1 - share)],
    });
    const edge = (layer: string, op: string, kind: 'arithmetic' | 'weight-matrix') => ({
      node: `${layer}_${op}`,
      op,
      kind,
      layer,
      value: `${layer}_out`,
      outputs: [`${layer}_${op}_out`],
      log10L2: 0,
      share: 0.5,
    });
    const layers = ['a', 'b', 'c'].map((name) => ({ name }));
    const edges = layers.flatMap(({ name }) => [edge(name, 'Add', 'arithmetic'), edge(name, 'Conv', 'weight-matrix')]);
    const merges = [merge('c', 0.9), merge('b', 0.62), merge('a', 0.4)];
    const text = renderTerminal(subjectOf({ layers, edges, merges }));
    expect(text.replace(/\s+/g, ' ')).toContain(
      'skip connections carried 62 % of the gradient (median of 3; least 40 %, after a)',
    );
  });

  it('does not take a formula of elementwise operators for a skip connection', () => {
    // x + 0.044715 x³, as exporters write GELU: Add meets Mul and Pow, and no weight lies between.
    const edges = ['Add', 'Mul'].map((op) => ({
      node: op,
      op,
      kind: 'arithmetic' as const,
      layer: 'a',
      value: 'a_out',
      outputs: [op === 'Add' ? 'sum' : 'sum_in'],
      log10L2: 0,
      share: 0.5,
    }));
    const merges = [
      {
        value: 'a_out',
        kind: 'arithmetic' as const,
        branches: edges.map(({ node, op, share }) => ({ node, op, share, decades: 0 })),
      },
    ];
    expect(renderTerminal(subjectOf({ layers: [{ name: 'a' }, { name: 'b' }], edges, merges }))).not.toContain('skip');
  });

  it('keeps every line within the terminal and harmless, whatever the names', () => {
    const nasty = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 120 }),
      fc.string({ unit: 'grapheme', maxLength: 60 }),
      fc.constantFrom(
        '\x1b[31mred\x1b[0m',
        'a\r\nb',
        '\x1b]0;title\x07',
        '模型'.repeat(30),
        '',
        '‮evil',
        'x'.repeat(500),
      ),
    );
    const number = fc.oneof(
      fc.double({ min: -99_999, max: 99_999 }),
      fc.double({ min: -20, max: 20 }),
      fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ name: nasty, decades: number }), { minLength: 1, maxLength: 60 }),
        nasty,
        fc.integer({ min: 40, max: 130 }),
        fc.boolean(),
        (layers, text, columns, unicode) => {
          const finding = findingOf({ title: text, where: [text], evidence: { [text]: text }, explanation: text });
          const subject = subjectOf({
            layers,
            name: text,
            notes: [text],
            findings: [finding, finding],
            verdict: 'problem',
          });
          const report = renderTerminal(subject, { columns, unicode });
          for (const line of linesOf(report)) expect(widthOf(line)).toBeLessThanOrEqual(Math.min(columns, 100));
          // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there.
          expect(report).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]/);
          if (!unicode) expect(report).toMatch(/^[\n -~]*$/);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('adds nothing but colour when colour is on', () => {
    const subject = subjectOf({ layers: chain(4, (i) => -2 * i), verdict: 'vanishing', findings: [findingOf()] });
    const coloured = renderTerminal(subject, { colour: true });
    expect(coloured).toContain('\x1b[31m');
    expect(stripVTControlCharacters(coloured)).toBe(renderTerminal(subject));
  });
});
