import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/random/random.ts';
import { planRungs, rankPlans, trialsOf } from '../../src/trials/halving.ts';
import { judgeTrials } from '../../src/trials/judge.ts';
import { bootstrapMean, wilsonInterval } from '../../src/trials/statistics.ts';
import type { TrialResult } from '../../src/trials/trial.ts';

const trial = (plan: string, seed: number, losses: number[], more: Partial<TrialResult> = {}): TrialResult => ({
  id: `${plan}-${seed}`,
  plan,
  seed,
  steps: 100,
  status: 'done',
  training: [{ step: 100, loss: losses[0] ?? 0 }],
  heldOut: { loss: losses.reduce((a, b) => a + b, 0) / losses.length, rows: 100 },
  heldOutLosses: losses,
  seconds: 1,
  ...more,
});
const noisy = (seed: number, mean: number, n = 20) => {
  const random = createRandom(seed).fork(String(mean));
  return Array.from({ length: n }, () => mean + 0.05 * random.normal());
};
const sizes: Record<string, number> = { baseline: 0, init: 1, relu: 21, 'relu+norm': 22 };
const judge = (results: TrialResult[]) => judgeTrials(results, (plan) => sizes[plan] ?? 99, createRandom(0));

describe('intervals of a part', () => {
  it('are those of Wilson', () => {
    // Brown, Cai & DasGupta 2001 and R's binom.confint(81, 263, methods = 'wilson'): 0.2552898, 0.3662013.
    const { low, high, mean } = wilsonInterval(81 / 263, 263);
    expect(mean).toBe(81 / 263);
    expect(low).toBeCloseTo(0.25529, 4);
    expect(high).toBeCloseTo(0.36621, 4);
  });

  it('say something of none and of all: z² / (n + z²)', () => {
    const z2 = 1.959964 ** 2;
    expect(wilsonInterval(0, 20).low).toBe(0);
    expect(wilsonInterval(0, 20).high).toBeCloseTo(z2 / (20 + z2), 12);
    expect(wilsonInterval(1, 20).high).toBe(1);
    expect(wilsonInterval(1, 20).low).toBeCloseTo(20 / (20 + z2), 12);
  });
});

describe('bootstrap intervals', () => {
  it('cover the true mean of normal differences at about their level', () => {
    let covered = 0;
    const repeats = 200;
    for (let i = 0; i < repeats; i++) {
      const random = createRandom(i).fork('data');
      // Seed effects of deviation 0.3 and batch effects of 0.5 around a mean of 1.
      const lists = Array.from({ length: 12 }, () => {
        const seedEffect = 0.3 * random.normal();
        return Array.from({ length: 10 }, () => 1 + seedEffect + 0.5 * random.normal());
      });
      const { low, high } = bootstrapMean(lists, random);
      if (low <= 1 && 1 <= high) covered++;
    }
    // Two standard errors of a proportion around 0.95, and the known slight undercoverage of percentile intervals.
    expect(covered / repeats).toBeGreaterThan(0.88);
    expect(covered / repeats).toBeLessThanOrEqual(1);
  });

  it('are the same for the same seed, and hold the mean', () => {
    const lists = [
      [1, 2, 3],
      [2, 4],
    ];
    const [a, b] = [bootstrapMean(lists, createRandom(3)), bootstrapMean(lists, createRandom(3))];
    expect(a).toEqual(b);
    expect(a.mean).toBeCloseTo(2.5, 12);
    expect(a.low).toBeLessThanOrEqual(a.mean);
    expect(a.high).toBeGreaterThanOrEqual(a.mean);
  });

  it('say nothing of nothing', () => {
    expect(bootstrapMean([], createRandom(0)).mean).toBeNaN();
  });
});

describe('judging', () => {
  it('names the smallest change among those that cannot be told from the best', () => {
    const results = [0, 1, 2].flatMap((seed) => [
      trial('baseline', seed, noisy(seed, 2.3)),
      trial('relu', seed, noisy(seed, 0.3)),
      trial('relu+norm', seed, noisy(seed + 10, 0.295)),
      trial('init', seed, noisy(seed, 2.29)),
    ]);
    const ranking = judge(results);
    expect(ranking).toMatchObject({ outcome: 'improved', winner: 'relu' });
    expect(ranking.judgements[0]!.heldOutLoss).toBeLessThan(0.31);
    expect(ranking.judgements.find(({ plan }) => plan === 'init')!.againstBaseline!.mean).toBeCloseTo(-0.01, 1);
  });

  it('prefers what is better beyond chance, though it changes more', () => {
    const results = [0, 1, 2].flatMap((seed) => [
      trial('baseline', seed, noisy(seed, 2.3)),
      trial('init', seed, noisy(seed, 1.5)),
      trial('relu', seed, noisy(seed, 0.3)),
    ]);
    expect(judge(results).winner).toBe('relu');
  });

  it('says when nothing helps, and when a gain is too small to be worth a change', () => {
    const same = [0, 1, 2].flatMap((seed) => [
      trial('baseline', seed, noisy(seed, 0.3)),
      trial('relu', seed, noisy(seed + 5, 0.3)),
    ]);
    expect(judge(same)).toMatchObject({ outcome: 'nothing-helps' });
    const tiny = [0, 1, 2].flatMap((seed) => [
      trial('baseline', seed, Array(20).fill(0.3)),
      trial('relu', seed, Array(20).fill(0.299)),
    ]);
    expect(judge(tiny)).toMatchObject({ outcome: 'nothing-helps' });
    expect(judge(tiny).winner).toBeUndefined();
  });

  it('lets a plan win over a baseline whose training breaks down, and none that breaks down itself', () => {
    const fault = { status: 'fault' as const, heldOut: undefined, heldOutLosses: undefined };
    const rescued = [0, 1].flatMap((seed) => [
      trial('baseline', seed, [], fault),
      trial('init', seed, noisy(seed, 0.4)),
      trial('relu', seed, [], fault),
    ]);
    expect(judge(rescued)).toMatchObject({ outcome: 'improved', winner: 'init' });
    const lost = [0, 1].flatMap((seed) => [trial('baseline', seed, noisy(seed, 2)), trial('relu', seed, [], fault)]);
    expect(judge(lost)).toMatchObject({ outcome: 'nothing-helps' });
  });

  it('does not conclude without a baseline or without candidates', () => {
    expect(judge([trial('relu', 0, [1])])).toMatchObject({ outcome: 'too-little-evidence' });
    expect(judge([trial('baseline', 0, [1])])).toMatchObject({ outcome: 'too-little-evidence' });
    expect(judge([])).toMatchObject({ outcome: 'too-little-evidence', judgements: [] });
    const failed = trial('relu', 0, [], { status: 'failed', error: 'lost' });
    expect(judge([trial('baseline', 0, [1]), failed])).toMatchObject({ outcome: 'too-little-evidence' });
  });
});

describe('judging what is not as it should be', () => {
  it('takes one figure each for no evidence, and more of them for some', () => {
    const one = [trial('baseline', 0, [0.9]), trial('relu', 0, [0.3])];
    expect(judge(one)).toMatchObject({ outcome: 'too-little-evidence' });
    expect(judge(one).reason).toContain('one figure each says nothing of chance');
    expect(judge(one).judgements.every(({ againstBaseline }) => againstBaseline === undefined)).toBe(true);
    const seeds = [0, 1, 2].flatMap((seed) => [trial('baseline', seed, [0.9]), trial('relu', seed, [0.3])]);
    expect(judge(seeds)).toMatchObject({ outcome: 'improved', winner: 'relu' });
  });

  it('takes a loss that is no number for a training that broke down', () => {
    const results = [0, 1].flatMap((seed) => [
      trial('baseline', seed, [Number.NaN]),
      trial('relu', seed, noisy(seed, 0.4)),
    ]);
    const ranking = judge(results);
    expect(ranking).toMatchObject({ outcome: 'improved', winner: 'relu' });
    expect(ranking.judgements.find(({ plan }) => plan === 'baseline')).toMatchObject({
      faults: 2,
      heldOutLoss: Number.POSITIVE_INFINITY,
    });
    // There is nothing to subtract: no interval is made up.
    expect(ranking.judgements.find(({ plan }) => plan === 'relu')).not.toHaveProperty('againstBaseline');
  });

  it('says that every plan broke down', () => {
    const fault = { status: 'fault' as const, heldOut: undefined, heldOutLosses: undefined };
    const results = [trial('baseline', 0, [], fault), trial('relu', 0, [], fault)];
    expect(judge(results)).toMatchObject({
      outcome: 'nothing-helps',
      reason: 'every plan broke down in training, as the baseline did',
    });
  });

  it('wants a plan to break down no more often than the baseline', () => {
    const fault = { status: 'fault' as const, heldOut: undefined, heldOutLosses: undefined };
    const results = [0, 1, 2].flatMap((seed) => [
      trial('baseline', seed, noisy(seed, 2)),
      seed === 1 ? trial('relu', seed, [], fault) : trial('relu', seed, noisy(seed, 0.3)),
    ]);
    expect(judge(results)).toMatchObject({ outcome: 'nothing-helps' });
  });

  it('measures what is worthwhile by the size of a loss, also below zero', () => {
    const results = (after: number) =>
      [0, 1, 2].flatMap((seed) => [
        trial('baseline', seed, Array(20).fill(-10)),
        trial('relu', seed, Array(20).fill(after)),
      ]);
    expect(judge(results(-10.1)).outcome).toBe('nothing-helps');
    expect(judge(results(-10.5)).outcome).toBe('improved');
  });

  it('compares with the best of those that are better beyond chance', () => {
    // A lucky median, and a seed that is far worse: lower than the other, but not beyond chance.
    const lucky = [0.1, 0.1, 5];
    const results = [0, 1, 2].flatMap((seed) => [
      trial('baseline', seed, Array(20).fill(1)),
      trial('relu+norm', seed, Array(20).fill(lucky[seed])),
      trial('relu', seed, Array(20).fill(0.2)),
    ]);
    const ranking = judge(results);
    expect(ranking).toMatchObject({
      winner: 'relu',
      reason: 'relu has the lowest held-out loss of those that are better beyond chance',
    });
    const [first, second] = ranking.judgements;
    expect([first!.plan, second!.plan]).toEqual(['relu+norm', 'relu']);
    expect(second).not.toHaveProperty('againstBest');
    expect(first!.againstBest!.mean).toBeCloseTo(5.2 / 3 - 0.2, 9);
  });

  it('says why the baseline could not be run', () => {
    const failed = trial('baseline', 0, [], { status: 'failed', error: 'out of memory' });
    expect(judge([failed, trial('relu', 0, [1, 2])]).reason).toBe(
      'the baseline was not trained to the end: out of memory',
    );
  });
});

describe('successive halving', () => {
  it('gives a third of the plans three times the steps, and the last ones every seed', () => {
    expect(planRungs(27, 900, 3)).toEqual([
      { steps: 100, seeds: 1, keep: 9 },
      { steps: 300, seeds: 1, keep: 3 },
      { steps: 900, seeds: 3, keep: 3 },
    ]);
    expect(planRungs(2, 500, 3)).toEqual([{ steps: 500, seeds: 3, keep: 2 }]);
    // 28 · 100 + 10 · 300 + 4 · 3 · 900
    expect(trialsOf(planRungs(27, 900, 3), 27)).toBe(28 + 10 + 12);
  });

  it('ranks by held-out loss, broken trainings last', () => {
    const results = [
      trial('baseline', 0, [0.1]),
      trial('a', 0, [0.5]),
      trial('b', 0, [0.2]),
      trial('c', 0, [], { status: 'fault', heldOut: undefined }),
    ];
    expect(rankPlans(results)).toEqual(['b', 'a', 'c']);
  });
});
