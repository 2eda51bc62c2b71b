import type { GraphBuilder } from '../../graph/builder.ts';
import { isFloat } from '../../graph/data-type.ts';
import type { Value } from '../../graph/graph.ts';
import { range } from '../../graph/shapes.ts';
import { tensorOf } from '../../graph/tensor.ts';
import { type Context, type Rule, rule } from '../rule.ts';

const SIGNATURE =
  'Q K V attn_mask? past_key? past_value? nonpad_kv_seqlen? -> Y present_key? present_value? qk_matmul_output?';
type AttentionContext = Context<typeof SIGNATURE>;

/** Attention as one operator (opset 23), and the rotation of its queries and keys. */
export const attention: Record<string, Rule> = {
  // S = αQKᵀ, capped to c·tanh(S/c), plus a mask; P = softmax S; Y = PV. With dP = dY·Vᵀ and dS = P ⊙ (dP − Σ dP ⊙ P):
  // dQ = α·dS·K, dK = α·dSᵀ·Q, dV = Pᵀ·dY, dmask = dS, summed over the heads that share keys.
  Attention: rule(SIGNATURE, (context) => {
    const { g, attn_mask, past_key, past_value } = context;
    const parts = once(() => attentionParts(context));
    const scores = once(() => scoreGradients(context, parts()));
    const keys = once(() => {
      const { Q, K, scale } = parts();
      const product = g.matmul(g.transposeMatrix(scores().raw), Q);
      return plusPresent(g, g.sumToShape(g.scale(product, scale), K.shape), context.dpresent_key);
    });
    const values = once(() => {
      const { P, V, dY } = parts();
      return plusPresent(g, g.sumToShape(g.matmul(g.transposeMatrix(P), dY), V.shape), context.dpresent_value);
    });
    const past = () => past_key?.shape[2] ?? 0;
    return {
      Q: () => joinHeads(g, g.scale(g.matmul(scores().raw, parts().K), parts().scale), context.Q),
      K: () => joinHeads(g, lengthSlice(g, keys(), past()), context.K),
      V: () => joinHeads(g, lengthSlice(g, values(), past()), context.V),
      past_key: () => g.reshape(lengthSlice(g, keys(), 0, past()), past_key!.shape),
      past_value: () => g.reshape(lengthSlice(g, values(), 0, past()), past_value!.shape),
      attn_mask: () => {
        const { P } = parts();
        const [batch, shared, group, rows, columns] = P.shape as [number, number, number, number, number];
        const byHead = g.reshape(scores().biased, [batch, shared * group, rows, columns]);
        const length = attn_mask!.shape.at(-1)!;
        return length === columns || length === 1 ? byHead : g.slice(byHead, [3], [0], [length]);
      },
      nonpad_kv_seqlen: () => null,
    };
  }),

  // A rotation's gradient is the rotation back: dX = RotaryEmbedding(dY, cos, −sin).
  // With X = (a, b): dcos = da·a + db·b, dsin = db·a − da·b over the rotated pairs, summed over heads.
  RotaryEmbedding: rule('X cos_cache sin_cache position_ids? -> Y', (context) => {
    const { X, cos_cache, sin_cache, position_ids, dY, g, node } = context;
    const attributes = node.attributes as Record<string, number>;
    const pairs = once(() => ({ x: rotatedPairs(context, X), dy: rotatedPairs(context, dY) }));
    return {
      X: () => {
        const inputs = [dY, cos_cache, g.neg(sin_cache), position_ids];
        return g.add('RotaryEmbedding', inputs, [[X.type, X.shape]], attributes)[0]!;
      },
      cos_cache: () => {
        const { x, dy } = pairs();
        return toCache(context, cos_cache, g.plus(g.mul(dy[0], x[0]), g.mul(dy[1], x[1])));
      },
      sin_cache: () => {
        const { x, dy } = pairs();
        return toCache(context, sin_cache, g.sub(g.mul(dy[1], x[0]), g.mul(dy[0], x[1])));
      },
    };
  }),
};

/**
 * What attention is made of, with heads as [batch, key heads, query heads that share them, length, size]: keys and
 * values have 1 in the third place and broadcast.
 */
interface AttentionParts {
  readonly Q: Value;
  readonly K: Value;
  readonly V: Value;
  readonly dY: Value;
  readonly scale: number;
  /** αQKᵀ, capped; as `raw` where there is no cap. */
  readonly capped: Value;
  readonly cap: number;
  /** The softmax, 0 in rows that see no key. */
  readonly P: Value;
}

function attentionParts(context: AttentionContext): AttentionParts {
  const { g, attributes, past_key, past_value } = context;
  const flat = context.Q.shape.length === 3;
  const queryHeads = flat ? attributes.number('q_num_heads', 1) : context.Q.shape[1]!;
  const keyHeads = flat ? attributes.number('kv_num_heads', 1) : context.K.shape[1]!;
  const group = queryHeads / keyHeads;
  const split = (X: Value, shared: number) => splitHeads(g, X, keyHeads, shared);
  const joinPast = (past: Value | undefined, X: Value) =>
    past ? g.concat([g.reshape(past, [past.shape[0]!, keyHeads, 1, ...past.shape.slice(2)]), X], 3) : X;
  const Q = split(context.Q, group);
  const K = joinPast(past_key, split(context.K, 1));
  const V = joinPast(past_value, split(context.V, 1));
  const scale = attributes.number('scale', 1 / Math.sqrt(Q.shape[4]!)) || 1 / Math.sqrt(Q.shape[4]!);
  const cap = attributes.number('softcap', 0);
  const raw = g.scale(g.matmul(Q, g.transposeMatrix(K)), scale);
  const capped = cap > 0 ? g.scale(g.tanh(g.scale(raw, 1 / cap)), cap) : raw;
  const { bias, seen } = maskOf(context, K.shape[3]!, [keyHeads, group]);
  let S = bias ? g.plus(capped, bias) : capped;
  // The lowest number, not −∞: a row that sees nothing would be NaN, and is 0 instead.
  const lowest = g.scalar(S.type === 'float16' ? -65504 : -3e38, S.type);
  if (seen) S = g.where(seen, S, lowest);
  const softmax = g.softmax(S, 4);
  const P = seen ? g.where(seen, softmax, g.scalar(0, S.type)) : softmax;
  return { Q, K, V, dY: split(context.dY, group), scale, capped, cap, P };
}

/** The number added to the scores and whether a score counts, each broadcastable to [batch, key heads, shared, rows, columns]. */
function maskOf(
  { Q, attn_mask, nonpad_kv_seqlen, past_key, g, attributes }: AttentionContext,
  columns: number,
  heads: readonly [number, number],
): { bias?: Value; seen?: Value } {
  const rows = Q.shape.at(-2)!;
  const conditions: Value[] = [];
  let bias: Value | undefined;
  if (attn_mask) {
    const mask = maskByHead(g, attn_mask, heads, columns);
    if (isFloat(mask.type)) {
      const finite = g.greater(mask, g.scalar(Number.NEGATIVE_INFINITY, mask.type));
      conditions.push(finite);
      bias = g.where(finite, mask, g.scalar(0, mask.type));
    } else conditions.push(mask);
  }
  const column = g.ints(range(columns));
  const lengths = nonpad_kv_seqlen && g.reshape(nonpad_kv_seqlen, [nonpad_kv_seqlen.shape[0]!, 1, 1, 1, 1]);
  if (lengths) conditions.push(g.less(column, lengths));
  if (attributes.number('is_causal', 0) !== 0) {
    const past = past_key?.shape[2] ?? 0;
    const row = g.constant(
      tensorOf(
        'int64',
        [rows, 1],
        range(rows).map((i) => i + past - (lengths ? rows : 0)),
      ),
    );
    conditions.push(g.lessOrEqual(column, lengths ? g.plus(row, lengths) : row));
  }
  const seen = conditions.length > 0 ? conditions.reduce((all, condition) => g.and(all, condition)) : undefined;
  return { bias, seen };
}

/** A mask of up to four axes with its heads split; keys behind a mask's last column are not seen. */
function maskByHead(
  g: GraphBuilder,
  mask: Value,
  [keyHeads, group]: readonly [number, number],
  columns: number,
): Value {
  const shape = [...Array<number>(4 - mask.shape.length).fill(1), ...mask.shape] as [number, number, number, number];
  const byHead = shape[1] === 1 ? [1, 1] : [keyHeads, group];
  const split = g.reshape(mask, [shape[0], ...byHead, shape[2], shape[3]]);
  const missing = columns - shape[3];
  if (missing === 0 || shape[3] === 1) return split;
  const fill = isFloat(mask.type) ? Number.NEGATIVE_INFINITY : 0;
  return g.concat([split, g.full([...split.shape.slice(0, 4), missing], fill, mask.type)], 4);
}

/** The gradients of the scores with the mask added, and of αQKᵀ. What leaves by qk_matmul_output joins at its place. */
function scoreGradients(context: AttentionContext, parts: AttentionParts): { biased: Value; raw: Value } {
  const { dqk_matmul_output, g, attributes } = context;
  const { P, V, dY, capped, cap } = parts;
  const mode = attributes.number('qk_matmul_output_mode', 0);
  const extra = dqk_matmul_output && g.reshape(dqk_matmul_output, P.shape);
  const joined = (gradient: Value, at: number) => (extra && mode === at ? g.plus(gradient, extra) : gradient);
  const dP = joined(g.matmul(dY, g.transposeMatrix(V)), 3);
  const biased = joined(g.mul(P, g.sub(dP, g.reduceSum(g.mul(dP, P), [4]))), 2);
  let raw = joined(biased, 1);
  if (cap > 0) {
    const t = g.scale(capped, 1 / cap);
    raw = g.mul(raw, g.sub(g.scalar(1, t.type), g.mul(t, t)));
  }
  return { biased, raw: joined(raw, 0) };
}

/** [batch, length, heads·size] or [batch, heads, length, size] as [batch, key heads, shared, length, size]. */
function splitHeads(g: GraphBuilder, X: Value, keyHeads: number, shared: number): Value {
  const [batch, second, third, size] = X.shape as [number, number, number, number | undefined];
  if (size !== undefined) return g.reshape(X, [batch, keyHeads, shared, third, size]);
  const split = g.reshape(X, [batch, second, keyHeads, shared, third / (keyHeads * shared)]);
  return g.transpose(split, [0, 2, 3, 1, 4]);
}

/** The inverse of splitHeads, in the shape of `like`. */
function joinHeads(g: GraphBuilder, X: Value, like: Value): Value {
  return g.reshape(like.shape.length === 4 ? X : g.transpose(X, [0, 3, 1, 2, 4]), like.shape);
}

function lengthSlice(g: GraphBuilder, X: Value, from: number, to = X.shape[3]!): Value {
  return g.slice(X, [3], [from], [to]);
}

function plusPresent(g: GraphBuilder, gradient: Value, present: Value | undefined): Value {
  return present ? g.plus(gradient, g.reshape(present, gradient.shape)) : gradient;
}

type RotaryContext = Context<'X cos_cache sin_cache position_ids? -> Y'>;

/** First and second of each rotated pair, [batch, length, heads, pairs]. */
function rotatedPairs({ X: like, cos_cache, g, attributes }: RotaryContext, X: Value): [Value, Value] {
  const [batch, second, third, size] = like.shape as [number, number, number, number | undefined];
  const byLength =
    size === undefined
      ? g.reshape(X, [batch, second, attributes.number('num_heads', 1), third / attributes.number('num_heads', 1)])
      : g.transpose(X, [0, 2, 1, 3]);
  const pairs = cos_cache.shape.at(-1)!;
  const rotated = g.slice(byLength, [3], [0], [2 * pairs]);
  const interleaved = attributes.number('interleaved', 0) !== 0;
  const grouped = g.reshape(rotated, [...rotated.shape.slice(0, 3), ...(interleaved ? [pairs, 2] : [2, pairs])]);
  const axis = interleaved ? 4 : 3;
  const part = (k: number) => g.reshape(g.slice(grouped, [axis], [k], [k + 1]), [...rotated.shape.slice(0, 3), pairs]);
  return [part(0), part(1)];
}

/** Products [batch, length, heads, pairs] summed over heads and put where position_ids took the cache's rows from. */
function toCache({ position_ids, g }: RotaryContext, cache: Value, products: Value): Value {
  const summed = g.reduceSum(products, [2], false);
  if (!position_ids) return g.reshape(summed, cache.shape);
  const [batch, length, pairs] = summed.shape as [number, number, number];
  const rows = [batch * length, pairs];
  const places = g.expand(g.reshape(position_ids, [batch * length, 1]), rows);
  return g.scatterAdd(g.zerosLike(cache), places, g.reshape(summed, rows), 0);
}

/** Nodes that several gradients share are written once, by whichever comes first. */
function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
