import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom, naturalLog } from '../../src/random/random.ts';

const draws = (count: number, next: () => number) => Array.from({ length: count }, next);
const mean = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;

describe('createRandom', () => {
  it('never changes its numbers: a seed written in a report must stay reproducible', () => {
    const random = createRandom(0);
    expect(draws(3, random.uniform)).toMatchInlineSnapshot(`
      [
        0.8615860260407179,
        0.4169570170311273,
        0.4801963788134943,
      ]
    `);
    expect(draws(3, random.normal)).toMatchInlineSnapshot(`
      [
        0.24515207179589302,
        0.056990069122593336,
        0.8518097574127538,
      ]
    `);
    expect(draws(3, createRandom(0).fork('dense.weight').uniform)).toMatchInlineSnapshot(`
      [
        0.20549206738536474,
        0.44092075905802963,
        0.1277202999097835,
      ]
    `);
  });

  it('forks by label only, whatever was drawn before', () => {
    const fresh = createRandom(3);
    const used = createRandom(3);
    draws(17, used.normal);
    expect(draws(5, used.fork('w').uniform)).toEqual(draws(5, fresh.fork('w').uniform));
    expect(draws(5, fresh.fork('w').uniform)).not.toEqual(draws(5, fresh.fork('b').uniform));
    expect(draws(5, createRandom(4).fork('w').uniform)).not.toEqual(draws(5, fresh.fork('w').uniform));
  });

  it('has uncorrelated streams', () => {
    const a = draws(20000, createRandom(0).fork('block.0.dense.weight').normal);
    const b = draws(20000, createRandom(0).fork('block.1.dense.weight').normal);
    expect(Math.abs(mean(a.map((x, i) => x * b[i]!)))).toBeLessThan(4 / Math.sqrt(20000));
  });

  it('is uniform and normal', () => {
    const random = createRandom(11);
    const u = draws(100000, random.uniform);
    expect(Math.min(...u.slice(0, 1000))).toBeGreaterThanOrEqual(0);
    expect(mean(u)).toBeCloseTo(0.5, 2);
    const tenths = new Array(10).fill(0);
    for (const x of u) tenths[Math.floor(x * 10)]++;
    const chiSquared = tenths.reduce((sum, n) => sum + (n - 10000) ** 2 / 10000, 0);
    expect(chiSquared).toBeLessThan(27.9); // 0.999 quantile at 9 degrees of freedom
    const z = draws(100000, random.normal);
    expect(mean(z)).toBeCloseTo(0, 1.5);
    expect(mean(z.map((x) => x * x))).toBeCloseTo(1, 1.5);
    expect(z.filter((x) => Math.abs(x) > 1.959964).length / z.length).toBeCloseTo(0.05, 2);
  });

  it('draws integers evenly and shuffles without losing any', () => {
    const random = createRandom(5);
    const counts = [0, 0, 0];
    for (let i = 0; i < 30000; i++) counts[random.below(3)]!++;
    for (const count of counts) expect(Math.abs(count - 10000)).toBeLessThan(400);
    expect(random.shuffle([1, 2, 3, 4, 5]).sort()).toEqual([1, 2, 3, 4, 5]);
    const firsts = [0, 0, 0, 0];
    for (let i = 0; i < 20000; i++) firsts[random.shuffle([0, 1, 2, 3])[0]!]!++;
    for (const count of firsts) expect(Math.abs(count - 5000)).toBeLessThan(300);
  });
});

it('computes ln to the last digits', () => {
  fc.assert(
    fc.property(fc.double({ min: Number.MIN_VALUE * 2 ** 52, max: 1e308, noNaN: true }), (x) => {
      const exact = Math.log(x);
      expect(Math.abs(naturalLog(x) - exact)).toBeLessThanOrEqual(2 ** -52 * Math.max(Math.abs(exact), 2 ** -52));
    }),
  );
});
