import type { FunctionProto, ModelProto } from 'onnx-buf';
import { collectNames, upgradeGraph } from '../dialect/normalize.ts';
import { DIALECT_OPSET, type Graph, type Node } from '../graph.ts';
import { decodeNode } from './decode.ts';
import { encodeNode } from './encode.ts';

/**
 * Brings the bodies of model-local functions to the dialect, in the model's message: onnxruntime reads them with the
 * opset of the model they stand in. Throws ReaderError for forms that depend on a function's parameters.
 */
export function upgradeFunctions(model: ModelProto, file: string): void {
  for (const proto of model.functions) {
    const standard = proto.opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx');
    if (standard === undefined || standard.version >= DIALECT_OPSET) continue;
    proto.node = upgradeBody(proto, Number(standard.version), file).map((node) => encodeNode(node, []));
    standard.version = BigInt(DIALECT_OPSET);
  }
}

function upgradeBody(proto: FunctionProto, opset: number, file: string): Node[] {
  const body: Graph = {
    name: proto.name,
    inputs: proto.input.map((name) => ({ name })),
    outputs: proto.output.map((name) => ({ name })),
    nodes: proto.node.map((node) => decodeNode(node, file)),
    initializers: new Map(),
    values: new Map(),
  };
  const names = new Set<string>();
  collectNames(body, names);
  upgradeGraph(body, opset, { file: `${file}, function "${proto.name}"`, names, constants: new Set() });
  // A function has no initializers: what the upgrade added becomes Constant nodes.
  const constants = Array.from(body.initializers, ([name, value]): Node => {
    return { name, op: 'Constant', domain: '', inputs: [], outputs: [name], attributes: { value } };
  });
  return [...constants, ...body.nodes];
}
