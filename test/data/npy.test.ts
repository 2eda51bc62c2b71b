import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeNpy, encodeNpy } from '../../src/data/npy.ts';
import { arrayOf, type DataType } from '../../src/graph/data-type.ts';
import { DataError } from '../../src/graph/errors.ts';
import { sizeOf, type Tensor, tensorOf, toNumbers } from '../../src/graph/tensor.ts';

const read = (name: string) => new Uint8Array(readFileSync(new URL(`../fixtures/data/${name}`, import.meta.url)));
const load = (name: string) => decodeNpy(read(name), name);
const ramp = Array.from({ length: 24 }, (_, i) => i);

/** The one line a broken file earns. */
function complaint(bytes: Uint8Array): string {
  try {
    decodeNpy(bytes, 'bad.npy');
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    const line = (error as DataError).describe();
    expect(line).not.toContain('\n');
    return line;
  }
  throw new Error('nothing was thrown');
}

/** A version-1 file around a header's text. */
function withHeader(header: string, content: Uint8Array = new Uint8Array(), version = 1): Uint8Array {
  const text = new TextEncoder().encode(header);
  const length = version === 1 ? [text.length & 255, text.length >> 8] : [text.length & 255, text.length >> 8, 0, 0];
  return new Uint8Array([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0, ...length, ...text, ...content]);
}

describe('decodeNpy on files that numpy wrote', () => {
  it.each([
    ['f2', 'float16', 12],
    ['f4', 'float32', 12],
    ['f8', 'float64', 12],
    ['i1', 'int8', 12],
    ['i2', 'int16', 12],
    ['i4', 'int32', 12],
    ['i8', 'int64', 12],
    ['u1', 'uint8', 0],
    ['u2', 'uint16', 0],
    ['u4', 'uint32', 0],
    ['u8', 'uint64', 0],
  ])('reads %s as %s', (kind, type, shift) => {
    const tensor = load(`ramp-${kind}.npy`);
    expect(tensor.type).toBe(type);
    expect(tensor.dims).toEqual([2, 3, 4]);
    expect(toNumbers(tensor)).toEqual(ramp.map((value) => value - shift));
  });

  it.each(['f2', 'f4', 'f8', 'i8', 'u2'])('turns big-endian %s round', (kind) => {
    expect(toNumbers(load(`big-${kind}.npy`))).toEqual(ramp);
  });

  it.each(['fortran.npy', 'fortran-i8.npy'])('puts the Fortran order of %s into row-major order', (name) => {
    expect(load(name).dims).toEqual([2, 3, 4]);
    expect(toNumbers(load(name))).toEqual(ramp);
  });

  it.each([1, 2, 3])('reads version %i', (version) => {
    expect(load(`version-${version}.npy`)).toEqual(tensorOf('float32', [2, 2], [1, 2, 3, 4]));
  });

  it('reads bool, scalars, empty arrays and special halves', () => {
    expect(load('bool.npy')).toEqual(
      tensorOf(
        'bool',
        [2, 3, 4],
        ramp.map((value) => Number(value % 3 === 0)),
      ),
    );
    expect(load('scalar.npy')).toEqual(tensorOf('float64', [], [2.5]));
    expect(load('empty.npy')).toEqual(tensorOf('float32', [0, 3], []));
    expect(toNumbers(load('special.npy'))).toEqual([NaN, Infinity, -Infinity, -0, 2 ** -24, 65504]);
  });

  it('refuses pickles and says why', () => {
    expect(complaint(read('object.npy'))).toMatch(/"\|O".*pickle.*run any program.*astype/);
  });

  it.each([
    ['complex.npy', /"<c8" is not supported; complex numbers are not read/],
    ['text.npy', /"<U2" is not supported; types that are read: f2, f4/],
    ['structured.npy', /structured array/],
  ])('refuses %s', (name, text) => {
    expect(complaint(read(name))).toMatch(text);
  });
});

describe('decodeNpy on broken files', () => {
  const good = (shape: string) => `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }\n`;

  it.each([
    ['empty', new Uint8Array(), /begins with nothing/],
    ['another format', new TextEncoder().encode('PK\x03\x04 and so on'), /begins with 50 4b 03 04.*numpy.save/],
    ['the magic alone', read('bool.npy').subarray(0, 9), /truncated: 9 bytes/],
    ['version 4', withHeader(good('(1,)'), new Uint8Array(4), 4), /version 4.0 is unknown; versions 1, 2 and 3/],
    ['a cut header', read('bool.npy').subarray(0, 60), /header claims 118 bytes, 50 follow/],
    ['cut content', read('ramp-f4.npy').subarray(0, 200), /shape \(2, 3, 4\) of float32, 96 bytes, but 72 follow/],
    ['two arrays', withHeader(good('(1,)'), new Uint8Array(8)), /4 bytes follow the array.*savez/],
    ['a giant shape', withHeader(good('(4294967296, 4294967296)')), /truncated or its header wrong/],
    ['an unsafe dim', withHeader(good('(99999999999999999999,)')), /not a tuple of integers/],
    ['a negative dim', withHeader(good('(-1,)')), /shape is \(-1\), not a tuple of integers from 0 up/],
    ['a shape that is a number', withHeader(good('(3)')), /shape is 3, not a tuple/],
    ['a float dim', withHeader(good('(3.0,)')), /bad .npy header/],
    ['65 dims', withHeader(good(`(${'1, '.repeat(65)})`), new Uint8Array(4)), /65 dimensions/],
    [
      'a missing key',
      withHeader("{'descr': '<f4', 'shape': (1,)}"),
      /keys descr, fortran_order, shape; found descr, shape/,
    ],
    ['a call', withHeader("{'descr': __import__('os'), 'fortran_order': False, 'shape': ()}"), /expected a string/],
    ['an expression', withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (1+1,)}"), /expected '\)'/],
    ['a repeated key', withHeader("{'shape': (), 'shape': ()}"), /'shape' only once/],
    ['no dict', withHeader("'descr'"), /expected a dict, found 'descr'/],
    ['deep nesting', withHeader('('.repeat(9000)), /less nesting/],
    ['a fortran_order that is a number', withHeader(good('(1,)').replace('False', '0')), /not True or False/],
    ['a type of the prototype', withHeader(good('(1,)').replace('<f4', '<constructor')), /not supported/],
  ])('says of %s what is wrong', (_, bytes, text) => {
    expect(complaint(bytes)).toMatch(text);
  });

  it('never lets anything but a DataError out, whatever byte is changed', () => {
    const original = read('ramp-i2.npy');
    fc.assert(
      fc.property(fc.nat(original.length - 1), fc.nat(255), fc.nat(original.length), (at, byte, cut) => {
        const bytes = original.slice(0, cut);
        if (at < cut) bytes[at] = byte;
        try {
          decodeNpy(bytes, 'fuzzed.npy');
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('reads a Python 2 header and bytes that start at an odd offset', () => {
    const bytes = withHeader("{'descr': '<f8', 'fortran_order': False, 'shape': (1L,)}", new Uint8Array(8));
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    expect(decodeNpy(shifted.subarray(1), 'odd.npy')).toEqual(tensorOf('float64', [1], [0]));
  });
});

it('copies a Buffer, whose slices share memory', () => {
  const buffer = Buffer.concat([Buffer.from('padding'), read('ramp-f4.npy')]).subarray(7);
  const tensor = decodeNpy(buffer, 'x.npy');
  buffer.fill(0);
  expect(toNumbers(tensor)).toEqual(ramp.map((value) => value - 12));
});

describe('encodeNpy', () => {
  it.each(['ramp-f4.npy', 'ramp-i8.npy', 'ramp-f2.npy', 'ramp-u1.npy', 'bool.npy'])(
    'writes %s as numpy does',
    (name) => {
      expect(encodeNpy(load(name))).toEqual(read(name));
    },
  );

  it('round-trips every type and shape, NaN and -0 included', () => {
    const types: DataType[] = ['float32', 'float64', 'float16', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint64'];
    const tensors = fc.tuple(fc.constantFrom(...types), fc.array(fc.nat(4), { maxLength: 4 })).chain(([type, dims]) => {
      const Storage = arrayOf(type);
      const bytes = sizeOf(dims) * Storage.BYTES_PER_ELEMENT;
      return fc
        .uint8Array({ minLength: bytes, maxLength: bytes })
        .map((raw): Tensor => ({ type, dims, data: new Storage(raw.slice().buffer) }));
    });
    fc.assert(
      fc.property(tensors, (tensor) => {
        const bytes = encodeNpy(tensor);
        const back = decodeNpy(bytes, 'x.npy');
        expect(back.type).toBe(tensor.type);
        expect(back.dims).toEqual(tensor.dims);
        expect(encodeNpy(back)).toEqual(bytes);
        expect((bytes.length - (tensor.data as Float32Array).byteLength) % 64).toBe(0);
      }),
    );
  });

  it('widens bfloat16, and refuses strings', () => {
    const brain = tensorOf('bfloat16', [2], [1.5, -2]);
    expect(decodeNpy(encodeNpy(brain), 'x.npy')).toEqual(tensorOf('float32', [2], [1.5, -2]));
    expect(() => encodeNpy({ type: 'string', dims: [1], data: ['a'] })).toThrow(DataError);
  });
});
