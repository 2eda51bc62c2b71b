import { ReaderError } from '../graph/errors.ts';
import type { Model } from '../graph/graph.ts';
import { recognize } from './foreign.ts';
import * as onnx from './onnx.ts';
import type { Reader, Source } from './source.ts';
import * as spec from './spec/index.ts';

/** The formats that can be read; the first whose content matches takes a file. */
export const readers: Reader[] = [
  { format: 'onnx', extensions: ['.onnx', '.pb'], match: onnx.match, read: onnx.read },
  { format: 'spec', extensions: spec.extensions, match: spec.match, read: spec.read },
];

/**
 * Reads a model of any known format: content decides, then the file's extension.
 * Throws ReaderError that says what the file is, where it can be told, and how to get a readable one.
 */
export async function readModelSource(source: Source): Promise<Model> {
  const { name, bytes } = source;
  if (bytes.length === 0) {
    const isSpec = spec.extensions.some((ending) => name.toLowerCase().endsWith(ending));
    throw new ReaderError('the file is empty', {
      code: 'empty-file',
      where: name,
      hint: isSpec ? spec.expected : 'download or export the model again',
    });
  }
  const byContent = readers.find((reader) => reader.match(source));
  if (byContent !== undefined) return byContent.read(source);
  const foreign = recognize(source);
  if (foreign !== undefined) {
    throw new ReaderError(`this is ${foreign.what}`, { code: 'foreign-format', where: name, hint: foreign.hint });
  }
  const byExtension = readers.find(({ extensions }) =>
    extensions.some((ending) => name.toLowerCase().endsWith(ending)),
  );
  if (byExtension !== undefined) return byExtension.read(source);
  throw new ReaderError(`the content (${describeStart(bytes)}) is no known model format`, {
    code: 'unknown-format',
    where: name,
    hint: 'accepted: an ONNX model (torch.onnx.export, tf2onnx and keras export to it) or a network in YAML or JSON',
  });
}

function describeStart(bytes: Uint8Array): string {
  const start = bytes.subarray(0, 12);
  const isText = start.every((byte) => byte >= 0x20 && byte < 0x7f);
  if (isText) return `starting with "${String.fromCharCode(...start)}"`;
  return `starting with the bytes ${Array.from(start, (byte) => byte.toString(16).padStart(2, '0')).join(' ')}`;
}
