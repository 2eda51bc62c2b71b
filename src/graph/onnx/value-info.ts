import { create } from '@bufbuild/protobuf';
import {
  type TensorShapeProto,
  type TensorShapeProto_Dimension,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { codeOf, typeOfCode } from '../data-type.ts';
import type { Dim, ValueInfo } from '../graph.ts';
import { copyMessage, sourceMessage } from './proto.ts';

/** A declared value; sequences, maps, optionals and exotic element types have no `type` here. */
export function decodeValueInfo(proto: ValueInfoProto): ValueInfo {
  const info: ValueInfo = { name: proto.name, source: proto };
  if (proto.type?.value.case !== 'tensorType') return info;
  const { elemType, shape } = proto.type.value.value;
  const type = typeOfCode(elemType);
  if (type !== undefined) info.type = type;
  if (shape !== undefined) info.shape = shape.dim.map(decodeDim);
  return info;
}

function decodeDim({ value }: TensorShapeProto_Dimension): Dim {
  if (value.case === 'dimValue') return value.value >= 0n ? Number(value.value) : null;
  return value.case === 'dimParam' && value.value !== '' ? value.value : null;
}

/** A declared value as its message: type and shape from memory, the rest from the file. */
export function encodeValueInfo(info: ValueInfo): ValueInfoProto {
  const source = sourceMessage(ValueInfoProtoSchema, info.source);
  const proto = copyMessage(ValueInfoProtoSchema, source);
  proto.name = info.name;
  if (info.type === undefined || isUnchanged(info, source)) return proto;
  const typeSource = source?.type;
  const tensorSource = typeSource?.value.case === 'tensorType' ? typeSource.value.value : undefined;
  const tensor = copyMessage(TypeProto_TensorSchema, tensorSource);
  tensor.elemType = codeOf(info.type);
  tensor.shape = encodeShape(info.shape, tensorSource?.shape);
  proto.type = copyMessage(TypeProtoSchema, typeSource);
  proto.type.value = { case: 'tensorType', value: tensor };
  return proto;
}

function isUnchanged(info: ValueInfo, source: ValueInfoProto | undefined): boolean {
  if (source === undefined) return false;
  const { type, shape } = decodeValueInfo(source);
  if (type !== info.type || shape?.length !== info.shape?.length) return false;
  return shape === undefined || shape.every((dim, i) => dim === info.shape![i]);
}

function encodeShape(shape: Dim[] | undefined, source: TensorShapeProto | undefined): TensorShapeProto | undefined {
  if (shape === undefined) return undefined;
  const proto = create(TensorShapeProtoSchema);
  const aligned = source?.dim.length === shape.length;
  proto.dim = shape.map((dim, i) => {
    const message = copyMessage(TensorShapeProto_DimensionSchema, aligned ? source.dim[i] : undefined);
    if (typeof dim === 'number') message.value = { case: 'dimValue', value: BigInt(dim) };
    else if (typeof dim === 'string') message.value = { case: 'dimParam', value: dim };
    else message.value = { case: undefined };
    return message;
  });
  return proto;
}
