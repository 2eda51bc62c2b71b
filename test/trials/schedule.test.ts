import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { trialsOf } from '../../src/trials/halving.ts';
import { Pace } from '../../src/trials/pace.ts';
import { planSchedule, replan } from '../../src/trials/schedule.ts';
import type { TrialResult } from '../../src/trials/trial.ts';

/** A trial of so many steps that take so long, after a start. */
const trial = (plan: string, steps: number, perStep: number, start: number): TrialResult => ({
  id: `${plan}-${steps}-${start}`,
  plan,
  seed: 0,
  steps,
  status: 'done',
  training: [],
  seconds: start + steps * perStep,
  secondsPerStep: perStep,
});
const paceOf = (perStep: number, start: number) => {
  const pace = new Pace();
  pace.add(trial('baseline', 20, perStep, start));
  return pace;
};
const names = (count: number) => Array.from({ length: count }, (_, i) => `plan-${i}`);
const rounds = [
  { steps: 20, seeds: 1, keep: 2 },
  { steps: 100, seeds: 2, keep: 2 },
];

describe('pace', () => {
  it('adds a start to each trial, and counts what was timed of each plan', () => {
    const pace = paceOf(0.01, 1);
    for (const plan of names(4)) pace.add(trial(plan, 20, 0.02, 1.5));
    // Five trials of 20 steps, then three of 100 with two seeds: the baseline's steps take half as long.
    const first = 1 + 20 * 0.01 + 4 * (1.5 + 20 * 0.02);
    const second = 2 * (1 + 100 * 0.01 + 2 * (1.5 + 100 * 0.02));
    expect(pace.secondsFor(rounds, names(4))).toBeCloseTo(first + second, 9);
  });

  it('goes by the latest trial, and learns nothing from those that could not be run', () => {
    const pace = paceOf(0.03, 4);
    pace.add(trial('baseline', 20, 0.01, 1));
    pace.add({ ...trial('baseline', 20, 0.0001, 50), status: 'failed' });
    expect(pace.secondsFor([{ steps: 100, seeds: 1, keep: 0 }], [])).toBeCloseTo(1 + 100 * 0.01, 9);
  });

  it('counts the steps that a training did until it broke down', () => {
    const fault = (step: number) => ({ kind: 'nan', step, message: 'the loss is NaN' });
    const pace = new Pace();
    pace.add({
      ...trial('baseline', 1000, 0.01, 0),
      seconds: 2,
      secondsPerStep: 0.02,
      status: 'fault',
      fault: fault(50),
    });
    expect(pace.secondsFor([{ steps: 200, seeds: 1, keep: 0 }], [])).toBeCloseTo(1 + 200 * 0.02, 9);
    // Of two steps nothing is known but the start: others' steps stand in for them.
    pace.add({ ...trial('plan-0', 1000, 1, 0), seconds: 3, secondsPerStep: 9, status: 'fault', fault: fault(2) });
    const one = pace.secondsFor([{ steps: 200, seeds: 1, keep: 0 }], names(1)) - (1 + 200 * 0.02);
    expect(one).toBeCloseTo(3 + 200 * 1.3 * 0.02, 9);
  });

  it('knows nothing where nothing was timed', () => {
    expect(new Pace().secondsFor(rounds, names(2))).toBeNaN();
  });
});

describe('a schedule', () => {
  it('stays within its time and its trials, whatever they are', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 14 }),
        fc.integer({ min: 1, max: 4 }),
        fc.double({ min: 1e-4, max: 0.5, noNaN: true }),
        fc.double({ min: 0, max: 3, noNaN: true }),
        fc.double({ min: 0.1, max: 3000, noNaN: true }),
        fc.integer({ min: 1, max: 60 }),
        (count, seeds, perStep, start, seconds, trials) => {
          const pace = paceOf(perStep, start);
          const { rungs, plans, fits } = planSchedule(names(count), { seeds }, { trials, seconds, pace });
          expect(trialsOf(rungs, plans.length)).toBeLessThanOrEqual(trials);
          if (trials < 2) expect(plans).toEqual([]);
          else expect(plans.length).toBeGreaterThan(0);
          expect(plans).toEqual(names(count).slice(0, plans.length));
          if (fits) expect(pace.secondsFor(rungs, plans)).toBeLessThanOrEqual(seconds);
        },
      ),
    );
  });

  it('gives up plans before the length of the last round, and that before seeds', () => {
    const pace = paceOf(0.01, 0.5);
    const of = (seconds: number) => {
      const { rungs, plans } = planSchedule(names(12), { seeds: 3 }, { trials: 1e9, seconds, pace });
      return { plans: plans.length, steps: rungs.at(-1)!.steps, seeds: rungs.at(-1)!.seeds };
    };
    const [plenty, less, little, least] = [of(1000), of(30), of(16), of(6)];
    expect(plenty).toMatchObject({ plans: 12, seeds: 3 });
    expect(plenty.steps).toBeGreaterThan(2700);
    expect(less.plans).toBeLessThan(12);
    expect(less.plans).toBeGreaterThanOrEqual(4);
    expect(less.seeds).toBe(3);
    expect(less.steps).toBeGreaterThanOrEqual(100);
    expect(little.plans).toBe(4);
    expect(little.seeds).toBe(3);
    expect(little.steps).toBeLessThan(100);
    expect(least.seeds).toBeLessThan(3);
  });

  it('tries some plans for a short while where there is no time at all, and says that it does not fit', () => {
    const room = { trials: 1e9, seconds: 0.1, pace: paceOf(0.1, 1) };
    expect(planSchedule(names(9), { seeds: 3 }, room)).toMatchObject({ fits: false, plans: names(4) });
  });

  it('is no longer than it must be where no step was timed', () => {
    const room = { trials: 1e9, seconds: 1e9, pace: new Pace() };
    expect(planSchedule(names(3), { seeds: 2 }, room).rungs.at(-1)!.steps).toBe(100);
  });

  it('is as long as it was asked to be', () => {
    const room = { trials: 1e9, seconds: 1, pace: new Pace() };
    expect(planSchedule(names(3), { steps: 777, seeds: 2 }, room).rungs.at(-1)).toMatchObject({ steps: 777, seeds: 2 });
  });

  it('goes on only with rounds that are twice as long', () => {
    const room = (seconds: number) => ({ trials: 1e9, seconds, pace: paceOf(0.01, 0) });
    expect(replan(names(3), 100, 2, room(100)).rungs.at(-1)!.steps).toBeGreaterThanOrEqual(200);
    expect(replan(names(3), 100, 2, room(100)).fits).toBe(true);
    expect(replan(names(3), 100, 2, room(2)).fits).toBe(false);
  });
});
