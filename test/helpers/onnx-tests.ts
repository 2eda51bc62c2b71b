import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { fromBinary } from '@bufbuild/protobuf';
import { TensorProtoSchema } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { decodeTensor } from '../../src/graph/onnx/tensor-codec.ts';
import { type Tensor, toFloat64 } from '../../src/graph/tensor.ts';

/** One test of the ONNX project: a model, inputs in the order of its inputs, expected outputs. */
export interface OnnxTest {
  name: string;
  model: Uint8Array;
  inputs: Uint8Array[];
  outputs: Uint8Array[];
}

/** The tests in a `.tgz` of the ONNX project's layout: <name>/model.onnx, <name>/test_data_set_0/*.pb. */
export function readTestArchive(path: string): OnnxTest[] {
  return gather(readTar(gunzipSync(readFileSync(path))));
}

/** The tests unpacked in a folder. */
export function readTestFolder(folder: string): OnnxTest[] {
  const files = readdirSync(folder, { recursive: true }) as string[];
  return gather(
    files.filter((file) => /\.(pb|onnx)$/.test(file)).map((file) => [file, readFileSync(`${folder}/${file}`)] as const),
  );
}

export const fixturesAvailable = existsSync('../shared/fixtures/onnx/node-tests.tgz');

function gather(files: Iterable<readonly [string, Uint8Array]>): OnnxTest[] {
  const tests = new Map<string, OnnxTest>();
  for (const [path, bytes] of files) {
    const match = /([^/]+)\/(?:(model)\.onnx|test_data_set_0\/(input|output)_(\d+)\.pb)$/.exec(path);
    if (match === null) continue;
    const [, name = '', isModel, kind, index] = match;
    const test = tests.get(name) ?? { name, model: new Uint8Array(), inputs: [], outputs: [] };
    tests.set(name, test);
    if (isModel) test.model = bytes;
    else test[kind === 'input' ? 'inputs' : 'outputs'][Number(index)] = bytes;
  }
  return [...tests.values()].filter(({ model }) => model.length > 0).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Regular files of an uncompressed ustar archive (POSIX.1-1988): 512-byte headers, name at 0, size in octal at 124. GNU
 * tar puts a name of more than 100 characters into an entry of type L before the file's own.
 */
function* readTar(tar: Uint8Array): Generator<readonly [string, Uint8Array]> {
  const text = (from: number, length: number): string =>
    Buffer.from(tar.subarray(from, from + length))
      .toString('latin1')
      .replace(/\0.*$/s, '');
  let longName = '';
  for (let at = 0; at + 512 <= tar.length; ) {
    const name = text(at, 100);
    const size = Number.parseInt(text(at + 124, 12), 8) || 0;
    const prefix = text(at + 257, 5) === 'ustar' ? text(at + 345, 155) : '';
    const kind = text(at + 156, 1);
    if (/^0?$/.test(kind) && name !== '') {
      yield [longName || (prefix.trim() ? `${prefix}/${name}` : name), tar.subarray(at + 512, at + 512 + size)];
    }
    longName = kind === 'L' ? text(at + 512, size) : '';
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

/** A tensor from a `.pb`; undefined for sequences, optionals and element types that onnxruntime-node cannot pass. */
export function readPb(bytes: Uint8Array): Tensor | undefined {
  try {
    const tensor = decodeTensor(fromBinary(TensorProtoSchema, bytes), 'pb');
    return tensor?.type === 'bfloat16' ? undefined : tensor;
  } catch {
    return undefined;
  }
}

/** Runs a model on inputs in order. Throws what onnxruntime throws. */
export async function runModel(model: Uint8Array, inputs: readonly Tensor[]): Promise<Tensor[]> {
  const session = await ort.InferenceSession.create(model, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  try {
    const feeds: Record<string, ort.Tensor> = {};
    session.inputNames.slice(0, inputs.length).forEach((name, i) => {
      const { type, data, dims } = inputs[i]!;
      feeds[name] = new ort.Tensor(type as ort.Tensor.Type, data as never, dims as number[]);
    });
    const results = await session.run(feeds);
    return session.outputNames.map((name) => {
      const { type, data, dims } = results[name]!;
      return { type: type as Tensor['type'], dims: [...dims], data: data as Tensor['data'] };
    });
  } finally {
    await session.release();
  }
}

/** Where two tensors differ by more than the ONNX runner allows (1e-3 relative, 1e-7 absolute; 1e-2 for float16). */
export function difference(actual: Tensor, expected: Tensor): string | undefined {
  if (actual.type !== expected.type) return `type ${actual.type}, expected ${expected.type}`;
  if (actual.dims.join() !== expected.dims.join()) return `shape [${actual.dims}], expected [${expected.dims}]`;
  if (Array.isArray(actual.data)) {
    const strings = expected.data as string[];
    const at = actual.data.findIndex((text, i) => text !== strings[i]);
    return at < 0 ? undefined : `[${at}] "${actual.data[at]}", expected "${strings[at]}"`;
  }
  const [a, b] = [toFloat64(actual), toFloat64(expected)];
  const relative = actual.type === 'float16' ? 1e-2 : 1e-3;
  for (let i = 0; i < a.length; i++) {
    if (Object.is(a[i], b[i]) || a[i] === b[i]) continue;
    if (!(Math.abs(a[i]! - b[i]!) <= relative * Math.abs(b[i]!) + 1e-6)) return `[${i}] ${a[i]}, expected ${b[i]}`;
  }
  return undefined;
}
