import { describe, expect, it } from 'vitest';
import { createRandom, naturalLog } from '../../src/random/random.ts';

const draws = (n: number, one: () => number) => Float64Array.from({ length: n }, one);
const mean = (x: ArrayLike<number>) =>
  (Array.prototype.reduce.call(x, (a, b) => (a as number) + (b as number), 0) as number) / x.length;
const moment = (x: Float64Array, k: number) => mean(x.map((value) => value ** k));

/** Five standard errors of a mean of n draws of the given variance: one false alarm in two million. */
const bound = (variance: number, n: number) => 5 * Math.sqrt(variance / n);

describe('createRandom', () => {
  it('gives the same numbers on every machine', () => {
    // Recorded once: a change here changes every seeded result of the project.
    const random = createRandom(0);
    expect([
      random.uniform(),
      random.uniform(),
      random.normal(),
      random.normal(),
      random.below(1000),
    ]).toMatchInlineSnapshot(`
      [
        0.8615860260407179,
        0.4169570170311273,
        -0.016777091530664277,
        0.4061022163072396,
        807,
      ]
    `);
    expect(createRandom(1).fork('weights').uniform()).toMatchInlineSnapshot(`0.4004578347433684`);
  });

  it('repeats for a seed and differs between seeds', () => {
    expect(draws(100, createRandom(7).normal)).toEqual(draws(100, createRandom(7).normal));
    const first = new Set(Array.from({ length: 1000 }, (_, seed) => createRandom(seed).uniform()));
    expect(first.size).toBe(1000);
  });

  it('draws uniformly from [0, 1)', () => {
    const n = 200_000;
    const x = draws(n, createRandom(1).uniform);
    expect(x.every((value) => value >= 0 && value < 1)).toBe(true);
    for (const k of [1, 2, 3]) {
      // E[xᵏ] = 1/(k + 1), Var[xᵏ] = 1/(2k + 1) − 1/(k + 1)²
      expect(Math.abs(moment(x, k) - 1 / (k + 1))).toBeLessThan(bound(1 / (2 * k + 1) - 1 / (k + 1) ** 2, n));
    }
  });

  it('has neither trend nor correlation across neighbouring seeds', () => {
    const n = 20_000;
    const x = Float64Array.from({ length: n }, (_, seed) => createRandom(seed).uniform());
    expect(Math.abs(mean(x) - 1 / 2)).toBeLessThan(bound(1 / 12, n));
    const products = x.slice(1).map((value, i) => (value - 0.5) * (x[i]! - 0.5));
    expect(Math.abs(mean(products))).toBeLessThan(bound(1 / 144, n - 1));
  });

  it('draws standard normals: four moments, tail, no correlation between the two values of a pair', () => {
    const n = 200_000;
    const x = draws(n, createRandom(2).normal);
    // Moments 0, 1, 0, 3 with variances 1, 2, 15, 96 of the powers.
    [1, 2, 15, 96].forEach((variance, i) => {
      expect(Math.abs(moment(x, i + 1) - [0, 1, 0, 3][i]!)).toBeLessThan(bound(variance, n));
    });
    const beyond = x.filter((value) => Math.abs(value) > 2).length / n;
    expect(Math.abs(beyond - 0.0455002639)).toBeLessThan(bound(0.0455 * 0.9545, n));
    const pairs = Float64Array.from({ length: n / 2 }, (_, i) => x[2 * i]! * x[2 * i + 1]!);
    expect(Math.abs(mean(pairs))).toBeLessThan(bound(1, n / 2));
  });

  it.each([
    // Var = 1 − 2bφ(b)/(2Φ(b) − 1)
    [2, 0.773741],
    [0.5, 0.080588],
  ])('truncates normals at ±%d', (limit, variance) => {
    const n = 100_000;
    const random = createRandom(3);
    const x = draws(n, () => random.truncatedNormal(limit));
    expect(x.every((value) => Math.abs(value) <= limit)).toBe(true);
    expect(Math.abs(mean(x))).toBeLessThan(bound(variance, n));
    expect(Math.abs(moment(x, 2) - variance)).toBeLessThan(bound(limit ** 4, n));
  });

  it('draws integers below n with even odds, beyond 32 bits too', () => {
    const n = 70_000;
    const random = createRandom(4);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < n; i++) counts[random.below(7)]!++;
    for (const count of counts) expect(Math.abs(count / n - 1 / 7)).toBeLessThan(bound(6 / 49, n));
    const wide = draws(1000, () => random.below(2 ** 50));
    expect(wide.every((value) => Number.isInteger(value) && value < 2 ** 50)).toBe(true);
    expect(Math.max(...wide)).toBeGreaterThan(2 ** 49);
    expect(random.below(1)).toBe(0);
    for (const bad of [0, -1, 1.5, Number.NaN]) expect(() => random.below(bad)).toThrow(RangeError);
  });

  it('shuffles into every order equally often', () => {
    const n = 60_000;
    const random = createRandom(5);
    const orders = new Map<string, number>();
    for (let i = 0; i < n; i++) {
      const order = random.shuffle([1, 2, 3]).join('');
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect(orders.size).toBe(6);
    for (const count of orders.values()) expect(Math.abs(count / n - 1 / 6)).toBeLessThan(bound(5 / 36, n));
  });

  it('forks by label only, whatever was drawn before, and streams are independent', () => {
    const parent = createRandom(6);
    const before = parent.fork('a').uniform();
    draws(10, parent.normal);
    expect(parent.fork('a').uniform()).toBe(before);
    expect(parent.fork('b').uniform()).not.toBe(before);
    expect(parent.fork('a').fork('b').uniform()).not.toBe(parent.fork('ab').uniform());
    const n = 50_000;
    const a = draws(n, parent.fork('a').normal);
    const b = draws(n, parent.fork('b').normal);
    expect(Math.abs(mean(a.map((value, i) => value * b[i]!)))).toBeLessThan(bound(1, n));
  });
});

describe('naturalLog', () => {
  it('agrees with Math.log to an ulp over the whole range', () => {
    const random = createRandom(8);
    for (let i = 0; i < 100_000; i++) {
      const x = random.uniform() * 10 ** (random.below(600) - 300) + Number.MIN_VALUE * 2 ** 60;
      const exact = Math.log(x);
      expect(Math.abs(naturalLog(x) - exact)).toBeLessThanOrEqual(2.3e-16 * Math.abs(exact));
    }
    expect(naturalLog(1)).toBe(0);
    expect(naturalLog(2)).toBe(Math.LN2);
  });
});
