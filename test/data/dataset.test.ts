import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import type { Batch } from '../../src/data/batch.ts';
import { type BatchesOptions, type DataSet, decodeCsv, encodeNpy } from '../../src/data/index.ts';
import type { DataType } from '../../src/graph/data-type.ts';
import { UserError } from '../../src/graph/errors.ts';
import type { Dim, ValueInfo } from '../../src/graph/graph.ts';
import { tensorOf, toNumbers } from '../../src/graph/tensor.ts';
import { diskFiles } from '../../src/runtime/node/data-files.ts';
import { loadDigit } from '../../src/runtime/node/mnist-files.ts';
import { type OpenDataOptions, openData, tensorData } from '../../src/verbs/open-data.ts';
import type { DataNames } from '../../src/verbs/request-batch.ts';

const folder = mkdtempSync(join(tmpdir(), 'data-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, content: Uint8Array | string) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const input = (shape: Dim[], name = 'x', type: DataType = 'float32'): ValueInfo => ({ name, type, shape });
const open = (names: DataNames, shape: Dim[] = ['batch', 3], options: Partial<OpenDataOptions> = {}) =>
  openData(names, [input(shape)], { files: diskFiles, loadDigits: loadDigit, ...options });

async function all(data: DataSet, options: BatchesOptions): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of data.batches(options)) batches.push(batch);
  return batches;
}
const firstColumn = (batches: Batch[], name = 'x') =>
  batches.flatMap(({ inputs }) => {
    const { dims, data } = inputs.get(name)!;
    return Array.from({ length: dims[0]! }, (_, i) => Number(data[(i * data.length) / dims[0]!]));
  });
const complain = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => new Error('nothing was thrown'),
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).describe();
};

// Row i holds 3i, 3i + 1, 3i + 2, and its target is i.
const N = 103;
const ramp = tensorOf(
  'float32',
  [N, 3],
  Float32Array.from({ length: 3 * N }, (_, i) => i),
);
const rows = tensorOf(
  'int64',
  [N],
  Float64Array.from({ length: N }, (_, i) => i),
);
const xPath = file('x.npy', encodeNpy(ramp));
const yPath = file('y.npy', encodeNpy(rows));
const pair = { inputs: [xPath], target: yPath };

describe('batches of .npy files', () => {
  it('hold every row once in an epoch, beside its target, and drop what is left over', async () => {
    const data = await open(pair);
    expect(data).toMatchObject({ size: N, real: true, name: 'x.npy' });
    expect(data.inputs).toEqual([{ name: 'x', type: 'float32', dims: [3] }]);
    expect(data.target).toEqual({ name: 'target', type: 'int64', dims: [] });
    const batches = await all(data, { batch: 10 });
    expect(batches.map(({ description }) => description.size)).toEqual(Array(10).fill(10));
    const seen = batches.flatMap(({ target }) => toNumbers(target!));
    expect(firstColumn(batches)).toEqual(seen.map((i) => 3 * i));
    expect(new Set(seen).size).toBe(100);
    expect(seen).not.toEqual([...seen].sort((a, b) => a - b));
    await data.close();
  });

  it('come in the same order for a seed and epoch, and can be taken up in the middle', async () => {
    const data = await open(pair, ['batch', 3], { seed: 5 });
    const epoch = async (options: Partial<BatchesOptions>) => firstColumn(await all(data, { batch: 8, ...options }));
    const whole = await epoch({ epoch: 2 });
    expect(await epoch({ epoch: 2 })).toEqual(whole);
    expect(await epoch({ epoch: 2, skip: 5 })).toEqual(whole.slice(40));
    expect(await epoch({ epoch: 3 })).not.toEqual(whole);
    expect(await epoch({ epoch: 2, seed: 6 })).not.toEqual(whole);
    expect(await epoch({ shuffle: false })).toEqual(Array.from({ length: 96 }, (_, i) => 3 * i));
    await data.close();
  });

  it('keep validation apart, in its order, with a last batch of its own size', async () => {
    const data = await open(pair, ['batch', 3], { validation: 0.25 });
    expect([data.count('training'), data.count('validation')]).toEqual([77, 26]);
    const validation = await all(data, { batch: 10, split: 'validation' });
    expect(validation.map(({ description }) => description.size)).toEqual([10, 10, 6]);
    const training = await all(data, { batch: 7 });
    const both = [...firstColumn(validation), ...firstColumn(training)].sort((a, b) => a - b);
    expect(both).toEqual(Array.from({ length: N }, (_, i) => 3 * i));
    await data.close();
  });

  it("are of the model's own size where it fixes it, and never larger than there are rows", async () => {
    const fixed = await open(pair, [16, 3], { validation: 0.5 });
    const sizes = (await all(fixed, { batch: 5, split: 'validation' })).map(({ inputs }) => inputs.get('x')!.dims[0]);
    expect(sizes).toEqual([16, 16, 16]);
    expect(fixed.notes.join()).toMatch(/fixes its batch at 16: the last 4 rows/);
    const whole = await open(pair);
    expect(whole.batchSize(1000)).toBe(N);
    expect(await all(whole, { batch: 1000 })).toHaveLength(1);
    expect(await complain(open(pair, [200, 3]))).toMatch(/103 rows to train on, the model's batch is fixed at 200/);
    await fixed.close();
    await whole.close();
  });

  it('equal batches of the same arrays in memory', async () => {
    const memory = await tensorData(
      'a.npz',
      new Map([
        ['x', ramp],
        ['y', rows],
      ]),
      [input(['batch', 3])],
      { seed: 2 },
    );
    const disk = await open(pair, ['batch', 3], { seed: 2 });
    const tensors = async (data: DataSet) =>
      (await all(data, { batch: 16, epoch: 1 })).map(({ inputs, target }) => [inputs, target]);
    expect(await tensors(disk)).toEqual(await tensors(memory));
    await disk.close();
  });

  it('are read from every type and byte order as from memory', async () => {
    for (const name of ['ramp-f2', 'ramp-u1', 'ramp-i8', 'big-f4', 'big-f8', 'version-2', 'version-3']) {
      const path = `test/fixtures/data/${name}.npy`;
      const { decodeNpy } = await import('../../src/data/npy.ts');
      const { openNpy } = await import('../../src/data/sources/npy-file.ts');
      const column = await openNpy(await diskFiles.open(path));
      const whole = decodeNpy(await diskFiles.read(path), path);
      const order = Array.from({ length: whole.dims[0]! }, (_, i) => i);
      expect(await column.read(order)).toEqual(whole);
      await column.close();
    }
  });
});

describe('memory', () => {
  it('stays bounded for a file of 400 MB', async () => {
    const count = 1_000_000;
    const header = encodeNpy(tensorOf('float32', [1, 100], new Float32Array(100))).subarray(0, 128);
    const text = new TextDecoder('latin1').decode(header).replace(/\(1, 100\), \}\s*\n$/, `(${count}, 100), }`);
    const path = file(
      'large.npy',
      new Uint8Array([...header.subarray(0, 10), ...new TextEncoder().encode(`${text.slice(10).padEnd(117)}\n`)]),
    );
    truncateSync(path, 128 + count * 400);
    const data = await open({ inputs: [path] }, ['batch', 100], { validation: 0.1 });
    expect(data.size).toBe(count);
    const before = process.memoryUsage().rss;
    let largest = 0;
    let taken = 0;
    for await (const { inputs } of data.batches({ batch: 500 })) {
      taken += inputs.get('x')!.dims[0]!;
      if (taken % 10_000 === 0) largest = Math.max(largest, process.memoryUsage().rss - before);
      if (taken === 100_000) break;
    }
    expect(taken).toBe(100_000);
    // 40 MB were read of 400; what is held is one batch and the next, and garbage.
    expect(largest).toBeLessThan(120 * 2 ** 20);
    await data.close();
  }, 30_000);
});

describe('data that are broken', () => {
  it('names rows with NaN, or leaves them out and says so', async () => {
    const holes = Float32Array.from(ramp.data as Float32Array);
    for (const row of [4, 50, 51]) holes[3 * row + 1] = Number.NaN;
    const path = file('holes.npy', encodeNpy({ type: 'float32', dims: [N, 3], data: holes }));
    const names = { inputs: [path], target: yPath };
    const data = await open(names);
    expect(await complain(all(data, { batch: N, shuffle: false }))).toBe(
      'holes.npy: NaN in rows 4, 50, 51; fill such rows, or leave them out: --missing leave-out',
    );
    const mended = await open(names, ['batch', 3], { missing: 'leave-out' });
    expect(mended.size).toBe(100);
    expect(mended.notes.join()).toMatch(/3 of 103 rows lack a value and were left out: 4, 50, 51/);
    const seen = (await all(mended, { batch: 10 })).flatMap(({ target }) => toNumbers(target!));
    expect(new Set(seen).size).toBe(100);
    expect(seen).not.toContain(50);
    await data.close();
    await mended.close();
  });

  it('tells files that end early, at the start or while they are read', async () => {
    const bytes = encodeNpy(ramp);
    const short = file('short.npy', bytes.subarray(0, bytes.length - 5));
    expect(await complain(open({ inputs: [short] }))).toMatch(/short\.npy: its header promises shape \(103, 3\)/);
    const shrinking = file('shrinking.npy', bytes);
    const data = await open({ inputs: [shrinking] });
    truncateSync(shrinking, 600);
    expect(await complain(all(data, { batch: 50 }))).toMatch(/shrinking\.npy: ends at byte \d+, \d+ are needed/);
    await data.close();
  });

  it('tells what does not fit before anything is trained', async () => {
    expect(await complain(open(pair, ['batch', 4]))).toMatch(/expected shape \[batch, 4\], found \[1, 3\]/);
    const five = file('five.npy', encodeNpy(tensorOf('int64', [5], [0, 1, 2, 3, 4])));
    expect(await complain(open({ inputs: [xPath], target: five }))).toMatch(/target has 5 rows, but the input has 103/);
    expect(await complain(open({ data: join(folder, 'nothing.npy') }))).toMatch(
      /neither a built-in data set nor a file/,
    );
    expect(await complain(open({ data: file('zeros.bin', new Uint8Array(99)) }))).toMatch(/no data file/);
    const data = await open(pair);
    expect(() => data.batches({ batch: 0 })).toThrow(/a batch of 0 rows/);
    await data.close();
  });

  it('names the row of the file, not of the batch, where a label is no integer', async () => {
    const ids = Float32Array.from({ length: N }, (_, i) => (i === 77 ? 0.5 : i));
    const path = file('ids.npy', encodeNpy({ type: 'float32', dims: [N, 1], data: ids }));
    const data = await openData({ inputs: [path] }, [input(['batch', 1], 'x', 'int64')], { files: diskFiles });
    expect(await complain(all(data, { batch: 10 }))).toMatch(/0\.5 in row 77 is not/);
    await data.close();
  });
});

describe('tables', () => {
  const lines = Array.from(
    { length: 500 },
    (_, i) => `${i / 8},"${-i}",${i % 7 === 3 ? `"k, ""${i % 3}"""` : `c${i % 3}`}`,
  );
  const text = `\ufeffa,b,class\r\n${lines.map((line, i) => (i % 50 === 0 ? `${line}\r\n\r\n` : `${line}\n`)).join('')}`;
  it('give the rows that they give in memory', async () => {
    const path = file('table.csv', text);
    const table = decodeCsv(new TextEncoder().encode(text), path);
    const data = await open({ data: path }, ['batch', 2]);
    const batches = await all(data, { batch: 500, shuffle: false });
    expect(batches[0]!.inputs.get('x')).toEqual(table.features);
    expect(batches[0]!.target).toEqual(table.target);
    expect(data.notes).toEqual(table.notes);
    const order = (await all(data, { batch: 64 })).flatMap(({ inputs, target }) => {
      const x = toNumbers(inputs.get('x')!);
      return toNumbers(target!).map((label, i) => [8 * x[2 * i]!, label]);
    });
    const labels = toNumbers(table.target!);
    for (const [row, label] of order) expect(label).toBe(labels[row!]);
    await data.close();
  });

  it('say where a cell is wrong, as they do in memory', async () => {
    const broken = [...lines];
    broken[321] = '1,x,c0';
    const path = file('broken.csv', `a,b,class\n${broken.join('\n')}`);
    const memory = await complain(Promise.resolve().then(() => decodeCsv(`a,b,class\n${broken.join('\n')}`, path)));
    expect(memory).toMatch(/broken\.csv:323, column 2 "b": "x" is not a number/);
    expect(await complain(open({ data: path }, ['batch', 2]))).toBe(memory);
  });

  it('cross the borders of what is read at once', async () => {
    const wide = Array.from(
      { length: 60_000 },
      (_, i) => `${i},${'0'.repeat(60)}${i % 10}.5,"${'x'.repeat(20)}\n${i % 2}"`,
    );
    const path = file('wide.csv', wide.join('\n'));
    const data = await open({ data: path }, ['batch', 2]);
    expect(data.size).toBe(60_000);
    const [batch] = await all(data, { batch: 2000 });
    const x = toNumbers(batch!.inputs.get('x')!);
    toNumbers(batch!.target!).forEach((label, i) => {
      expect([x[2 * i + 1], label]).toEqual([(x[2 * i]! % 10) + 0.5, x[2 * i]! % 2]);
    });
    await data.close();
  });
});

describe('idx files', () => {
  const pixels = Uint8Array.from({ length: 5 * 12 }, (_, i) => (i * 17) % 256);
  const images = new Uint8Array([0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0, 4, ...pixels]);
  const labels = new Uint8Array([0, 0, 8, 1, 0, 0, 0, 5, 3, 1, 4, 1, 5]);

  it.each([
    ['plain', (bytes: Uint8Array) => bytes, ''],
    ['packed', (bytes: Uint8Array) => gzipSync(bytes), '.gz'],
  ])('are read %s, with the labels beside them', async (kind, pack, ending) => {
    const path = file(`${kind}-images-idx3-ubyte${ending}`, pack(images));
    file(`${kind}-labels-idx1-ubyte${ending}`, pack(labels));
    const data = await open({ data: path }, ['batch', 3, 4]);
    const [batch] = await all(data, { batch: 5, shuffle: false });
    expect(toNumbers(batch!.target!)).toEqual([3, 1, 4, 1, 5]);
    expect(batch!.inputs.get('x')).toEqual({
      type: 'float32',
      dims: [5, 3, 4],
      data: Float32Array.from(pixels, (byte) => byte / 255),
    });
    expect(data.notes.join()).toMatch(/scaled to \[0, 1\].*|labels:/);
    await data.close();
  });

  it('are read in their own byte order', async () => {
    const bytes = new Uint8Array(12 + 12);
    bytes.set([0, 0, 13, 2, 0, 0, 0, 1, 0, 0, 0, 3]);
    const view = new DataView(bytes.buffer);
    [1.5, -2, 1e-3].forEach((x, i) => {
      view.setFloat32(12 + 4 * i, x);
    });
    const data = await open({ inputs: [file('floats.idx', bytes)] });
    const [batch] = await all(data, { batch: 1 });
    expect(batch!.inputs.get('x')!.data).toEqual(Float32Array.of(1.5, -2, 1e-3));
    await data.close();
  });

  it('are refused when they lie', async () => {
    const path = file('short-images-idx3-ubyte', images.subarray(0, 40));
    expect(await complain(open({ data: path }))).toMatch(/promises shape \(5, 3, 4\).*has 40/);
    const packed = gzipSync(images);
    packed.set([255, 255, 255, 127], packed.length - 4);
    expect(await complain(open({ data: file('bomb.gz', packed) }))).toMatch(/claims to unpack to 2147483647 bytes/);
    expect(await complain(open({ data: file('text.gz', gzipSync('hello, world')) }))).toMatch(/not an idx file/);
  });
});

describe('mnist as a stream', () => {
  it('is all ten thousand digits, split 8 000 to 2 000 by seed', async () => {
    const data = await open({ data: 'mnist' }, ['batch', 1, 28, 28], { validation: 0.2, stratify: true });
    expect([data.count('training'), data.count('validation')]).toEqual([8000, 2000]);
    const [batch] = await all(data, { batch: 2000, split: 'validation' });
    const counts = new Float64Array(10);
    for (const label of toNumbers(batch!.target!)) counts[label]!++;
    expect(Array.from(counts)).toEqual(
      [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978].map((n) => Math.round(n / 5)),
    );
  });
});
