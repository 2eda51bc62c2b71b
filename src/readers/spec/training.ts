import { suggest } from '../../graph/did-you-mean.ts';
import type { TrainingHints } from '../../graph/graph.ts';
import { quote, type SpecDocument, specError } from './document.ts';
import { fraction, positive } from './schema.ts';
import { type OptionSet, readTagged } from './tagged.ts';

const losses = ['auto', 'cross-entropy', 'binary-cross-entropy', 'mse'];

const rate = { lr: positive.optional(), 'weight-decay': fraction.optional() };
const moments = { beta1: fraction.optional(), beta2: fraction.optional() };
const set = (options: OptionSet['options'] = {}): OptionSet => ({ main: 'lr', options: { ...rate, ...options } });

const optimizers: Record<string, OptionSet> = {
  sgd: set(),
  momentum: set({ momentum: fraction.optional() }),
  nesterov: set({ momentum: fraction.optional() }),
  adam: set({ ...moments, epsilon: positive.optional() }),
  adamw: set({ ...moments, epsilon: positive.optional() }),
  rmsprop: set({ rho: fraction.optional(), epsilon: positive.optional() }),
  adagrad: set({ epsilon: positive.optional() }),
  lion: set(moments),
};

/** Reads `loss`. Throws ReaderError for a loss that is not known. */
export function readLoss(document: SpecDocument, raw: unknown): string {
  if (typeof raw === 'string' && losses.includes(raw)) return raw;
  throw specError(document, ['loss'], `unknown loss ${quote(raw)}`, {
    hint: suggest(typeof raw === 'string' ? raw : '', losses),
    code: 'spec-unknown-loss',
  });
}

/** Reads `optimizer`: a name, `{adam: 0.001}` (the learning rate) or `{adam: {lr: 0.001, beta1: 0.8}}`. */
export function readOptimizer(document: SpecDocument, raw: unknown): NonNullable<TrainingHints['optimizer']> {
  const { kind, options } = readTagged(document, raw, ['optimizer'], { noun: 'optimizer', kinds: optimizers });
  const camelCase = (key: string) => key.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return {
    name: kind,
    options: Object.fromEntries(Object.entries(options).map(([key, value]) => [camelCase(key), value as number])),
  };
}
