import { expect, it } from 'vitest';
import { findParameters } from '../../../src/graph/parameters.ts';
import { remedies } from '../../../src/remedies/index.ts';
import { blobs, chain, patientOf, reread } from './patient.ts';

it.each(['add-scaled-residual', 'add-batch-norm', 'add-rms-norm', 'use-prelu'])(
  '%s leaves what was trained trained, in a file whose weights are all constants',
  async (id) => {
    const stored = chain('sigmoid', 4);
    const model = { ...stored, constants: new Set(stored.graph.initializers.keys()) };
    const weights = findParameters(model);
    expect(weights).toEqual(findParameters(stored));
    const patient = await patientOf(model, blobs);
    const treated = (await remedies.find((remedy) => remedy.id === id)!.apply(patient.design, patient)).model;
    const trained = findParameters(await reread(treated));
    expect(trained).toEqual(findParameters(treated));
    expect(trained).toEqual(expect.arrayContaining(weights));
    expect(trained.length).toBeGreaterThan(weights.length);
  },
);
