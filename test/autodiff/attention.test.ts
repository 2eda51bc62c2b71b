import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tensorOf } from '../../src/graph/tensor.ts';
import { checkNode, ints, type NodeCase } from './gradient-check.ts';
import { pullBack } from './pull-back.ts';

const float32 = { type: 'float32', opset: 24, step: 2e-2, tolerance: 3e-3 } as const;
const check = (test: Omit<NodeCase, 'op'>) => checkNode({ op: 'Attention', ...float32, ...test });

const setting = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  keyHeads: fc.integer({ min: 1, max: 2 }),
  shared: fc.integer({ min: 1, max: 2 }),
  queries: fc.integer({ min: 1, max: 3 }),
  keys: fc.integer({ min: 1, max: 4 }),
  size: fc.integer({ min: 1, max: 4 }),
  valueSize: fc.integer({ min: 1, max: 3 }),
  flat: fc.boolean(),
  causal: fc.boolean(),
  softcap: fc.constantFrom(0, 1.5),
  scale: fc.constantFrom(undefined, 0.7),
  mask: fc.constantFrom('none', 'rows', 'heads', 'batch'),
  seed: fc.integer({ min: 1, max: 1e6 }),
});

describe('Attention, against differences', () => {
  it('with shared heads, masks whose gradient is wanted, caps and scales, in three and four axes', async () => {
    await fc.assert(
      fc.asyncProperty(setting, async (s) => {
        const heads = s.keyHeads * s.shared;
        const value = (name: string, count: number, length: number, size: number) => ({
          name,
          shape: s.flat ? [s.batch, length, count * size] : [s.batch, count, length, size],
        });
        const masks = { none: null, rows: [], heads: [heads], batch: [s.batch, 1] };
        const leading = masks[s.mask as keyof typeof masks];
        const inputs = [
          value('Q', heads, s.queries, s.size),
          value('K', s.keyHeads, s.keys, s.size),
          value('V', s.keyHeads, s.keys, s.valueSize),
          leading && { name: 'attn_mask', shape: [...leading, s.queries, s.keys] },
        ];
        const attributes = {
          is_causal: +s.causal,
          ...(s.softcap ? { softcap: s.softcap } : {}),
          ...(s.scale ? { scale: s.scale } : {}),
          ...(s.flat ? { q_num_heads: heads, kv_num_heads: s.keyHeads } : {}),
        };
        await check({ inputs, attributes, seed: s.seed });
      }),
      { numRuns: 40 },
    );
  });

  it.each([0, 1, 2, 3])('what leaves by qk_matmul_output, mode %i, and by the cache, comes back', async (mode) => {
    const inputs = [
      { name: 'Q', shape: [2, 4, 3, 2] },
      { name: 'K', shape: [2, 2, 2, 2] },
      { name: 'V', shape: [2, 2, 2, 3] },
      { name: 'attn_mask', shape: [3, 5] },
      { name: 'past_key', shape: [2, 2, 3, 2] },
      { name: 'past_value', shape: [2, 2, 3, 3] },
    ];
    await check({ inputs, attributes: { softcap: 2, qk_matmul_output_mode: mode }, outputs: 4 });
  });

  it('keys past the length of each sequence get nothing', async () => {
    const inputs = [
      { name: 'Q', shape: [2, 2, 3, 4] },
      { name: 'K', shape: [2, 2, 4, 4] },
      { name: 'V', shape: [2, 2, 4, 4] },
      null,
      null,
      null,
      ints('nonpad_kv_seqlen', [2, 4]),
    ];
    await check({ inputs });
    await check({ inputs, attributes: { is_causal: 1 } });
  });

  it('a row that sees no key is zero, and so are its gradients', async () => {
    const row = { shape: [1, 1, 2, 2], data: [1, 2, 3, 4] };
    const attn_mask = { shape: [2, 2], data: [0, 0, 1, 1], type: 'bool' as const };
    const options = { type: 'float32' as const, opset: 24 };
    const { Y, dQ, dK } = await pullBack('Attention', { Q: row, K: row, V: row, attn_mask }, [1, 1, 0, 0], options);
    expect(Y.slice(0, 2)).toEqual([0, 0]);
    expect([...dQ!, ...dK!]).toEqual(new Array(8).fill(0));
  });
});

describe('RotaryEmbedding, against differences', () => {
  it.each<{ shape: number[]; attributes: Record<string, number> }>([
    { shape: [2, 2, 3, 4], attributes: {} },
    { shape: [2, 2, 3, 4], attributes: { interleaved: 1 } },
    { shape: [2, 2, 3, 6], attributes: { rotary_embedding_dim: 4 } },
    { shape: [2, 3, 8], attributes: { num_heads: 2, interleaved: 1 } },
  ])('$shape $attributes, its caches included', async ({ shape, attributes }) => {
    const X = { name: 'X', shape };
    const positions = { name: 'position_ids', shape: [2, 3], constant: tensorOf('int64', [2, 3], [0, 1, 2, 4, 4, 0]) };
    const cache = (name: string, rows: number[]) => ({ name, shape: [...rows, 2] });
    const options = { op: 'RotaryEmbedding', attributes, type: 'float32', opset: 23 } as const;
    await checkNode({ ...options, inputs: [X, cache('cos', [5]), cache('sin', [5]), positions] });
    await checkNode({ ...options, inputs: [X, cache('cos', [2, 3]), cache('sin', [2, 3])] });
  });
});
