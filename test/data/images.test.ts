import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { UserError } from '../../src/graph/errors.ts';
import type { Dim } from '../../src/graph/graph.ts';
import { toNumbers } from '../../src/graph/tensor.ts';
import type { FileAccess, ImageDecoder } from '../../src/runtime/file-access.ts';
import { diskFiles } from '../../src/runtime/node/data-files.ts';
import { openData } from '../../src/verbs/open-data.ts';

const hasSharp = (() => {
  try {
    createRequire(join(process.cwd(), 'package.json')).resolve('sharp');
    return true;
  } catch {
    return false;
  }
})();

const folder = mkdtempSync(join(tmpdir(), 'images-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  return c;
});

/** A PNG of one colour by its specification: signature, IHDR, IDAT, IEND. */
function png(width: number, height: number, rgb: readonly number[]): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    let crc = -1;
    for (const byte of body) crc = (crc >>> 8) ^ crcTable[(crc ^ byte) & 0xff]!;
    const [size, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    size.writeUInt32BE(data.length);
    check.writeUInt32BE(~crc >>> 0);
    return Buffer.concat([size, body, check]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const line = Buffer.from([0, ...Array.from({ length: width }, () => rgb).flat()]);
  const lines = deflateSync(Buffer.concat(Array.from({ length: height }, () => line)));
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', lines), chunk('IEND', Buffer.alloc(0))]);
}

const colours = { cat: [255, 0, 51], dog: [0, 102, 255] } as const;
for (const [name, rgb] of Object.entries(colours)) {
  mkdirSync(join(folder, name));
  for (const size of [4, 8]) writeFileSync(join(folder, name, `${size}.png`), png(size, size, rgb));
  writeFileSync(join(folder, name, 'notes.txt'), 'no image');
}

/** Decodes nothing: the colour follows from the path, the first pixel is black. */
const fake: ImageDecoder = {
  sizeOf: async () => ({ width: 2, height: 3 }),
  decode: async (path, width, height, channels) => {
    const rgb = path.includes('/cat/') ? colours.cat : colours.dog;
    const bytes = Uint8Array.from({ length: width * height * channels }, (_, i) => rgb[i % channels]!);
    return bytes.fill(0, 0, channels);
  },
};
const files: FileAccess = { ...diskFiles, images: async () => fake };
const open = (shape: Dim[], access = files) =>
  openData({ data: folder }, [{ name: 'x', type: 'float32', shape }], { files: access });
const read = async (shape: Dim[], access = files) => {
  const data = await open(shape, access);
  for await (const batch of data.batches({ batch: 4, shuffle: false })) return { data, batch };
  throw new Error('no batch');
};

describe('a folder of images', () => {
  it('is laid out as the model reads it, classes by name', async () => {
    const { data, batch } = await read(['N', 3, 2, 2]);
    expect(data.size).toBe(4);
    expect(toNumbers(batch.target!)).toEqual([0, 0, 1, 1]);
    const x = batch.inputs.get('x')!;
    expect(x.dims).toEqual([4, 3, 2, 2]);
    const row = toNumbers(x).slice(24, 36);
    expect(row.map((value) => Math.round(255 * value))).toEqual([0, 0, 0, 0, 0, 102, 102, 102, 0, 255, 255, 255]);
    const last = await read(['N', 2, 2, 3]);
    const pixels = toNumbers(last.batch.inputs.get('x')!).slice(24, 36);
    expect(pixels.map((value) => Math.round(255 * value))).toEqual([0, 0, 0, 0, 102, 255, 0, 102, 255, 0, 102, 255]);
    expect(data.notes.join()).toMatch(/scaled to 2×2, 3 channels in \[0, 1\].*2 classes: cat = 0, dog = 1/);
  });

  it('has the size of its first image where the model leaves it open', async () => {
    expect((await read(['N', 3, 'height', 'width'])).batch.inputs.get('x')!.dims).toEqual([4, 3, 3, 2]);
    expect((await read(['N', 'height', 'width', 1])).batch.inputs.get('x')!.dims).toEqual([4, 3, 2, 1]);
    await expect(open(['N', 7, 2, 2])).rejects.toThrow(UserError);
    await expect(open(['N', 784])).rejects.toThrow(/images feed a model of one input/);
  });

  it.skipIf(hasSharp)('says what to install where sharp is missing', async () => {
    const error = await open(['N', 3, 2, 2], diskFiles).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).describe()).toBe(
      'a folder of images is decoded by the npm package "sharp", which is not installed; npm install sharp',
    );
  });

  it.skipIf(!hasSharp)('decodes real files with sharp', async () => {
    const { batch } = await read(['N', 3, 4, 4], diskFiles);
    const values = toNumbers(batch.inputs.get('x')!).map((value) => Math.round(255 * value));
    for (let n = 0; n < 4; n++) {
      for (let c = 0; c < 3; c++) {
        const wanted = (n < 2 ? colours.cat : colours.dog)[c]!;
        expect(values.slice(48 * n + 16 * c, 48 * n + 16 * c + 16)).toEqual(Array(16).fill(wanted));
      }
    }
  });
});
if (!hasSharp)
  console.warn('the npm package sharp is not installed: real images are not decoded in test/data/images.test.ts');
