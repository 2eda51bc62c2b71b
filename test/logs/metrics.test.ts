import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataError } from '../../src/graph/errors.ts';
import { currentMetrics, encodeMetrics, type MetricsLine, parseMetrics, restartLine } from '../../src/logs/metrics.ts';

describe('metrics lines', () => {
  it('are JSON that other programs read: numbers that are not finite are strings', () => {
    expect(encodeMetrics({ step: 3, loss: Number.NaN, norms: { 'hidden.0': Infinity, out: 0.1 } })).toBe(
      '{"step":3,"loss":"NaN","norms":{"hidden.0":"Infinity","out":0.1}}\n',
    );
  });

  it('come back to the last bit', () => {
    const value = fc.oneof(fc.double(), fc.boolean(), fc.constant('text'), fc.constant(null));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.maxSafeInteger(), value, fc.array(value))), (rows) => {
        const lines = rows.map(([step, x, nested]) => ({ step, x, nested }));
        // JSON has no negative zero.
        const plain = (v: unknown) => JSON.parse(JSON.stringify(v, (_, x) => (typeof x === 'number' ? `${x}` : x)));
        const { lines: found, torn } = parseMetrics(lines.map(encodeMetrics).join(''), 'f');
        expect(torn).toBe(false);
        expect(plain(found)).toEqual(plain(lines));
      }),
    );
  });

  it('lose nothing but themselves when the last is torn, wherever', () => {
    const whole = encodeMetrics({ step: 1, loss: 2 });
    for (let cut = 1; cut < whole.length; cut++) {
      expect(parseMetrics(whole + whole.slice(0, cut), 'f')).toEqual({ lines: [{ step: 1, loss: 2 }], torn: true });
    }
    expect(parseMetrics('', 'f')).toEqual({ lines: [], torn: false });
    expect(parseMetrics(`${whole}\n`, 'f').lines.length).toBe(1);
  });

  it.each([
    ['{"step":1}\n{"step":\n', 'is not JSON', 'run/metrics.jsonl, line 2'],
    ['[1]\n', 'is not a metrics line: [1]', 'run/metrics.jsonl, line 1'],
    ['{"loss":1}\n', 'is not a metrics line', 'run/metrics.jsonl, line 1'],
    ['null\n', 'is not a metrics line', 'run/metrics.jsonl, line 1'],
  ])('that are broken are named: %j', (text, message, where) => {
    const error = caught(() => parseMetrics(text, 'run/metrics.jsonl'));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toContain(message);
    expect(error.where).toBe(where);
  });

  it('have integer steps', () => expect(() => encodeMetrics({ step: 1.5 })).toThrow('got 1.5'));

  it('of steps that a resumed run took again hold once', () => {
    const line = (step: number, run: string): MetricsLine => ({ step, run });
    const lines = [line(1, 'a'), line(2, 'a'), line(2, 'validation'), line(3, 'a'), restartLine(2), line(3, 'b')];
    expect(currentMetrics(lines)).toEqual([line(1, 'a'), line(2, 'a'), line(2, 'validation'), line(3, 'b')]);
    expect(currentMetrics([...lines, restartLine(-1), line(0, 'c')])).toEqual([line(0, 'c')]);
  });
});

function caught(run: () => unknown): DataError {
  try {
    run();
  } catch (error) {
    return error as DataError;
  }
  throw new Error('nothing was thrown');
}
