import { ReaderError } from '../graph/errors.ts';
import type { Model } from '../graph/graph.ts';
import { decodeModel } from '../graph/onnx/decode.ts';
import type { Source } from './source.ts';

/** Wire types of ModelProto's fields (onnx.proto): 0 is a varint, 2 has a length. */
const modelFields: Record<number, number> = {
  1: 0,
  2: 2,
  3: 2,
  4: 2,
  5: 0,
  6: 2,
  7: 2,
  8: 2,
  14: 2,
  20: 2,
  25: 2,
  26: 2,
};
/** The same of GraphProto: every field has a length. */
const graphFields = new Set([1, 2, 5, 10, 11, 12, 13, 14, 15, 16]);

interface Field {
  number: number;
  wire: number;
  /** Where the field's content starts and ends; the end may lie beyond a file that was cut. */
  from: number;
  to: number;
}

/** Whether the top-level protobuf tags are those of a ModelProto with a graph; a cut file still matches. */
export function match({ bytes }: Source): boolean {
  const fields = scanFields(bytes, 0, bytes.length, 64);
  if (fields === undefined) return false;
  const fits = fields.every(({ number, wire }) => (modelFields[number] ?? wire) === wire);
  const graph = fields.find(({ number }) => number === 7);
  if (!fits || graph === undefined) return false;
  const inner = scanFields(bytes, graph.from, Math.min(graph.to, bytes.length), 16);
  const known = inner?.filter(({ number, wire }) => graphFields.has(number) && wire === 2).length ?? 0;
  return inner !== undefined && known * 2 >= inner.length;
}

/** Reads an ONNX model with its external weights. Throws ReaderError for broken files. */
export async function read(source: Source): Promise<Model> {
  const { bytes, name } = source;
  const last = scanFields(bytes, 0, bytes.length, Number.POSITIVE_INFINITY)?.at(-1);
  if (last !== undefined && last.to > bytes.length) {
    throw new ReaderError(`the file is cut short: it has ${bytes.length} bytes and announces at least ${last.to}`, {
      code: 'onnx-truncated',
      where: name,
      hint: 'download or export it again',
    });
  }
  return decodeModel(bytes, { name, sibling: (file) => source.sibling(file) });
}

/** The first fields of a protobuf message, or undefined when it is none. The last one may reach beyond the end. */
function scanFields(bytes: Uint8Array, start: number, end: number, limit: number): Field[] | undefined {
  const fields: Field[] = [];
  let at = start;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; at < end && shift < 70; shift += 7) {
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return Number.NaN;
  };
  while (at < end && fields.length < limit) {
    const tag = varint();
    const [number, wire] = [Math.floor(tag / 8), tag % 8];
    if (!(number > 0 && number < 2 ** 29)) return fields.length > 0 && at >= end ? fields : undefined;
    let from = at;
    if (wire === 0) varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const length = varint();
      if (Number.isNaN(length)) return at >= end ? fields : undefined;
      from = at;
      at += length;
    } else return undefined;
    fields.push({ number, wire, from, to: at });
  }
  return fields;
}
