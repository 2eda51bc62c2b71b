import { describe, expect, it } from 'vitest';
import type { Remedy } from '../../src/remedies/remedy.ts';
import type { Treatment } from '../../src/report/treatment/treatment.ts';
import { inlineExecutor } from '../../src/trials/inline.ts';
import type { TrialResult, TrialTask } from '../../src/trials/trial.ts';
import { treat } from '../../src/verbs/treat.ts';
import { base, follow, relu, remedy, sham, sigmoids } from './treatments.ts';

describe('a budget', () => {
  it.each([2, 3, 4, 9, 30])('of %i trials is never exceeded', async (trials) => {
    const seen: TrialTask[] = [];
    const many = Array.from({ length: 7 }, (_, i) =>
      remedy(`plan-${i}`, {
        apply: (design) => ({ ...design, training: { ...design.training, learningRate: 0.1 / (i + 1) } }),
      }),
    );
    const losses = Object.fromEntries(many.map(({ id }, i) => [id, 0.3 + 0.05 * i]));
    const [treatment] = await follow(sigmoids, {
      remedies: many,
      plans: many.map(({ id }) => [id]),
      executor: sham({ baseline: 1, ...losses }, seen),
      budget: { trials },
    });
    expect(seen.length).toBeLessThanOrEqual(trials);
    expect(treatment.outcome).toBe('improved');
  });

  it('of one trial is too small, and says so', async () => {
    const [treatment] = await follow(sigmoids, { executor: sham({}), budget: { trials: 1 } });
    expect(treatment).toMatchObject({ outcome: 'too-little-evidence', results: [] });
    expect(treatment.reason).toContain('need 2');
  });

  it('of no time gives what is known, and says so', async () => {
    const [treatment] = await follow(sigmoids, { executor: sham({}), budget: { seconds: 0.001 } });
    expect(treatment.outcome).toBe('too-little-evidence');
    expect(treatment.trials.complete).toBe(false);
  });

  it('of time is used: rounds grow, and finalists train longer while there is room', async () => {
    const many = Array.from({ length: 7 }, (_, i) =>
      remedy(`plan-${i}`, {
        apply: (design) => ({ ...design, training: { ...design.training, learningRate: 0.1 / (i + 1) } }),
      }),
    );
    // A step takes 10 µs by what the trials say: there is time for the longest ones.
    const executor = sham(Object.fromEntries([['baseline', 1], ...many.map(({ id }, i) => [id, 0.3 + 0.05 * i])]));
    const [treatment, events] = await follow(sigmoids, {
      remedies: many,
      plans: many.map(({ id }) => [id]),
      executor,
      budget: { seconds: 20 },
    });
    const rounds = events.flatMap((event) => (event.kind === 'round' ? [event] : []));
    const steps = rounds.map((round) => round.steps);
    expect(steps.length).toBeGreaterThan(1);
    for (let i = 1; i < steps.length; i++) expect(steps[i]).toBeGreaterThanOrEqual(2 * steps[i - 1]!);
    expect(steps.at(-1)).toBeGreaterThan(500);
    expect(treatment.trials.steps).toBe(steps.at(-1));
    expect(treatment.winner?.plan.id).toBe('plan-0');
    expect(treatment.results.filter(({ plan }) => plan === 'plan-6')).toHaveLength(1);
  });

  it('runs no trial twice, although rounds ask for the same one', async () => {
    const seen: TrialTask[] = [];
    const many = Array.from({ length: 6 }, (_, i) => remedy(`plan-${i}`));
    const apply =
      (i: number): Remedy['apply'] =>
      (design) => ({
        ...design,
        training: { ...design.training, learningRate: 0.1 / (i + 1) },
      });
    await follow(sigmoids, {
      remedies: many.map((one, i) => ({ ...one, apply: apply(i) })),
      plans: many.map(({ id }) => [id]),
      executor: sham({}, seen),
      steps: 20,
      budget: { trials: 100 },
    });
    expect(new Set(seen.map(({ id }) => id)).size).toBe(seen.length);
  });
});

describe('a plan that breaks down', () => {
  it('is not trained again, and the others go on', async () => {
    const seen: TrialTask[] = [];
    const whole = sham({ baseline: 1, 'plan-1': 0.5 }, seen);
    const executor = inlineExecutor(async (task, artifacts) => {
      for await (const result of whole.run([task], artifacts)) {
        if (task.plan === 'plan-1') return result;
        return { ...result, status: 'fault', fault: { kind: 'nan', step: 3, message: 'the loss is NaN' } };
      }
      throw new Error('no result');
    });
    const many = [0, 1, 2].map((i) =>
      remedy(`plan-${i}`, {
        apply: (design) => ({ ...design, training: { ...design.training, learningRate: 0.1 / (i + 1) } }),
      }),
    );
    const rungs = [
      { steps: 21, seeds: 1, keep: 3 },
      { steps: 63, seeds: 1, keep: 3 },
    ];
    const plans = many.map(({ id }) => id);
    const rounds = [{ plans, rungs }];
    const [treatment] = await follow(sigmoids, { remedies: many, executor, rounds, steps: 63, budget: { trials: 99 } });
    expect(seen.map(({ plan, steps }) => `${plan} ${steps}`)).toEqual([
      'baseline 21',
      ...plans.map((plan) => `${plan} 21`),
      'baseline 63',
      'plan-1 63',
    ]);
    expect(treatment).toMatchObject({ outcome: 'improved', winner: { plan: { id: 'plan-1' } } });
  });
});

describe('a last round beyond the plan', () => {
  const rounds = [
    { plans: ['own-relu'], rungs: [{ steps: 40, seeds: 2, keep: 1 }] },
    { plans: ['own-relu'], rungs: [{ steps: 120, seeds: 2, keep: 1 }] },
  ];
  const options = { remedies: [relu], rounds, steps: 40, budget: { trials: 99 } };

  it('is asked for again by a run that is resumed', async () => {
    const seen: TrialTask[] = [];
    const [treatment] = await follow(sigmoids, { ...options, executor: sham({ 'own-relu': 0.5 }, seen) });
    expect(seen.map(({ steps }) => steps)).toEqual([40, 40, 40, 40, 120, 120, 120, 120]);
    expect(treatment.trials).toMatchObject({ steps: 120, seeds: 2, complete: true });
  });

  it.each([
    [1, { steps: 40, seeds: 2 }],
    [3, { steps: 40, seeds: 2 }],
    [4, { steps: 120, seeds: 2 }],
  ])('overrules nothing when it is broken off after %i of its trials', async (ended, judged) => {
    const abort = new AbortController();
    let count = 0;
    let last: Treatment | undefined;
    const own = { ...base, ...options, executor: sham({ 'own-relu': 0.5 }), signal: abort.signal };
    for await (const event of treat(sigmoids, own)) {
      if (event.kind === 'trial' && event.result.steps === 120 && ++count === ended) abort.abort();
      if (event.kind === 'end') last = event.treatment;
    }
    expect(last).toMatchObject({ outcome: 'improved', trials: judged });
  });
});

describe('what is not known', () => {
  it('is no time left', async () => {
    const [, events] = await follow(sigmoids, { executor: sham({}), budget: { trials: 4 } });
    const [first, second] = events.filter((event) => event.kind === 'round' || event.kind === 'trial');
    expect(first).not.toHaveProperty('secondsLeft');
    expect(second).toHaveProperty('secondsLeft');
  });

  it('does not cost the trials that a budget has', async () => {
    const seen: TrialTask[] = [];
    const wide = { ...sham({ 'own-relu': 0.5 }, seen), parallel: 8 };
    const [treatment] = await follow(sigmoids, { executor: wide, budget: { seconds: 30, trials: 4 } });
    expect(treatment.outcome).toBe('improved');
    expect(seen.length).toBeLessThanOrEqual(4);
  });

  it('is said of a run that is interrupted while plans are carried out', async () => {
    const abort = new AbortController();
    const slow = remedy('slow', {
      apply: (design) => {
        abort.abort();
        return design;
      },
    });
    const [treatment] = await follow(sigmoids, { remedies: [slow], executor: sham({}), signal: abort.signal });
    expect(treatment).toMatchObject({
      outcome: 'too-little-evidence',
      reason: 'it was interrupted before the first trial ended',
      trials: { complete: false },
    });
  });
});

describe('a run that is broken off', () => {
  it('is judged by the last round that tells something, and says so', async () => {
    const abort = new AbortController();
    const rounds = [
      {
        plans: ['own-relu'],
        rungs: [
          { steps: 21, seeds: 1, keep: 1 },
          { steps: 63, seeds: 2, keep: 1 },
        ],
      },
    ];
    const executor = sham({ baseline: 1, 'own-relu': 0.5 });
    let treatment: Treatment | undefined;
    const options = {
      ...base,
      remedies: [relu],
      executor,
      rounds,
      budget: { trials: 9 },
      steps: 63,
      signal: abort.signal,
    };
    for await (const event of treat(sigmoids, options)) {
      if (event.kind === 'trial' && event.result.steps === 63) abort.abort();
      if (event.kind === 'end') ({ treatment } = event);
    }
    expect(treatment).toMatchObject({ outcome: 'improved', trials: { steps: 21, seeds: 1, complete: false } });
    expect(treatment!.results.filter(({ steps }) => steps === 63).map(({ plan }) => plan)).toEqual(['baseline']);
  });

  const options = { remedies: [relu], seeds: 2, steps: 30, budget: { trials: 10 } };

  it('finds its results again and computes only what is missing', async () => {
    const results = new Map<string, TrialResult>();
    const store = {
      results,
      add: async (result: TrialResult) => {
        results.set(result.id, result);
      },
    };
    const first: TrialTask[] = [];
    const abort = new AbortController();
    const executor = sham({ baseline: 1, 'own-relu': 0.5 }, first);
    for await (const event of treat(sigmoids, { ...base, ...options, executor, store, signal: abort.signal })) {
      if (event.kind === 'trial' && results.size === 3) abort.abort();
      if (event.kind === 'end') expect(event.treatment.trials.complete).toBe(false);
    }
    expect(first).toHaveLength(3);
    const second: TrialTask[] = [];
    const [treatment, events] = await follow(sigmoids, {
      ...options,
      store,
      executor: sham({ baseline: 1, 'own-relu': 0.5 }, second),
    });
    expect(second).toHaveLength(1);
    expect(events.filter((event) => event.kind === 'trial' && event.known)).toHaveLength(3);
    expect(treatment.outcome).toBe('improved');
    expect(treatment.results).toHaveLength(4);
  });

  it('asks for the rounds that were decided, whatever the budget is now', async () => {
    const seen: TrialTask[] = [];
    const rounds = [
      {
        plans: ['own-relu'],
        rungs: [
          { steps: 21, seeds: 1, keep: 1 },
          { steps: 63, seeds: 2, keep: 1 },
        ],
      },
      { plans: ['own-relu'], rungs: [{ steps: 64, seeds: 2, keep: 1 }] },
    ];
    const executor = sham({ baseline: 1, 'own-relu': 0.5 }, seen);
    await follow(sigmoids, { remedies: [relu], executor, rounds, budget: { seconds: 30 } });
    expect(seen.map(({ plan, seed, steps }) => `${plan} ${seed} ${steps}`)).toEqual([
      'baseline 0 21',
      'own-relu 0 21',
      // Seed by seed: a budget that ends the round leaves plans that can be compared.
      'baseline 0 64',
      'own-relu 0 64',
      'baseline 1 64',
      'own-relu 1 64',
    ]);
  });

  it('ends at once when it is told to before the first trial', async () => {
    const abort = new AbortController();
    abort.abort();
    const [treatment] = await follow(sigmoids, { ...options, executor: sham({}), signal: abort.signal });
    expect(treatment).toMatchObject({ outcome: 'too-little-evidence', results: [] });
    expect(treatment.reason).toContain('interrupted');
  });
});
