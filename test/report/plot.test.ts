import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Plot } from '../../src/report/explanation.ts';
import { drawPlot } from '../../src/report/plot.ts';
import { widthOf } from '../../src/report/text.ts';

const lines = (...series: readonly (readonly number[])[]): Plot => ({
  title: 'test',
  kind: 'lines',
  x: 'x',
  y: 'y',
  series: series.map((y, i) => ({ name: `s${i}`, x: y.map((_, at) => at), y })),
});

describe('plots in the terminal', () => {
  it('draw a straight line from corner to corner, with its numbers at the axes', () => {
    expect(drawPlot(lines([0, 10], [10, 0]), { width: 30, unicode: false, rows: 5 })).toMatchInlineSnapshot(`
      [
        "* s0, o s1",
        "10 +oooo                  ****",
        "   |    oooooo      ******",
        " 5 +          ******",
        "   |    ******      oooooo",
        " 0 +****                  oooo",
        "   ++------------+-----------+",
        "    0.0         0.5        1.0",
        "    x",
      ]
    `);
  });

  it('draw one line in braille, and steep parts without gaps', () => {
    const rows = drawPlot(lines([0, 0, 1, 1]), { width: 20, unicode: true, rows: 4 }).slice(1, 5);
    expect(rows.every((row) => /[\u2801-\u28ff]/.test(row))).toBe(true);
  });

  it('draw bars as high as their counts', () => {
    const plot: Plot = { ...lines([1, 2, 5]), kind: 'bars' };
    const drawn = drawPlot(plot, { width: 24, unicode: false, rows: 5 }).slice(1, 6);
    const heights = [0, 1, 2].map((bin) => {
      const column = (row: string) => [
        ...row.slice(row.indexOf('|') < 0 ? row.indexOf('+') + 1 : row.indexOf('|') + 1),
      ];
      return drawn.filter((row) => column(row)[Math.floor(((bin + 0.5) * column(drawn.at(-1)!).length) / 3)] === '#')
        .length;
    });
    expect(heights).toEqual([1, 2, 5]);
  });

  it('show powers of ten where the axis is logarithmic', () => {
    const drawn = drawPlot(
      { ...lines([1e-6, 1e-3, 1]), logarithmic: true },
      { width: 40, unicode: true, rows: 7 },
    ).join('\n');
    expect(drawn).toContain('1e-6');
    expect(drawn).toContain('1e0');
  });

  it('never leave the page nor fail, whatever the numbers', () => {
    const number = fc.oneof(fc.double(), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 0, 1e-320, 1e300));
    fc.assert(
      fc.property(
        fc.array(fc.array(number, { maxLength: 12 }), { minLength: 1, maxLength: 7 }),
        fc.integer({ min: 38, max: 98 }),
        fc.boolean(),
        fc.boolean(),
        fc.boolean(),
        (series, width, unicode, bars, logarithmic) => {
          const plot: Plot = { ...lines(...series), kind: bars ? 'bars' : 'lines', logarithmic };
          const drawn = drawPlot(plot, { width, unicode });
          expect(drawn.length).toBeLessThanOrEqual(20);
          for (const line of drawn) expect(widthOf(line)).toBeLessThanOrEqual(width);
          if (!unicode) expect(drawn.join('')).toMatch(/^[\x20-\x7e]*$/);
        },
      ),
      { numRuns: 300 },
    );
  });
});
