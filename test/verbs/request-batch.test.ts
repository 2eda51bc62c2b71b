import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { type Batch, encodeNpy, type Missing, makeBatch } from '../../src/data/index.ts';
import { UserError } from '../../src/graph/errors.ts';
import type { Dim, ValueInfo } from '../../src/graph/graph.ts';
import { type Tensor, tensorOf, toNumbers } from '../../src/graph/tensor.ts';
import { diagnose, openData } from '../../src/node.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import type { ImageDecoder } from '../../src/runtime/file-access.ts';
import { diskFiles } from '../../src/runtime/node/data-files.ts';
import { type DataNames, requestBatch } from '../../src/verbs/request-batch.ts';
import { openTrainingData } from '../../src/verbs/training-data.ts';

const folder = mkdtempSync(join(tmpdir(), 'request-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, content: Uint8Array | string) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const ramp = (dims: number[], first = 0) =>
  tensorOf(
    'float32',
    dims,
    Float64Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => first + i),
  );
const npy = (name: string, tensor: Tensor) => file(name, encodeNpy(tensor));
const input = (shape: Dim[], name = 'x'): ValueInfo => ({ name, type: 'float32', shape });

/** The numbers 0 to 255 repeating as an idx file of unsigned bytes. */
function idx(dims: number[], values?: number[]): Uint8Array {
  const size = dims.reduce((a, b) => a * b, 1);
  const head = new DataView(new ArrayBuffer(4 + 4 * dims.length));
  head.setUint16(2, 0x0800 + dims.length);
  dims.forEach((dim, i) => {
    head.setUint32(4 + 4 * i, dim);
  });
  const bytes = values ?? Array.from({ length: size }, (_, i) => i % 256);
  return Uint8Array.from([...new Uint8Array(head.buffer), ...bytes]);
}

async function take(
  names: DataNames,
  inputs: ValueInfo[],
  { size, seed, missing }: { size?: number; seed?: number; missing?: Missing } = {},
  files = diskFiles,
): Promise<Batch> {
  const request = await requestBatch(names, inputs, files, { missing });
  try {
    return await makeBatch(request, inputs, { size, seed });
  } finally {
    if (request.kind === 'rows') await request.source.close();
  }
}
const complain = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => new Error('nothing was thrown'),
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).describe();
};

describe('a batch of files', () => {
  const x = npy('x.npy', ramp([7, 3]));
  const y = npy('y.npy', tensorOf('int64', [7], [0, 1, 2, 0, 1, 2, 0]));

  it('is the first rows of .npy files, with their target', async () => {
    const { inputs, target, description } = await take({ inputs: [x], target: y }, [input(['batch', 3])], { size: 4 });
    expect(inputs.get('x')).toEqual(ramp([4, 3]));
    expect(toNumbers(target!)).toEqual([0, 1, 2, 0]);
    expect(description).toMatchObject({ detail: 'the first 4 of 7 rows of x.npy', real: true, size: 4, notes: [] });
    const whole = await take({ data: x }, [input(['batch', 3])]);
    expect(whole.description).toMatchObject({ detail: '7 rows of x.npy', size: 7 });
    expect(whole.description.notes).toEqual(['no target was given: it is drawn at random']);
  });

  it('reads idx files, packed or not, with the labels beside them or named', async () => {
    const images = file('t-images-idx3-ubyte.gz', gzipSync(idx([5, 2, 2])));
    const labels = file('t-labels-idx1-ubyte', idx([5], [4, 3, 2, 1, 0]));
    const model = [input(['batch', 2, 2])];
    const { inputs, target, description } = await take({ data: images }, model, { size: 2 });
    expect(toNumbers(inputs.get('x')!)).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((byte) => Math.fround(byte / 255)));
    expect(toNumbers(target!)).toEqual([4, 3]);
    expect(description.detail).toBe('the first 2 of 5 rows of t-images-idx3-ubyte.gz');
    const named = await take({ inputs: [`x=${images}`], target: labels }, model, { size: 2 });
    expect(named.inputs).toEqual(inputs);
    expect(named.target).toEqual(target);
  });

  it('takes a sample of a folder of images: its rows stand by class', async () => {
    const fake: ImageDecoder = {
      sizeOf: async () => ({ width: 2, height: 2 }),
      decode: async (path, width, height, channels) =>
        new Uint8Array(width * height * channels).fill(path.includes('cat') ? 0 : 255),
    };
    for (const name of ['cat', 'dog']) {
      mkdirSync(join(folder, 'pets', name), { recursive: true });
      for (let i = 0; i < 20; i++) file(`pets/${name}/${i}.png`, '');
    }
    const files = { ...diskFiles, images: async () => fake };
    const pets = { data: join(folder, 'pets') };
    const { inputs, target, description } = await take(pets, [input(['n', 3, 2, 2])], { size: 16, seed: 1 }, files);
    expect(description.detail).toBe('16 of 40 rows, seed 1 of pets');
    const labels = toNumbers(target!);
    expect(labels.filter((label) => label === 0).length).toBeGreaterThan(2);
    expect(labels.filter((label) => label === 1).length).toBeGreaterThan(2);
    labels.forEach((label, i) => {
      expect(inputs.get('x')!.data[12 * i]).toBe(label);
    });
  });

  it('counts rows where the model counts them, and takes what is not counted as it is', async () => {
    const steps = npy('steps.npy', ramp([4, 7, 2]));
    const model = [input(['time', 'batch', 2]), input([4], 'table')];
    const table = npy('table.npy', ramp([4], 100));
    const names = { inputs: [`x=${steps}`, `table=${table}`], target: y };
    const { inputs, target } = await take(names, model, { size: 3 });
    // x[t, n, f] = 14 t + 2 n + f.
    const expected = [0, 14, 28, 42].flatMap((t) => [0, 1, 2, 3, 4, 5].map((i) => t + i));
    expect(inputs.get('x')).toEqual(tensorOf('float32', [4, 3, 2], expected));
    expect(inputs.get('table')).toEqual(ramp([4], 100));
    expect(toNumbers(target!)).toEqual([0, 1, 2]);

    const request = await requestBatch(names, model, diskFiles);
    const data = await openTrainingData(request, model, { seed: 1 });
    expect(data.size).toBe(7);
    for await (const batch of data.batches({ batch: 7 })) {
      const { dims, data: values } = batch.inputs.get('x')!;
      expect(dims).toEqual([4, 7, 2]);
      const order = Array.from({ length: 7 }, (_, i) => Number(values[2 * i]) / 2);
      expect(toNumbers(batch.target!)).toEqual(order.map((row) => row % 3));
      expect(Number(values[14 * 3 + 2 * 5 + 1])).toBe(14 * 3 + 2 * order[5]! + 1);
    }
    if (request.kind === 'rows') await request.source.close();
  });

  it("lays a table's columns out in the model's shape", async () => {
    const table = file('image.csv', 'label,a,b,c,d\n1,1,2,3,4\n0,5,6,7,8\n');
    const { inputs, target, description } = await take({ data: table }, [input(['n', 1, 2, 2])]);
    expect(inputs.get('x')).toEqual(ramp([2, 1, 2, 2], 1));
    expect(target).toEqual(tensorOf('int64', [2], [1, 0]));
    expect(description.notes).toEqual(['target: "label", class labels from 0 to 1']);
    expect(await complain(take({ data: table }, [input(['n', 3])]))).toMatch(/\[n, 3\], found \[2, 4\]/);
  });

  it('reads arrays in Fortran order', async () => {
    const path = 'test/fixtures/data/fortran.npy';
    const { decodeNpy } = await import('../../src/data/npy.ts');
    const truth = decodeNpy(await diskFiles.read(path), path);
    const { inputs } = await take({ inputs: [path] }, [input(['batch', ...truth.dims.slice(1)])]);
    expect(toNumbers(inputs.get('x')!)).toEqual(toNumbers(truth));
  });

  it('says what does not go together', async () => {
    const model = [input(['batch', 3])];
    expect(await complain(take({ data: x, target: y }, model))).toMatch(/--data and --target both say what to feed/);
    expect(await complain(take({ target: y }, model))).toBe(
      '--target needs the inputs it belongs to; add --input FILE.npy',
    );
    expect(await complain(take({ inputs: [x, x] }, model))).toMatch(/given twice without a name; name each/);
    expect(await complain(take({ data: 'minst' }, model))).toMatch(/did you mean "mnist"/);
    expect(await complain(take({ inputs: [x] }, [input(['batch', 4])]))).toMatch(/\[batch, 4\], found \[7, 3\]/);
    expect(await complain(take({ inputs: [x] }, [input([9, 3])]))).toMatch(/7 rows, the model's batch is fixed at 9/);
  });

  it('reads through a function alone, for pages', async () => {
    const bytes = encodeNpy(ramp([2, 3]));
    const request = await requestBatch({ inputs: ['page.npy'] }, [input(['batch', 3])], async () => bytes);
    expect((await makeBatch(request, [input(['batch', 3])])).inputs.get('x')).toEqual(ramp([2, 3]));
  });
});

describe('rows that lack a value', () => {
  const holes = Array.from({ length: 30 }, (_, i) => (i === 4 || i === 20 ? Number.NaN : i));
  const path = npy('holes.npy', tensorOf('float32', [10, 3], holes));
  const model = [input(['batch', 3])];
  const csv = file('holes.csv', 'a,b,c,label\n0,1,2,0\n,4,5,1\n6,7,8,0\n9,10,NA,1\n12,13,14,?\n15,16,17,1\n');

  it('go in as they are where nobody says, are refused, or left out and counted', async () => {
    expect(toNumbers((await take({ inputs: [path] }, model)).inputs.get('x')!)).toEqual(holes);
    expect(await complain(take({ inputs: [path] }, model, { missing: 'error' }))).toBe(
      'holes.npy: NaN in rows 1, 6; fill such rows, or leave them out: --missing leave-out',
    );
    const { inputs, description } = await take({ inputs: [path] }, model, { missing: 'leave-out', size: 6 });
    expect(toNumbers(inputs.get('x')!)).toEqual(
      [0, 2, 3, 4, 5, 7].flatMap((row) => [3 * row, 3 * row + 1, 3 * row + 2]),
    );
    expect(description.notes).toContain('2 of 10 rows lack a value and were left out: 1, 6');
    expect(description.detail).toBe('the first 6 of 8 rows of holes.npy');
  });

  it('are told along the axis that counts rows', async () => {
    const turned = Float32Array.from({ length: 24 }, (_, i) => (i === 2 * 6 + 2 ? Number.NaN : i));
    const steps = npy('turned.npy', { type: 'float32', dims: [4, 3, 2], data: turned });
    const names = { inputs: [steps] };
    const { description } = await take(names, [input(['time', 'batch', 2])], { missing: 'leave-out' });
    expect(description).toMatchObject({ size: 2 });
    expect(description.notes).toContain('1 of 3 rows lacks a value and was left out: 1');
  });

  it('are empty cells of a table', async () => {
    expect(await complain(take({ data: csv }, model))).toMatch(/holes\.csv:3, column 1 "a": missing value/);
    const { inputs, target, description } = await take({ data: csv }, model, { missing: 'leave-out' });
    expect(toNumbers(inputs.get('x')!)).toEqual([0, 1, 2, 6, 7, 8, 15, 16, 17]);
    expect(toNumbers(target!)).toEqual([0, 0, 1]);
    expect(description.notes).toContain('3 of 6 rows lack a value and were left out: 1, 3, 4');
    const none = file('none.csv', 'a,label\n,1\n,0\n');
    expect(await complain(take({ data: none }, [input(['n', 1])], { missing: 'leave-out' }))).toMatch(
      /every row lacks/,
    );
  });

  it('are found by a diagnosis, or left out of it and of its steps', async () => {
    const net = buildSpec({ input: 3, layers: [{ dense: 4 }, 'relu', { dense: 2 }] });
    const measured = await diagnose(net, { inputs: [path] });
    expect(measured.diagnosis.findings[0]!.title).toMatch(/the input input holds 2 NaN/);
    const without = await diagnose(net, { inputs: [path], missing: 'leave-out', steps: 2 });
    expect(without.diagnosis.findings.map(({ rule }) => rule)).not.toContain('non-finite');
    expect(without.probe.batch.size).toBe(8);
    expect(without.steps!.count).toBe(2);
    expect(await complain(diagnose(net, { inputs: [path], missing: 'error' }))).toMatch(/NaN in rows 1, 6/);
  });
});

describe('samples', () => {
  const net = buildSpec({ input: 2, layers: [{ dense: 2 }] });
  const x = npy('many.npy', ramp([100, 2]));
  const rowsOf = async (options: Parameters<typeof openData>[1]) => {
    const data = await openData(net, options);
    const rows: number[] = [];
    for await (const { inputs } of data.batches({ batch: 1 })) rows.push(Number(inputs.get('input')!.data[0]) / 2);
    await data.close();
    return { rows: rows.sort((a, b) => a - b), data };
  };

  it('are the first rows in an order of the seed, of any file', async () => {
    const { rows, data } = await rowsOf({ inputs: [x], samples: 30, seed: 1 });
    expect([rows.length, new Set(rows).size, data.size]).toEqual([30, 30, 30]);
    expect(data.notes).toContain('30 of 100 rows, drawn with seed 1');
    expect(rows).not.toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect((await rowsOf({ inputs: [x], samples: 30, seed: 1 })).rows).toEqual(rows);
    expect((await rowsOf({ inputs: [x], samples: 30, seed: 2 })).rows).not.toEqual(rows);
    const more = await rowsOf({ inputs: [x], samples: 31, seed: 1 });
    expect(rows.every((row) => more.rows.includes(row))).toBe(true);
  });

  it('are split, and never more than there are', async () => {
    const { data } = await rowsOf({ inputs: [x], samples: 40, validation: 0.25 });
    expect([data.count('training'), data.count('validation')]).toEqual([30, 10]);
    const whole = await rowsOf({ inputs: [x], samples: 500 });
    expect(whole.rows).toHaveLength(100);
    expect(whole.data.notes).toContain('there are 100 rows, not the 500 asked for');
    const named = await rowsOf({ data: 'blobs', samples: 12 });
    expect(named.rows).toHaveLength(12);
  });
});
