import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkNode, distinct, ints } from './gradient-check.ts';
import { pullBack } from './pull-back.ts';

const X = (shape: readonly number[]) => ({ name: 'X', shape });
const INT_MAX = 2 ** 31 - 1;

describe('Slice, against differences', () => {
  it('over any axes, with any starts, ends and steps', async () => {
    // A negative step never ends at INT_MAX: there onnxruntime's shape inference and its kernel disagree.
    const cut = fc.record({
      start: fc.constantFrom(-9, -3, -2, -1, 0, 1, 2, 4, 9, INT_MAX),
      end: fc.constantFrom(-INT_MAX, -9, -2, 0, 1, 3, 4, 5, 9, INT_MAX),
      step: fc.constantFrom(1, 1, 2, 3, -1, -2, -3, 7),
      dim: fc.integer({ min: 1, max: 6 }),
      sliced: fc.boolean(),
      negative: fc.boolean(),
    });
    const sensible = cut.filter(({ end, step }) => step > 0 || end !== INT_MAX);
    const cuts = fc.array(sensible, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(cuts, fc.integer({ min: 1, max: 1e6 }), async (parts, seed) => {
        const axes = parts.map((_, i) => i).filter((i) => parts[i]!.sliced);
        const of = (name: string, key: 'start' | 'end' | 'step') =>
          ints(
            name,
            axes.map((i) => parts[i]![key]),
          );
        const named = axes.map((axis) => (parts[axis]!.negative ? axis - parts.length : axis));
        const inputs = [X(parts.map((part) => part.dim)), of('starts', 'start'), of('ends', 'end')];
        inputs.push(ints('axes', named), of('steps', 'step'));
        await checkNode({ op: 'Slice', inputs, seed });
      }),
      { numRuns: 150 },
    );
  });

  it('without axes and steps', async () => {
    await checkNode({ op: 'Slice', inputs: [X([3, 4]), ints('starts', [1, -2]), ints('ends', [3, INT_MAX])] });
  });

  it('puts the gradient back exactly where it came from', async () => {
    const constant = (data: number[]) => ({ shape: [data.length], data, type: 'int64' as const, constant: true });
    const slice = { starts: constant([6]), ends: constant([-INT_MAX]), axes: constant([0]), steps: constant([-3]) };
    const { Y, dX } = await pullBack('Slice', { X: [0, 1, 2, 3, 4, 5, 6, 7], ...slice }, [10, 20, 30]);
    expect(Y).toEqual([6, 3, 0]);
    expect(dX).toEqual([30, 0, 0, 20, 0, 0, 10, 0]);
  });

  it('a contiguous slice costs one Pad', async () => {
    const constant = (data: number[]) => ({ shape: [data.length], data, type: 'int64' as const, constant: true });
    const { backwardOps } = await pullBack('Slice', { X: [1, 2, 3], starts: constant([1]), ends: constant([2]) }, [1]);
    expect(backwardOps.filter((op) => op === 'Pad')).toHaveLength(1);
    expect(backwardOps).not.toContain('ScatterElements');
  });
});

describe('Pad, against differences', () => {
  const sides = fc.record({
    before: fc.integer({ min: -1, max: 3 }),
    after: fc.integer({ min: -1, max: 3 }),
    dim: fc.integer({ min: 3, max: 5 }),
  });

  it('constant, cropping included, with the gradient of the constant', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(sides, { minLength: 1, maxLength: 3 }), fc.nat(1e6), async (axes, seed) => {
        const pads = ints('pads', [...axes.map((axis) => axis.before), ...axes.map((axis) => axis.after)]);
        const inputs = [X(axes.map((axis) => axis.dim)), pads, { name: 'value', shape: [] }];
        await checkNode({ op: 'Pad', inputs, seed });
      }),
      { numRuns: 25 },
    );
  });

  it.each(['edge', 'reflect', 'wrap'])('%s', async (mode) => {
    await fc.assert(
      fc.asyncProperty(fc.array(sides, { minLength: 1, maxLength: 3 }), fc.nat(1e6), async (axes, seed) => {
        const limit = (amount: number, dim: number) =>
          Math.max(0, Math.min(amount, mode === 'reflect' ? dim - 1 : dim));
        const before = axes.map((axis) => limit(axis.before, axis.dim));
        const after = axes.map((axis) => limit(axis.after, axis.dim));
        const inputs = [X(axes.map((axis) => axis.dim)), ints('pads', [...before, ...after])];
        await checkNode({ op: 'Pad', inputs, attributes: { mode }, seed });
      }),
      { numRuns: 20 },
    );
  });

  it('on chosen axes', async () => {
    const inputs = [X([2, 3, 4]), ints('pads', [1, 0, 2, 1]), null, ints('axes', [-1, 1])];
    await checkNode({ op: 'Pad', inputs });
    await checkNode({ op: 'Pad', inputs, attributes: { mode: 'reflect' } });
  });

  it('folds the border back', async () => {
    const pads = { shape: [2], data: [2, 1], type: 'int64' as const, constant: true };
    const dY = [1, 10, 100, 1000, 10000, 100000];
    const fold = async (mode: string) =>
      (await pullBack('Pad', { X: [1, 2, 3], pads }, dY, { attributes: { mode } })).dX;
    expect(await fold('constant')).toEqual([100, 1000, 10000]);
    expect(await fold('edge')).toEqual([111, 1000, 110000]);
    expect(await fold('reflect')).toEqual([100, 101010, 10001]);
    expect(await fold('wrap')).toEqual([100100, 1001, 10010]);
  });

  it('refuses to crop one side while wrapping the other', async () => {
    const pads = { shape: [2], data: [-1, 2], type: 'int64' as const, constant: true };
    await expect(pullBack('Pad', { X: [1, 2, 3], pads }, undefined, { attributes: { mode: 'wrap' } })).rejects.toThrow(
      /crops one side/,
    );
  });
});

describe('Gather', () => {
  const indexed = fc.record({
    shape: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
    along: fc.nat(2),
    picks: fc.array(fc.nat(9), { minLength: 1, maxLength: 12 }),
    form: fc.constantFrom('scalar', 'vector', 'matrix'),
    negative: fc.boolean(),
    seed: fc.integer({ min: 1, max: 1e6 }),
  });

  it('adds up what one element gave several times, against differences', async () => {
    await fc.assert(
      fc.asyncProperty(indexed, async ({ shape, along, picks, form, negative, seed }) => {
        const axis = along % shape.length;
        const dim = shape[axis]!;
        const chosen = (form === 'scalar' ? picks.slice(0, 1) : picks).map((i) =>
          negative ? -1 - (i % dim) : i % dim,
        );
        const dims = form === 'scalar' ? [] : form === 'vector' ? [chosen.length] : [1, chosen.length];
        await checkNode({
          op: 'Gather',
          inputs: [X(shape), ints('indices', chosen, dims)],
          attributes: { axis },
          seed,
        });
      }),
      { numRuns: 40 },
    );
  });

  it('scatters by indices that arrive with the data', async () => {
    const table = { shape: [4, 2], data: [0, 1, 2, 3, 4, 5, 6, 7] };
    const indices = { shape: [2, 2], data: [3, 0, 3, -1], type: 'int64' as const };
    const { dX, backwardOps } = await pullBack('Gather', { X: table, indices }, [1, 2, 10, 20, 100, 200, 1000, 2000]);
    expect(dX).toEqual([10, 20, 0, 0, 0, 0, 1101, 2202]);
    expect(backwardOps).toContain('ScatterElements');
  });

  it('takes one Pad for one constant index: the class token of a transformer', async () => {
    const tokens = { shape: [2, 3, 2], data: Array.from({ length: 12 }, (_, i) => i) };
    const index = { shape: [], data: [0], type: 'int64' as const, constant: true };
    const { dX, backwardOps } = await pullBack('Gather', { X: tokens, index }, [1, 2, 3, 4], {
      attributes: { axis: 1 },
    });
    expect(dX).toEqual([1, 2, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0]);
    expect(backwardOps).not.toContain('ScatterElements');
  });
});

describe('GatherElements', () => {
  it('adds up along the axis, negative indices included', async () => {
    const indices = ints('indices', [0, 2, 2, -1, -3, 1], [2, 3]);
    await checkNode({ op: 'GatherElements', inputs: [X([3, 3]), indices] });
    await checkNode({ op: 'GatherElements', inputs: [X([2, 4]), indices], attributes: { axis: -1 } });
    const given = { shape: [3], data: [1, 1, -2], type: 'int64' as const };
    expect((await pullBack('GatherElements', { X: [5, 6, 7], given }, [1, 10, 100])).dX).toEqual([0, 111, 0]);
  });
});

describe('n-dimensional gathers and other choices', () => {
  it('GatherND by whole and partial indices, with batches, against differences', async () => {
    await checkNode({ op: 'GatherND', inputs: [X([3, 4]), ints('indices', [0, 1, 2, -1, 0, 1], [3, 2])] });
    await checkNode({ op: 'GatherND', inputs: [X([3, 4, 2]), ints('indices', [2, 0, -1, 2], [2, 2, 1])] });
    await checkNode({
      op: 'GatherND',
      inputs: [X([2, 3, 4]), ints('indices', [1, -1, 1, 0, 2, 2], [2, 3, 1])],
      attributes: { batch_dims: 1 },
    });
    await checkNode({
      op: 'GatherND',
      inputs: [X([2, 2, 3]), ints('indices', [1, 1, 0, -1], [2, 2, 1])],
      attributes: { batch_dims: 2 },
    });
  });

  it('TopK returns the gradient to the winners', async () => {
    for (const largest of [0, 1]) {
      const inputs = [{ name: 'X', shape: [3, 4], domain: distinct(12) }, ints('K', [2])];
      await checkNode({ op: 'TopK', inputs, outputs: 2, attributes: { largest } });
      await checkNode({ op: 'TopK', inputs, outputs: 2, attributes: { axis: 0, largest } });
    }
  });

  it('OneHot gives its values what they were used for', async () => {
    const inputs = [ints('indices', [0, 2, 1, 0]), ints('depth', [3], []), { name: 'values', shape: [2] }];
    await checkNode({ op: 'OneHot', inputs, type: 'float32' });
    await checkNode({ op: 'OneHot', inputs, type: 'float32', attributes: { axis: 0 } });
  });

  it('CenterCropPad, odd differences included', async () => {
    for (const shape of [
      [5, 2],
      [2, 5],
      [4, 7],
      [3, 4],
    ]) {
      await checkNode({ op: 'CenterCropPad', inputs: [X([4, 4]), ints('shape', shape)] });
    }
    await checkNode({
      op: 'CenterCropPad',
      inputs: [X([2, 5, 5]), ints('shape', [2, 8])],
      attributes: { axes: [-1, 1] },
    });
  });
});
