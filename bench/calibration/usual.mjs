// What activations and optimizers are used with.

/** Optimizers in turn, so that no family is tied to one. */
export const optimizers = [
  { name: 'sgd', lr: 0.1 },
  { name: 'momentum', lr: 0.02 },
  { name: 'adam', lr: 0.001 },
];
const he = 'he-normal';
/** The initialization each activation is used with. */
export const usualInit = {
  relu: he,
  'leaky-relu': he,
  elu: he,
  gelu: he,
  silu: he,
  mish: he,
  prelu: he,
  selu: 'lecun-normal',
  tanh: 'glorot-uniform',
  softsign: 'glorot-uniform',
  sigmoid: 'glorot-uniform',
  'hard-sigmoid': 'glorot-uniform',
  celu: he,
  'hard-swish': he,
};

/** An optimizer with the learning rate it is used with. */
export function defaultOptimizer(name) {
  const rates = { adamw: 0.001, rmsprop: 0.001, adagrad: 0.01 };
  return optimizers.find((optimizer) => optimizer.name === name) ?? { name, lr: rates[name] ?? 0.01 };
}
