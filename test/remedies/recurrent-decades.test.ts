import { describe, expect, it } from 'vitest';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { remedies } from '../../src/remedies/index.ts';
import { decadesOf, patientOf } from './patients.ts';

const rnn = ['use-lstm', 'use-gru', 'use-orthogonal-recurrence', 'use-identity-recurrence'];
const lstm = ['use-orthogonal-recurrence', 'open-forget-gate'];

/** The adding problem: recurrent layers one upon the other, a dense layer reads the last state. */
function adding(op: string, steps: number, layers: number, options: object = {}) {
  const stack = Array.from({ length: layers }, (_, i) => ({
    [op]: { units: 32, sequence: i < layers - 1, ...options },
  }));
  return buildSpec({ input: [steps, 2], layers: [...stack, { dense: { units: 1, name: 'out' } }], loss: 'mse' });
}

describe('decades predicted of recurrent layers', () => {
  it.each<[op: string, steps: number, layers: number, options: object, ids: readonly string[]]>([
    ['rnn', 60, 1, { init: 'pytorch-default' }, rnn],
    ['rnn', 60, 2, { init: 'pytorch-default' }, rnn],
    ['rnn', 150, 2, {}, rnn],
    ['rnn', 100, 3, {}, rnn],
    ['rnn', 60, 2, { bidirectional: true }, rnn],
    ['rnn', 60, 2, { init: { normal: 0.4 } }, rnn],
    ['lstm', 100, 2, { init: 'pytorch-default' }, lstm],
    ['lstm', 60, 3, { init: { normal: 0.05 } }, lstm],
    ['gru', 100, 2, { init: 'pytorch-default' }, ['use-orthogonal-recurrence']],
  ])('are those measured of the changed network, within 0.4: %s over %i steps, %i deep %o', async (...row) => {
    const [op, steps, layers, options, ids] = row;
    const batch = { kind: 'named', name: `adding:${steps}` } as const;
    const training = { batch: 64, loss: 'mse' as const };
    const patient = await patientOf(adding(op, steps, layers, options), batch, { training });
    for (const id of ids) {
      const remedy = remedies.find((candidate) => candidate.id === id)!;
      const { model } = await remedy.apply(patient.design, patient);
      const measured = await decadesOf(model, batch, 64);
      const predicted = remedy.predict(patient)!;
      expect(Math.abs(predicted - measured), `${id}: ${predicted}, measured ${measured}`).toBeLessThan(0.4);
      // Of a single layer the account ends at its states: nothing between them and the output is changed.
      if (layers === 1) expect(predicted, id).toBeCloseTo(measured, 5);
    }
  });
});
