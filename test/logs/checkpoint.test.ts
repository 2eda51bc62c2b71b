import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataError } from '../../src/graph/errors.ts';
import { type Tensor, tensorOf } from '../../src/graph/tensor.ts';
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from '../../src/logs/checkpoint.ts';

const join = (parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

const sample: Checkpoint = {
  step: 12,
  tensors: new Map<string, Tensor>([
    ['w', { type: 'float32', dims: [2, 2], data: Float32Array.of(Number.NaN, -0, 2 ** -149, Infinity) }],
    // ONNX exporters number their initializers.
    ['25', { type: 'int64', dims: [1], data: BigInt64Array.of(-(2n ** 63n)) }],
    ['half', { type: 'float16', dims: [3], data: Uint16Array.of(1, 0xfc00, 0x7e01) }],
    ['mask', { type: 'bool', dims: [5], data: Uint8Array.of(1, 0, 1, 1, 0) }],
    ['__proto__', tensorOf('float64', [], [0.1])],
    ['empty', tensorOf('float32', [0, 3], [])],
  ]),
  state: { epoch: 3, plateau: { best: Infinity, wait: 0 }, shuffled: [2, 0, 1], label: 'ε', last: Number.NaN },
};

describe('a checkpoint', () => {
  it('comes back bit by bit, wherever it lies in memory', () => {
    const bytes = join(encodeCheckpoint(sample));
    for (let shift = 0; shift < 8; shift++) {
      const shifted = new Uint8Array(bytes.length + shift);
      shifted.set(bytes, shift);
      const { step, tensors, state } = decodeCheckpoint(shifted.subarray(shift), 'f');
      expect(step).toBe(12);
      expect(state).toEqual(sample.state);
      expect([...tensors.keys()].sort()).toEqual([...sample.tensors.keys()].sort());
      for (const [name, { type, dims, data }] of sample.tensors) {
        const found = tensors.get(name)!;
        expect([found.type, found.dims]).toEqual([type, dims]);
        const raw = (array: ArrayBufferView) => [...new Uint8Array(array.buffer, array.byteOffset, array.byteLength)];
        expect(raw(found.data as Float32Array)).toEqual(raw(data as Float32Array));
      }
    }
  });

  it('is a safetensors file', () => {
    const bytes = join(encodeCheckpoint(sample));
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    expect(header.w).toMatchObject({ dtype: 'F32', shape: [2, 2] });
    for (const value of Object.values(header.__metadata__)) expect(typeof value).toBe('string');
    // Without holes or overlaps, to the last byte.
    const places = Object.entries(header).flatMap(([name, entry]) =>
      name === '__metadata__' ? [] : [(entry as { data_offsets: [number, number] }).data_offsets],
    );
    places.sort(([a, b], [c, d]) => a - c || b - d);
    const ends = places.map(([, to]) => to);
    expect(places.map(([from]) => from)).toEqual([0, ...ends.slice(0, -1)]);
    expect(ends.at(-1)).toBe(bytes.length - 8 - length);
  });

  it('is refused when any bit of it is wrong, and when it is cut anywhere', () => {
    const bytes = join(encodeCheckpoint(sample));
    const refused = (broken: Uint8Array) => {
      expect(() => decodeCheckpoint(broken, 'f')).toThrow(DataError);
    };
    for (let cut = 0; cut < bytes.length; cut++) refused(bytes.subarray(0, cut));
    for (let at = 0; at < bytes.length; at++)
      refused(bytes.map((byte, i) => (i === at ? byte ^ (1 << (at % 8)) : byte)));
    refused(join([bytes, Uint8Array.of(0)]));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), refused));
  });

  it('allocates nothing for sizes that are only claimed', () => {
    const bytes = new Uint8Array(64);
    new DataView(bytes.buffer).setBigUint64(0, 2n ** 50n, true);
    expect(() => decodeCheckpoint(bytes, 'f')).toThrow('a header of 1125899906842624 bytes');
  });

  it('holds no strings', () => {
    const tensors = new Map<string, Tensor>([['s', { type: 'string', dims: [1], data: ['a'] }]]);
    expect(() => encodeCheckpoint({ step: 0, tensors, state: {} })).toThrow('a string tensor cannot be saved');
  });
});
