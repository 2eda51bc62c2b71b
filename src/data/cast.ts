import { arrayOf, type DataType, isFloat } from '../graph/data-type.ts';
import { DataError } from '../graph/errors.ts';
import { sizeOf, type Tensor, tensorOf, toFloat64 } from '../graph/tensor.ts';

const ranges: Partial<Record<DataType, [number, number]>> = {
  int8: [-128, 127],
  int16: [-32768, 32767],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [-(2 ** 63), 2 ** 63 - 1024], // the largest float64 below 2^63
  uint8: [0, 255],
  uint16: [0, 65535],
  uint32: [0, 2 ** 32 - 1],
  uint64: [0, 2 ** 64 - 2048],
  bool: [0, 1],
};

/**
 * The tensor in another element type. To floats always, by rounding; to integers and bool only where every value
 * survives, else DataError naming the first that does not. `rowNumbers` are the rows' numbers where they come from.
 */
export function castTensor(tensor: Tensor, type: DataType, name: string, rowNumbers?: ArrayLike<number>): Tensor {
  if (tensor.type === type) return tensor;
  if (tensor.type === 'string' || type === 'string') {
    throw new DataError(`holds ${tensor.type} elements, ${type} is wanted`, { code: 'data-type', where: name });
  }
  if (isFloat(type)) return tensorOf(type, tensor.dims, toFloat64(tensor));
  const { data } = tensor;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    // Between the 64-bit types float64 would round.
    if (type === 'int64' || type === 'uint64') {
      const out = type === 'int64' ? new BigInt64Array(data) : new BigUint64Array(data);
      const bad = data.findIndex((value: bigint, i: number) => value !== out[i]);
      if (bad >= 0) throw lost(name, data[bad]!, bad, tensor, type, rowNumbers);
      return { type, dims: tensor.dims, data: out };
    }
  }
  const values = toFloat64(tensor);
  const [low, high] = ranges[type]!;
  const bad = values.findIndex((value) => !Number.isInteger(value) || value < low || value > high);
  if (bad >= 0) throw lost(name, values[bad]!, bad, tensor, type, rowNumbers);
  return tensorOf(type, tensor.dims, values);
}

function lost(
  name: string,
  value: number | bigint,
  index: number,
  tensor: Tensor,
  type: DataType,
  rowNumbers?: ArrayLike<number>,
): DataError {
  const place = Math.floor(index / Math.max(1, sizeOf(tensor.dims.slice(1))));
  const row = tensor.dims.length > 0 ? ` in row ${rowNumbers?.[place] ?? place}` : '';
  return new DataError(`the ${tensor.type} value ${value}${row} is not ${type === 'bool' ? '0 or 1' : `an ${type}`}`, {
    code: 'data-type',
    where: name,
    hint: isFloat(tensor.type) ? `the model reads ${type} here: give whole numbers (indices, not features)` : undefined,
  });
}

/** The first `count` slices along an axis: out[…, i < count, …]. */
export function takeFirst(tensor: Tensor, axis: number, count: number): Tensor {
  const { dims, data, type } = tensor;
  if (dims[axis] === count) return tensor;
  const inner = sizeOf(dims.slice(axis + 1));
  const outer = sizeOf(dims.slice(0, axis));
  const kept = dims.map((dim, i) => (i === axis ? count : dim));
  const from = dims[axis]! * inner;
  const to = count * inner;
  if (Array.isArray(data)) {
    return { type, dims: kept, data: data.filter((_, i) => i % from < to) };
  }
  const out = new (arrayOf(type))(outer * to);
  for (let i = 0; i < outer; i++) out.set(data.subarray(i * from, i * from + to) as never, i * to);
  return { type, dims: kept, data: out };
}
