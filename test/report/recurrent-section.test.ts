import { describe, expect, it } from 'vitest';
import { recurrentFlow } from '../../src/flow/recurrent.ts';
import { renderJson } from '../../src/report/json.ts';
import { drawSteps } from '../../src/report/recurrent-section.ts';
import { renderTerminal } from '../../src/report/terminal.ts';
import { widthOf } from '../../src/report/text.ts';
import { subjectOf } from '../helpers/subjects.ts';

const none = Number.NEGATIVE_INFINITY;
const place = { layer: 'rnn.l0', node: '/rnn/RNN', op: 'RNN', direction: 'forward' } as const;
const decay = Array.from({ length: 50 }, (_, t) => 0.25 * (t - 49));
const carried = [...decay.slice(0, -1), none];
const rnn = recurrentFlow(place, { hidden: decay, carried, preactivation: decay.map((x) => x - 0.05) });
const lstm = recurrentFlow(
  { ...place, layer: 'rnn.l1', op: 'LSTM', direction: 'reverse' },
  { hidden: [0, -0.5, -0.5], carried: [none, -1, -2], cell: [0, 0, 0] },
);

describe('time in the terminal report', () => {
  const subject = subjectOf({ layers: [{ name: 'out', decades: 0 }] });
  const withFlows = { ...subject, profile: { ...subject.profile, recurrent: [rnn, lstm] } };

  it('draws each direction and names the factors', () => {
    const lines = renderTerminal(withFlows, { columns: 100 }).split('\n');
    const at = lines.findIndex((line) => line.trim().startsWith('time'));
    expect(lines.slice(at).join('\n')).toMatchInlineSnapshot(`
      "  time       rnn.l0            -12.3   ▁▁▂▂▂▃▃▃▃▄▄▄▅▅▅▆▆▆▆▇▇▇██ 50 steps, -0.25 decades in each:
                                             recurrent weights -9.8, activation derivatives -2.5
                   rnn.l1, reverse    -0.5   █▇▇ 3 steps, -1.3 decades in each; the recurrence alone -2.5,
                                             the rest arrives directly
      "
    `);
  });

  it.each([40, 80, 100])('keeps within %d columns, also in ASCII', (columns) => {
    const text = renderTerminal(withFlows, { columns, unicode: false });
    for (const line of text.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(columns);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII
    expect(text).toMatch(/^[\x00-\x7f]*$/);
  });

  it('says nothing of time where there is none', () => {
    expect(renderTerminal(subject)).not.toMatch(/\btime\b/);
  });
});

describe('a line over the steps', () => {
  it('rises with the decades, and marks what is zero or not a number', () => {
    expect(drawSteps([-7, -6, -5, -4, -3, -2, -1, 0], true)).toBe('▁▂▃▄▅▆▇█');
    expect(drawSteps([none, -4, 0, Number.NaN, Number.POSITIVE_INFINITY], true)).toBe('_▁█?█');
    expect(drawSteps([], true)).toBe('');
    expect(drawSteps([none], false)).toBe('_');
  });

  it('does not magnify small differences', () => {
    expect(drawSteps([0, -0.1, -0.2], true)).toBe('███');
  });

  it('takes at most 24 cells', () => {
    expect(drawSteps(decay, true)).toHaveLength(24);
  });
});

describe('time in the JSON report', () => {
  it('has each direction after the attribution', () => {
    const subject = subjectOf({ layers: [{ name: 'out', decades: 0 }] });
    const report = JSON.parse(renderJson({ ...subject, profile: { ...subject.profile, recurrent: [rnn, lstm] } }));
    expect(Object.keys(report).slice(-3)).toEqual(['attribution', 'recurrent', 'findings']);
    expect(report.recurrent[0]).toMatchObject({
      layer: 'rnn.l0',
      operator: 'RNN',
      direction: 'forward',
      from: 49,
      to: 0,
    });
    expect(report.recurrent[0].hidden).toEqual(decay);
    expect(report.recurrent[0].totalDecades).toBeCloseTo(-12.25, 9);
    expect(report.recurrent[1]).toMatchObject({ from: 0, to: 2, totalDecades: -0.5, cell: [0, 0, 0] });
    expect(report.recurrent[1].gains).toEqual([
      { step: 1, recurrence: -1, direct: 0.5 },
      { step: 2, recurrence: -1.5, direct: 1.5 },
    ]);
  });
});
