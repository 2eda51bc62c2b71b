import type { Remedy } from '../../src/remedies/remedy.ts';

/** A remedy that fits everything, changes nothing and predicts nothing, but for what is given. */
export const remedyLike = (id: string, more: Partial<Remedy> = {}): Remedy => ({
  id,
  title: id,
  changes: 'changes-training',
  why: '',
  removes: [],
  conflicts: [],
  references: [],
  applies: () => 'it always does',
  apply: (design) => design,
  predict: () => undefined,
  patch: () => ({ pytorch: `# ${id}`, keras: '', tfjs: '' }),
  ...more,
});
