import { describe, expect, it } from 'vitest';
import { RemedyError } from '../../src/remedies/remedy.ts';
import { inlineExecutor } from '../../src/trials/inline.ts';
import type { TrialTask } from '../../src/trials/trial.ts';
import { runTrial } from '../../src/verbs/run-trial.ts';
import { data, follow, relu, remedy, runtime, shallow, sham, sigmoids } from './treatments.ts';

describe('treat', () => {
  it('trains baseline and candidate with the same seeds and rows, and keeps what is better', async () => {
    const tasks: TrialTask[] = [];
    const run = inlineExecutor((task, artifacts, options) => {
      tasks.push(task);
      return runTrial(task, artifacts, { ...options, runtime });
    });
    const steps = 150;
    const training = { optimizer: { name: 'adam' }, learningRate: 0.01, steps, seeds: 2 };
    const heard = new Set<string>();
    const [treatment] = await follow(sigmoids, {
      ...training,
      executor: run,
      budget: { trials: 10 },
      onTrialProgress: ({ plan, step, of }) => heard.add(`${plan} ${step} of ${of}`),
    });
    for (const plan of ['baseline', 'own-relu']) expect(heard).toContain(`${plan} 75 of ${steps}`);
    expect(treatment.outcome).toBe('improved');
    expect(treatment.winner?.plan.id).toBe('own-relu');
    expect(treatment.patches).toEqual([{ remedy: 'own-relu', title: 'own-relu', patch: relu.patch({} as never) }]);
    // 54 weights and biases a hidden layer but the first, as before: 18 + 7 · 42 + 14.
    expect([...treatment.parameters]).toEqual([
      ['baseline', 326],
      ['own-relu', 326],
    ]);
    const [best, worst] = treatment.ranking!.judgements;
    expect(best!.plan).toBe('own-relu');
    // Two classes of equal size: the baseline knows nothing, log 2.
    expect(worst!.heldOutLoss).toBeGreaterThan(0.6);
    expect(best!.heldOutLoss).toBeLessThan(0.5);
    expect(best!.againstBaseline!.high).toBeLessThan(0);
    expect(tasks.map(({ plan, seed }) => `${plan} ${seed}`).sort()).toEqual([
      'baseline 0',
      'baseline 1',
      'own-relu 0',
      'own-relu 1',
    ]);
    expect(new Set(tasks.map((task) => JSON.stringify(task.data))).size).toBe(1);
    expect(treatment.after!.diagnosis.verdict).toBe('healthy');
  });

  it('recommends nothing for a healthy network, and tries nothing', async () => {
    const seen: TrialTask[] = [];
    const [treatment] = await follow(shallow, { executor: sham({}, seen) });
    expect(treatment).toMatchObject({ outcome: 'healthy', plans: [], results: [] });
    expect(seen).toEqual([]);
    const [anyway] = await follow(shallow, { executor: sham({}, seen), anyway: true, budget: { trials: 4 } });
    expect(anyway.outcome).toBe('nothing-helps');
  });

  it('says that nothing helps where nothing does', async () => {
    const [treatment] = await follow(sigmoids, {
      executor: sham({ baseline: 1, 'own-relu': 0.999 }),
      budget: { trials: 8 },
    });
    expect(treatment.outcome).toBe('nothing-helps');
    expect(treatment.winner).toBeUndefined();
    expect(treatment.reason).toContain('own-relu');
  });

  it('keeps the smaller change among equals', async () => {
    const small = remedy('small');
    const [treatment] = await follow(sigmoids, {
      remedies: [relu, small],
      executor: sham({ baseline: 1, 'own-relu': 0.5, small: 0.5 }),
      plans: [['own-relu'], ['small']],
      budget: { trials: 20 },
    });
    expect(treatment.winner?.plan.id).toBe('small');
  });

  it('labels a choice without data, and trains nothing', async () => {
    const [treatment] = await follow(sigmoids, { data: undefined });
    expect(treatment.outcome).toBe('gradient-only');
    expect(treatment.reason).toContain('nothing was trained');
    expect(treatment.winner?.plan.id).toBe('own-relu');
    expect(treatment.trials.done).toBe(0);
  });

  it('judges by the training loss where too few rows could be held out', async () => {
    const tasks: TrialTask[] = [];
    const [treatment] = await follow(sigmoids, {
      data: { ...data, rows: 60 },
      executor: sham({ 'own-relu': 0.5 }, tasks),
      budget: { trials: 6 },
    });
    expect(tasks.every(({ validation }) => validation === 0)).toBe(true);
    expect(treatment.trials.heldOut).toBe(false);
    expect(treatment.notes.join()).toContain('too few rows to hold any out');
  });

  it('passes over a plan that cannot be carried out, whatever it throws', async () => {
    const refused = remedy('refused', {
      apply: () => {
        throw new RemedyError('no place for it', { code: 'remedy-place' });
      },
    });
    const broken = remedy('broken', {
      apply: () => {
        throw new TypeError('oops');
      },
    });
    const [treatment] = await follow(sigmoids, {
      remedies: [relu, refused, broken],
      plans: [['own-relu'], ['refused'], ['broken']],
      executor: sham({ baseline: 1, 'own-relu': 0.5 }),
      budget: { trials: 6 },
    });
    expect(treatment.winner?.plan.id).toBe('own-relu');
    expect(treatment.skipped.map(({ plan, reason }) => `${plan.id}: ${reason}`)).toEqual([
      'refused: no place for it',
      'broken: broken failed: TypeError: oops',
    ]);
    const [none] = await follow(sigmoids, { remedies: [broken], executor: sham({}) });
    expect(none.outcome).toBe('no-plan');
  });

  it('refuses unknown remedies and those that clash', async () => {
    const clash = remedy('clash', { conflicts: ['own-relu'] });
    const options = { remedies: [relu, clash], executor: sham({}) };
    await expect(follow(sigmoids, { ...options, plans: [['own-rleu']] })).rejects.toMatchObject({
      code: 'unknown-remedy',
      hint: 'did you mean "own-relu"?',
    });
    await expect(follow(sigmoids, { ...options, plans: [['own-relu', 'clash']] })).rejects.toMatchObject({
      code: 'remedy-conflict',
    });
  });
});
