import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recurrentFlow } from '../../src/flow/recurrent.ts';

const place = { layer: 'rnn', node: 'RNN', op: 'RNN', direction: 'forward' } as const;
const none = Number.NEGATIVE_INFINITY;

describe('the account of a recurrence', () => {
  it('splits each step into activation derivative, recurrent weights and what arrives directly', () => {
    const flow = recurrentFlow(place, {
      hidden: [-4, -1.5, 0],
      carried: [-4.5, -2.5, none],
      preactivation: [-5, -2, -0.5],
    });
    expect(flow.from).toBe(2);
    expect(flow.to).toBe(0);
    expect(flow.gains).toEqual([
      { step: 1, recurrence: -2.5, direct: 1, activationDerivative: -0.5, recurrentWeights: -2 },
      { step: 0, recurrence: -3, direct: 0.5, activationDerivative: -0.5, recurrentWeights: -2.5 },
    ]);
    expect(flow.totalDecades).toBe(-4);
    expect(flow.recurrence).toBe(-5.5);
    expect(flow.direct).toBe(1.5);
    expect(flow.factors).toEqual({ activationDerivative: -1, recurrentWeights: -4.5 });
  });

  it('reads a reverse direction the other way', () => {
    const flow = recurrentFlow({ ...place, direction: 'reverse' }, { hidden: [0, -1, -3], carried: [none, -1, -3] });
    expect([flow.from, flow.to, flow.totalDecades]).toEqual([0, 2, -3]);
    expect(flow.gains.map(({ step }) => step)).toEqual([1, 2]);
  });

  it('begins at the last step that has a gradient', () => {
    const flow = recurrentFlow(place, { hidden: [-2, -1, none], carried: [-2, none, none] });
    expect([flow.from, flow.gains.length, flow.totalDecades]).toEqual([1, 1, -1]);
  });

  it('says that nothing arrives when nothing does', () => {
    const flow = recurrentFlow(place, { hidden: [none, none, 0], carried: [none, none, none] });
    expect(flow.totalDecades).toBe(none);
    expect(flow.recurrence).toBe(none);
    expect(flow.direct).toBe(0);
    const nothing = recurrentFlow(place, { hidden: [none, none], carried: [none, none] });
    expect([nothing.from, nothing.gains, nothing.totalDecades]).toEqual([undefined, [], Number.NaN]);
  });

  it('has parts that add up to the whole', () => {
    const decade = fc.double({ min: -300, max: 300, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(decade, decade, decade), { minLength: 1, maxLength: 60 }),
        fc.constantFrom('forward' as const, 'reverse' as const),
        (steps, direction) => {
          const [hidden, carried, preactivation] = [0, 1, 2].map((i) => steps.map((step) => step[i]!)) as [
            number[],
            number[],
            number[],
          ];
          const flow = recurrentFlow({ ...place, direction }, { hidden, carried, preactivation });
          const ends = direction === 'forward' ? hidden[0]! - hidden.at(-1)! : hidden.at(-1)! - hidden[0]!;
          expect(flow.totalDecades).toBeCloseTo(ends, 8);
          expect(flow.recurrence + flow.direct).toBeCloseTo(ends, 8);
          const { activationDerivative, recurrentWeights } = flow.factors!;
          expect(activationDerivative + recurrentWeights).toBeCloseTo(flow.recurrence, 8);
        },
      ),
    );
  });
});
