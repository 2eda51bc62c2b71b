import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/graph/errors.ts';
import { scheduleOf } from '../../src/training/schedule-choice.ts';
import {
  constant,
  cosine,
  cosineRestarts,
  exponential,
  oneCycle,
  type PlateauOptions,
  ReduceOnPlateau,
  type Schedule,
  step,
  warmUp,
} from '../../src/training/schedules.ts';

const load = (name: string) =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/optimizers', name), 'utf8'));
const traces: Record<string, number[]> = load('traces.json').schedules;
const more = load('schedules.json');

/** PyTorch's schedules with base learning rate 0.1. */
const cases: Record<string, [Schedule, number[]]> = {
  'step-10-0.5': [step(10, 0.5), traces['step-10-0.5']!],
  'cosine-50': [cosine(50, 0.01), traces['cosine-50']!.slice(0, 51)],
  'exponential-0.9': [exponential(0.9), traces['exponential-0.9']!],
  'linear-warmup-8': [warmUp(8), traces['linear-warmup-8']!],
  'one-cycle-60': [oneCycle(60), traces['one-cycle-60']!],
  'one-cycle-7-0.5': [oneCycle(7, 0.5), more['one-cycle-7-0.5']],
  'one-cycle-100-0.1': [oneCycle(100, 0.1), more['one-cycle-100-0.1']],
  'restarts-10': [cosineRestarts(10, 1, 0.01), more['restarts-10']],
  'restarts-5-2': [cosineRestarts(5, 2), more['restarts-5-2']],
};

describe('schedules', () => {
  it.each(Object.entries(cases))('%s: PyTorch’s learning rates', (_, [schedule, expected]) => {
    expected.forEach((rate, t) => {
      expect(0.1 * schedule(t), `update ${t}`).toBeCloseTo(rate, 12);
    });
  });

  it('cosine stays at its floor after the period', () => {
    expect(cosine(50, 0.01)(80)).toBeCloseTo(0.01, 12);
  });

  it('one cycle stays at its end, and begins at its peak where it is too short to rise', () => {
    expect(oneCycle(10)(25)).toBeCloseTo(1 / 25e4, 14);
    expect([0, 1, 2].map(oneCycle(3, 0.3))).toEqual([1, expect.closeTo((1 + 1 / 25e4) / 2, 14), 1 / 25e4]);
    expect(oneCycle(1)(0)).toBe(1);
    for (const wrong of [() => oneCycle(0), () => oneCycle(10, 0), () => oneCycle(10, 1)])
      expect(wrong).toThrow(UsageError);
  });

  it('one cycle lasts as long as training, and takes no warm-up', () => {
    const lengths = { stepsPerEpoch: 20, total: 60 };
    const { schedule } = scheduleOf({ kind: 'one-cycle' }, lengths);
    expect(0.1 * schedule(17)).toBeCloseTo(traces['one-cycle-60']![17]!, 12);
    expect(scheduleOf({ kind: 'one-cycle', rise: 0.5 }, lengths).schedule(29)).toBe(1);
    expect(() => scheduleOf({ kind: 'one-cycle', warmUp: 5 }, lengths)).toThrow(/takes no warm-up/);
    const endless = { stepsPerEpoch: undefined, total: Number.POSITIVE_INFINITY };
    expect(() => scheduleOf({ kind: 'one-cycle' }, endless)).toThrow(/one cycle needs to know when training ends/);
  });

  it('warm-up goes before any schedule, within its time or before it begins', () => {
    const within = warmUp(4, step(2, 0.5), { from: 0.5 });
    expect([0, 1, 2, 4].map(within)).toEqual([0.5, 0.625, 0.75 * 0.5, 0.25]);
    const before = warmUp(4, step(2, 0.5), { from: 0.5, shift: true });
    expect([0, 2, 4, 6].map(before)).toEqual([0.5, 0.75, 1, 0.5]);
    expect(constant()(7)).toBe(1);
  });

  const plateaus: Record<string, PlateauOptions> = {
    default: {},
    'patience-3-cooldown-2': { patience: 3, cooldown: 2, factor: 0.5, minimum: 0.004 },
    'max-abs': { mode: 'max', thresholdMode: 'absolute', threshold: 0.005, patience: 1, factor: 0.3 },
  };
  it.each(Object.entries(plateaus))('reduce on plateau, %s: PyTorch’s learning rates', (name, options) => {
    let plateau = new ReduceOnPlateau(0.1, options);
    more.plateau.metrics.forEach((metric: number, i: number) => {
      // Saved and read back on the way: a resumed run must not differ.
      if (i === 20) plateau = new ReduceOnPlateau(JSON.parse(JSON.stringify(plateau.state)), options);
      expect(plateau.report(metric), `report ${i}`).toBeCloseTo(more.plateau.rates[name][i], 14);
    });
  });

  it('NaN counts as no improvement, and is never the best', () => {
    const plateau = new ReduceOnPlateau(0.1, { patience: 1 });
    for (const metric of [Number.NaN, 1, Number.NaN]) expect(plateau.report(metric)).toBe(0.1);
    expect(plateau.report(Number.NaN)).toBeCloseTo(0.01, 12);
  });

  it('refuses what makes no sense', () => {
    expect(() => step(0)).toThrow('the steps between drops: 0');
    expect(() => exponential(1.5)).toThrow('the factor is 1.5');
    expect(() => cosine(Number.NaN)).toThrow('the period: NaN');
    expect(() => cosine(5, 2)).toThrow('the floor is 2');
    expect(() => warmUp(3, constant(), { from: 0 })).toThrow('starts from 0');
    expect(() => new ReduceOnPlateau(0.1, { factor: 1 })).toThrow('the factor is 1');
  });
});
