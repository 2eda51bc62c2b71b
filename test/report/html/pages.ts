import type { FlowEdge } from '../../../src/flow/profile.ts';
import { measureTensor, type TensorStatistics } from '../../../src/flow/statistics.ts';
import { tensorOf } from '../../../src/graph/tensor.ts';
import type { ReportSubject } from '../../../src/report/subject.ts';
import { findingOf, type LayerSketch, subjectOf } from '../../helpers/subjects.ts';

/** An element of a parsed page. */
export interface Element {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: (Element | string)[];
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
const decode = (text: string) =>
  text.replace(/&([^;\s]*);?/g, (all, name: string) => {
    if (!all.endsWith(';') || !(name in entities)) throw new Error(`a bare & in ${JSON.stringify(text.slice(0, 60))}`);
    return entities[name]!;
  });

/** Parses a page strictly, as XML: throws at anything a browser would have to guess. */
export function parsePage(page: string): Element {
  const [doctype] = page.split('\n', 1);
  if (doctype !== '<!DOCTYPE html>') throw new Error('no doctype');
  const root: Element = { tag: '#root', attributes: {}, children: [] };
  const open = [root];
  const token = /<(\/?)([a-zA-Z][\w-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)|(<)/gy;
  token.lastIndex = doctype.length;
  for (let match = token.exec(page); match; match = token.exec(page)) {
    const [, closing, tag, attributes, alone, text, stray] = match;
    if (stray !== undefined) throw new Error(`a stray < at ${page.slice(match.index, match.index + 60)}`);
    if (text !== undefined) open.at(-1)!.children.push(open.at(-1)!.tag === 'style' ? text : decode(text));
    else if (closing) {
      const last = open.pop()!;
      if (last.tag !== tag) throw new Error(`</${tag}> closes <${last.tag}>`);
    } else {
      const pairs = [...attributes!.matchAll(/([\w:-]+)="([^"]*)"/g)].map(
        (pair) => [pair[1]!, decode(pair[2]!)] as const,
      );
      if (new Set(pairs.map(([name]) => name)).size < pairs.length) throw new Error(`an attribute twice in <${tag}>`);
      const element = { tag: tag!, attributes: Object.fromEntries(pairs), children: [] };
      open.at(-1)!.children.push(element);
      if (!alone) open.push(element);
    }
  }
  if (token.lastIndex !== 0 && token.lastIndex !== page.length) throw new Error('the page does not end');
  if (open.length > 1) throw new Error(`<${open.at(-1)!.tag}> is not closed`);
  return root;
}

/** Every element that a test accepts, in the page's order. */
export function findAll(element: Element, accept: (element: Element) => boolean): Element[] {
  const own = accept(element) ? [element] : [];
  return [...own, ...element.children.flatMap((child) => (typeof child === 'string' ? [] : findAll(child, accept)))];
}

export const byTag = (root: Element, tag: string) => findAll(root, (element) => element.tag === tag);
export const byId = (root: Element, id: string) => findAll(root, ({ attributes }) => attributes.id === id)[0];
export const hasClass = ({ attributes }: Element, name: string) => (attributes.class ?? '').split(' ').includes(name);
export const textOf = (element: Element | undefined): string =>
  element?.children.map((child) => (typeof child === 'string' ? child : textOf(child))).join('') ?? '';

/** Cells of the tables in an element, row by row, without the heading. */
export function cellsOf(root: Element): string[][] {
  return byTag(root, 'tbody').flatMap((body) =>
    byTag(body, 'tr').map((row) => findAll(row, ({ tag }) => tag === 'td' || tag === 'th').map(textOf)),
  );
}

/** Statistics of numbers around 10^decades, both signs, one of them zero. */
export function spread(decades: number, count = 64): TensorStatistics {
  const elements = Array.from({ length: count }, (_, i) =>
    i === 0 ? 0 : (i % 3 ? 1 : -1) * 10 ** (decades + ((i % 13) - 6) / 5),
  );
  return measureTensor(tensorOf('float64', [count], elements));
}

/** A chain of layers, each with its own decades, edges included. */
export function chainOf(names: readonly string[], decades: (fromInput: number) => number): ReportSubject {
  const layers: LayerSketch[] = names.map((name, i) => ({
    name,
    gradient: spread(decades(i)),
    updateRatio: 10 ** (decades(i) - 3),
  }));
  const edges: FlowEdge[] = names.slice(1).map((name, i) => ({
    node: `${name}_node`,
    op: 'Gemm',
    kind: 'weight-matrix',
    layer: name,
    value: `${names[i]}_out`,
    outputs: [`${name}_out`],
    log10L2: decades(i),
    share: 1,
  }));
  return subjectOf({
    layers,
    edges: edges.reverse(),
    verdict: 'vanishing',
    findings: [findingOf({ where: [names[0]!] })],
  });
}

export const numbered = (count: number) => Array.from({ length: count }, (_, i) => `hidden.${i}`);

/** The same with so many training steps behind it. */
export function withSteps(subject: ReportSubject, count: number): ReportSubject {
  const names = subject.profile.layers.map(({ name }) => name);
  const over = (of: (step: number) => number) => Array.from({ length: count }, (_, i) => of(i));
  return {
    ...subject,
    steps: {
      count,
      optimizer: 'sgd',
      learningRate: 0.01,
      lossBefore: subject.profile.loss,
      lossAfter: 1.25,
      layers: names.map((layer, i) => ({
        layer,
        moved: 0.01 * (i + 1),
        updateRatio: 1e-3,
        gradientBefore: 0.5,
        gradientAfter: 0.25,
      })),
      history: {
        steps: over((i) => i + 1),
        loss: over((i) => 2 * 0.99 ** i + (i % 7) / 50),
        constantLoss: Math.log(10),
        layers: names.map((layer, l) => ({
          layer,
          gradientNorm: over((i) => 10 ** (-l / 10 + Math.sin(i + l))),
          weightNorm: over(() => 2),
          updateNorm: over((i) => 10 ** (-3 - l / 10 + Math.cos(i * l))),
        })),
      },
      ablation: {
        loss: 1.25,
        constantLoss: Math.log(10),
        layers: names.map((layer, i) => ({ layer, bypassed: 1.3 + i, rewound: 1.25 })),
      },
      fates: [{ rule: 'vanishing-gradient', fate: 'confirmed', before: findingOf(), after: findingOf() }],
      after: { ...subject.diagnosis, step: count },
    },
  };
}

/** What a stranger may call a layer. */
export const hostileNames = [
  '<script>alert(1)</script>',
  `" onload="alert(1)`,
  `'single' & "double" | pipe`,
  '</title></style></svg>-->]]>',
  'right\u202eto\u202cleft\u200b',
  'שכבה נסתרת',
  'new\nline\ttab\u0000nul',
  '&lt;img src=x onerror=alert(1)&gt;',
  'x'.repeat(500),
  'javascript:alert(1)',
  '\ud800 lone',
  '',
];
