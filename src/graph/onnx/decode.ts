import { fromBinary } from '@bufbuild/protobuf';
import { type GraphProto, type ModelProto, ModelProtoSchema, type NodeProto } from 'onnx-buf';
import { normalizeModel } from '../dialect/normalize.ts';
import { ReaderError } from '../errors.ts';
import { DIALECT_OPSET, type Graph, type Model, NEWEST_OPSET, type Node } from '../graph.ts';
import { sortGraph } from '../sort.ts';
import { decodeAttribute } from './attributes.ts';
import { resolveExternalData, type Sibling } from './external-data.ts';
import { inlineFunctions } from './functions.ts';
import { decodeTensor } from './tensor-codec.ts';
import { decodeValueInfo } from './value-info.ts';

/** The oldest opset whose broadcasting is NumPy's; older files need another importer. */
const OLDEST_OPSET = 7;

export interface DecodeOptions {
  /** What error messages call the model; normally its file name. */
  name: string;
  /** Finds files beside the model, for external weights. Default: there are none. */
  sibling?: Sibling;
}

/**
 * Reads an ONNX model and brings it to the project's dialect: opset at least 21, model-local functions inlined, constants
 * folded, nodes sorted and named. Initializers that the file also lists as inputs are not repeated among the graph's inputs.
 * Throws ReaderError for files that are broken, outside opset 7 to 26, or miss their external weights.
 */
export async function decodeModel(bytes: Uint8Array, { name, sibling }: DecodeOptions): Promise<Model> {
  const proto = parse(bytes, name);
  if (proto.graph === undefined) {
    throw new ReaderError('the file has no graph', {
      code: 'onnx-no-graph',
      where: name,
      hint: 'expected an ONNX ModelProto, as torch.onnx.export or onnx.save writes it',
    });
  }
  const { opset, domains } = readOpsets(proto, name);
  await resolveExternalData(proto, name, sibling ?? (() => undefined));
  const model: Model = {
    graph: decodeGraph(proto.graph, name),
    opset: opset ?? DIALECT_OPSET,
    sourceOpset: opset ?? DIALECT_OPSET,
    domains,
    constants: new Set(),
    format: 'onnx',
    name,
    source: proto,
  };
  const sort = () => sortGraph(model.graph, name);
  normalizeModel(model, name, sort);
  if (inlineFunctions(model, proto, name)) sort();
  return model;
}

function parse(bytes: Uint8Array, name: string): ModelProto {
  try {
    // A Buffer's slice() shares memory where a Uint8Array's copies; decode through a plain view.
    return fromBinary(ModelProtoSchema, new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const cut = /premature EOF|index out of range|invalid/i.test(reason);
    throw new ReaderError(
      cut
        ? `the file is cut short or damaged: its ${bytes.length} bytes are not a whole ONNX model (${reason})`
        : `the file is not a readable ONNX model (${reason})`,
      { code: 'onnx-protobuf', where: name, hint: 'download or export it again', cause },
    );
  }
}

function readOpsets(proto: ModelProto, name: string): { opset: number | undefined; domains: Map<string, number> } {
  const domains = new Map<string, number>();
  let opset: number | undefined;
  for (const { domain, version } of proto.opsetImport) {
    if (domain === '' || domain === 'ai.onnx') opset = Number(version);
    else domains.set(domain, Number(version));
  }
  const usesStandard = proto.graph?.node.some(({ domain }) => domain === '' || domain === 'ai.onnx');
  if (opset === undefined && usesStandard) {
    if (proto.irVersion >= 3n) {
      throw new ReaderError('the file does not say its opset', {
        code: 'onnx-no-opset',
        where: name,
        hint: 'opset_import stands at the end of the file: it was probably cut; download or export it again',
      });
    }
    opset = 1; // the specification's default for files of IR version 1 and 2
  }
  if (opset !== undefined && (opset < OLDEST_OPSET || opset > NEWEST_OPSET)) {
    const old = opset < OLDEST_OPSET;
    throw new ReaderError(`the model has opset ${opset}, expected ${OLDEST_OPSET} to ${NEWEST_OPSET}`, {
      code: 'onnx-opset',
      where: name,
      hint: old
        ? 'export it again with opset_version=17 or so, or run onnx.version_converter.convert_version(model, 17)'
        : `export it again with opset_version=${DIALECT_OPSET}`,
    });
  }
  return { opset, domains };
}

function decodeGraph(proto: GraphProto, file: string): Graph {
  const initializers: Graph['initializers'] = new Map();
  for (const tensor of proto.initializer) {
    if (initializers.has(tensor.name)) {
      throw new ReaderError(`the initializer "${tensor.name}" is given twice`, { code: 'onnx-duplicate', where: file });
    }
    const decoded = decodeTensor(tensor, file);
    if (decoded !== undefined) initializers.set(tensor.name, decoded);
  }
  const known = new Set([...proto.initializer.map(({ name }) => name)]);
  for (const { values } of proto.sparseInitializer) if (values) known.add(values.name);
  return {
    name: proto.name,
    inputs: proto.input.filter(({ name }) => !known.has(name)).map(decodeValueInfo),
    outputs: proto.output.map(decodeValueInfo),
    nodes: proto.node.map((node) => decodeNode(node, file)),
    initializers,
    values: new Map(proto.valueInfo.map((info) => [info.name, decodeValueInfo(info)])),
    source: proto,
  };
}

/** A NodeProto with its attributes and subgraphs. Throws ReaderError for broken tensors. */
export function decodeNode(proto: NodeProto, file: string): Node {
  const attributes = proto.attribute.map((attribute) => {
    const value = decodeAttribute(attribute, file, (graph) => decodeGraph(graph, file));
    return [attribute.name, value] as const;
  });
  return {
    name: proto.name,
    op: proto.opType,
    domain: proto.domain === 'ai.onnx' ? '' : proto.domain,
    inputs: [...proto.input],
    outputs: [...proto.output],
    attributes: Object.fromEntries(attributes),
    source: proto,
  };
}
