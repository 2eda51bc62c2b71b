import { describe, expect, it } from 'vitest';
import { type BatchOptions, type BatchRequest, makeBatch } from '../../src/data/batch.ts';
import { listDataSets } from '../../src/data/data-sets.ts';
import type { DataType } from '../../src/graph/data-type.ts';
import { DataError } from '../../src/graph/errors.ts';
import type { Dim, ValueInfo } from '../../src/graph/graph.ts';
import { filledTensor, sizeOf, type Tensor, tensorOf, toNumbers } from '../../src/graph/tensor.ts';
import { loadDigit } from '../../src/runtime/node/mnist-files.ts';

const input = (name: string, shape?: Dim[], type: DataType = 'float32'): ValueInfo => ({ name, type, shape });
const ramp = (type: DataType, dims: number[]) =>
  tensorOf(
    type,
    dims,
    Array.from({ length: sizeOf(dims) }, (_, i) => i),
  );
const none: BatchRequest = { kind: 'none' };
const named = (name: string): BatchRequest => ({ kind: 'named', name });
const tensors = (inputs: Record<string, Tensor>, target?: Tensor): BatchRequest => ({
  kind: 'tensors',
  from: 'a.npz',
  inputs: new Map(Object.entries(inputs)),
  target,
});

async function complaint(request: BatchRequest, inputs: ValueInfo[], options?: BatchOptions): Promise<string> {
  const error = await makeBatch(request, inputs, options).then(
    () => new Error('nothing was thrown'),
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(DataError);
  return (error as DataError).describe();
}

describe('makeBatch without data', () => {
  it('draws standard normals and says so', async () => {
    const batch = await makeBatch(none, [input('x', ['batch', 784])]);
    const x = batch.inputs.get('x')!;
    expect(x.dims).toEqual([64, 784]);
    const values = toNumbers(x);
    const n = values.length;
    const mean = values.reduce((a, b) => a + b, 0) / n;
    const square = values.reduce((a, b) => a + b * b, 0) / n;
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(square - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    expect(batch.target).toBeUndefined();
    expect(batch.description).toEqual({
      name: 'synthetic',
      real: false,
      size: 64,
      seed: 0,
      detail: '64 synthetic inputs: standard normal, labels drawn at random (no data given)',
      notes: [],
    });
  });

  it('repeats for a seed, differs between seeds, and draws each input apart from the others', async () => {
    const one = [input('a', ['n', 4])];
    const two = [input('b', ['n', 9]), ...one];
    const draw = async (inputs: ValueInfo[], seed: number) => (await makeBatch(none, inputs, { seed })).inputs.get('a');
    expect(await draw(two, 1)).toEqual(await draw(one, 1));
    expect(await draw(one, 2)).not.toEqual(await draw(one, 1));
  });

  it("lets the model's fixed batch win, and says so", async () => {
    const fixed = [input('x', [5, 3]), input('state', ['batch', 2])];
    const batch = await makeBatch(none, fixed, { size: 32 });
    expect(batch.description.size).toBe(5);
    expect(batch.inputs.get('state')!.dims).toEqual([5, 2]);
    expect(batch.description.notes).toEqual(['the model fixes its batch at 5, not 32 as asked']);
  });

  it('settles open dims: one number per symbol, images and sequences of a usable size, each with a note', async () => {
    const batch = await makeBatch(
      none,
      [
        input('image', ['N', 3, 'height', null]),
        input('tokens', ['N', 'seq'], 'int64'),
        input('mask', ['N', 'seq'], 'bool'),
      ],
      { size: 2, vocabulary: new Map([['tokens', 1000]]) },
    );
    expect(batch.inputs.get('image')!.dims).toEqual([2, 3, 32, 32]);
    expect(batch.inputs.get('tokens')!.dims).toEqual([2, 16]);
    expect(batch.inputs.get('mask')).toEqual(filledTensor('bool', [2, 16], 1));
    expect(batch.description.notes).toEqual([
      'image: the model leaves "height" (axis 2) open, 32 was taken; give --input image=FILE.npy to set it',
      'image: the model leaves axis 3 open, 32 was taken; give --input image=FILE.npy to set it',
      'tokens: the model leaves "seq" (axis 1) open, 16 was taken; give --input tokens=FILE.npy to set it',
      'tokens: integers drawn uniformly from 0 to 999',
      'mask: filled with ones, as its name suggests',
    ]);
    expect(batch.description.detail).toMatch(/^2 synthetic inputs: standard normal and uniform integers, /);
  });

  it('feeds an exported language model what its input names mean', async () => {
    const shape = ['batch_size', 'sequence_length'];
    const batch = await makeBatch(
      none,
      ['input_ids', 'attention_mask', 'token_type_ids', 'position_ids'].map((name) => input(name, shape, 'int64')),
      { size: 3 },
    );
    expect(toNumbers(batch.inputs.get('attention_mask')!)).toEqual(Array(48).fill(1));
    expect(toNumbers(batch.inputs.get('token_type_ids')!)).toEqual(Array(48).fill(0));
    expect(toNumbers(batch.inputs.get('position_ids')!)).toEqual(Array.from({ length: 48 }, (_, i) => i % 16));
    const ids = toNumbers(batch.inputs.get('input_ids')!);
    expect(new Set(ids).size).toBe(10);
    expect(Math.max(...ids)).toBe(9);
    expect(batch.description.notes).toContainEqual(
      expect.stringMatching(/^input_ids: integers drawn uniformly from 0 to 9; /),
    );
  });

  it('finds the batch where a recurrent network keeps it, at axis 1', async () => {
    const batch = await makeBatch(none, [input('x', ['seq_len', 'batch', 8]), input('h0', [2, 'batch', 4])], {
      size: 5,
    });
    expect(batch.inputs.get('x')!.dims).toEqual([16, 5, 8]);
    expect(batch.inputs.get('h0')!.dims).toEqual([2, 5, 4]);
  });

  it('draws every type a tensor can have', async () => {
    const types: DataType[] = ['float64', 'float16', 'bfloat16', 'int8', 'uint8', 'int32', 'uint64', 'bool'];
    const batch = await makeBatch(
      none,
      types.map((type) => input(type, ['n', 50], type)),
    );
    for (const type of types) {
      const tensor = batch.inputs.get(type)!;
      expect(tensor.type).toBe(type);
      const distinct = new Set(toNumbers(tensor));
      expect(distinct.size).toBeGreaterThan(1);
    }
    const narrow = await makeBatch(none, [input('x', ['n', 99], 'int8')], { vocabulary: new Map([['x', 5000]]) });
    expect(Math.min(...toNumbers(narrow.inputs.get('x')!))).toBeGreaterThanOrEqual(0);
  });

  it('says what cannot be made up', async () => {
    expect(await complaint(none, [input('x')])).toMatch(/^x: the model does not say what shape.*; --input x=FILE.npy$/);
    expect(await complaint(none, [input('x', ['n'], 'string')])).toMatch(/strings cannot be made up/);
    expect(await complaint(none, [input('x', ['n', 1e6, 1e6])])).toMatch(/over the limit/);
    for (const size of [0, -1, 1.5, Number.NaN, 1e9]) {
      expect(await complaint(none, [input('x', ['n'])], { size })).toMatch(/^--batch: a batch of .* an integer from 1/);
    }
  });
});

describe('makeBatch with built-in data', () => {
  it('shapes real digits as the model reads them, the same digits in every shape', async () => {
    const shapes: [Dim[], number[]][] = [
      [['N', 784], [784]],
      [
        ['N', 1, 28, 28],
        [1, 28, 28],
      ],
      [
        [null, 28, 28, 1],
        [28, 28, 1],
      ],
      [
        ['N', 28, 28],
        [28, 28],
      ],
      [
        ['N', 'c', 'h', 'w'],
        [1, 28, 28],
      ],
      [[64, null], [784]],
    ];
    const batches = [];
    for (const [shape, example] of shapes) {
      const batch = await makeBatch(named('mnist'), [input('x', shape)], { loadDigits: loadDigit });
      expect(batch.inputs.get('x')!.dims).toEqual([64, ...example]);
      batches.push(batch);
    }
    for (const { inputs, target } of batches) {
      expect(inputs.get('x')!.data).toEqual(batches[0]!.inputs.get('x')!.data);
      expect(target).toEqual(batches[0]!.target);
    }
    expect(batches[0]!.target!.dims).toEqual([64]);
    expect(batches[0]!.target!.type).toBe('int64');
    expect(batches[0]!.description).toEqual({
      name: 'mnist',
      real: true,
      size: 64,
      seed: 0,
      detail: '64 real digits (mnist, seed 0)',
      notes: [],
    });
  });

  it('names the shape wanted, the shapes there are and what fits', async () => {
    expect(await complaint(named('mnist'), [input('pixels', ['N', 3, 224, 224])], { loadDigits: loadDigit })).toBe(
      '--data: the model\'s input "pixels" wants float32 [N, 3, 224, 224], mnist comes as float32 [N, 784] or [N, 1, 28, 28] or [N, 28, 28, 1] or [N, 28, 28]; what fits: --data blobs, or --input FILE.npy',
    );
    expect(await complaint(named('circles'), [input('x', ['N', 784])])).toMatch(
      /comes as float32 \[N, 2\]; what fits: --data mnist, blobs/,
    );
    expect(await complaint(named('blobs'), [input('ids', ['N', 9], 'int64')])).toMatch(
      /wants int64 \[N, 9\], blobs comes as float32 of any shape/,
    );
    expect(await complaint(named('mnist'), [input('x', ['N', 784])], { output: { shape: ['N', 3] } })).toMatch(
      /mnist has 10 classes, the model's output tells 3 apart/,
    );
    expect(await complaint(named('blobs'), [input('a', ['N', 2]), input('b', ['N', 2])])).toMatch(/has 2 \(a, b\)/);
  });

  it('suggests a name nearby', async () => {
    expect(await complaint(named('mnits'), [input('x', ['N', 784])])).toBe(
      '--data: there is no built-in data set "mnits"; did you mean "mnist"?',
    );
    expect(await complaint(named('zzz'), [])).toMatch(
      /data sets: mnist, circles, spirals, blobs, adding, copy, mnist-rows, mnist-pixels$/,
    );
    expect(listDataSets().map((set) => set.name)).toEqual([
      'mnist',
      'circles',
      'spirals',
      'blobs',
      'adding',
      'copy',
      'mnist-rows',
      'mnist-pixels',
    ]);
  });

  it("draws as many classes as the model's output tells apart", async () => {
    const x = [input('x', ['N', 2])];
    const labelsOf = async (name: string, width: number) => {
      const { target } = await makeBatch(named(name), x, { output: { shape: ['N', width] } });
      return target!;
    };
    for (const name of ['spirals', 'blobs']) {
      expect(new Set(toNumbers(await labelsOf(name, 5)))).toEqual(new Set([0, 1, 2, 3, 4]));
    }
    const unit = await labelsOf('circles', 1);
    expect([unit.type, unit.dims]).toEqual(['float32', [64, 1]]);
    expect(toNumbers(unit).filter((label) => label === 1).length).toBe(32);
    const pair = await labelsOf('circles', 2);
    expect([pair.type, pair.dims]).toEqual(['int64', [64]]);
  });

  it('says of made-up points that they are', async () => {
    const { description } = await makeBatch(named('circles'), [input('x', [10, 2])], { seed: 3 });
    expect(description.real).toBe(false);
    expect(description.detail).toBe('10 synthetic points (circles, seed 3): rings of radius 1 and 0.5, noise 0.1');
    expect(description.notes).toEqual(['the model fixes its batch at 10']);
  });

  it('bounds what a declared shape can ask for', async () => {
    expect(await complaint(named('blobs'), [input('x', ['N', 1e9, 1e9])])).toMatch(/over the limit/);
    expect(await complaint(named('mnist'), [input('x', ['N', 784])], { size: 300_000, loadDigits: loadDigit })).toMatch(
      /mnist has 10000 digits, a batch of 300000 was asked for/,
    );
  });

  it('fills any float input with blobs', async () => {
    const { inputs } = await makeBatch(named('blobs'), [input('x', ['N', 3, 8, 8], 'float16')], { size: 4 });
    expect(inputs.get('x')!.dims).toEqual([4, 3, 8, 8]);
    expect(inputs.get('x')!.type).toBe('float16');
  });
});

describe('makeBatch with given tensors', () => {
  const model = [input('x', ['batch', 3])];

  it('takes the first rows of inputs and target, and says of how many', async () => {
    const request = tensors({ '': ramp('float64', [100, 3]) }, ramp('int32', [100]));
    const batch = await makeBatch(request, model, { size: 2 });
    expect(batch.inputs.get('x')).toEqual(ramp('float32', [2, 3]));
    expect(batch.target).toEqual(ramp('int64', [2]));
    expect(batch.description).toEqual({
      name: 'a.npz',
      real: true,
      size: 2,
      seed: 0,
      detail: 'the first 2 of 100 rows of a.npz',
      notes: [],
    });
    const all = await makeBatch(tensors({ x: ramp('float32', [5, 3]) }), model);
    expect(all.description.detail).toBe('5 rows of a.npz');
    expect(all.description.notes).toEqual(['no target was given: it is drawn at random']);
  });

  it('takes the batch along axis 1 where the model has it there', async () => {
    const batch = await makeBatch(tensors({ x: ramp('float32', [2, 3, 2]) }), [input('x', ['seq', 'batch', 2])], {
      size: 1,
    });
    expect(batch.inputs.get('x')).toEqual(tensorOf('float32', [2, 1, 2], [0, 1, 6, 7]));
  });

  it('leaves an axis alone that is fixed at another number than the batch: it counts layers, not examples', async () => {
    const inputs = [input('x', ['batch', 3]), input('h0', [2, 1, 4])];
    const batch = await makeBatch(tensors({ x: ramp('float32', [9, 3]), h0: ramp('float32', [2, 1, 4]) }), inputs, {
      size: 5,
    });
    expect(batch.inputs.get('x')!.dims).toEqual([5, 3]);
    expect(batch.inputs.get('h0')!.dims).toEqual([2, 1, 4]);
    expect(await complaint(tensors({ x: ramp('float32', [9, 3]), h0: ramp('float32', [3, 1, 4]) }), inputs)).toMatch(
      /axis 0 is 3, not 2/,
    );
  });

  it('takes exactly the batch the model fixes', async () => {
    const fixed = [input('x', [4, 3])];
    const batch = await makeBatch(tensors({ x: ramp('float32', [9, 3]) }), fixed, { size: 2 });
    expect(batch.inputs.get('x')).toEqual(ramp('float32', [4, 3]));
    expect(await complaint(tensors({ x: ramp('float32', [3, 3]) }), fixed)).toBe(
      "x: has 3 rows, the model's batch is fixed at 4; give at least 4",
    );
  });

  it('casts integers exactly or not at all', async () => {
    const ids = [input('ids', ['n', 2], 'int32')];
    const batch = await makeBatch(tensors({ ids: tensorOf('float64', [1, 2], [3, -4]) }), ids);
    expect(batch.inputs.get('ids')).toEqual(tensorOf('int32', [1, 2], [3, -4]));
    expect(await complaint(tensors({ ids: tensorOf('float32', [2, 2], [1, 2, 3, 0.5]) }), ids)).toBe(
      'ids: the float32 value 0.5 in row 1 is not an int32; the model reads int32 here: give whole numbers (indices, not features)',
    );
    expect(await complaint(tensors({ ids: tensorOf('int64', [1, 2], [0, 2 ** 31]) }), ids)).toMatch(
      /2147483648 in row 0/,
    );
    expect(await complaint(tensors({ ids: tensorOf('float32', [1, 2], [0, Number.NaN]) }), ids)).toMatch(/value NaN/);
    const wide = { type: 'uint64' as const, dims: [1, 2], data: new BigUint64Array([2n ** 53n + 1n, 2n ** 63n]) };
    expect(await complaint(tensors({ ids: wide }), [input('ids', ['n', 2], 'int64')])).toMatch(
      /value 9223372036854775808/,
    );
    const bytes = await makeBatch(tensors({ x: ramp('uint8', [2, 3]) }), model);
    expect(bytes.inputs.get('x')).toEqual(ramp('float32', [2, 3]));
    expect(bytes.description.notes[0]).toBe('x: uint8 values were taken unscaled as float32');
  });

  it.each<[string, BatchRequest, ValueInfo[], string | RegExp]>([
    [
      'a wrong name',
      tensors({ imagse: ramp('float32', [2, 3]) }),
      [input('images', ['n', 3])],
      '--input: the model has no input "imagse"; did you mean "images"?',
    ],
    [
      'no name among two',
      tensors({ '': ramp('float32', [2, 3]) }),
      [...model, input('z', ['batch', 1])],
      /the model has 2 inputs; name them: --input x=FILE.npy --input z=FILE.npy/,
    ],
    [
      'a missing input',
      tensors({ x: ramp('float32', [2, 3]) }),
      [...model, input('z', ['batch', 1])],
      '--input: no data for the model\'s input "z" [batch, 1]; --input z=FILE.npy',
    ],
    [
      'the same input twice',
      tensors({ '': ramp('float32', [2, 3]), x: ramp('float32', [2, 3]) }),
      model,
      /"x" was given twice/,
    ],
    [
      'a wrong dim',
      tensors({ x: ramp('float32', [2, 4]) }),
      model,
      'x: expected shape [batch, 3], found [2, 4]: axis 1 is 4, not 3',
    ],
    [
      'no batch axis',
      tensors({ x: ramp('float32', [3]) }),
      model,
      'x: expected shape [batch, 3], found [3]; add the batch axis: array[None]',
    ],
    [
      'flat images',
      tensors({ x: ramp('float32', [2, 48]) }),
      [input('x', ['n', 3, 4, 4])],
      /found \[2, 48\]; array.reshape\(-1, 3, 4, 4\) would fit/,
    ],
    [
      'channels last',
      tensors({ x: ramp('float32', [2, 4, 5, 3]) }),
      [input('x', ['n', 3, 'h', 'w'])],
      /transpose\(0, 3, 1, 2\) would fit/,
    ],
    [
      'channels first',
      tensors({ x: ramp('float32', [2, 3, 4, 5]) }),
      [input('x', ['n', 'h', 'w', 3])],
      /transpose\(0, 2, 3, 1\) would fit/,
    ],
    [
      'fewer labels than rows',
      tensors({ x: ramp('float32', [5, 3]) }, ramp('int64', [4])),
      model,
      'target: has 4 rows, but x has 5',
    ],
    ['a scalar target', tensors({ x: ramp('float32', [1, 3]) }, ramp('int64', [])), model, /target: is a scalar/],
    ['no rows', tensors({ x: ramp('float32', [0, 3]) }), model, 'x: has no rows'],
    [
      'a symbol of two sizes',
      tensors({ a: ramp('float32', [2, 7]), b: ramp('float32', [2, 8]) }),
      [input('a', ['n', 'seq']), input('b', ['n', 'seq'])],
      'b: axis 1 ("seq") is 8, but 7 in a',
    ],
    [
      'text',
      tensors({ x: { type: 'string', dims: [1, 3], data: ['a', 'b', 'c'] } }),
      model,
      /holds string elements, float32 is wanted/,
    ],
  ])('says of %s what was expected and found', async (_, request, inputs, expected) => {
    const line = await complaint(request, inputs);
    if (typeof expected === 'string') expect(line).toBe(expected);
    else expect(line).toMatch(expected);
  });

  it('fills masks that nobody gave, in the shape of what was given', async () => {
    const inputs = [input('ids', ['n', 'seq'], 'int64'), input('attention_mask', ['n', 'seq'], 'int64')];
    const batch = await makeBatch(tensors({ ids: ramp('int64', [2, 5]) }), inputs);
    expect(batch.inputs.get('attention_mask')).toEqual(filledTensor('int64', [2, 5], 1));
    expect(batch.description.notes).toContain('attention_mask: filled with ones, as its name suggests');
  });
});

describe('an input without elements', () => {
  it('is refused before the runtime sees it', async () => {
    const info = { name: 'x', type: 'float32' as const, shape: [4, 0, 8] };
    await expect(makeBatch({ kind: 'none' }, [info])).rejects.toThrow('[4, 0, 8], which holds no element');
  });
});
