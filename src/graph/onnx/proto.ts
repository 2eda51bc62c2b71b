import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { clearField, create, isMessage } from '@bufbuild/protobuf';
import { GraphProtoSchema, type TensorProto } from 'onnx-buf';
import { typeOfCode } from '../data-type.ts';
import type { Graph } from '../graph.ts';

/** TensorProto.DataType numbers that no tensor here can hold: complex, float8, float4 and 2- or 4-bit integers. */
const exoticTypes = new Set([14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26]);

/** Whether a tensor of this element type is carried as its message, unread. */
export function isExotic(dataType: number): boolean {
  return exoticTypes.has(dataType);
}

/** The message a part of a model was read from, if it is one of this schema. */
export function sourceMessage<Desc extends DescMessage>(schema: Desc, source: unknown): MessageShape<Desc> | undefined {
  return isMessage(source, schema) ? source : undefined;
}

/** A message that may be changed without touching `source`: fields are shared, unknown ones included. */
export function copyMessage<Desc extends DescMessage>(
  schema: Desc,
  source: MessageShape<Desc> | undefined,
): MessageShape<Desc> {
  return Object.assign(create(schema), source);
}

/** Sets fields of a message to absent. */
export function clearFields<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  ...names: (keyof Desc['field'])[]
): void {
  for (const name of names) clearField(message, schema.field[name as string]!);
}

/** Initializers this project cannot hold but writes back: exotic element types. */
export function opaqueInitializers(graph: Graph): TensorProto[] {
  const source = sourceMessage(GraphProtoSchema, graph.source);
  return source?.initializer.filter((tensor) => typeOfCode(tensor.dataType) === undefined) ?? [];
}

/** Names of the tensors that a graph carries unread: exotic and sparse initializers. */
export function carriedNames(graph: Graph): string[] {
  const source = sourceMessage(GraphProtoSchema, graph.source);
  const sparse = source?.sparseInitializer.map((tensor) => tensor.values?.name ?? '') ?? [];
  return [...opaqueInitializers(graph).map((tensor) => tensor.name), ...sparse].filter((name) => name !== '');
}
