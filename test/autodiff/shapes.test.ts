import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sizeOf } from '../../src/graph/tensor.ts';
import { checkNode, ints } from './gradient-check.ts';
import { pullBack } from './pull-back.ts';

const dims = (minLength: number, maxLength: number) =>
  fc.array(fc.integer({ min: 1, max: 4 }), { minLength, maxLength });
const seeds = fc.integer({ min: 1, max: 1e6 });
const X = (shape: readonly number[]) => ({ name: 'X', shape });
const scalar = (name: string, value: number) => ints(name, [value], []);

describe('operators that move elements, against differences', () => {
  it('Reshape and Flatten', async () => {
    await checkNode({ op: 'Reshape', inputs: [X([2, 3, 4]), ints('shape', [0, -1])] });
    await checkNode({ op: 'Reshape', inputs: [X([1, 1]), ints('shape', [])] });
    for (const axis of [0, 1, 3, -1]) {
      await checkNode({ op: 'Flatten', inputs: [X([2, 3, 4])], attributes: { axis } });
    }
  });

  it('Squeeze and Unsqueeze', async () => {
    await checkNode({ op: 'Squeeze', inputs: [X([1, 3, 1, 2])] });
    await checkNode({ op: 'Squeeze', inputs: [X([1, 3, 1, 2]), ints('axes', [-2])] });
    await checkNode({ op: 'Unsqueeze', inputs: [X([3, 2]), ints('axes', [-1, 0])] });
  });

  it('Transpose', async () => {
    const permuted = dims(0, 4).chain((shape) =>
      fc.tuple(
        fc.constant(shape),
        fc.option(
          fc.shuffledSubarray(
            shape.map((_, i) => i),
            { minLength: shape.length },
          ),
        ),
        seeds,
      ),
    );
    await fc.assert(
      fc.asyncProperty(permuted, async ([shape, perm, seed]) => {
        await checkNode({ op: 'Transpose', inputs: [X(shape)], attributes: perm ? { perm } : {}, seed });
      }),
      { numRuns: 15 },
    );
  });

  it('Concat', async () => {
    const joined = fc.record({
      shape: dims(1, 3),
      along: fc.nat(2),
      sizes: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 }),
      negative: fc.boolean(),
      seed: seeds,
    });
    await fc.assert(
      fc.asyncProperty(joined, async ({ shape, along, sizes, negative, seed }) => {
        const axis = along % shape.length;
        const inputs = sizes.map((size, i) => ({ name: `X${i}`, shape: shape.with(axis, size) }));
        if (inputs.every((input) => sizeOf(input.shape) === 0)) return;
        await checkNode({ op: 'Concat', inputs, attributes: { axis: negative ? axis - shape.length : axis }, seed });
      }),
      { numRuns: 15 },
    );
  });

  it('Concat of a value with itself', async () => {
    const { dX } = await pullBack('Concat', { X: [1, 2] }, [1, 2], { attributes: { axis: 0 } });
    expect(dX).toEqual([1, 2]);
  });

  it('Split by sizes, evenly and unevenly', async () => {
    await checkNode({
      op: 'Split',
      inputs: [X([2, 6]), ints('split', [1, 3, 2])],
      outputs: 3,
      attributes: { axis: -1 },
    });
    await checkNode({ op: 'Split', inputs: [X([6, 2])], outputs: 3, attributes: { num_outputs: 3 } });
    await checkNode({ op: 'Split', inputs: [X([7, 2])], outputs: 3, attributes: { num_outputs: 3 } });
  });

  it('Split of which one part is used: zeros for the others', async () => {
    const axis = { axis: 0, num_outputs: 3 };
    const named = await pullBack('Split', { X: [1, 2, 3, 4, 5] }, [7, 8], {
      attributes: axis,
      outputs: ['Y', 'B', 'C'],
    });
    expect(named.dX).toEqual([7, 8, 0, 0, 0]);
  });

  it('Expand', async () => {
    await checkNode({ op: 'Expand', inputs: [X([3, 1]), ints('shape', [2, 1, 4])] });
    await checkNode({ op: 'Expand', inputs: [X([]), ints('shape', [2, 2])] });
    await checkNode({ op: 'Expand', inputs: [X([3, 4]), ints('shape', [1])] });
  });

  it('Tile', async () => {
    const tiled = dims(1, 4).chain((shape) =>
      fc.tuple(
        fc.constant(shape),
        fc.array(fc.integer({ min: 1, max: 3 }), { minLength: shape.length, maxLength: shape.length }),
        seeds,
      ),
    );
    await fc.assert(
      fc.asyncProperty(tiled, async ([shape, repeats, seed]) => {
        await checkNode({ op: 'Tile', inputs: [X(shape), ints('repeats', repeats)], seed });
      }),
      { numRuns: 15 },
    );
  });

  it('DepthToSpace in both modes and SpaceToDepth', async () => {
    for (const mode of ['DCR', 'CRD']) {
      await checkNode({ op: 'DepthToSpace', inputs: [X([2, 12, 2, 3])], attributes: { blocksize: 2, mode } });
    }
    await checkNode({ op: 'DepthToSpace', inputs: [X([1, 9, 2, 1])], attributes: { blocksize: 3 } });
    await checkNode({ op: 'SpaceToDepth', inputs: [X([2, 3, 4, 6])], attributes: { blocksize: 2 } });
  });

  it('Trilu', async () => {
    for (const upper of [0, 1]) {
      await checkNode({ op: 'Trilu', inputs: [X([2, 3, 4])], attributes: { upper } });
      for (const k of [-2, 1, 9]) {
        await checkNode({ op: 'Trilu', inputs: [X([3, 4]), scalar('k', k)], attributes: { upper } });
      }
    }
  });

  it('ReverseSequence', async () => {
    const lengths = ints('lengths', [1, 3, 2]);
    await checkNode({ op: 'ReverseSequence', inputs: [X([4, 3, 2]), lengths] });
    const batchFirst = { batch_axis: 0, time_axis: 1 };
    await checkNode({ op: 'ReverseSequence', inputs: [X([3, 4, 2]), lengths], attributes: batchFirst });
  });

  it('Range: each step counts as often as it was taken', async () => {
    const at = (value: number) => ({ shape: [], data: [value] });
    const inputs = { start: at(1), limit: at(6.5), delta: at(1.5) };
    const { Y, dstart, ddelta, dlimit } = await pullBack('Range', inputs, [1, 10, 100, 1000]);
    expect(Y).toEqual([1, 2.5, 4, 5.5]);
    expect([dstart, ddelta, dlimit]).toEqual([[1111], [10 + 200 + 3000], [0]]);
  });
});
