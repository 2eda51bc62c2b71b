import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { describe, expect, test } from 'vitest';
import { decodeModel } from '../../../src/graph/onnx/decode.ts';
import { encodeModel, encodeModelFiles } from '../../../src/graph/onnx/encode.ts';
import { toNumbers } from '../../../src/graph/tensor.ts';
import { modelBytes, node, value } from '../../helpers/onnx-builder.ts';

/** Y = X + W with the four values of W in a file. */
function externalModel(entries: Record<string, string>, dims = [4n]): Uint8Array {
  const externalData = Object.entries(entries).map(([key, text]) => ({ key, value: text }));
  return modelBytes(21, {
    node: [node('Add', ['X', 'W'], ['Y'])],
    input: [value('X', [4])],
    output: [value('Y', [4])],
    initializer: [{ name: 'W', dims, dataType: 1, dataLocation: 1, externalData }],
  });
}

const weights = new Uint8Array(Float32Array.of(9, 1, 2, 3, 4).buffer);
const open = (bytes: Uint8Array, files: Record<string, Uint8Array> = { 'w.bin': weights }) =>
  decodeModel(bytes, { name: 'm.onnx', sibling: async (name) => files[name] });

describe('reading', () => {
  test('offset and length, with and without', async () => {
    const model = await open(externalModel({ location: 'w.bin', offset: '4', length: '16' }));
    expect(toNumbers(model.graph.initializers.get('W')!)).toEqual([1, 2, 3, 4]);
    const whole = await open(externalModel({ location: 'sub/w.bin' }), { 'sub/w.bin': weights.subarray(4) });
    expect(toNumbers(whole.graph.initializers.get('W')!)).toEqual([1, 2, 3, 4]);
    // Written again without a file beside it, the values are inside.
    const inside = fromBinary(ModelProtoSchema, encodeModel(model)).graph!.initializer[0]!;
    expect(inside.externalData).toEqual([]);
    expect(inside.rawData).toEqual(weights.subarray(4));
  });

  test.each([
    '/etc/passwd',
    '../w.bin',
    'a/../../w.bin',
    '..\\w.bin',
    'C:w.bin',
    '\\\\host\\w.bin',
    'w\0.bin',
    '',
    'a//b',
  ])('the location %j is refused before anything is opened', async (location) => {
    let opened = 0;
    const sibling = (): undefined => {
      opened++;
    };
    const reading = decodeModel(externalModel({ location }), { name: 'm.onnx', sibling });
    await expect(reading).rejects.toMatchObject({ code: 'onnx-external-path', where: 'm.onnx, tensor "W"' });
    expect(opened).toBe(0);
  });

  test.each([
    ['a missing file', { location: 'gone.bin' }, [4n], /"gone\.bin", which is not beside the model/],
    ['a short file', { location: 'w.bin', offset: '8' }, [4n], /bytes 8 to 24 of "w\.bin", which has only 20/],
    ['a wrong length', { location: 'w.bin', length: '8' }, [4n], /\[4\] needs 16 bytes, the file holds 8/],
    ['a hostile shape', { location: 'w.bin' }, [2n ** 40n], /has only 20/],
    ['a negative offset', { location: 'w.bin', offset: '-4' }, [4n], /offset = "-4"/],
    ['an endless offset', { location: 'w.bin', offset: '99999999999999999999' }, [4n], /offset = "9{20}"/],
  ])('%s is one clear error', async (_, entries, dims, message) => {
    await expect(open(externalModel(entries as never, dims))).rejects.toThrow(message);
    await expect(open(externalModel(entries as never, dims))).rejects.toMatchObject({ where: 'm.onnx, tensor "W"' });
  });

  test('a file system error is reported, not thrown raw', async () => {
    const sibling = (): Promise<never> => Promise.reject(new Error('EACCES: permission denied'));
    const reading = decodeModel(externalModel({ location: 'w.bin' }), { name: 'm.onnx', sibling });
    await expect(reading).rejects.toMatchObject({ name: 'ReaderError', message: expect.stringContaining('EACCES') });
  });
});

test('large tensors go to a file on request and come back', async () => {
  const model = await open(externalModel({ location: 'w.bin', offset: '4' }));
  const { bytes, files } = encodeModelFiles(model, { always: true, threshold: 16, name: 'out.data' });
  const data = Buffer.concat(files[0]!.parts);
  expect(files[0]!.name).toBe('out.data');
  const again = await open(bytes, { 'out.data': data });
  expect(toNumbers(again.graph.initializers.get('W')!)).toEqual([1, 2, 3, 4]);
  expect(encodeModelFiles(model).files).toEqual([]);
  expect(encodeModelFiles(model, { always: true }).files).toEqual([]);
  expect(() => encodeModelFiles(model, { always: true, threshold: 0, name: '../x' })).toThrow(
    /leaves the model's directory/,
  );
});
