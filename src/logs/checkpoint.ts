import { arrayOf, type DataType, type TypedArray } from '../graph/data-type.ts';
import { DataError } from '../graph/errors.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { decodeJson, encodeJson, type JsonValue } from './json-values.ts';
import { crc32c } from './tensorboard/crc32c.ts';

/** Everything a training run needs to go on exactly where it stood. */
export interface Checkpoint {
  /** Steps done. */
  readonly step: number;
  /** Parameters, optimizer moments, running statistics, by name. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Counters, positions of random streams, schedules: what JSON holds, NaN and infinities included. */
  readonly state: { readonly [key: string]: JsonValue };
}

const FORMAT = 'gradient-doctor/checkpoint@1';
const MOST_HEADER = 2 ** 26;
const MOST_DIMS = 32;

/** Element types by safetensors' names (huggingface/safetensors, README, "Format"). */
const names: Partial<Record<DataType, string>> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint64: 'U64',
  uint32: 'U32',
  uint16: 'U16',
  uint8: 'U8',
  bool: 'BOOL',
};
const types = new Map(Object.entries(names).map(([type, name]) => [name, type as DataType]));
/** What stands before the header's eight checksum digits, which are zeros while the checksum is taken. */
const CHECKSUM_KEY = '"crc32c":"';

/**
 * A checkpoint as the parts of a safetensors file: the header, then each tensor's bytes (views, not copies). The
 * header's metadata hold step, state and a CRC32C over everything. Throws DataError for string tensors.
 */
export function encodeCheckpoint({ step, tensors, state }: Checkpoint): Uint8Array[] {
  // Larger elements first keeps every tensor aligned to its element size.
  const sorted = [...tensors].sort(
    ([a, { type: s }], [b, { type: t }]) => sizeOfType(t) - sizeOfType(s) || compare(a, b),
  );
  const entries: [string, unknown][] = [
    ['__metadata__', { crc32c: '00000000', format: FORMAT, step: String(step), state: encodeJson(state) }],
  ];
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { type, dims, data }] of sorted) {
    const dtype = names[type];
    if (dtype === undefined || Array.isArray(data) || name === '__metadata__') {
      throw new DataError(`a ${type} tensor cannot be saved`, { code: 'checkpoint', where: name });
    }
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    entries.push([name, { dtype, shape: dims, data_offsets: [offset, offset + bytes.length] }]);
    parts.push(bytes);
    offset += bytes.length;
  }
  // Written out by hand: an object would put names that are integers before the metadata.
  const text = `{${entries.map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(',')}}`;
  const json = new TextEncoder().encode(text);
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(json, 8);
  const checksum = parts.reduce((crc, part) => crc32c(part, crc), crc32c(header));
  header.set(new TextEncoder().encode(checksum.toString(16).padStart(8, '0')), checksumAt(header));
  return [header, ...parts];
}

/**
 * Reads a checkpoint; its tensors may be views of `bytes`. Throws DataError for anything but a whole, undamaged one:
 * sizes are checked before anything is allocated.
 */
export function decodeCheckpoint(bytes: Uint8Array, where: string): Checkpoint {
  const broken = (message: string, cause?: unknown) =>
    new DataError(`is no usable checkpoint: ${message}`, { code: 'checkpoint', where, cause });
  if (bytes.length < 8) throw broken(`${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getBigUint64(0, true);
  if (length > MOST_HEADER || Number(length) > bytes.length - 8) throw broken(`a header of ${length} bytes`);
  const start = 8 + Number(length);
  const header = bytes.slice(0, start);
  const at = checksumAt(header);
  if (at < 0) throw broken('it holds no checksum');
  const stated = new TextDecoder().decode(header.subarray(at, at + 8));
  header.fill(0x30, at, at + 8);
  const found = crc32c(bytes.subarray(start), crc32c(header)).toString(16).padStart(8, '0');
  if (found !== stated) throw broken(`its checksum is ${found}, expected ${stated}`);
  try {
    return readParts(JSON.parse(new TextDecoder().decode(header.subarray(8))), bytes.subarray(start));
  } catch (error) {
    throw broken((error as Error).message, error);
  }
}

/** Throws Error saying what is wrong with the header. */
function readParts(header: unknown, content: Uint8Array): Checkpoint {
  const { __metadata__: metadata, ...entries } = header as Record<string, Record<string, unknown>>;
  if (metadata?.format !== FORMAT) throw new Error(`expected the format ${FORMAT}, found ${metadata?.format}`);
  const step = Number(metadata.step);
  const state = decodeJson(String(metadata.state));
  if (!Number.isSafeInteger(step)) throw new Error(`a step of ${metadata.step}`);
  if (typeof state !== 'object' || state === null) throw new Error('its state is no object');
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(entries)) tensors.set(name, readEntry(name, entry, content));
  return { step, tensors, state: state as Checkpoint['state'] };
}

function readEntry(name: string, entry: Record<string, unknown>, content: Uint8Array): Tensor {
  const { dtype, shape, data_offsets: offsets } = entry;
  const type = types.get(dtype as string);
  const isSize = (x: unknown) => Number.isSafeInteger(x) && (x as number) >= 0;
  if (!type) throw new Error(`"${name}" is of type ${dtype}`);
  if (!Array.isArray(shape) || shape.length > MOST_DIMS || !shape.every(isSize))
    throw new Error(`the shape of "${name}"`);
  const [from, to] = Array.isArray(offsets) ? offsets : [];
  const size = sizeOf(shape);
  if (!isSize(from) || !isSize(to) || to > content.length || to - from !== size * sizeOfType(type)) {
    throw new Error(`"${name}" of shape [${shape.join(', ')}] lies at [${offsets}] of ${content.length} bytes`);
  }
  const Elements = arrayOf(type);
  const place = content.byteOffset + from;
  const data: TypedArray =
    place % Elements.BYTES_PER_ELEMENT === 0
      ? new Elements(content.buffer, place, size)
      : new Elements(content.slice(from, to).buffer, 0, size);
  return { type, dims: shape, data };
}

/** Where the header's checksum digits stand; −1 when it holds none. */
function checksumAt(header: Uint8Array): number {
  // The metadata come first: the digits stand within the first bytes.
  const text = String.fromCharCode(...header.subarray(0, 64));
  const key = text.indexOf(CHECKSUM_KEY);
  return key < 0 ? -1 : key + CHECKSUM_KEY.length;
}

function sizeOfType(type: DataType): number {
  return type === 'string' ? 1 : arrayOf(type).BYTES_PER_ELEMENT;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
