import { describe, expect, it } from 'vitest';
import type { Patient, Remedy } from '../../src/remedies/remedy.ts';
import { foresee, proposePlans, sizeOfChange } from '../../src/trials/plans.ts';
import type { Plan } from '../../src/trials/trial.ts';
import { remedyLike } from '../helpers/remedies.ts';

const draw = (id: string, predicted: number, more: Partial<Remedy> = {}) =>
  remedyLike(id, { removes: ['weight-matrix'], predict: () => predicted, ...more });
const swap = (id: string, predicted: number, more: Partial<Remedy> = {}) =>
  remedyLike(id, { changes: 'changes-model', removes: ['activation-derivative'], predict: () => predicted, ...more });
const patient = { diagnosis: { attribution: { byKind: { 'activation-derivative': -6 } } } } as unknown as Patient;
const propose = (remedies: Remedy[], most?: number) => proposePlans(patient, remedies, most).map(({ id }) => id);

describe('plans', () => {
  it('are what fits, the fewest decades left first, then the smaller change', () => {
    const list = [
      swap('gelu', -0.6),
      swap('relu', 0.1),
      draw('he', -0.2),
      draw('misfit', 0, { applies: () => undefined }),
    ];
    expect(propose(list).slice(0, 3)).toEqual(['he', 'relu', 'gelu']);
  });

  it('are pairs that take away different causes, one of them how steps are taken, and none that rule each other out', () => {
    const list = [
      swap('relu', 0),
      draw('he', 0, { conflicts: ['lsuv'] }),
      draw('lsuv', 0),
      remedyLike('adam'),
      remedyLike('clip', { conflicts: ['relu'] }),
    ];
    const pairs = propose(list, 100).filter((id) => id.includes('+'));
    expect(pairs.sort()).toEqual(['he+adam', 'he+clip', 'lsuv+adam', 'lsuv+clip', 'relu+adam', 'relu+he', 'relu+lsuv']);
  });

  it('join what takes away the same cause only where one says that the other completes it', () => {
    const norm = remedyLike('norm', { changes: 'changes-model', removes: ['weight-matrix'], predict: () => 0 });
    expect(propose([draw('lsuv', 0), norm])).toEqual(['lsuv', 'norm']);
    expect(propose([draw('lsuv', 0, { completedBy: () => ['norm'] }), norm])).toEqual(['lsuv', 'norm', 'lsuv+norm']);
  });

  it('leave what a normalization leaves, whatever it completes', () => {
    const norm = swap('norm', 1.8, { removes: ['weight-matrix'] });
    const lsuv = draw('lsuv', 0, { completedBy: () => ['norm'] });
    const plan = proposePlans(patient, [lsuv, norm]).find(({ id }) => id === 'lsuv+norm');
    expect(plan!.predictedDecades).toBe(1.8);
  });

  it('are not all pairs of the first with one optimizer after another', () => {
    const optimizers = ['adam', 'rmsprop', 'adagrad', 'clip'].map((id) => remedyLike(id));
    const draws = ['he', 'orthogonal', 'critical'].map((id) => draw(id, 0));
    const pairs = propose([...draws, ...optimizers], 12).filter((id) => id.includes('+'));
    expect(pairs).toHaveLength(5);
    for (const { id } of draws) expect(pairs.filter((pair) => pair.startsWith(id)).length).toBeLessThanOrEqual(2);
    // A pair that takes two causes away has its place among them, and those of one remedy fill up where there is no other.
    expect(propose([swap('relu', 0), ...draws, ...optimizers], 12).some((id) => /^relu\+(he|orth|crit)/.test(id))).toBe(
      true,
    );
    expect(propose([draw('he', 0), ...optimizers], 12).filter((id) => id.includes('+'))).toHaveLength(4);
  });

  it('are no more than asked for', () => {
    const list = Array.from({ length: 9 }, (_, i) => swap(`swap-${i}`, 0)).concat([remedyLike('adam'), draw('he', 0)]);
    for (const most of [1, 2, 5, 12, 40]) expect(propose(list, most).length).toBeLessThanOrEqual(most);
  });

  it('asked for by name are predicted to leave what the best of their parts leaves', () => {
    const known = new Map([swap('relu', -0.4), draw('he', 0.1), remedyLike('adam')].map((one) => [one.id, one]));
    const of = (...remedies: string[]) =>
      foresee<Plan>({ id: remedies.join('+'), remedies }, patient, known).predictedDecades;
    expect(of('relu')).toBe(-0.4);
    expect(of('relu', 'he')).toBe(0.1);
    expect(of('adam')).toBeUndefined();
  });

  it('change the more, the deeper their deepest change', () => {
    const sizes = [[], [remedyLike('adam')], [remedyLike('adam'), draw('he', 0)], [swap('relu', 0)]].map(sizeOfChange);
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
    expect(new Set(sizes).size).toBe(4);
  });
});
