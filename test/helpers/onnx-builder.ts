import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProtoSchema,
  type GraphProto,
  type GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProtoSchema,
  type TensorProtoSchema,
  type ValueInfoProtoSchema,
} from 'onnx-buf';
import { codeOf, type DataType } from '../../src/graph/data-type.ts';
import { encodeTensor } from '../../src/graph/onnx/tensor-codec.ts';
import { tensorOf } from '../../src/graph/tensor.ts';

type ValueInit = MessageInitShape<typeof ValueInfoProtoSchema>;
type NodeInit = MessageInitShape<typeof NodeProtoSchema>;
export type GraphInit = Exclude<MessageInitShape<typeof GraphProtoSchema>, GraphProto>;
type ModelInit = Exclude<MessageInitShape<typeof ModelProtoSchema>, ModelProto>;
export type TensorInit = MessageInitShape<typeof TensorProtoSchema>;

/** A declared value; without a shape its rank is unknown. */
export function value(name: string, shape?: readonly (number | string)[], type: DataType = 'float32'): ValueInit {
  const dim = shape?.map((size) =>
    typeof size === 'number'
      ? { value: { case: 'dimValue' as const, value: BigInt(size) } }
      : { value: { case: 'dimParam' as const, value: size } },
  );
  const shapeProto = dim === undefined ? {} : { shape: { dim } };
  return { name, type: { value: { case: 'tensorType', value: { elemType: codeOf(type), ...shapeProto } } } };
}

/** An initializer from plain numbers. */
export function tensor(
  name: string,
  dims: readonly number[],
  values: number[],
  type: DataType = 'float32',
): TensorInit {
  return encodeTensor(tensorOf(type, dims, values), name);
}

/** Attribute values: an int is a bigint, a float a number. */
export type AttributeInit =
  | number
  | bigint
  | string
  | number[]
  | bigint[]
  | string[]
  | { t: TensorInit }
  | { g: GraphInit };

/** A node; domain and other fields through `extra`. */
export function node(
  opType: string,
  input: string[],
  output: string[],
  attributes: Record<string, AttributeInit> = {},
  extra: NodeInit = {},
): NodeInit {
  const attribute = Object.entries(attributes).map(([name, init]) =>
    create(AttributeProtoSchema, { name, ...kindOf(init) }),
  );
  return { opType, input, output, attribute, ...extra };
}

function kindOf(init: AttributeInit): MessageInitShape<typeof AttributeProtoSchema> {
  const encoder = new TextEncoder();
  if (typeof init === 'number') return { type: 1, f: init };
  if (typeof init === 'bigint') return { type: 2, i: init };
  if (typeof init === 'string') return { type: 3, s: encoder.encode(init) };
  if (!Array.isArray(init)) return 't' in init ? { type: 4, t: init.t } : { type: 5, g: init.g };
  if (typeof init[0] === 'bigint') return { type: 7, ints: init as bigint[] };
  if (typeof init[0] === 'string') return { type: 8, strings: (init as string[]).map((text) => encoder.encode(text)) };
  return { type: 6, floats: init as number[] };
}

/** The bytes of a model of one graph. */
export function modelBytes(opset: number, graph: GraphInit, extra: ModelInit = {}): Uint8Array {
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [{ domain: '', version: BigInt(opset) }],
      graph: { name: 'test', ...graph },
      ...extra,
    }),
  );
}
