import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { encodeNpy } from '../../src/data/npy.ts';
import { decodeNpz } from '../../src/data/npz.ts';
import { DataError } from '../../src/graph/errors.ts';
import { filledTensor, tensorOf, toNumbers } from '../../src/graph/tensor.ts';

const read = (name: string) => new Uint8Array(readFileSync(new URL(`../fixtures/data/${name}`, import.meta.url)));
const small = encodeNpy(tensorOf('float32', [3], [1, 2, 3]));

function complaint(bytes: Uint8Array, limit?: number): string {
  try {
    decodeNpz(bytes, 'bad.npz', limit);
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    return (error as DataError).describe();
  }
  throw new Error('nothing was thrown');
}

/** The archive with a field of its first directory entry overwritten. */
function patch(bytes: Uint8Array, offset: number, value: number, width: 16 | 32): Uint8Array {
  const out = bytes.slice();
  const view = new DataView(out.buffer);
  const directory = view.getUint32(out.length - 22 + 16, true);
  if (width === 16) view.setUint16(directory + offset, value, true);
  else view.setUint32(directory + offset, value, true);
  return out;
}

describe('decodeNpz', () => {
  it('reads what numpy.savez and savez_compressed wrote', () => {
    const plain = decodeNpz(read('plain.npz'), 'plain.npz');
    expect([...plain.keys()]).toEqual(['x', 'y']);
    expect(plain.get('x')).toEqual(tensorOf('float32', [2, 4], [0, 1, 2, 3, 12, 13, 14, 15]));
    expect(plain.get('y')).toEqual(tensorOf('int64', [2], [0, 1]));
    const packed = decodeNpz(read('packed.npz'), 'packed.npz');
    expect(packed.get('x')).toEqual(filledTensor('float32', [100, 100], 0));
    expect(toNumbers(packed.get('y')!)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it('refuses an archive by its declared size before inflating, to the byte', () => {
    const bytes = zipSync({ 'a.npy': small, 'b.npy': small });
    expect(decodeNpz(bytes, 'a.npz', 2 * small.length).size).toBe(2);
    expect(complaint(bytes, 2 * small.length - 1)).toMatch(
      new RegExp(`bad.npz: unpacks to ${2 * small.length} bytes, over the limit of ${2 * small.length - 1}`),
    );
  });

  it('refuses a bomb that unpacks to more than it declares, or declares more than deflate can hold', () => {
    const zeros = encodeNpy(filledTensor('float32', [1000, 1000], 0));
    const bytes = zipSync({ 'a.npy': zeros });
    expect(bytes.length).toBeLessThan(10_000);
    expect(complaint(patch(bytes, 24, 128, 32))).toMatch(/cannot be inflated|declares 128|checksum/);
    expect(complaint(patch(bytes, 24, 0xf0000000, 32))).toMatch(/more than \d+ packed bytes can hold/);
    expect(complaint(bytes, 1e6)).toMatch(/over the limit/);
  });

  it.each([
    ['an encrypted entry', patch(zipSync({ 'a.npy': small }), 8, 1, 16), /\[a.npy\]: is encrypted; save it without/],
    ['another method', patch(zipSync({ 'a.npy': small }), 10, 14, 16), /zip method 14; stored \(0\) and deflate \(8\)/],
    ['zip64 sizes', patch(zipSync({ 'a.npy': small }), 24, 0xffffffff, 32), /zip64/],
    ['a wrong checksum', patch(zipSync({ 'a.npy': small }), 16, 1, 32), /checksum does not match/],
    ['a wrong offset', patch(zipSync({ 'a.npy': small }), 42, 7, 32), /not where the zip directory says/],
    ['an offset beyond the end', patch(zipSync({ 'a.npy': small }), 42, 1e9, 32), /not where the zip directory says/],
    ['a packed size beyond the end', patch(zipSync({ 'a.npy': small }), 20, 1e9, 32), /truncated/],
    ['something that is no array', zipSync({ 'a.txt': small }), /holds "a.txt", which is not an array/],
    ['a broken array', zipSync({ 'a.npy': small.subarray(1) }), /bad.npz\[a\]: not a .npy file/],
    ['nothing inside', zipSync({}), /holds no arrays/],
    ['no zip at all', new Uint8Array(100), /not a zip archive, or truncated/],
    ['no bytes', new Uint8Array(), /not a zip archive, or truncated/],
    ['a cut archive', zipSync({ 'a.npy': small }).subarray(0, 150), /not a zip archive, or truncated/],
  ])('says of %s what is wrong', (_, bytes, text) => {
    expect(complaint(bytes)).toMatch(text);
  });

  it('never lets anything but a DataError out, and never a changed number in', () => {
    const original = read('plain.npz');
    const truth = decodeNpz(original, 'plain.npz');
    fc.assert(
      fc.property(fc.nat(original.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = original.slice();
        bytes[at]! ^= flip;
        try {
          for (const [key, tensor] of decodeNpz(bytes, 'fuzzed.npz')) {
            if (truth.has(key)) expect(tensor).toEqual(truth.get(key));
          }
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
