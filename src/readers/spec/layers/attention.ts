import type { Value } from '../../../graph/graph.ts';
import { range } from '../../../graph/shapes.ts';
import { tensorOf } from '../../../graph/tensor.ts';
import { BATCH, type Layer, sampleOf } from '../network.ts';
import { anything, count, flag, fraction, number, oneOf } from '../schema.ts';
import { type LayerKind, layerKind } from './kind.ts';
import { dense } from './linear.ts';
import { layerNorm } from './normalization.ts';
import { scaled } from './scaling.ts';
import { drop } from './shaping.ts';
import { requireSteps } from './steps.ts';

/** What a key after the query scores: e^−1e9 is 0 in every float type, and −1e9 is a number, as −∞ is not. */
const MASKED = -1e9;

interface Heads {
  readonly heads: number;
  readonly units: number;
  readonly causal: boolean;
}

/**
 * softmax(Q Kᵀ / √d) V over d = units / heads features of each head, Q, K, V and the result linear: Vaswani et al. 2017,
 * section 3.2. Parameters are those of four dense layers: query, key, value and out.
 */
function attend(layer: Layer, X: Value, { heads, units, causal }: Heads): Value {
  const [steps] = requireSteps(layer, X, 'for tokens, an "- embedding"');
  const size = units / heads;
  if (!Number.isInteger(size)) {
    throw layer.error(`expected heads to divide a width of ${units}, found ${heads}`, { option: 'heads' });
  }
  const query = layer.part('query');
  // On Q: the scores are larger than Q where there are more steps than features in a head.
  const scale = layer.scalar('scale', X.type, 1 / Math.sqrt(size));
  const Q = layer.node('Mul', [dense(query, X, units), scale], [steps, units], {}, 'scaled-query');
  const K = dense(layer.part('key'), X, units);
  const V = dense(layer.part('value'), X, units);
  const byHead = layer.integers('heads', [0, 0, heads, size]);
  const split = (value: Value, part: string, perm: number[]) => {
    const parts = layer.node('Reshape', [value, byHead], [steps, heads, size], {}, `${part}-by-head`);
    const shape = perm.map((axis) => parts.shape[axis]!);
    return layer.node('Transpose', [parts], shape.slice(1), { perm }, `${part}-heads`);
  };
  const products = [split(Q, 'query', [0, 2, 1, 3]), split(K, 'key', [0, 2, 3, 1])];
  const scores = layer.node('MatMul', products, [heads, steps, steps], {}, 'scores');
  const masked = causal ? maskLater(layer, scores, steps) : scores;
  const weights = layer.node('Softmax', [masked], [heads, steps, steps], { axis: 3 }, 'softmax');
  const mixed = layer.node('MatMul', [weights, split(V, 'value', [0, 2, 1, 3])], [heads, steps, size], {}, 'mixed');
  const back = layer.node('Transpose', [mixed], [steps, heads, size], { perm: [0, 2, 1, 3] }, 'mixed-by-head');
  const width = layer.integers('width', [0, 0, units]);
  const joined = layer.node('Reshape', [back, width], [steps, units], {}, 'joined');
  return dense(layer, joined, units, layer.part('out'));
}

/** Leaves each step the scores of itself and of what came before it. */
function maskLater(layer: Layer, scores: Value, steps: number): Value {
  const name = (part: string) => layer.network.claim(`${layer.name}.${part}`);
  const rows = layer.constant('query-steps', tensorOf('int64', [steps, 1], range(steps)));
  const columns = layer.constant('key-steps', tensorOf('int64', [1, steps], range(steps)));
  const mask = name('mask');
  const [seen] = layer.named('GreaterOrEqual', [rows, columns], [[mask, [steps, steps]]], {}, mask, 'bool');
  const low = layer.scalar('masked', scores.type, MASKED);
  const masked = name('masked-scores');
  const shape = [BATCH, ...sampleOf(scores)];
  return layer.named(
    'Where',
    [seen, scores, low],
    [[masked, shape as (number | typeof BATCH)[]]],
    {},
    masked,
    scores.type,
  )[0]!;
}

/** The two branches of a Transformer's layer, each with what surrounds it. */
function encode(layer: Layer, X: Value): Value {
  const options = layer.options as {
    heads: number;
    'feed-forward'?: number;
    norm?: 'pre' | 'post' | 'none';
    dropout?: number;
    causal?: boolean;
    scale?: number;
  };
  const [, units] = requireSteps(layer, X, 'for tokens, an "- embedding"');
  const { heads, norm = 'pre', dropout = 0, causal = false, scale } = options;
  const width = options['feed-forward'] ?? 4 * units;
  const dropped = (Y: Value, part: string) => (dropout > 0 ? drop(layer.part(part), Y, dropout) : Y);
  /** x + F(norm x), norm(x + F(x)) or x + F(x). */
  const around = (input: Value, index: 1 | 2, branch: (Z: Value) => Value): Value => {
    const before = norm === 'pre' ? layerNorm(layer.part(`norm${index}`), input) : input;
    let Y = dropped(branch(before), `dropout${index}`);
    if (scale !== undefined) Y = scaled(layer.part(`scale${index}`), Y, scale);
    // The last value bears the layer's own name.
    const ends = index === 2 && norm !== 'post';
    const sum = layer.node('Add', [Y, input], sampleOf(input), {}, ends ? undefined : `sum${index}`);
    if (norm !== 'post') return sum;
    return layerNorm(index === 2 ? layer : layer.part('norm1'), sum, {
      owner: index === 2 ? layer.part('norm2') : undefined,
    });
  };
  const mixed = around(X, 1, (Z) => attend(layer.part('attention'), Z, { heads, units, causal }));
  return around(mixed, 2, (Z) => {
    const hidden = layer.activation(dense(layer.part('dense1'), Z, width), 'gelu');
    return dense(layer.part('dense2'), dropped(hidden, 'dropout'), units);
  });
}

const weights = { init: anything.optional(), bias: anything.optional(), causal: flag.optional() };

/** Layers in which the steps of a sequence look at each other. */
export const attention: Record<string, LayerKind> = {
  attention: layerKind({
    main: 'heads',
    options: { heads: count, units: count.optional(), ...weights },
    build: (layer, X, { heads, units = X.shape.at(-1)!, causal = false }) => attend(layer, X, { heads, units, causal }),
  }),
  // Vaswani et al. 2017, section 3.1; the normalization before each branch as in Xiong et al. 2020, which needs no
  // warm-up; `scale` without normalization is ReZero (Bachlechner et al. 2021).
  'transformer-encoder': layerKind({
    main: 'heads',
    defaultName: 'encoder',
    options: {
      heads: count,
      'feed-forward': count.optional(),
      activation: anything.optional(),
      norm: oneOf('pre', 'post', 'none').optional(),
      dropout: fraction.optional(),
      scale: number.optional(),
      ...weights,
    },
    build: (layer, X) => encode(layer, X),
  }),
};

/** Other names of these layers. */
export const attentionAliases: Record<string, string> = {
  'self-attention': 'attention',
  'multi-head-attention': 'attention',
  'transformer-layer': 'transformer-encoder',
};
