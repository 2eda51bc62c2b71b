import { isFloat } from '../../../graph/data-type.ts';
import { tensorOf } from '../../../graph/tensor.ts';
import type { Initialization } from '../../../random/initializers.ts';
import { type Layer, sampleOf } from '../network.ts';
import { anything, count, oneOf } from '../schema.ts';
import { type LayerKind, layerKind } from './kind.ts';
import { requireSteps } from './steps.ts';

/** Schemes that say the distribution themselves: given for the whole network they hold for tables too. */
const ownDistribution = ['normal', 'truncated-normal', 'uniform', 'constant', 'zeros', 'ones'];

/** The scheme of a table of vectors: its own, or the network's where that counts no fans, else N(0, std²). */
function tableScheme(layer: Layer, std: number): Initialization {
  const { weights } = layer.network.defaults;
  const fallback: Initialization = ownDistribution.includes(weights.scheme)
    ? weights
    : { scheme: 'normal', mean: 0, std };
  return layer.initialization('init', fallback, 'weights');
}

/** PE(p, 2i) = sin(p / 10000^(2i/d)), PE(p, 2i + 1) = cos of the same: Vaswani et al. 2017, section 3.5. */
function sinusoids(steps: number, features: number): Float64Array {
  return Float64Array.from({ length: steps * features }, (_, k) => {
    const i = k % features;
    const angle = Math.floor(k / features) / 10000 ** ((i - (i % 2)) / features);
    return i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
}

/** Tables of vectors: one for each token, one for each place. */
export const embedding: Record<string, LayerKind> = {
  embedding: layerKind({
    main: 'units',
    options: { units: count, vocabulary: count, init: anything.optional() },
    takesTokens: true,
    build(layer, X, { units, vocabulary }) {
      if (isFloat(X.type)) {
        throw layer.error(`expected integer tokens, found an input of type ${X.type}`, {
          hint: 'write "input: {shape: 20, type: int64}"; numbers need no embedding, "- dense" serves',
        });
      }
      // A token is a product with a one-hot row: fan-in 1, hence N(0, 1), as torch.nn.Embedding (Keras: ±0.05 uniform).
      const scheme = tableScheme(layer, 1);
      const W = layer.parameter('weight', 'float32', [vocabulary, units], scheme, {
        fans: { fanIn: 1, fanOut: units },
      });
      return layer.node('Gather', [W, X], [...sampleOf(X), units], { axis: 0 });
    },
  }),
  'positional-embedding': layerKind({
    main: 'kind',
    options: { kind: oneOf('learned', 'sinusoidal').optional(), init: anything.optional() },
    build(layer, X, { kind = 'learned' }) {
      const [steps, features] = requireSteps(layer, X);
      if (kind === 'learned') {
        // 0.02: Devlin et al. 2019 and their code.
        const scheme = tableScheme(layer, 0.02);
        const fans = { fanIn: 1, fanOut: features };
        return layer.node(
          'Add',
          [X, layer.parameter('weight', X.type, [steps, features], scheme, { fans })],
          sampleOf(X),
        );
      }
      if (layer.options.init !== undefined) {
        throw layer.error('expected "sinusoidal" or "init", found both', { option: 'init' });
      }
      layer.reserve(`${layer.name}.table`, X.type, [steps, features]);
      const table = tensorOf(X.type, [steps, features], sinusoids(steps, features));
      return layer.node('Add', [X, layer.constant('table', table)], sampleOf(X));
    },
  }),
};

/** Other names of these layers. */
export const embeddingAliases: Record<string, string> = { 'positional-encoding': 'positional-embedding' };
