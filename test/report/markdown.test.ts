import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LONGEST_COMMENT, renderMarkdown } from '../../src/report/markdown.ts';
import { codeBlock, codeName, escapeMarkdown } from '../../src/report/markdown-text.ts';
import { mermaidText } from '../../src/report/mermaid.ts';
import type { ReportSubject } from '../../src/report/subject.ts';
import { clean } from '../../src/report/text.ts';
import { sayTheory } from '../../src/report/theory-section.ts';
import { findingOf, type LayerSketch, statisticsOf, subjectOf } from '../helpers/subjects.ts';

const chain = (count: number, decades: (fromOutput: number) => number, name = (i: number) => `hidden.${i}`) =>
  Array.from({ length: count }, (_, i): LayerSketch => ({ name: name(i), decades: decades(count - 1 - i) }));
const chartOf = (text: string) => /```mermaid\n([\s\S]*?)\n```/.exec(text)?.[1] ?? '';
const nodesOf = (text: string) => chartOf(text).match(/^ {2}n\d+[[(]/gm) ?? [];
/** Cells of a table's row: `|` that no backslash escapes ends a cell. */
const cellsOf = (line: string) => line.slice(2, -2).split(' | ');
/** Blocks of lines that begin with `|`. */
const tablesOf = (text: string) => text.split('\n\n').filter((block) => block.startsWith('|'));

const nasty = [
  ...['<script>alert(1)</script>', 'a|b', 'a\\|b', '```', '`', '[x](http://e.com)', '![i](j)', 'end', '"q"', '#35;'],
  ...['&lt;', '%%{init: {}}%%', 'a\n\n# b', '</details>', '-->', '<!--', '@team', '#12', 'www.e.com', '$x$', '_a_'],
  ...['style:#a;', 'click n0 "x"', '- a', '1. a', '\u202ex', '😀', ' ', ''],
];
const anyText = fc.oneof(fc.constantFrom(...nasty), fc.string({ unit: 'grapheme', maxLength: 40 }), fc.string());

/** A subject in which every text that may come from a stranger is this one. */
function named(text: string): ReportSubject {
  const subject = subjectOf({
    layers: chain(
      3,
      (i) => -2 * i,
      (i) => (i === 0 ? text : `${text}${i}`),
    ),
    verdict: 'vanishing',
    name: text,
    notes: [text],
    findings: [findingOf({ title: text, explanation: text, where: [text], basis: text, evidence: { worst: text } })],
    blockedBy: [{ node: text, op: text, kind: 'weight-matrix' }],
  });
  const { probe } = subject;
  return { ...subject, probe: { ...probe, command: text, batch: { ...probe.batch, detail: text } } };
}

describe('the Markdown report', () => {
  it('says verdict, why, layers, trace, findings and remedies of a vanishing gradient in this order', () => {
    const text = renderMarkdown(
      subjectOf({
        layers: chain(3, (i) => -3 * i),
        verdict: 'vanishing',
        byKind: { 'activation-derivative': -6.2, 'weight-matrix': 0.2 },
        findings: [findingOf()],
      }),
      { version: '1.2.3' },
    );
    expect(text).toMatchInlineSnapshot(`
      "### ❌ vanishing: the first layer (hidden.0) receives 10^-6.0 of the output's gradient

      \`net\`: ONNX · 3 layers · 170 110 parameters · 64 real digits (mnist, seed 0) · cross-entropy 2.34

      #### Why

      | factor | decades |  |
      | --- | --: | --- |
      | activation derivatives | -6.2 | the slope of the activation functions |
      | weights | +0.2 |  |
      | **all together** | **-6.0** |  |

      By layer: most in hidden.1 -3.0, hidden.0 -3.0.

      In words: The chain rule multiplies one derivative per layer.

      Rests on: -0.6 decades per layer; an error from -3 decades on.

      #### Layers, from output to input

      | layer | decades | from the output's gradient | weight gradient | update / weight |
      | --- | --: | --- | --: | --: |
      | \`hidden.2\` | 0.0 | ████████████████ | 1.0e0 | 1.0e-3 |
      | \`hidden.1\` | -3.0 | █████████▏ | 1.0e-3 | 1.0e-3 |
      | \`hidden.0\` | -6.0 | ██▎ | 1.0e-6 | 1.0e-3 |

      One step of \`sgd\` at learning rate 0.01 stands in the last column.

      #### δ trace

      \`\`\`mermaid
      flowchart LR
        start(["loss 2.34"])
        n0["hidden.2<br/>0.0"]:::same
        n1["hidden.1<br/>-3.0"]:::low
        n2["hidden.0<br/>-6.0"]:::gone
        start --> n0
        n0 -->|"-3.0"| n1
        n1 -->|"-3.0"| n2
        classDef same fill:#1b7837,stroke:#1b7837,color:#ffffff
        classDef low fill:#fee08b,stroke:#d9a400,color:#000000
        classDef gone fill:#a50026,stroke:#67001f,color:#ffffff
      \`\`\`

      Green: within a decade of the output’s gradient; light green, yellow, orange, red: below by up to 2, 3, 5 and more decades; violet: above it; grey: exactly zero; black: not a number.

      #### Findings

      - ❌ **vanishing-gradient**: the first layer (hidden.0) receives 10^-6.0 of the output's gradient
        - where: \`hidden.0\`
        - rests on: -0.6 decades per layer; an error from -3 decades on
        - evidence: \`totalDecades\` -6, \`errorThreshold\` -3

      #### Try

      | try | what it is | changes |
      | --- | --- | --- |
      | \`use-relu\` | ReLU in place of the activation | the model |

      <details><summary>Reproduce</summary>

      |  |  |
      | --- | --- |
      | model | \`net\` |
      | data | 64 real digits (mnist, seed 0) |
      | batch | 64 samples, seed 0, step 0 |
      | loss | cross-entropy, because the output &#91;64, 10&#93; looks like 10 logits |
      | optimizer | \`sgd\`, learning rate 0.01 |
      | runtime | onnxruntime-node 1.30.0 |
      | gradient-doctor | 1.2.3 |

      \`\`\`sh
      gradient-doctor diagnose net.onnx --data mnist
      \`\`\`

      </details>
      "
    `);
  });

  it('opens long tables and charts by a click only, and keeps short ones open', () => {
    const long = renderMarkdown(subjectOf({ layers: chain(13, () => 0) }));
    expect(long).toContain('<details><summary>13 layers, from output to input</summary>\n\n| layer |');
    const short = renderMarkdown(subjectOf({ layers: chain(12, () => 0) }));
    expect(short).not.toContain('12 layers, from output to input</summary>');
  });

  it('marks healthy, warned and broken networks differently, in the first line', () => {
    const first = (sketch: Parameters<typeof subjectOf>[0]) => renderMarkdown(subjectOf(sketch)).split('\n')[0]!;
    const layers = chain(2, () => 0);
    expect(first({ layers })).toMatch(/^### ✅ healthy: /);
    expect(first({ layers, findings: [findingOf({ severity: 'warning' })] })).toMatch(/^### ⚠️ warning: /);
    expect(first({ layers, verdict: 'dead', findings: [findingOf()] })).toMatch(/^### ❌ dead: /);
  });

  it('colours a node by its decades, with a class for what is zero and what is no number', () => {
    const decades = [0, -1.5, -2.5, -4, -7, 2, 5];
    const classes = ['same', 'less', 'low', 'lost', 'gone', 'more', 'huge'];
    const layers: LayerSketch[] = decades.map((d, i) => ({ name: `l${i}`, decades: d })).reverse();
    layers.unshift({ name: 'zero', gradient: statisticsOf(0) }, { name: 'nan', gradient: statisticsOf(Number.NaN, 1) });
    const chart = chartOf(renderMarkdown(subjectOf({ layers })));
    classes.forEach((style, i) => {
      expect(chart).toMatch(new RegExp(`"l${i}<br/>[^"]*"\\]:::${style}\\n`));
    });
    expect(chart).toMatch(/"zero<br\/>[^"]*"\]:::zero/);
    expect(chart).toMatch(/"nan<br\/>[^"]*"\]:::broken/);
    for (const [, style] of chart.matchAll(/:::(\w+)/g)) expect(chart).toContain(`classDef ${style} fill:#`);
  });

  it('follows the branches of the backward pass: a skip connection is an edge with its share', () => {
    const edge = (value: string, output: string, share: number) =>
      ({
        node: `${value}>${output}`,
        op: 'Gemm',
        kind: 'weight-matrix',
        layer: '',
        value,
        outputs: [output],
        log10L2: 0,
        share,
      }) as const;
    // a → b → c, and a → c beside it, through a value that no layer owns.
    const edges = [
      edge('b_out', 'c_out', 1),
      edge('a_out', 'b_out', 0.25),
      edge('a_out', 'free', 0.75),
      edge('free', 'c_out', 1),
    ];
    const subject = subjectOf({ layers: ['a', 'b', 'c'].map((name) => ({ name, decades: 0 })), edges });
    const { values } = subject.profile;
    const free = { ...values[1]!, name: 'free', layer: '' };
    const chart = chartOf(
      renderMarkdown({ ...subject, profile: { ...subject.profile, values: [values[0]!, free, ...values.slice(1)] } }),
    );
    const arrows = chart.split('\n').filter((line) => line.includes('-->'));
    expect(arrows.map((line) => line.trim())).toEqual([
      'start --> n0',
      'n0 -->|"0.0"| n1',
      'n1 -->|"25 #37;"| n2',
      'n0 -->|"75 #37;"| n2',
    ]);
  });

  it('folds a deep network to about 40 nodes, and says how many layers are drawn together', () => {
    const text = renderMarkdown(subjectOf({ layers: chain(1000, (i) => -0.01 * i - (i % 50 === 0 ? 0.5 : 0)) }));
    expect(nodesOf(text).length).toBeLessThanOrEqual(40);
    expect(nodesOf(text).length).toBeGreaterThan(20);
    expect(text).toMatch(/\d+ layers drawn together or left out/);
    expect(text).toMatch(/_\d+ layers not shown_/);
    expect(text.length).toBeLessThanOrEqual(LONGEST_COMMENT);
  });

  it('shows steps before and after, with each finding’s fate', () => {
    const before = findingOf();
    const subject = subjectOf({ layers: chain(2, (i) => -6 * i), findings: [before] });
    const steps: ReportSubject['steps'] = {
      count: 10,
      optimizer: 'sgd',
      learningRate: 0.01,
      lossBefore: 2.5,
      lossAfter: 1.25,
      layers: [{ layer: 'hidden.0', moved: 1e-6, updateRatio: 1e-7, gradientBefore: 1, gradientAfter: 2 }],
      history: { steps: [], loss: [], layers: [] },
      fates: [{ rule: 'vanishing-gradient', fate: 'withdrawn', before }],
      after: { verdict: 'healthy', findings: [], attribution: undefined, step: 10 },
    };
    const text = renderMarkdown({ ...subject, steps });
    expect(text).toContain('#### After 10 steps of sgd at 0.01');
    expect(text).toContain('| loss on this batch | 2.5 | 1.25 |');
    expect(text).toContain('| errors | 1 | 0 |');
    expect(text).toContain('- **withdrawn** vanishing-gradient: ');
  });

  it('says of theory what every report says', () => {
    const subject = subjectOf({ layers: chain(2, (i) => -6 * i), findings: [findingOf()], verdict: 'vanishing' });
    const theory = { applies: 'fully', reasons: [], layers: [], predictedDecades: -6.1 } as const;
    const [first] = sayTheory({ ...subject, theory });
    expect(first).toContain('-6.1 expected');
    expect(renderMarkdown({ ...subject, theory })).toContain(`\n\nTheory: ${first}.\n\n`);
    expect(renderMarkdown(subject)).not.toContain('Theory');
  });
});

describe('texts of strangers in Markdown', () => {
  it('never end a table’s cell, a code span, an element or a line, and mention nobody', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        for (const shown of [escapeMarkdown(text), codeName(text)]) {
          expect(shown).not.toMatch(/[\n\r|]/);
          const isSpan = shown.startsWith('`');
          if (isSpan) expect(shown.slice(1, -1)).not.toMatch(/[`\\<|]/);
          else {
            expect(shown).not.toMatch(/@\w|#\d+(?!\d*;)|:\/\/|www\./);
            // What is left of `<` and `$` is our own.
            const own = /<!-- -->|<span>\$<\/span>|<\/?code>|&#\d+;/g;
            expect(shown.replace(own, '')).not.toMatch(/[<>&`\\*[\]~$]|\b_|_\b/);
          }
        }
      }),
    );
  });

  it('read as they are written once references are resolved', () => {
    const resolve = (html: string) =>
      html.replace(/<!-- -->|<\/?span>/g, '').replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (text) => {
        expect(resolve(escapeMarkdown(text))).toBe(clean(text).trim());
      }),
    );
  });

  it('leave the whole report’s structure as it is', () => {
    const blocks = /^(`{3,})(\w*)\n[\s\S]*?\n\1$/gm;
    const shapeOf = (rendered: string) => {
      const languages = [...rendered.matchAll(blocks)].map(([, , language]) => language);
      return { languages, ...shape(rendered.replace(blocks, '')), ...chartShape(rendered) };
    };
    const chartShape = (text: string) => ({
      arrows: chartOf(text).match(/-->/g)?.length,
      nodes: nodesOf(text).length,
    });
    const shape = (text: string) => ({
      headings: text.match(/^#+ /gm),
      folds: [text.match(/^<details><summary>/gm)?.length, text.match(/^<\/details>$/gm)?.length],
      tables: tablesOf(text).map((table) => new Set(table.split('\n').map((line) => cellsOf(line).length)).size),
    });
    const plain = shapeOf(renderMarkdown(named('layer')));
    expect(plain.tables).toEqual(plain.tables.map(() => 1));
    fc.assert(
      fc.property(anyText, (text) => {
        const rendered = renderMarkdown(named(text));
        expect(shapeOf(rendered)).toEqual(plain);
        expect(rendered.length).toBeLessThanOrEqual(LONGEST_COMMENT);
      }),
    );
  });

  it('fit GitHub’s limit however many and long they are', () => {
    const layers = chain(
      600,
      () => 0,
      (i) => `${'<|`'.repeat(200)}${i}`,
    );
    const findings = Array.from({ length: 300 }, () => findingOf({ title: '|'.repeat(5000), basis: '<'.repeat(5000) }));
    const text = renderMarkdown(
      subjectOf({ layers, findings, verdict: 'vanishing', notes: Array(500).fill('`'.repeat(900)) }),
    );
    expect(text.length).toBeLessThanOrEqual(LONGEST_COMMENT);
    expect(text).toContain('Shortened to fit a comment');
    expect(text).toMatch(/and 29\d more findings/);
    expect(text.match(/<details>/g)?.length).toBe(text.match(/<\/details>/g)?.length);
  });

  it('fence a command by more backticks than it holds', () => {
    expect(codeBlock('a ```` b', 'sh')).toBe('`````sh\na ```` b\n`````');
  });

  it('hold nothing that Mermaid would read in a label', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const label = mermaidText(text);
        expect(label.replace(/#\d+;/g, '')).not.toMatch(/["#;:<>&|`%{}()[\]\\\n]|^[-+] |^\d+\. |^_|_$/);
        const resolved = label.replace(/#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)));
        expect(resolved).toBe(clean(text).trim());
      }),
    );
  });
});
