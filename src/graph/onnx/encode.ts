import { create, toBinary } from '@bufbuild/protobuf';
import {
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type TensorProto,
  type ValueInfoProto,
} from 'onnx-buf';
import { ReaderError } from '../errors.ts';
import type { Graph, Model, Node } from '../graph.ts';
import { findParameters } from '../parameters.ts';
import type { Tensor } from '../tensor.ts';
import { encodeAttribute } from './attributes.ts';
import { type ExternalFile, externalize } from './external-data.ts';
import { carriedNames, copyMessage, opaqueInitializers, sourceMessage } from './proto.ts';
import { encodeTensor } from './tensor-codec.ts';
import { encodeValueInfo } from './value-info.ts';

/** The newest IR version onnxruntime 1.30 takes. */
const newestIr = 13;
/** First opset of each IR version (onnx/helper.py, VERSION_TABLE); our opsets start at 21. */
const irOfOpset: readonly [opset: number, ir: number][] = [
  [25, 13],
  [24, 12],
  [23, 11],
  [0, 10],
];

/** Protobuf's limit of 2 GiB for a message, less room for everything that is not weights. */
const messageLimit = 2 ** 31 - 2 ** 26;

export interface ExternalOptions {
  /** Name of the data file, relative to the model's directory. Default: the model's name with `.data` after it. */
  name?: string;
  /** Tensors of fewer bytes stay in the model. Default 1024, as onnx.save_model has it. */
  threshold?: number;
  /** Write external data even when the model would fit in one file. Default false. */
  always?: boolean;
}

/** A model as it goes to disk: the `.onnx` file and the data files that belong beside it. */
export interface EncodedModel {
  bytes: Uint8Array;
  files: ExternalFile[];
}

/**
 * Writes a model as one ONNX file. What the graph in memory says holds; whatever else its source file had is kept.
 * Throws ReaderError when the weights exceed protobuf's 2 GiB: `encodeModelFiles` writes those.
 */
export function encodeModel(model: Model): Uint8Array {
  const { proto, weights } = encodeProto(model);
  if (totalBytes(weights) > messageLimit) {
    throw new ReaderError(`${totalBytes(weights)} bytes of weights do not fit in one ONNX file of 2 GiB`, {
      code: 'onnx-too-large',
      where: model.name,
      hint: 'write it with external data',
    });
  }
  return toBinary(ModelProtoSchema, proto);
}

/** Writes a model, with its large tensors in a file of their own when asked or when it would exceed 2 GiB. */
export function encodeModelFiles(model: Model, options: ExternalOptions = {}): EncodedModel {
  const { proto, weights } = encodeProto(model);
  const files: ExternalFile[] = [];
  if (options.always || totalBytes(weights) > messageLimit) {
    const fallback = `${model.name.split(/[/\\:]/).at(-1) || 'model'}.data`;
    const file = externalize(weights, options.name ?? fallback, options.threshold ?? 1024);
    if (file.parts.length > 0) files.push(file);
  }
  return { bytes: toBinary(ModelProtoSchema, proto), files };
}

function totalBytes(tensors: readonly TensorProto[]): number {
  return tensors.reduce((total, { rawData }) => total + rawData.length, 0);
}

/** The model's message, and the tensor messages made for it (free to change). */
function encodeProto(model: Model): { proto: ModelProto; weights: TensorProto[] } {
  const source = sourceMessage(ModelProtoSchema, model.source);
  const proto = copyMessage(ModelProtoSchema, source);
  const weights: TensorProto[] = [];
  const needed = irOfOpset.find(([opset]) => model.opset >= opset)![1];
  const had = Number(source?.irVersion ?? 0);
  proto.irVersion = BigInt(Math.min(newestIr, Math.max(needed, had)));
  proto.opsetImport = [['', model.opset] as const, ...model.domains].map(([domain, version]) => {
    const before = source?.opsetImport.find((entry) => entry.domain === domain);
    const entry = copyMessage(OperatorSetIdProtoSchema, before);
    if (entry.domain !== domain) entry.domain = domain;
    entry.version = BigInt(version);
    return entry;
  });
  if (source === undefined) proto.producerName = 'gradient-doctor';
  proto.graph = encodeGraph(model.graph, weights);
  const fixed = untrainedNumbers(model);
  if (fixed.size === 0) return { proto, weights };
  const { initializers } = model.graph;
  proto.graph.node.unshift(...Array.from(fixed, (name) => constantNode(name, initializers.get(name)!)));
  proto.graph.initializer = proto.graph.initializer.filter(({ name }) => !fixed.has(name));
  return { proto, weights: weights.filter(({ name }) => !fixed.has(name)) };
}

/** Constants that a reader would take for parameters, were they stored beside these; a frozen model's stay where they are. */
function untrainedNumbers(model: Model): Set<string> {
  const stored = findParameters({ ...model, constants: new Set() });
  const fixed = stored.filter((name) => model.constants.has(name));
  return new Set(fixed.length < stored.length ? fixed : []);
}

function constantNode(name: string, value: Tensor): NodeProto {
  return encodeNode({ name: '', op: 'Constant', domain: '', inputs: [], outputs: [name], attributes: { value } }, []);
}

function encodeGraph(graph: Graph, weights: TensorProto[]): GraphProto {
  const source = sourceMessage(GraphProtoSchema, graph.source);
  const proto = copyMessage(GraphProtoSchema, source);
  const tensors = new Map(source?.initializer.map((tensor) => [tensor.name, tensor]));
  proto.name = graph.name || 'graph';
  proto.node = graph.nodes.map((node) => encodeNode(node, weights));
  proto.initializer = Array.from(graph.initializers, ([name, tensor]) => encodeTensor(tensor, name, tensors.get(name)));
  weights.push(...proto.initializer);
  proto.initializer.push(...opaqueInitializers(graph));
  proto.input = encodeInputs(graph, source);
  proto.output = graph.outputs.map(encodeValueInfo);
  const present = namesOf(graph);
  proto.valueInfo = [...graph.values.values()].filter(({ name }) => present.has(name)).map(encodeValueInfo);
  return proto;
}

/** The graph's inputs; initializers that the file listed as inputs too (overridable defaults) keep their place. */
function encodeInputs(graph: Graph, source: GraphProto | undefined): ValueInfoProto[] {
  const inputs = new Map(graph.inputs.map((info) => [info.name, encodeValueInfo(info)]));
  const carried = new Set(carriedNames(graph));
  const listed: ValueInfoProto[] = [];
  for (const info of source?.input ?? []) {
    if (!inputs.has(info.name) && (graph.initializers.has(info.name) || carried.has(info.name))) listed.push(info);
  }
  if (listed.length === 0) return [...inputs.values()];
  const all = new Map([...listed.map((info) => [info.name, info] as const), ...inputs]);
  const order = new Map(source?.input.map(({ name }, i) => [name, i]));
  const last = order.size;
  return [...all.values()].sort((a, b) => (order.get(a.name) ?? last) - (order.get(b.name) ?? last));
}

function namesOf(graph: Graph): Set<string> {
  return new Set([
    ...graph.inputs.map(({ name }) => name),
    ...graph.initializers.keys(),
    ...carriedNames(graph),
    ...graph.nodes.flatMap(({ outputs }) => outputs),
  ]);
}

/** A node as its message; the tensor messages of its subgraphs are added to `weights`. */
export function encodeNode(node: Node, weights: TensorProto[]): NodeProto {
  const source = sourceMessage(NodeProtoSchema, node.source);
  const proto = source === undefined ? create(NodeProtoSchema) : copyMessage(NodeProtoSchema, source);
  proto.name = node.name;
  proto.opType = node.op;
  if (proto.domain !== node.domain) proto.domain = node.domain;
  proto.input = [...node.inputs];
  proto.output = [...node.outputs];
  const before = new Map(source?.attribute.map((attribute) => [attribute.name, attribute]));
  proto.attribute = Object.entries(node.attributes).map(([name, value]) =>
    encodeAttribute(name, value, before.get(name), (graph) => encodeGraph(graph, weights)),
  );
  return proto;
}
