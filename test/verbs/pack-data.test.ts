import { describe, expect, it } from 'vitest';
import { type Column, columnOf, columnsSource, decodeNpz, type RowSource } from '../../src/data/index.ts';
import type { ValueInfo } from '../../src/graph/graph.ts';
import { tensorOf, toNumbers } from '../../src/graph/tensor.ts';
import { tensorData } from '../../src/verbs/open-data.ts';
import { packData } from '../../src/verbs/pack-data.ts';

const inputs: ValueInfo[] = [{ name: 'x', type: 'float32', shape: ['batch', 2] }];
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Row i holds 2i and 2i + 1, its label is i. */
function source(rows: number, more: { readonly values?: number[]; readonly input?: string } = {}): RowSource {
  const x = tensorOf('float32', [rows, 2], more.values ?? numbers(2 * rows));
  const y = tensorOf('int64', [rows], numbers(rows));
  return columnsSource('rows', new Map<string, Column>([[more.input ?? '', columnOf(x)]]), columnOf(y));
}

describe('packed data', () => {
  it('hold every row, under the names that a trial looks for', async () => {
    const packed = await packData(source(10_000), inputs, { seed: 0 });
    expect(packed).toMatchObject({ rows: 10_000, notes: [] });
    const arrays = decodeNpz(packed.bytes, 'packed');
    expect([...arrays.keys()]).toEqual(['x', 'y']);
    expect(toNumbers(arrays.get('x')!)).toEqual(numbers(20_000));
    expect(toNumbers(arrays.get('y')!)).toEqual(numbers(10_000));
  });

  it('are the same bytes for the same rows', async () => {
    const [a, b] = await Promise.all([0, 1].map(() => packData(source(50), inputs, { seed: 3 })));
    expect(a!.hash).toBe(b!.hash);
    expect(a!.hash).toMatch(/^[0-9a-f]{64}$/);
    expect((await packData(source(51), inputs, { seed: 3 })).hash).not.toBe(a!.hash);
  });

  it('hold as many rows as fit, drawn by the seed, each with its own label, and say so', async () => {
    // 8 bytes of features and 8 of a label: 64 rows in a kibibyte.
    const options = { seed: 5, largest: 1024 };
    const packed = await packData(source(1000), inputs, options);
    expect(packed.rows).toBe(64);
    expect(packed.notes.join()).toMatch(/trained on 64 of 1000 rows, as many as fit into .*drawn with seed 5/);
    const arrays = decodeNpz(packed.bytes, 'packed');
    const labels = toNumbers(arrays.get('y')!);
    expect(new Set(labels).size).toBe(64);
    expect(labels).not.toEqual(numbers(64));
    expect(toNumbers(arrays.get('x')!)).toEqual(labels.flatMap((label) => [2 * label, 2 * label + 1]));
    expect((await packData(source(1000), inputs, options)).hash).toBe(packed.hash);
    expect((await packData(source(1000), inputs, { ...options, seed: 6 })).hash).not.toBe(packed.hash);
  });

  it('hold as many rows as are asked for', async () => {
    const packed = await packData(source(100), inputs, { seed: 0, samples: 10 });
    expect(packed.rows).toBe(10);
    expect(packed.notes.join()).toBe('trained on 10 of 100 rows, drawn with seed 0');
  });

  it('keep the rows of an axis that is not the first, and what is no row', async () => {
    const steps = tensorOf('float32', [2, 3, 1], [0, 1, 2, 10, 11, 12]);
    const mask = tensorOf('float32', [2], [7, 8]);
    const columns = new Map<string, Column>([
      ['sequence', columnOf(steps, 1)],
      ['mask', columnOf(mask, undefined)],
    ]);
    const feeds: ValueInfo[] = [
      { name: 'sequence', type: 'float32', shape: [2, 'batch', 1] },
      { name: 'mask', type: 'float32', shape: [2] },
    ];
    const packed = await packData(columnsSource('two', columns), feeds, { seed: 0 });
    const arrays = decodeNpz(packed.bytes, 'packed');
    expect(arrays.get('sequence')).toMatchObject({ dims: [2, 3, 1] });
    expect(toNumbers(arrays.get('sequence')!)).toEqual([0, 1, 2, 10, 11, 12]);
    expect(toNumbers(arrays.get('mask')!)).toEqual([7, 8]);
  });

  it('name the target beside an input that is called y', async () => {
    const feeds: ValueInfo[] = [{ name: 'y', type: 'float32', shape: ['batch', 2] }];
    const packed = await packData(source(20), feeds, { seed: 0 });
    const data = await tensorData('packed', decodeNpz(packed.bytes, 'packed'), feeds, {});
    for await (const { inputs: fed, target } of data.batches({ batch: 20, shuffle: false })) {
      expect(toNumbers(fed.get('y')!)).toEqual(numbers(40));
      expect(toNumbers(target!)).toEqual(numbers(20));
    }
  });

  it('refuse NaN, or leave such rows out when asked', async () => {
    const values = numbers(20);
    values[7] = Number.NaN;
    await expect(packData(source(10, { values }), inputs, { seed: 0 })).rejects.toMatchObject({
      code: 'missing-values',
    });
    const packed = await packData(source(10, { values }), inputs, { seed: 0, missing: 'leave-out' });
    expect(packed.rows).toBe(9);
    expect(packed.notes.join()).toContain('left out: 3');
  });

  it('refuse a row that does not fit', async () => {
    await expect(packData(source(10), inputs, { seed: 0, largest: 15 })).rejects.toMatchObject({ code: 'too-large' });
  });
});
