import fc from 'fast-check';
import { zipSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/graph/errors.ts';
import { readers, readModelSource } from '../../src/readers/index.ts';
import { match } from '../../src/readers/onnx.ts';
import { memorySource } from '../../src/readers/source.ts';
import { modelBytes, node, tensor, value } from '../helpers/onnx-builder.ts';

const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const zip = (...names: string[]): Uint8Array => zipSync(Object.fromEntries(names.map((name) => [name, text('x')])));
const latin = (content: string): Uint8Array => Uint8Array.from(content, (char) => char.charCodeAt(0));

const model = modelBytes(17, {
  node: [node('Gemm', ['X', 'W'], ['Y'])],
  input: [value('X', [1, 2])],
  output: [value('Y', [1, 2])],
  initializer: [tensor('W', [2, 2], [1, 2, 3, 4])],
});
const read = (name: string, bytes: Uint8Array): Promise<unknown> => readModelSource(memorySource(name, bytes));

test('ONNX is known by its content, whatever its name', async () => {
  for (const name of ['model.onnx', 'model.bin', 'model']) {
    await expect(read(name, model)).resolves.toMatchObject({ format: 'onnx', name, sourceOpset: 17 });
  }
});

test('a network in YAML is read by its reader', async () => {
  const yaml = text('input: [4]\nlayers:\n  - dense: 3\n');
  await expect(read('net.txt', yaml)).resolves.toMatchObject({ opset: 21 });
});

describe('what is no model is named, with a way out', () => {
  test.each<[string, string, Uint8Array, RegExp, RegExp]>([
    ['empty', 'm.onnx', new Uint8Array(), /the file is empty/, /export/],
    ['an empty spec', 'm.yaml', new Uint8Array(), /the file is empty/, /expected a network with "input" and "layers"/],
    ['a spec of comments', 'm.yml', text('# later\n'), /the spec is empty/, /expected a network with "input"/],
    ['a spec of blanks', 'm.json', text(' \n'), /the spec is empty/, /the shortest is {input: 784/],
    ['HTML', 'm.onnx', text('\n<!DOCTYPE html><html><body>404'), /HTML page/, /download/],
    [
      'Git LFS',
      'm.onnx',
      text('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n'),
      /Git LFS pointer/,
      /git lfs pull/,
    ],
    ['PyTorch', 'm.pt', zip('archive/data.pkl', 'archive/data/0'), /PyTorch checkpoint/, /torch\.onnx\.export/],
    ['old PyTorch', 'm.pt', latin('\x80\x02\x8a\x0al\xfc\x9c'), /Python pickle/, /torch\.onnx\.export/],
    ['Keras', 'm.keras', zip('metadata.json', 'config.json'), /Keras 3 model/, /format="onnx"/],
    ['npz', 'm.npz', zip('arr_0.npy'), /NumPy archive/, /ONNX/],
    ['zip', 'm.zip', zip('a.txt'), /a zip archive/, /unpack/],
    ['HDF5', 'm.h5', latin('\x89HDF\r\n\x1a\n\0\0'), /HDF5/, /format="onnx"/],
    [
      'safetensors',
      'm.safetensors',
      latin('\x10\0\0\0\0\0\0\0{"w":{"dtype":1}}'),
      /safetensors/,
      /torch\.onnx\.export/,
    ],
    ['TFLite', 'm.tflite', latin('\x1c\0\0\0TFL3\0\0'), /TensorFlow Lite/, /tf2onnx/],
    ['ORT', 'm.ort', latin('\x1c\0\0\0ORTM\0\0'), /onnxruntime's own format/, /\.onnx/],
    ['GGUF', 'm.gguf', latin('GGUF\x03\0\0\0'), /GGUF/, /torch\.onnx\.export/],
    ['gzip', 'm.tgz', latin('\x1f\x8b\x08\0'), /gzip/, /unpack/],
    ['npy', 'x.npy', latin('\x93NUMPY\x01\0'), /NumPy array/, /--input/],
    ['Python', 'net.py', text('import torch\n'), /Python source/, /torch\.onnx\.export/],
    ['prose', 'notes', text('Once upon a time'), /starting with "Once upon a "/, /torch\.onnx\.export/],
    ['noise', 'm.bin', Uint8Array.of(0xff, 0xfe, 0, 1), /bytes ff fe 00 01/, /ONNX/],
    [
      'text called .onnx',
      'm.onnx',
      text('hello there, no model'),
      /not a (whole|readable) ONNX model|cut short/,
      /export/,
    ],
  ])('%s', async (_, name, bytes, message, hint) => {
    await expect(read(name, bytes)).rejects.toMatchObject({
      name: 'ReaderError',
      where: name,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });
});

test('a file cut anywhere is a ReaderError of one line, or was whole without its tail', async () => {
  for (let length = 1; length < model.length; length++) {
    const error = await read('m.onnx', model.slice(0, length)).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).describe()).toMatch(/^m\.onnx.*; .*$/);
  }
  await expect(read('m.onnx', model.slice(0, 60))).rejects.toThrow(
    /cut short: it has 60 bytes and announces at least \d+/,
  );
});

test('no damage lets a raw error escape', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(model.length - 1), fc.nat(255), fc.nat(255), async (at, byte, next) => {
      const damaged = model.slice();
      damaged[at] = byte;
      damaged[Math.min(at + 1, model.length - 1)] = next;
      const error = await read('m.onnx', damaged).then(
        () => undefined,
        (caught: unknown) => caught,
      );
      if (error !== undefined) expect(error).toBeInstanceOf(UserError);
    }),
    { numRuns: 500, seed: 1 },
  );
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      await expect(read('m.onnx', bytes)).rejects.toBeInstanceOf(UserError);
      expect(typeof match(memorySource('m', bytes))).toBe('boolean');
    }),
    { numRuns: 300, seed: 1 },
  );
});

test.each([
  [1, /opset 1, expected 7 to 26/, /opset_version=17/],
  [6, /opset 6, expected 7 to 26/, /version_converter/],
  [27, /opset 27, expected 7 to 26/, /opset_version=21/],
])('opset %i is refused with the range', async (opset, message, hint) => {
  const bytes = modelBytes(opset, { node: [node('Relu', ['X'], ['Y'])], input: [value('X')], output: [value('Y')] });
  await expect(read('m.onnx', bytes)).rejects.toMatchObject({
    message: expect.stringMatching(message),
    hint: expect.stringMatching(hint),
  });
});

test('only protobuf with a graph matches as ONNX', () => {
  expect(match(memorySource('m', model))).toBe(true);
  expect(match(memorySource('m', model.slice(0, 70)))).toBe(true);
  expect(match(memorySource('m', text('layers:\n  - dense: 10\n')))).toBe(false);
  expect(match(memorySource('m', text('{"layers": []}')))).toBe(false);
  expect(readers[0]).toMatchObject({ format: 'onnx' });
});
