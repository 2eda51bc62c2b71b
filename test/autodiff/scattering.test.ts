import { describe, expect, it } from 'vitest';
import { checkNode, distinct, ints } from './gradient-check.ts';
import { pullBack } from './pull-back.ts';

const distinctIndices = ints('indices', [0, 2, -2, 1, -4, 3], [2, 3]);
const updates = { name: 'updates', shape: [2, 3] };

describe('scatters, against differences', () => {
  it('ScatterElements hides what it overwrites', async () => {
    await checkNode({ op: 'ScatterElements', inputs: [{ name: 'data', shape: [4, 3] }, distinctIndices, updates] });
  });

  it.each(['add', 'mul', 'max', 'min'])('ScatterElements with reduction %s, indices repeated', async (reduction) => {
    const domain = distinct(14);
    const data = { name: 'data', shape: [2, 4], domain };
    const repeated = ints('indices', [0, 2, 2, 1, -3, 1], [2, 3]);
    const inputs = [data, repeated, { ...updates, domain }];
    await checkNode({ op: 'ScatterElements', inputs, attributes: { axis: -1, reduction } });
  });

  it('ScatterND hides what it overwrites', async () => {
    const data = { name: 'data', shape: [4, 3, 2] };
    const inputs = [data, ints('indices', [3, 0, -3], [3, 1]), { name: 'updates', shape: [3, 3, 2] }];
    await checkNode({ op: 'ScatterND', inputs });
  });

  it.each(['add', 'mul', 'max', 'min'])('ScatterND with reduction %s, slices and elements', async (reduction) => {
    const domain = distinct(30);
    const data = { name: 'data', shape: [4, 3, 2], domain };
    const slices = [
      data,
      ints('indices', [3, 0, 1, 2, 1, 2], [1, 3, 2]),
      { name: 'updates', shape: [1, 3, 2], domain },
    ];
    await checkNode({ op: 'ScatterND', inputs: slices, attributes: { reduction } });
    const elements = [data, ints('indices', [3, 0, 1, 0, 2, 0], [2, 3]), { name: 'updates', shape: [2], domain }];
    await checkNode({ op: 'ScatterND', inputs: elements, attributes: { reduction } });
  });

  it.each(['linear', 'circular'])('TensorScatter, %s', async (mode) => {
    const cache = { name: 'past_cache', shape: [2, 3, 5, 2] };
    const update = { name: 'update', shape: [2, 3, 2, 2] };
    const starts = ints('write_indices', mode === 'linear' ? [1, 3] : [4, 0]);
    const options = { attributes: { mode }, opset: 24, type: 'float32' as const };
    await checkNode({ op: 'TensorScatter', inputs: [cache, update, starts], ...options });
    if (mode === 'linear') await checkNode({ op: 'TensorScatter', inputs: [cache, update], ...options });
  });
});

describe('scatters at the places where differences fail', () => {
  const indices = { shape: [4], data: [0, 0, 1, 1], type: 'int64' as const };

  it('a product with zeros', async () => {
    const given = { data: [2, 0, 5], indices, updates: [3, 0, 7, 0] };
    const { Y, ddata, dupdates } = await pullBack('ScatterElements', given, [1, 1, 1], {
      attributes: { reduction: 'mul' },
    });
    expect(Y).toEqual([0, 0, 5]);
    expect(ddata).toEqual([0, 0, 1]);
    expect(dupdates).toEqual([0, 6, 0, 0]);
  });

  it('an extremum that several reach is shared among them, the data included', async () => {
    const given = { data: [4, 1, 5], indices, updates: [4, 4, 2, 2] };
    const { ddata, dupdates } = await pullBack('ScatterElements', given, [3, 2, 1], {
      attributes: { reduction: 'max' },
    });
    expect(ddata).toEqual([1, 0, 1]);
    expect(dupdates).toEqual([1, 1, 1, 1]);
  });
});

describe('Compress', () => {
  const kept = (flags: number[]) => ({ name: 'condition', shape: [flags.length], constant: flagsOf(flags) });
  const flagsOf = (flags: number[]) => ({ type: 'bool' as const, dims: [flags.length], data: Uint8Array.from(flags) });

  it('against differences: along an axis, flattened, scattered places, nothing kept', async () => {
    const X = { name: 'input', shape: [3, 4] };
    await checkNode({ op: 'Compress', inputs: [X, kept([1, 0, 1])], attributes: { axis: 0 } });
    await checkNode({ op: 'Compress', inputs: [X, kept([0, 1, 1])], attributes: { axis: -1 } });
    await checkNode({ op: 'Compress', inputs: [X, kept([0, 1, 0, 1, 1, 0, 0, 1])] });
    const long = Array.from({ length: 40 }, (_, i) => +(i % 2 === 1));
    await checkNode({
      op: 'Compress',
      inputs: [{ name: 'input', shape: [40, 2] }, kept(long)],
      attributes: { axis: 0 },
    });
  });

  it('refuses a condition that comes with the data', async () => {
    const condition = { shape: [3], data: [1, 0, 1], type: 'bool' as const };
    await expect(pullBack('Compress', { input: [1, 2, 3], condition }, undefined)).rejects.toThrow(
      /condition is computed/,
    );
  });
});
