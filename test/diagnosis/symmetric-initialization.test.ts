import { describe, expect, it } from 'vitest';
import { distinctUnits, unitLayout } from '../../src/flow/symmetry.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { findingsOf } from '../helpers/examine.ts';
import { mlp } from '../helpers/networks.ts';
import { afterSteps, classifier, ofRule, specOf, trainedOn } from '../helpers/steps.ts';

const tanh = (init: string, head = init) => classifier({ activation: 'tanh', init, head });

describe('symmetric-initialization', () => {
  it('is an error where all hidden units are equal, and no training tells them apart', async () => {
    const subject = await afterSteps(tanh('{constant: 0.1}'), { steps: 30 });
    const finding = ofRule('symmetric-initialization', subject)!;
    expect(finding).toMatchObject({ severity: 'error', where: ['hidden.0', 'hidden.1', 'hidden.2'] });
    expect(finding.evidence).toMatchObject({ units: 24, distinctUnits: 1 });
    expect(subject.steps!.fates.find(({ rule }) => rule === 'symmetric-initialization')!.fate).toBe('confirmed');
    expect(subject.diagnosis.verdict).toBe('problem');
  });

  it('is an error for zeros everywhere, none for zeros in the last layer', async () => {
    expect(ofRule('symmetric-initialization', await afterSteps(tanh('zeros'), { steps: 0 }))).toMatchObject({
      severity: 'error',
    });
    expect(ofRule('symmetric-initialization', await afterSteps(tanh('he', 'zeros'), { steps: 0 }))).toBeUndefined();
  });

  it('is silent where a random last layer tells equal units apart', async () => {
    // Only the last hidden layer is told apart at once: the others receive one gradient from equal units.
    const finding = ofRule('symmetric-initialization', await afterSteps(tanh('{constant: 0.1}', 'he'), { steps: 0 }))!;
    expect(finding.where).toEqual(['hidden.0', 'hidden.1']);
    const one = classifier({ activation: 'tanh', init: '{constant: 0.1}', head: 'he', depth: 1 });
    expect(ofRule('symmetric-initialization', await afterSteps(one, { steps: 0 }))).toBeUndefined();
  });

  it('is only a warning where dropout masks tell units apart', async () => {
    const text = `
input: 8
layers:
  - dense: {units: 16, activation: tanh, name: a}
  - dropout: 0.5
  - dense: {units: 4, name: out}
init: {constant: 0.1}
loss: cross-entropy
`;
    expect(ofRule('symmetric-initialization', await afterSteps(text, { steps: 0 }))).toMatchObject({
      severity: 'warning',
    });
  });

  it('is silent for random weights, convolutions, and a trained network', async () => {
    expect(await findingsOf('symmetric-initialization', mlp({ depth: 4 }))).toEqual([]);
    const trained = await trainedOn(classifier(), 100);
    expect(ofRule('symmetric-initialization', await afterSteps(trained, { steps: 0 }))).toBeUndefined();
    const convolution = (init: string) => `
input: [1, 8, 8]
layers:
  - conv2d: {filters: 4, kernel: 3, activation: tanh, name: c, init: ${init}}
  - flatten
  - dense: {units: 3, name: out, init: ${init}}
loss: cross-entropy
`;
    const examine = async (init: string) =>
      ofRule('symmetric-initialization', await afterSteps(convolution(init), { steps: 0, batch: { kind: 'none' } }));
    expect(await examine('he')).toBeUndefined();
    // Equal filters, but each place of the flattened image has equal weights too: nothing tells the filters apart.
    expect(await examine('ones')).toMatchObject({ severity: 'error', where: ['c'] });
  });
});

describe('counting units', () => {
  const count = (dims: number[], w: number[], g: number[], layout: Parameters<typeof distinctUnits>[2]) =>
    distinctUnits(tensorOf('float32', dims, w), tensorOf('float32', dims, g), layout);

  it('takes rows or columns, as the operator does', async () => {
    const { graph } = await specOf(classifier());
    const [weight] = graph.initializers.keys();
    expect(unitLayout(graph, weight!)!.units).toBe(24);
    expect(unitLayout(mlp({ depth: 1 }).graph, 'hidden.0.weight')!.units).toBe(32);
    expect(unitLayout(mlp({ depth: 1 }).graph, 'hidden.0.bias')).toBeUndefined();
  });

  it('compares weights to the bit and gradients up to rounding', () => {
    const rows = { units: 3, step: 2, run: 2, stride: 0, repeats: 1 };
    expect(count([3, 2], [1, 2, 1, 2, 1, 2], [5, 6, 5, 6.0001, 5, 7], rows)).toBe(2);
    expect(count([3, 2], [1, 2, 1, 2, 1, 2.0001], [5, 6, 5, 6, 5, 6], rows)).toBe(2);
    expect(count([3, 2], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], rows)).toBe(1);
    const columns = { units: 3, step: 1, run: 1, stride: 3, repeats: 2 };
    expect(count([2, 3], [1, 1, 2, 4, 4, 4], [1, 1, 1, 1, 1, 1], columns)).toBe(2);
  });
});
