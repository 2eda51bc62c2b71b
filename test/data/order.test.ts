import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allRows, feistel, permuted, type Rows, splitRows, without } from '../../src/data/order.ts';
import { DataError } from '../../src/graph/errors.ts';
import { createRandom } from '../../src/random/random.ts';

const list = (rows: Rows) => Array.from({ length: rows.count }, (_, i) => rows.at(i));
const sorted = (numbers: number[]) => [...numbers].sort((a, b) => a - b);
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

describe('orders', () => {
  it('are bijections, by network as by shuffle', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.nat(), (count, seed) => {
        expect(sorted(list(feistel(count, createRandom(seed))))).toEqual(upTo(count));
        expect(sorted(list(permuted(count, seed, 'epoch 0')))).toEqual(upTo(count));
      }),
      { numRuns: 100 },
    );
  });

  it('stay within bounds and never repeat among 10^12 rows, in no memory', () => {
    const count = 10 ** 12 + 7;
    const order = permuted(count, 3, 'epoch 1');
    const seen = new Set<number>();
    for (let i = 0; i < 20_000; i++) {
      const row = order.at(i);
      expect(row >= 0 && row < count && Number.isInteger(row)).toBe(true);
      seen.add(row);
    }
    expect(seen.size).toBe(20_000);
  });

  it('spread evenly: the first rows of an order come from everywhere', () => {
    // χ² of 16 cells over 16 000 draws without replacement from 2^22: 15 expected, 44 is one in 10 000.
    const count = 2 ** 22;
    const order = feistel(count, createRandom(5));
    const cells = new Float64Array(16);
    let rising = 0;
    for (let i = 0; i < 16_000; i++) {
      cells[Math.floor((order.at(i) / count) * 16)]!++;
      if (order.at(i) < order.at(i + 1)) rising++;
    }
    const chi = cells.reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
    expect(chi).toBeLessThan(44);
    expect(Math.abs(rising / 16_000 - 0.5)).toBeLessThan(0.02);
  });

  it('repeat for a seed and epoch, and differ between epochs and seeds', () => {
    for (const count of [500, 2 ** 21]) {
      const some = (seed: number, label: string) => upTo(100).map((i) => permuted(count, seed, label).at(i));
      expect(some(1, 'epoch 0')).toEqual(some(1, 'epoch 0'));
      expect(some(1, 'epoch 0')).not.toEqual(some(1, 'epoch 1'));
      expect(some(1, 'epoch 0')).not.toEqual(some(2, 'epoch 0'));
    }
  });

  it('leave rows out', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.array(fc.nat(199)), (count, some) => {
        const left = sorted([...new Set(some.filter((row) => row < count))]);
        expect(list(without(count, left))).toEqual(upTo(count).filter((row) => !left.includes(row)));
      }),
    );
  });
});

describe('splits', () => {
  it('are disjoint and cover everything', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 10, max: 2000 }),
        fc.nat(),
        fc.double({ min: 0.1, max: 0.9, noNaN: true }),
        (count, seed, part) => {
          const { training, validation } = splitRows(allRows(count), part, seed);
          expect(validation.count).toBe(Math.round(part * count));
          expect(sorted([...list(training), ...list(validation)])).toEqual(upTo(count));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('take the same part of every class when asked', () => {
    const labels = upTo(1000).map((i) => (i < 900 ? 0 : 1));
    const { training, validation } = splitRows(allRows(1000), 0.2, 4, labels);
    expect(list(validation).filter((row) => labels[row] === 1)).toHaveLength(20);
    expect(list(validation).filter((row) => labels[row] === 0)).toHaveLength(180);
    expect(sorted([...list(training), ...list(validation)])).toEqual(upTo(1000));
  });

  it('refuse fractions that leave nothing', () => {
    expect(() => splitRows(allRows(3), 0.01, 0)).toThrow(DataError);
    expect(() => splitRows(allRows(3), 0.9, 0)).toThrow(DataError);
    expect(() => splitRows(allRows(3), 1, 0)).toThrow(/split of 1 is not possible/);
    expect(() => splitRows(allRows(3), Number.NaN, 0)).toThrow(DataError);
  });
});
