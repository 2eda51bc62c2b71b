import { create } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type SparseTensorProto,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from 'onnx-buf';
import { arrayOf, typeOfCode } from '../data-type.ts';
import { ReaderError } from '../errors.ts';
import { clearFields } from './proto.ts';

/** Bytes of a file beside the model, or undefined when there is none. */
export type Sibling = (name: string) => Promise<Uint8Array | undefined> | Uint8Array | undefined;

/** TensorProto.DataLocation.EXTERNAL. */
const external = 1;

/** Offsets of tensors in a data file written here: a page, so that readers may map it (onnx/external_data_helper). */
const alignment = 4096;

/**
 * Replaces every reference to an external file by a view of that file's bytes.
 * Throws ReaderError for files that are missing, too short, or outside the model's directory.
 */
export async function resolveExternalData(model: ModelProto, file: string, sibling: Sibling): Promise<void> {
  const tensors = [...tensorsOf(model)].filter((tensor) => tensor.dataLocation === external);
  const files = new Map<string, Uint8Array>();
  for (const tensor of tensors) {
    const where = `${file}, tensor "${tensor.name}"`;
    const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
    const location = checkLocation(entries.get('location') ?? '', where);
    let bytes = files.get(location);
    if (bytes === undefined) {
      bytes = await fetchSibling(location, sibling, where);
      files.set(location, bytes);
    }
    const offset = decimal(entries.get('offset') ?? '0', 'offset', where);
    const stated = entries.get('length');
    const needed = byteLength(tensor) ?? bytes.length - offset;
    const length = stated === undefined || stated === '' ? needed : decimal(stated, 'length', where);
    if (offset + length > bytes.length) {
      throw new ReaderError(
        `the tensor is bytes ${offset} to ${offset + length} of "${location}", which has only ${bytes.length}`,
        { code: 'onnx-external-short', where, hint: 'the file was cut; copy or download it again' },
      );
    }
    tensor.rawData = bytes.subarray(offset, offset + length) as Uint8Array<ArrayBuffer>;
    clearFields(TensorProtoSchema, tensor, 'externalData', 'dataLocation');
  }
}

async function fetchSibling(location: string, sibling: Sibling, where: string): Promise<Uint8Array> {
  let bytes: Uint8Array | undefined;
  let cause: unknown;
  try {
    bytes = await sibling(location);
  } catch (error) {
    cause = error;
  }
  if (bytes !== undefined) return bytes;
  const reason = cause instanceof Error && !('code' in cause && cause.code === 'ENOENT') ? ` (${cause.message})` : '';
  throw new ReaderError(`its values are in the file "${location}", which is not beside the model${reason}`, {
    code: 'onnx-external-missing',
    where,
    hint: `put "${location}" next to the model, or export with the weights inside (save_as_external_data=False)`,
    cause,
  });
}

/** A relative path that stays below the model's directory. Throws ReaderError for anything else. */
export function checkLocation(location: string, where: string): string {
  const parts = location.split('/');
  const escapes =
    location === '' ||
    /[\\:\p{Cc}]/u.test(location) || // Windows separators, drive letters and streams; NUL and other control characters
    parts.some((part) => part === '..' || part === '');
  if (!escapes) return parts.filter((part) => part !== '.').join('/');
  throw new ReaderError(`the external file name ${JSON.stringify(location)} leaves the model's directory`, {
    code: 'onnx-external-path',
    where,
    hint: 'accepted: a relative path without "..", "\\" or ":"',
  });
}

function decimal(text: string, key: string, where: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number)) return number;
  throw new ReaderError(`external_data says ${key} = ${JSON.stringify(text)}`, {
    code: 'onnx-external-range',
    where,
    hint: 'accepted: a whole number of bytes',
  });
}

/** Bytes that a tensor's shape asks for; undefined for types carried unread. */
function byteLength(tensor: TensorProto): number | undefined {
  const type = typeOfCode(tensor.dataType);
  if (type === undefined || type === 'string') return undefined;
  return tensor.dims.reduce((product, dim) => product * Number(dim), arrayOf(type).BYTES_PER_ELEMENT);
}

/** Every tensor of a model: initializers, attributes, subgraphs, functions, training graphs. */
function* tensorsOf(model: ModelProto): Generator<TensorProto> {
  if (model.graph) yield* graphTensors(model.graph);
  for (const { node, attributeProto } of model.functions) {
    yield* nodeTensors(node);
    yield* attributeTensors(attributeProto);
  }
  for (const { initialization, algorithm } of model.trainingInfo) {
    if (initialization) yield* graphTensors(initialization);
    if (algorithm) yield* graphTensors(algorithm);
  }
}

function* graphTensors(graph: GraphProto): Generator<TensorProto> {
  yield* graph.initializer;
  yield* sparseTensors(graph.sparseInitializer);
  yield* nodeTensors(graph.node);
}

function* nodeTensors(nodes: NodeProto[]): Generator<TensorProto> {
  for (const node of nodes) yield* attributeTensors(node.attribute);
}

function* attributeTensors(attributes: AttributeProto[]): Generator<TensorProto> {
  for (const { t, tensors, g, graphs, sparseTensor, sparseTensors: sparse } of attributes) {
    if (t) yield t;
    yield* tensors;
    if (g) yield* graphTensors(g);
    for (const graph of graphs) yield* graphTensors(graph);
    if (sparseTensor) yield* sparseTensors([sparseTensor]);
    yield* sparseTensors(sparse);
  }
}

function* sparseTensors(list: SparseTensorProto[]): Generator<TensorProto> {
  for (const { values, indices } of list) {
    if (values) yield values;
    if (indices) yield indices;
  }
}

/** A file to write beside the model: its parts one after the other. Parts are views of the tensors, not copies. */
export interface ExternalFile {
  name: string;
  parts: Uint8Array[];
}

/** Moves the raw bytes of tensors of at least `threshold` bytes into one file named `name`. Changes the messages. */
export function externalize(tensors: Iterable<TensorProto>, name: string, threshold: number): ExternalFile {
  const file: ExternalFile = { name: checkLocation(name, 'external data'), parts: [] };
  let offset = 0;
  for (const tensor of tensors) {
    const { rawData } = tensor;
    if (rawData.length < threshold || rawData.length === 0) continue;
    const padding = (alignment - (offset % alignment)) % alignment;
    if (padding > 0) file.parts.push(new Uint8Array(padding));
    file.parts.push(rawData);
    offset += padding;
    const entries = { location: file.name, offset: String(offset), length: String(rawData.length) };
    tensor.externalData = Object.entries(entries).map((entry) =>
      create(StringStringEntryProtoSchema, { key: entry[0], value: entry[1] }),
    );
    tensor.dataLocation = external;
    clearFields(TensorProtoSchema, tensor, 'rawData');
    offset += rawData.length;
  }
  return file;
}
