import { arrayOf, type DataType, type TypedArray } from '../graph/data-type.ts';
import { DataError } from '../graph/errors.ts';
import { sizeOf, type Tensor, toFloat64 } from '../graph/tensor.ts';
import { type Literal, parseLiteral } from './python-literal.ts';
import { swapBytes } from './sources/records.ts';

// The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY
/** numpy refuses longer headers too, for ast.literal_eval is slow on them (numpy.lib.format, max_header_size). */
const LONGEST_HEADER = 10_000;
/** NPY_MAXDIMS of numpy 2. */
const MOST_DIMENSIONS = 64;

const types: Record<string, DataType> = {
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  b1: 'bool',
};
const codes = new Map(Object.entries(types).map(([code, type]) => [type, code]));

/**
 * A tensor from the bytes of a .npy file, versions 1 to 3; big-endian and Fortran-ordered arrays are rearranged.
 * `name` is what errors call the file. Throws DataError for anything that is not exactly one array of numbers.
 */
export function decodeNpy(bytes: Uint8Array, name: string): Tensor {
  const { type, swap, fortran, shape, start } = readNpyHeader(bytes, name);
  const Storage = arrayOf(type);
  const size = sizeOf(shape);
  const needed = size * Storage.BYTES_PER_ELEMENT;
  const found = bytes.length - start;
  if (!(needed <= Number.MAX_SAFE_INTEGER) || found < needed) {
    throw broken(
      name,
      `the header promises shape (${shape.join(', ')}) of ${type}, ${needed} bytes, but ${found} follow: the file is truncated or its header wrong`,
    );
  }
  if (found > needed) {
    throw broken(name, `${found - needed} bytes follow the array of shape (${shape.join(', ')})`, {
      hint: 'one array per .npy file; save several with numpy.savez',
    });
  }
  // Not slice(): a Node Buffer's shares its memory.
  const content = new Uint8Array(needed);
  content.set(bytes.subarray(start, start + needed));
  if (swap) swapBytes(content, Storage.BYTES_PER_ELEMENT);
  let data = new Storage(content.buffer, 0, size);
  if (type === 'bool') for (let i = 0; i < size; i++) data[i] = data[i] ? 1 : 0;
  if (fortran && shape.length > 1) data = fromFortranOrder(data, shape);
  return { type, dims: shape, data };
}

/** What a .npy file's header says; the elements begin at byte `start`. */
export interface NpyHeader {
  readonly type: DataType;
  /** Whether the elements' byte order is not this machine's. */
  readonly swap: boolean;
  /** Whether the first axis varies fastest. */
  readonly fortran: boolean;
  readonly shape: number[];
  readonly start: number;
}

/** Bytes that hold any header that is read. */
export const NPY_HEADER_BYTES = 12 + LONGEST_HEADER;

/** Reads the header from a .npy file's first bytes, `NPY_HEADER_BYTES` of them or the whole file. Throws DataError. */
export function readNpyHeader(bytes: Uint8Array, name: string): NpyHeader {
  const { text, start } = readHeader(bytes, name);
  const { descr, fortran, shape } = readFields(text, name);
  return { ...readType(descr, name), fortran, shape, start };
}

/** The bytes of a .npy file (version 1). bfloat16 becomes float32, losslessly; strings throw DataError. */
export function encodeNpy(tensor: Tensor): Uint8Array {
  if (tensor.type === 'bfloat16') {
    return encodeNpy({ type: 'float32', dims: tensor.dims, data: Float32Array.from(toFloat64(tensor)) });
  }
  const code = codes.get(tensor.type);
  if (code === undefined || Array.isArray(tensor.data)) {
    throw new DataError(`a ${tensor.type} tensor cannot be written as .npy`, {
      code: 'npy-type',
      hint: `types that can: ${[...codes.keys()].join(', ')}`,
    });
  }
  const order = code.endsWith('1') ? '|' : '<';
  const tuple = tensor.dims.length === 1 ? `(${tensor.dims[0]},)` : `(${tensor.dims.join(', ')})`;
  const fields = `{'descr': '${order}${code}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // Data begin on a multiple of 64 bytes; the header ends with a newline.
  const start = Math.ceil((10 + fields.length + 1) / 64) * 64;
  const { data } = tensor;
  const out = new Uint8Array(start + data.byteLength);
  out.set([...magic, 1, 0]);
  new DataView(out.buffer).setUint16(8, start - 10, true);
  out.set(new TextEncoder().encode(`${fields.padEnd(start - 11)}\n`), 10);
  out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
  if (!littleEndianMachine) swapBytes(out.subarray(start), data.BYTES_PER_ELEMENT);
  return out;
}

/** Whether bytes begin like a .npy file. */
export function isNpy(bytes: Uint8Array): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

function readHeader(bytes: Uint8Array, name: string): { text: string; start: number } {
  if (!isNpy(bytes)) {
    const head = Array.from(bytes.subarray(0, 6), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw broken(name, `not a .npy file: it begins with ${head === '' ? 'nothing' : head}, not 93 4e 55 4d 50 59`, {
      hint: 'numpy.save writes .npy',
    });
  }
  if (bytes.length < 12) throw broken(name, `truncated: ${bytes.length} bytes, a .npy header needs more`);
  const version = bytes[6]!;
  if (version < 1 || version > 3) {
    throw broken(name, `.npy version ${version}.${bytes[7]} is unknown`, { hint: 'versions 1, 2 and 3 are read' });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const from = version === 1 ? 10 : 12;
  if (length > LONGEST_HEADER)
    throw broken(name, `its header claims ${length} bytes; at most ${LONGEST_HEADER} are read`);
  if (bytes.length < from + length) {
    throw broken(name, `truncated: the header claims ${length} bytes, ${bytes.length - from} follow`);
  }
  const start = from + length;
  const text = new TextDecoder(version === 3 ? 'utf-8' : 'latin1').decode(bytes.subarray(from, start));
  return { text, start };
}

function readFields(text: string, name: string): { descr: Literal; fortran: boolean; shape: number[] } {
  const bad = (what: string) => broken(name, `bad .npy header: ${what}`);
  let header: Literal;
  try {
    header = parseLiteral(text);
  } catch (error) {
    throw bad((error as Error).message);
  }
  if (!(header instanceof Map)) throw bad(`expected a dict, found ${show(header)}`);
  const keys = [...header.keys()].sort().join(', ');
  if (keys !== 'descr, fortran_order, shape') {
    throw bad(`expected the keys descr, fortran_order, shape; found ${keys || 'none'}`);
  }
  const fortran = header.get('fortran_order')!;
  if (typeof fortran !== 'boolean') throw bad(`fortran_order is ${show(fortran)}, not True or False`);
  const shape = header.get('shape')!;
  if (
    !Array.isArray(shape) ||
    !shape.every((dim): dim is number => Number.isSafeInteger(dim) && (dim as number) >= 0)
  ) {
    throw bad(`shape is ${show(shape)}, not a tuple of integers from 0 up`);
  }
  if (shape.length > MOST_DIMENSIONS)
    throw bad(`shape has ${shape.length} dimensions, at most ${MOST_DIMENSIONS} are read`);
  return { descr: header.get('descr')!, fortran, shape };
}

function readType(descr: Literal, name: string): { type: DataType; swap: boolean } {
  const accepted = `types that are read: ${Object.keys(types).join(', ')}`;
  if (typeof descr !== 'string') {
    throw broken(name, 'a structured array (named fields) is not a tensor', {
      hint: 'save each field as its own array',
    });
  }
  const order = descr[0]!;
  const code = descr.slice(1);
  if (code.startsWith('O')) {
    throw broken(
      name,
      `dtype "${descr}": an array of Python objects is a pickle, and reading a pickle can run any program`,
      {
        hint: 'save numbers: array.astype("float32"); ragged lists have no tensor form',
      },
    );
  }
  const type = Object.hasOwn(types, code) ? types[code] : undefined;
  if (type === undefined || !'<>|='.includes(order) || (order === '|' && !code.endsWith('1'))) {
    const complex = code.startsWith('c') ? 'complex numbers are not read; ' : '';
    throw broken(name, `dtype "${descr}" is not supported`, { hint: `${complex}${accepted}` });
  }
  const fileIsBig = order === '>' || (order === '=' && !littleEndianMachine);
  return { type, swap: fileIsBig === littleEndianMachine && !code.endsWith('1') };
}

const littleEndianMachine = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** out[i₀, i₁, …] row-major = data[i₀ + d₀(i₁ + d₁(…))]. */
function fromFortranOrder(data: TypedArray, shape: readonly number[]): TypedArray {
  const strides: number[] = [];
  let stride = 1;
  for (const dim of shape) {
    strides.push(stride);
    stride *= dim;
  }
  const out = new (data.constructor as new (length: number) => TypedArray)(data.length);
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < out.length; to++) {
    out[to] = data[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}

function show(literal: Literal): string {
  if (literal instanceof Map) return 'a dict';
  if (Array.isArray(literal)) return `(${literal.slice(0, 8).map(show).join(', ')}${literal.length > 8 ? ', …' : ''})`;
  return typeof literal === 'string' ? `'${literal.slice(0, 40)}'` : String(literal);
}

function broken(name: string, message: string, extra: { hint?: string } = {}): DataError {
  return new DataError(message, { code: 'npy', where: name, ...extra });
}
