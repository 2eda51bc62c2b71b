/** Tensor element types, by the name onnxruntime and this project use. */
export type DataType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bfloat16'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'bool'
  | 'string';

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

type TypedArrayConstructor = {
  new (length: number): TypedArray;
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): TypedArray;
  readonly BYTES_PER_ELEMENT: number;
};

interface DataTypeFacts {
  /** TensorProto.DataType of the ONNX specification. */
  readonly code: number;
  /** Storage of one element; float16 and bfloat16 keep their bits in a Uint16Array. */
  readonly array: TypedArrayConstructor | null;
}

const facts: Record<DataType, DataTypeFacts> = {
  float32: { code: 1, array: Float32Array },
  uint8: { code: 2, array: Uint8Array },
  int8: { code: 3, array: Int8Array },
  uint16: { code: 4, array: Uint16Array },
  int16: { code: 5, array: Int16Array },
  int32: { code: 6, array: Int32Array },
  int64: { code: 7, array: BigInt64Array },
  string: { code: 8, array: null },
  bool: { code: 9, array: Uint8Array },
  float16: { code: 10, array: Uint16Array },
  float64: { code: 11, array: Float64Array },
  uint32: { code: 12, array: Uint32Array },
  uint64: { code: 13, array: BigUint64Array },
  bfloat16: { code: 16, array: Uint16Array },
};

const byCode = new Map(Object.entries(facts).map(([type, { code }]) => [code, type as DataType]));

/** The ONNX TensorProto.DataType number of a type. */
export function codeOf(type: DataType): number {
  return facts[type].code;
}

/** The type behind an ONNX TensorProto.DataType number; undefined for types no tensor here can hold. */
export function typeOfCode(code: number): DataType | undefined {
  return byCode.get(code);
}

/** The typed array that stores a type's elements. Throws for strings, which have none. */
export function arrayOf(type: DataType): TypedArrayConstructor {
  const { array } = facts[type];
  if (array === null) throw new TypeError(`a ${type} tensor has no numeric storage`);
  return array;
}

/** Whether gradients can flow through values of this type. */
export function isFloat(type: DataType): boolean {
  return type === 'float32' || type === 'float64' || type === 'float16' || type === 'bfloat16';
}
