import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { predictedDecades } from '../../../src/report/html/depth-chart.ts';
import { html } from '../../../src/report/html/escape.ts';
import { renderHtml } from '../../../src/report/html/index.ts';
import { layerRows } from '../../../src/report/layer-rows.ts';
import { showDecades, showNumber, showPower, showSize } from '../../../src/report/numbers.ts';
import type { ReportSubject } from '../../../src/report/subject.ts';
import { clean } from '../../../src/report/text.ts';
import type { LayerTheory, Theory } from '../../../src/theory/theory.ts';
import { statisticsOf, subjectOf, tinyStatistics } from '../../helpers/subjects.ts';
import {
  byId,
  byTag,
  cellsOf,
  chainOf,
  type Element,
  findAll,
  hasClass,
  hostileNames,
  numbered,
  parsePage,
  spread,
  textOf,
  withSteps,
} from './pages.ts';

const falling = (count: number) => chainOf(numbered(count), (i) => -0.6 * (count - 1 - i));
const wideOf = (section: Element) => findAll(section, (element) => hasClass(element, 'wide'));

/** Everything that no page may hold, whatever went in. */
function checkHarmless(page: string): Element {
  const root = parsePage(page);
  expect(page).not.toMatch(/<script|<img|<iframe|<link|<object|<foreignObject/i);
  for (const { tag, attributes } of findAll(root, () => true)) {
    for (const [name, value] of Object.entries(attributes)) {
      expect(name, `<${tag} ${name}>`).not.toMatch(/^on|^src$|^xlink|^action$/);
      if (name === 'href') expect(value).toMatch(/^#[\w-]+$/);
      if (/^(d|x|y|x1|x2|y1|y2|cx|cy|r|width|height|viewBox|transform|style)$/.test(name)) {
        expect(value, `<${tag} ${name}>`).not.toMatch(/NaN|Infinity|undefined|e[-+]?\d/);
      }
    }
  }
  expect(byTag(root, 'style').map(textOf).join('')).not.toMatch(/url\(|@import|http/);
  expect(textOf(root)).not.toMatch(/\bundefined\b|\[object/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these must not come through.
  expect(textOf(root)).not.toMatch(/[\u0000-\u0008\u200e\u200f\u202a-\u202e\u2066-\u2069]/);
  return root;
}

describe('the HTML template', () => {
  it('escapes whatever it is given, once', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const root = parsePage(`<!DOCTYPE html>\n${html`<p title="${text}">${[text, html`<b>${text}</b>`]}</p>`}`);
        const [p] = byTag(root, 'p');
        expect(p!.attributes.title).toBe(clean(text));
        expect(textOf(p)).toBe(clean(text) + clean(text));
        expect(findAll(root, () => true)).toHaveLength(3);
      }),
    );
  });
});

describe('the HTML report', () => {
  it('is one harmless, well-formed file that loads nothing', () => {
    const page = renderHtml(withSteps(falling(11), 30));
    const root = checkHarmless(page);
    const policy = byTag(root, 'meta').find(({ attributes }) => attributes['http-equiv'] === 'Content-Security-Policy');
    expect(policy?.attributes.content).toContain("default-src 'none'");
    expect(page).not.toMatch(/https?:/);
    expect(renderHtml(withSteps(falling(11), 30))).toBe(page);
  });

  it('says verdict, reason and next step in this order, in plain words', () => {
    const text = textOf(byId(parsePage(renderHtml(falling(11))), 'verdict'));
    const places = ['The gradient vanishes', 'receives 10−6.0', 'Why', 'What to try', 'use-relu'].map((part) =>
      text.indexOf(part),
    );
    expect(places.every((place) => place >= 0)).toBe(true);
    expect([...places].sort((a, b) => a - b)).toEqual(places);
  });

  it('keeps names harmless and readable wherever they stand', () => {
    const nameArbitrary = fc.oneof(
      fc.constantFrom(...hostileNames),
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.uniqueArray(nameArbitrary, { minLength: 1, maxLength: 6 }), nameArbitrary, (names, model) => {
        const chain = chainOf(names, (i) => i - names.length);
        const subject = { ...withSteps(chain, 3), model: { ...chain.model, name: model } };
        const root = checkHarmless(renderHtml(subject));
        const shown = cellsOf(byId(root, 'speed')!).map(([name]) => name);
        expect(shown).toEqual(names.map((name) => clean(name)).reverse());
        expect(textOf(byId(root, 'subject'))).toContain(clean(model));
      }),
      {
        numRuns: 25,
        examples: [
          [hostileNames.slice(0, 6), hostileNames[0]!],
          [hostileNames.slice(6), hostileNames[8]!],
        ],
      },
    );
  });

  it('shows the numbers of the subject and no others', () => {
    const subject = withSteps(falling(7), 12);
    const root = parsePage(renderHtml(subject));
    const rows = layerRows(subject);
    expect(cellsOf(byId(root, 'depth')!)).toEqual(
      rows.map(({ name, decades }) => [name, showDecades(decades), showPower(decades), '']),
    );
    expect(cellsOf(byId(root, 'speed')!)).toEqual(
      rows.map(({ name, weightGradient, updateRatio }) => [
        name,
        showPower(weightGradient!),
        '–',
        showSize(updateRatio!),
      ]),
    );
    let product = 0;
    expect(cellsOf(byId(root, 'chain-rule')!).map((row) => row.slice(0, 4))).toEqual(
      subject.diagnosis.attribution!.byLayer.map(({ layer, decades }) => {
        product += decades;
        return [layer, showPower(decades), showDecades(decades), showDecades(product)];
      }),
    );
    expect(product).toBeCloseTo(subject.diagnosis.attribution!.totalDecades, 12);
    const trace = cellsOf(byId(root, 'trace')!);
    expect(trace.map((row) => row.slice(0, 2))).toEqual(rows.map(({ name, decades }) => [name, showDecades(decades)]));
    trace.forEach((row, i) => {
      const { gradient } = subject.profile.values[i]!;
      expect(row[2]).toContain(`‖∂C/∂x‖ = ${showPower(gradient.log10L2)}; ${showDecades(rows[i]!.decades)} decades`);
    });
    const { steps } = subject;
    expect(cellsOf(byId(root, 'steps')!).slice(0, 7)).toEqual(
      steps!.layers
        .map((row) => [
          row.layer,
          showSize(row.moved),
          showSize(row.updateRatio),
          showSize(row.gradientBefore),
          showSize(row.gradientAfter),
        ])
        .reverse(),
    );
    expect(textOf(byId(root, 'loss'))).toContain(`${showNumber(2.34)} before, ${showNumber(1.25)} after 12 steps`);
    const about = textOf(byId(root, 'subject'));
    for (const fact of [
      '170 110 parameters',
      'seed0',
      'onnxruntime-node 1.30.0',
      'gradient-doctor diagnose net.onnx --data mnist',
    ]) {
      expect(about).toContain(fact);
    }
    expect(cellsOf(byId(root, 'findings')!)).toEqual([
      ['total decades', '-6'],
      ['error threshold', '-3'],
    ]);
  });

  it('shows a bias beside its weight, but not one whose gradient is only rounding', () => {
    const subject = subjectOf({
      layers: [
        { name: 'a', decades: -1 },
        { name: 'b', decades: 0 },
      ],
    });
    const bias = { ...subject.profile.parameters[0]!, name: 'a.bias', shape: [2], gradient: tinyStatistics(-2.5) };
    const rounding = { ...bias, name: 'b.bias', layer: 'b', roundoffOnly: true };
    const layers = subject.profile.layers.map((layer) => ({
      ...layer,
      parameters: [...layer.parameters, `${layer.name}.bias`],
    }));
    const parameters = [...subject.profile.parameters, bias, rounding];
    const root = parsePage(renderHtml({ ...subject, profile: { ...subject.profile, layers, parameters } }));
    expect(cellsOf(byId(root, 'speed')!)).toEqual([
      ['b', '1.0e0', '–', '1.0e-3'],
      ['a', '1.0e-1', '3.2e-3', '1.0e-3'],
    ]);
  });
});

describe('the depth chart', () => {
  const circles = (root: Element) =>
    byTag(wideOf(byId(root, 'depth')!)[0]!, 'circle').map(
      ({ attributes }) => [Number(attributes.cx), Number(attributes.cy)] as const,
    );

  it('places every layer by its decades on a log axis, input at the left, and the band at the rule’s limit', () => {
    const subject = falling(11);
    const root = parsePage(renderHtml(subject));
    const points = circles(root);
    const decades = layerRows(subject)
      .map((row) => row.decades)
      .reverse();
    expect(points).toHaveLength(11);
    const perDecade = (points[0]![1] - points[10]![1]) / (decades[10]! - decades[0]!);
    points.forEach(([x, y], i) => {
      expect(y).toBeCloseTo(points[10]![1] - decades[i]! * perDecade, 0);
      if (i > 0) expect(x).toBeGreaterThan(points[i - 1]![0]);
    });
    const band = findAll(
      wideOf(byId(root, 'depth')!)[0]!,
      (element) => element.tag === 'rect' && hasClass(element, 'flag'),
    )[0]!;
    expect(Number(band.attributes.y)).toBeCloseTo(points[10]![1] + 3 * perDecade, 0);
  });

  it('takes the limit from the finding where it says one', () => {
    const subject = falling(11);
    const finding = { ...subject.diagnosis.findings[0]!, evidence: { errorThreshold: -4.5 } };
    const root = parsePage(renderHtml({ ...subject, diagnosis: { ...subject.diagnosis, findings: [finding] } }));
    expect(textOf(byId(root, 'depth'))).toContain('10−4.5 or less');
  });

  it('marks exact zeros, NaN and infinities at the border, each in its own way', () => {
    const layers = [
      { name: 'a', gradient: statisticsOf(0, 0) },
      { name: 'b', gradient: statisticsOf(Number.NaN, 1) },
      { name: 'c', gradient: statisticsOf(Number.POSITIVE_INFINITY, 1) },
      { name: 'd', decades: 0 },
    ];
    const root = checkHarmless(renderHtml(subjectOf({ layers })));
    const picture = wideOf(byId(root, 'depth')!)[0]!;
    expect(findAll(picture, (element) => hasClass(element, 'zero'))).toHaveLength(1);
    expect(findAll(picture, (element) => hasClass(element, 'broken'))).toHaveLength(2);
    expect(cellsOf(byId(root, 'depth')!).map((row) => row[1])).toEqual(['0.0', '∞', 'NaN', '-∞']);
  });

  it('never lets names touch, with 1 to 400 layers', () => {
    for (const count of [1, 2, 5, 12, 30, 50, 120, 300, 400]) {
      const root = parsePage(renderHtml(falling(count)));
      const labels = findAll(wideOf(byId(root, 'depth')!)[0]!, (e) => e.tag === 'text' && hasClass(e, 'name'));
      const level = labels.every(({ attributes }) => attributes.x !== undefined);
      const places = labels.map(({ attributes }) =>
        Number(attributes.x ?? /translate\(([\d.]+)/.exec(attributes.transform!)![1]),
      );
      const sizes = labels.map((label) => (level ? textOf(label).length * 11 * 0.602 : 11));
      places.forEach((x, i) => {
        if (i > 0) expect(x - places[i - 1]!, `${count} layers`).toBeGreaterThan((sizes[i]! + sizes[i - 1]!) / 2);
      });
      expect(textOf(labels[0]!)).toBe('hidden.0');
      expect(textOf(labels.at(-1)!)).toBe(`hidden.${count - 1}`);
    }
  });

  const layerTheory = (layer: string, decades: number) => ({ layer, decades }) as LayerTheory;
  const theoryOf = (applies: Theory['applies'], layers: LayerTheory[]): Theory => ({
    applies,
    reasons: [],
    layers,
    predictedDecades: -1.5,
  });

  it('adds up theory from the output, and from what was measured where it covers only part', () => {
    const rows = layerRows(falling(4)).reverse();
    const all = numbered(4).map((name) => layerTheory(name, -0.5));
    expect(predictedDecades(theoryOf('fully', all), rows)).toEqual([-1.5, -1, -0.5, 0]);
    const partly = predictedDecades(theoryOf('partly', all.slice(0, 3)), rows);
    expect(partly[2]).toBe(rows[2]!.decades);
    expect(partly[0]).toBeCloseTo(rows[2]!.decades - 1, 12);
    expect(partly[3]).toBeUndefined();
    expect(predictedDecades(theoryOf('not', all), rows)).toEqual([undefined, undefined, undefined, undefined]);
    const page = parsePage(renderHtml({ ...falling(4), theory: theoryOf('fully', all) }));
    expect(cellsOf(byId(page, 'depth')!).map((row) => row[3])).toEqual(['0.0', '-0.5', '-1.0', '-1.5']);
    expect(findAll(byId(page, 'depth')!, (e) => e.tag === 'path' && hasClass(e, 'predicted')).length).toBeGreaterThan(
      2,
    );
  });
});

describe('the heat maps', () => {
  const cellPaths = (subject: ReportSubject) =>
    wideOf(byId(parsePage(renderHtml(subject)), 'heat-maps')!).map((map) => findAll(map, (e) => hasClass(e, 'cells')));

  it('colour every cell by its decades, darkest least', () => {
    const base = withSteps(falling(2), 4);
    const layers = [
      { layer: 'hidden.0', gradientNorm: [1e-8, 1e-4, Number.NaN, 1] },
      { layer: 'hidden.1', gradientNorm: [1, 1, 0, 1] },
    ];
    const [map] = cellPaths({ ...base, steps: { ...base.steps!, history: { ...base.steps!.history, layers } } });
    const paint = Object.fromEntries(
      map!.map(({ attributes }) => [attributes.class!.split(' ')[0], attributes.d!.match(/M/g)!.length]),
    );
    expect(paint).toEqual({ h0: 1, h4: 1, fn: 1, h8: 3, fz: 1 });
  });

  it('stay of bounded size over many layers and steps', () => {
    const page = renderHtml(withSteps(falling(300), 2000));
    expect(page.length).toBeLessThan(3 * 2 ** 20);
  });
});

describe('the size of a page', () => {
  it('stays below 3 MB for a network of ResNet-50’s size and for 1000 layers', () => {
    const subject = falling(161);
    const wide = {
      ...subject,
      profile: {
        ...subject.profile,
        values: subject.profile.values.map((value) => ({
          ...value,
          gradient: spread(value.decadesFromOutput, 500),
          value: spread(0, 500),
        })),
      },
    };
    expect(renderHtml(withSteps(wide, 30)).length).toBeLessThan(3 * 2 ** 20);
    expect(renderHtml(falling(1000)).length).toBeLessThan(3 * 2 ** 20);
  });
});
