import { isFieldSet } from '@bufbuild/protobuf';
import { type AttributeProto, AttributeProtoSchema, type GraphProto } from 'onnx-buf';
import { ReaderError } from '../errors.ts';
import type { Attribute, Graph } from '../graph.ts';
import type { Tensor } from '../tensor.ts';
import { copyMessage } from './proto.ts';
import { decodeTensor, encodeTensor } from './tensor-codec.ts';

/** AttributeProto.AttributeType of the ONNX specification. */
const kind = { float: 1, int: 2, string: 3, tensor: 4, graph: 5, floats: 6, ints: 7, strings: 8, graphs: 10 } as const;

const maxInt64 = 2n ** 63n - 1n;

/** Attributes that are floats in every standard operator that has them (onnx.defs): a JavaScript 1 would be an int. */
const floatNames = new Set(
  (
    'activation_alpha activation_beta alpha beta gamma bias clip cubic_coeff_a decay_factor epsilon ' +
    'extrapolation_value high lambd low max mean min momentum norm_coefficient norm_coefficient_post ratio scale ' +
    'scales softcap spatial_scale threshold value value_float value_floats weights'
  ).split(' '),
);

/** Reads an attribute; kinds the project does not use stay as their message. Throws ReaderError for broken tensors. */
export function decodeAttribute(
  proto: AttributeProto,
  file: string,
  decodeGraph: (proto: GraphProto) => Graph,
): Attribute {
  if (proto.refAttrName !== '') return { opaque: proto };
  switch (kindOf(proto)) {
    case kind.float:
      return proto.f;
    case kind.int:
      return Number(proto.i);
    case kind.string:
      return textOf(proto.s) ?? { opaque: proto };
    case kind.tensor:
      return (proto.t && decodeTensor(proto.t, file)) ?? { opaque: proto };
    case kind.graph:
      return proto.g ? decodeGraph(proto.g) : { opaque: proto };
    case kind.floats:
      return proto.floats;
    case kind.ints:
      return proto.ints.map(Number);
    case kind.strings: {
      const strings = proto.strings.map(textOf);
      return strings.every((text) => text !== undefined) ? strings : { opaque: proto };
    }
    case kind.graphs:
      return proto.graphs.map(decodeGraph);
    default:
      return { opaque: proto };
  }
}

/** The declared kind, or the field that is set: files of IR version 1 declare none. */
function kindOf(proto: AttributeProto): number {
  if (proto.type !== 0) return proto.type;
  const { field } = AttributeProtoSchema;
  const set: [boolean, number][] = [
    [isFieldSet(proto, field.f), kind.float],
    [isFieldSet(proto, field.i), kind.int],
    [isFieldSet(proto, field.s), kind.string],
    [isFieldSet(proto, field.t), kind.tensor],
    [isFieldSet(proto, field.g), kind.graph],
    [proto.floats.length > 0, kind.floats],
    [proto.ints.length > 0, kind.ints],
    [proto.strings.length > 0, kind.strings],
    [proto.graphs.length > 0, kind.graphs],
  ];
  return set.find(([present]) => present)?.[1] ?? 0;
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Writes an attribute. `source` is the message of the same name in the file: unchanged values are written as it is. */
export function encodeAttribute(
  name: string,
  value: Attribute,
  source: AttributeProto | undefined,
  encodeGraph: (graph: Graph) => GraphProto,
): AttributeProto {
  if (isOpaque(value)) return value.opaque as AttributeProto;
  if (source !== undefined && isUnchanged(value, source)) return source;
  const proto = copyMessage(AttributeProtoSchema, source);
  Object.assign(proto, { floats: [], ints: [], strings: [], tensors: [], graphs: [] });
  proto.name = name;
  const wasFloat = source !== undefined && (kindOf(source) === kind.float || kindOf(source) === kind.floats);
  const isFloat = wasFloat || (source === undefined && floatNames.has(name));
  if (typeof value === 'number') {
    if (isFloat || !Number.isInteger(value)) Object.assign(proto, { type: kind.float, f: value });
    else Object.assign(proto, { type: kind.int, i: toInt64(value) });
  } else if (typeof value === 'string') {
    Object.assign(proto, { type: kind.string, s: new TextEncoder().encode(value) });
  } else if (Array.isArray(value)) {
    encodeList(proto, value, isFloat, source, encodeGraph);
  } else if (isTensor(value)) {
    Object.assign(proto, { type: kind.tensor, t: encodeTensor(value, '', source?.t) });
  } else {
    Object.assign(proto, { type: kind.graph, g: encodeGraph(value) });
  }
  return proto;
}

function encodeList(
  proto: AttributeProto,
  list: number[] | string[] | Graph[],
  isFloat: boolean,
  source: AttributeProto | undefined,
  encodeGraph: (graph: Graph) => GraphProto,
): void {
  const [first] = list;
  if (first === undefined) {
    const known = source === undefined ? 0 : kindOf(source);
    proto.type = known >= kind.floats ? known : isFloat ? kind.floats : kind.ints;
  } else if (typeof first === 'string') {
    const encoder = new TextEncoder();
    Object.assign(proto, { type: kind.strings, strings: (list as string[]).map((text) => encoder.encode(text)) });
  } else if (typeof first === 'object') {
    Object.assign(proto, { type: kind.graphs, graphs: (list as Graph[]).map(encodeGraph) });
  } else if (isFloat || (list as number[]).some((number) => !Number.isInteger(number))) {
    Object.assign(proto, { type: kind.floats, floats: list });
  } else {
    Object.assign(proto, { type: kind.ints, ints: (list as number[]).map(toInt64) });
  }
}

/** INT64_MAX, which exporters write for "to the end", is 2^63 as a float64. */
function toInt64(value: number): bigint {
  const integer = BigInt(value);
  return integer > maxInt64 ? maxInt64 : integer < -maxInt64 ? -maxInt64 - 1n : integer;
}

function isUnchanged(value: Attribute, source: AttributeProto): boolean {
  if (typeof value !== 'number' && typeof value !== 'string' && !Array.isArray(value)) return false;
  if (Array.isArray(value) && typeof value[0] === 'object') return false;
  let original: Attribute;
  try {
    original = decodeAttribute(source, '', noGraph);
  } catch {
    return false;
  }
  if (!Array.isArray(value)) return Object.is(value, original);
  return (
    Array.isArray(original) &&
    original.length === value.length &&
    value.every((item, i) => Object.is(item, (original as unknown[])[i]))
  );
}

function noGraph(): never {
  throw new ReaderError('a subgraph is not a number', { code: 'onnx-attribute' });
}

/** Whether an attribute is carried unread. */
export function isOpaque(value: Attribute): value is { readonly opaque: unknown } {
  return typeof value === 'object' && 'opaque' in value;
}

/** Whether an attribute is a tensor. */
export function isTensor(value: Attribute): value is Tensor {
  return typeof value === 'object' && 'dims' in value && 'data' in value;
}
