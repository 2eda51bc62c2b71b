// The change that a diagnosis names, made to a design of the corpus: does it alone restore training?
import { defaultOptimizer, usualInit } from './usual.mjs';

const withInit = (init) => (design) => ({ ...design, init, last: undefined });

/** Remedy → the network with that one change; what a spec cannot say is missing. */
const changes = {
  'use-relu': (design) => ({ ...design, activation: 'relu', init: 'he-normal', last: undefined }),
  'use-leaky-relu': (design) => ({ ...design, activation: 'leaky-relu' }),
  'use-he-init': withInit('he-normal'),
  'use-glorot-init': withInit('glorot-normal'),
  'use-critical-init': (design) => withInit(usualInit[design.activation] ?? 'glorot-normal')(design),
  'randomize-init': (design) => withInit(usualInit[design.activation])(design),
  'zero-biases': (design) => ({ ...design, bias: undefined }),
  'add-batch-norm': (design) => (design.family === 'transformer' ? undefined : { ...design, norm: 'batch-norm' }),
  'add-layer-norm': (design) => ({ ...design, norm: design.family === 'transformer' ? 'pre' : 'layer-norm' }),
  'add-residual': (design) => ({ ...design, skip: true }),
  'use-lstm': (design) => ({ ...design, cell: 'lstm', activation: undefined, recurrentInit: undefined }),
  'use-orthogonal-recurrence': (design) => ({
    ...design,
    recurrentInit: design.activation === 'relu' ? 'identity' : 'orthogonal',
  }),
};
const settings = {
  'reduce-learning-rate': ({ optimizer }) => ({ optimizer: defaultOptimizer(optimizer.name) }),
  'increase-learning-rate': ({ optimizer }) => ({ optimizer: defaultOptimizer(optimizer.name) }),
  'use-adam': () => ({ optimizer: defaultOptimizer('adam') }),
};

/** The network with the change, or undefined where the remedy cannot be written as a spec. */
export function restored(network, remedy) {
  const design = changes[remedy]?.(network.design);
  if (design) return { ...network, design };
  if (settings[remedy]) return { ...network, ...settings[remedy](network) };
  return undefined;
}
