import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { type TensorProto, TensorProtoSchema } from 'onnx-buf';
import { describe, expect, test } from 'vitest';
import { codeOf, type DataType } from '../../../src/graph/data-type.ts';
import { bytesOf, decodeTensor, encodeTensor } from '../../../src/graph/onnx/tensor-codec.ts';
import type { Tensor } from '../../../src/graph/tensor.ts';

/** Elements of each type as they stand in the typed field, and their raw little-endian bytes by IEEE 754 / two's complement. */
const encodings: [type: DataType, typed: Partial<TensorProto>, raw: number[], data: ArrayLike<number | bigint>][] = [
  ['float32', { floatData: [1, -2.5] }, [0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0], [1, -2.5]],
  ['float64', { doubleData: [1, -2] }, [0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0], [1, -2]],
  ['float16', { int32Data: [0x3c00, 0xc100] }, [0, 0x3c, 0, 0xc1], [0x3c00, 0xc100]],
  ['bfloat16', { int32Data: [0x3f80, 0xc020] }, [0x80, 0x3f, 0x20, 0xc0], [0x3f80, 0xc020]],
  ['int8', { int32Data: [-1, 127] }, [0xff, 0x7f], [-1, 127]],
  ['uint8', { int32Data: [255, 1] }, [0xff, 1], [255, 1]],
  ['int16', { int32Data: [-2, 258] }, [0xfe, 0xff, 2, 1], [-2, 258]],
  ['uint16', { int32Data: [65535, 1] }, [0xff, 0xff, 1, 0], [65535, 1]],
  ['int32', { int32Data: [-1, 65536] }, [0xff, 0xff, 0xff, 0xff, 0, 0, 1, 0], [-1, 65536]],
  ['uint32', { uint64Data: [4294967295n, 1n] }, [0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0], [4294967295, 1]],
  ['int64', { int64Data: [-1n, 2n] }, [...Array(8).fill(0xff), 2, 0, 0, 0, 0, 0, 0, 0], [-1n, 2n]],
  [
    'uint64',
    { uint64Data: [2n ** 64n - 1n, 2n] },
    [...Array(8).fill(0xff), 2, 0, 0, 0, 0, 0, 0, 0],
    [2n ** 64n - 1n, 2n],
  ],
  ['bool', { int32Data: [1, 0] }, [1, 0], [1, 0]],
];

const proto = (fields: Partial<TensorProto>): TensorProto =>
  create(TensorProtoSchema, { name: 'W', ...fields } as never);

describe('decodeTensor', () => {
  test.each(encodings)('%s from its typed field and from raw bytes', (type, typed, raw, data) => {
    const common = { dims: [2n], dataType: codeOf(type) };
    const rawData = Uint8Array.from(raw);
    for (const message of [proto({ ...common, ...typed }), proto({ ...common, rawData })]) {
      const tensor = decodeTensor(message, 'm.onnx')!;
      expect(tensor.type).toBe(type);
      expect(Array.from(tensor.data as never)).toEqual(Array.from(data));
      expect([...encodeTensor(tensor, 'W').rawData]).toEqual(raw);
    }
  });

  test('strings', () => {
    const stringData = ['a', 'ßπ'].map((text) => new TextEncoder().encode(text));
    const tensor = decodeTensor(proto({ dims: [2n], dataType: 8, stringData }), 'm.onnx')!;
    expect(tensor.data).toEqual(['a', 'ßπ']);
    expect(encodeTensor(tensor, 'W').stringData).toEqual(stringData);
  });

  test('raw bytes at an odd address are copied, aligned ones are a view', () => {
    const buffer = new ArrayBuffer(16);
    new Float32Array(buffer, 4, 1)[0] = 1.5;
    const at = (offset: number): Tensor =>
      decodeTensor(proto({ dims: [1n], dataType: 1, rawData: new Uint8Array(buffer, offset, 4) }), 'm.onnx')!;
    expect((at(4).data as Float32Array).buffer).toBe(buffer);
    const odd = new Uint8Array(buffer);
    odd.copyWithin(9, 4, 8);
    expect((at(9).data as Float32Array)[0]).toBe(1.5);
    expect((at(9).data as Float32Array).buffer).not.toBe(buffer);
  });

  test.each([
    [
      'a hostile shape',
      { dims: [2n ** 40n], dataType: 1, rawData: new Uint8Array(8) },
      /\[1099511627776\] needs 4398046511104 bytes, the file holds 8/,
    ],
    [
      'a product beyond int64',
      { dims: [2n ** 40n, 2n ** 40n], dataType: 1 },
      /needs 1\.2.*e\+24 values, the file holds 0/,
    ],
    ['a short tensor', { dims: [3n], dataType: 1, floatData: [1, 2] }, /\[3\] needs 3 values, the file holds 2/],
    ['a negative size', { dims: [-1n], dataType: 1 }, /shape \[-1\]/],
    ['an undefined type', { dims: [1n], dataType: 0 }, /element type 0/],
    ['an unknown type', { dims: [1n], dataType: 77 }, /element type 77/],
    ['raw strings', { dims: [1n], dataType: 8, rawData: new Uint8Array(1) }, /strings are stored as raw bytes/],
  ])('%s is refused, naming the tensor', (_, fields, message) => {
    const decode = (): unknown => decodeTensor(proto(fields as Partial<TensorProto>), 'm.onnx');
    expect(decode).toThrow(message);
    expect(decode).toThrow(expect.objectContaining({ name: 'ReaderError', where: 'm.onnx, tensor "W"' }));
  });

  test.each([14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26])('type %i is left unread', (dataType) => {
    expect(decodeTensor(proto({ dims: [4n], dataType, rawData: new Uint8Array(4) }), 'm.onnx')).toBeUndefined();
  });
});

test('a tensor returns bit for bit through protobuf, NaN payloads and negative zero included', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 0, maxLength: 64 }),
      fc.constantFrom(...encodings.map(([type]) => type)),
      (bytes, type) => {
        const width = { 8: 8, 4: 4, 2: 2, 1: 1 }[
          Number(/64$/.test(type) ? 8 : /32$/.test(type) ? 4 : /16$/.test(type) ? 2 : 1)
        ]!;
        const rawData = bytes.slice(0, bytes.length - (bytes.length % width));
        const size = rawData.length / width;
        const first = decodeTensor(proto({ dims: [BigInt(size)], dataType: codeOf(type), rawData }), 'm.onnx')!;
        const wire = toBinary(TensorProtoSchema, encodeTensor(first, 'W'));
        const second = decodeTensor(fromBinary(TensorProtoSchema, wire), 'm.onnx')!;
        expect(second.dims).toEqual([size]);
        expect([...bytesOf(second)]).toEqual([...rawData]);
      },
    ),
  );
});
