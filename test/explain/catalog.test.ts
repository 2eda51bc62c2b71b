import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { remedyHints } from '../../src/diagnosis/remedy-hints.ts';
import { rules } from '../../src/diagnosis/rules/index.ts';
import { findTopic, topics } from '../../src/explain/catalog.ts';
import { UsageError } from '../../src/graph/errors.ts';
import { initializationNames, schemeAliases } from '../../src/random/initializers.ts';
import { activationAliases, activations } from '../../src/readers/spec/layers/activations.ts';
import { clean } from '../../src/report/text.ts';
import { optimizers } from '../../src/training/optimizers/index.ts';

/** Words of formulas that need no name. */
const known = new Set(
  'log₁₀ log₂ input exp max min ln log log10 sqrt sign tanh std if else for every the and of all not are finite although without with sum over part median mean weights max|g| largest elements critical flat learned diverged stalled or NaN sigmoid ReLU abs upto s u up to t'.split(
    ' ',
  ),
);

/** Names in a formula: runs of letters with their marks and indices, without numbers and powers. */
function namesIn(formula: string): string[] {
  const names = formula.match(/[\p{L}∂][\p{L}\p{M}\p{No}′_₊₋]*/gu) ?? [];
  return names.map((name) => name.replace(/[²³ⁿᵗᵀ]+$/u, '')).filter((name) => name !== '' && !known.has(name));
}

describe('the topics of explain', () => {
  it('cover every rule, remedy, activation, initialization and optimizer by its id', () => {
    const ids = [
      ...rules.map(({ id }) => id),
      ...Object.keys(remedyHints),
      ...Object.keys(activations),
      ...initializationNames,
      ...Object.keys(optimizers),
    ];
    for (const id of ids) expect(findTopic(id).id, id).toBe(schemeAliases[id] ?? id);
  });

  it('have ids of their own, and aliases that lead to one topic', () => {
    const ids = topics.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { id, aliases } of topics) for (const alias of aliases) expect(findTopic(alias).id, alias).toBe(id);
  });

  it('know the names of the seeds, of PyTorch and of Keras, however they are written', () => {
    const expected = {
      He: 'he-normal',
      kaiming: 'he-normal',
      Xavier: 'glorot-uniform',
      swish: 'silu',
      leaky_relu: 'leaky-relu',
      'Vanishing Gradient': 'vanishing-gradient',
      'gradient clipping': 'clip-gradient-norm',
      resnet: 'add-residual',
      'skip connections': 'add-residual',
      BatchNorm: 'add-batch-norm',
      LSTM: 'use-lstm',
      tensorboard: 'tensorboard',
      '2I': 'repeated-matrix',
      'weight decay': 'weight-decay',
      nan: 'non-finite',
      backpropagation: 'chain-rule',
    };
    for (const [name, id] of Object.entries(expected)) expect(findTopic(name).id, name).toBe(id);
    for (const [alias, id] of Object.entries(activationAliases)) expect(findTopic(alias).id).toBe(id);
    for (const [alias, id] of Object.entries(schemeAliases)) expect(findTopic(alias).id).toBe(id);
  });

  it('say of an unknown name what is near', () => {
    expect(() => findTopic('sigmiod')).toThrow(expect.objectContaining({ hint: 'did you mean "sigmoid"?' }));
    fc.assert(
      fc.property(fc.string(), (name) => {
        try {
          expect(topics).toContain(findTopic(name));
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
    );
  });

  it.each(topics.map((topic) => [topic.id, topic] as const))('%s is complete', (_, topic) => {
    expect(topic.summary.length).toBeGreaterThan(8);
    expect(topic.what.join(' ').length).toBeGreaterThan(20);
    expect(topic.formulas.length).toBeGreaterThan(0);
    if (topic.family !== 'rule') expect(topic.references.length).toBeGreaterThan(0);
    for (const id of topic.see) expect(findTopic(id).id, id).toBe(id);
    // In a terminal of ASCII nothing becomes a question mark that was none.
    const text = [topic.title, topic.summary, ...topic.what, ...topic.references, JSON.stringify(topic.formulas)].join(
      ' ',
    );
    expect((clean(text, false).match(/\?/g) ?? []).length).toBe((text.match(/\?/g) ?? []).length);
  });

  it.each(
    topics.flatMap((topic) => topic.formulas.map((formula, i) => [`${topic.id} ${i + 1}`, topic, formula] as const)),
  )('%s: every symbol that is named stands in the formula', (_, __, { text, symbols }) => {
    const squeeze = (part: string) => part.replaceAll(/\s/g, '').replaceAll('ⁿ', 'n').replaceAll('ᵗ', 't');
    for (const symbol of Object.keys(symbols)) {
      for (const part of symbol.split(', ')) {
        expect(squeeze(text), symbol).toContain(squeeze(part));
      }
    }
  });

  // Rules are written by hand in plain characters, sometimes with words; the other formulas name every letter.
  const own = topics.filter(({ family }) => family !== 'rule');
  it.each(own.map((topic) => [topic.id, topic] as const))('%s: every symbol of its formulas is named', (_, topic) => {
    for (const { text, symbols } of topic.formulas) {
      const named = Object.keys(symbols);
      const unnamed = namesIn(text).filter(
        (name) => !named.some((symbol) => symbol === name || namesIn(symbol).includes(name)),
      );
      expect(unnamed, text).toEqual([]);
    }
  });
});
