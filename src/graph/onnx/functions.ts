import type { AttributeProto, FunctionProto, ModelProto, NodeProto } from 'onnx-buf';
import { AttributeProtoSchema, GraphProtoSchema, ModelProtoSchema, NodeProtoSchema } from 'onnx-buf';
import { foldConstants, upgradeGraph } from '../dialect/normalize.ts';
import { ReaderError } from '../errors.ts';
import { DIALECT_OPSET, type Graph, type Model, type Node } from '../graph.ts';
import { placeBody } from '../inline.ts';
import { collectNames, freeNames, subgraphsOf } from '../subgraphs.ts';
import { decodeNode } from './decode.ts';
import { encodeNode } from './encode.ts';
import { copyMessage, sourceMessage } from './proto.ts';

/** A few kilobytes of functions that call each other twice would unfold to more nodes than memory holds. */
const NODE_LIMIT = 1_000_000;
/** Names grow with the nesting: `<call>/<inner call>/…`. */
const DEPTH_LIMIT = 100;
const simpler = 'export the model with standard operators, or inline its functions with onnx.inliner';

/**
 * Replaces every call of a model-local function by the function's body, in the dialect: its values and nodes are called
 * `<call>/<name>`, the call's outputs keep their names. Functions that were called leave the model. Says whether any was.
 * Throws ReaderError for recursion, wrong calls and more than a million nodes.
 */
export function inlineFunctions(model: Model, proto: ModelProto, file: string): boolean {
  const library = new Map<string, FunctionProto>();
  // A function of the standard domain would redefine an operator, which onnxruntime leaves to its own kernels.
  for (const one of proto.functions) if (!isStandard(one.domain)) library.set(keyOf(one), one);
  if (library.size === 0) return false;
  const inliner = new Inliner(model, library, file);
  inliner.checkSize(model.graph);
  inliner.expandGraph(model.graph, []);
  if (inliner.called.size === 0) return false;

  const kept = proto.functions.filter((one) => !inliner.called.has(one));
  const source = copyMessage(ModelProtoSchema, proto);
  source.functions = kept;
  model.source = source;
  const used = new Set(kept.map(({ domain }) => domain));
  collectDomains(model.graph, used);
  for (const { domain } of inliner.called) if (!used.has(domain)) model.domains.delete(domain);
  for (const { opsetImport } of inliner.called) {
    for (const { domain, version } of opsetImport) {
      if (used.has(domain) && !isStandard(domain) && !model.domains.has(domain)) {
        model.domains.set(domain, Number(version));
      }
    }
  }
  return true;
}

class Inliner {
  readonly called = new Set<FunctionProto>();
  private readonly model: Model;
  private readonly library: ReadonlyMap<string, FunctionProto>;
  private readonly file: string;
  private readonly names = new Set<string>();
  private readonly sizes = new Map<FunctionProto, number>();

  constructor(model: Model, library: ReadonlyMap<string, FunctionProto>, file: string) {
    this.model = model;
    this.library = library;
    this.file = file;
    collectNames(model.graph, this.names);
    collectNodeNames(model.graph, this.names);
  }

  /** Refuses a graph that would unfold to more nodes than the limit, before anything is unfolded. */
  checkSize(graph: Graph): void {
    const size = this.sizeOf(graph.nodes.map((node) => encodeNode(node, [])));
    if (size <= NODE_LIMIT) return;
    const shown = size < 1e15 ? String(size) : size.toExponential(0);
    throw new ReaderError(`its functions unfold to ${shown} nodes; at most ${NODE_LIMIT} are read`, {
      code: 'onnx-function',
      where: this.file,
      hint: simpler,
    });
  }

  private sizeOf(nodes: readonly NodeProto[], depth = 0): number {
    return nodes.reduce((sum, node) => {
      const graphs = node.attribute.flatMap(({ g, graphs }) => (g ? [g, ...graphs] : graphs));
      const inner = graphs.reduce((total, graph) => total + this.sizeOf(graph.node, depth), 0);
      const called = this.library.get(keyOf({ ...node, name: node.opType }));
      return sum + 1 + inner + (called ? this.sizeOfFunction(called, depth + 1) : 0);
    }, 0);
  }

  private sizeOfFunction(proto: FunctionProto, depth: number): number {
    const known = this.sizes.get(proto);
    if (known !== undefined) return known;
    if (depth > DEPTH_LIMIT) throw tooDeep(this.file);
    this.sizes.set(proto, 0); // Recursion is found and named while expanding.
    const size = this.sizeOf(proto.node, depth);
    this.sizes.set(proto, size);
    return size;
  }

  /** Expands the calls in a graph and its subgraphs; `within` are the functions around it. */
  expandGraph(graph: Graph, within: readonly FunctionProto[]): void {
    graph.nodes = this.expand(graph.nodes, graph, within);
  }

  private expand(nodes: readonly Node[], graph: Graph, within: readonly FunctionProto[]): Node[] {
    const expanded: Node[] = [];
    for (const node of nodes) {
      for (const subgraph of subgraphsOf(node)) this.expandGraph(subgraph, within);
      const called = isStandard(node.domain) ? undefined : this.library.get(callKey(node));
      if (called === undefined) expanded.push(node);
      else {
        const body = this.instantiate(node, called, graph, within);
        for (const inner of this.expand(body, graph, [...within, called])) expanded.push(inner);
      }
    }
    return expanded;
  }

  /** The nodes that stand for one call; constants of the body go to the graph around it. */
  private instantiate(call: Node, proto: FunctionProto, graph: Graph, within: readonly FunctionProto[]): Node[] {
    this.check(call, proto, within);
    this.called.add(proto);
    this.names.add(call.name);
    const body = this.bodyOf(call, proto, graph);
    const fresh = (name: string): string => this.fresh(name);
    const { nodes, initializers } = placeBody(body, { node: call, inputs: call.inputs, fresh });
    for (const [name, tensor] of initializers) {
      graph.initializers.set(name, tensor);
      this.model.constants.add(name);
    }
    return nodes;
  }

  /** The function's nodes with the call's attributes filled in, in the dialect, under the function's own names. */
  private bodyOf(call: Node, proto: FunctionProto, graph: Graph): Graph {
    const where = `${this.file}, function "${proto.name}"`;
    const attributes = new Map(proto.attributeProto.map((attribute) => [attribute.name, attribute]));
    for (const attribute of encodeNode(call, []).attribute) attributes.set(attribute.name, attribute);
    const nodes = proto.node.map((node) => decodeNode(fillReferences(node, attributes), where));
    const declared = new Map([...graph.inputs, ...graph.outputs].map((info) => [info.name, info]));
    const body: Graph = {
      name: proto.name,
      inputs: proto.input.map((name, i) => {
        const actual = call.inputs[i] ?? '';
        return { ...(graph.values.get(actual) ?? declared.get(actual)), name };
      }),
      outputs: proto.output.map((name) => ({ name })),
      nodes,
      initializers: new Map(),
      values: new Map(),
    };
    const constants = new Set<string>();
    foldConstants(body, constants);
    const names = new Set<string>();
    collectNames(body, names);
    const opset = Number(proto.opsetImport.find(({ domain }) => isStandard(domain))?.version ?? this.model.sourceOpset);
    if (opset < DIALECT_OPSET) upgradeGraph(body, opset, { file: where, names, constants });
    const [dangling] = freeNames(body);
    if (dangling !== undefined) {
      throw new ReaderError(`reads the value "${dangling}", which nothing in the function produces`, {
        code: 'onnx-dangling',
        where,
        hint: 'a function sees its own inputs only; export the model again',
      });
    }
    return body;
  }

  private check(call: Node, proto: FunctionProto, within: readonly FunctionProto[]): void {
    const refuse = (message: string, hint: string): ReaderError =>
      new ReaderError(message, { code: 'onnx-function', where: `${this.file}, node "${call.name}"`, hint });
    if (within.includes(proto)) {
      const names = [...within.slice(within.indexOf(proto)), proto].map(({ name }) => name);
      const cycle = names.length > 6 ? [...names.slice(0, 5), '…', proto.name] : names;
      throw refuse(`the function "${proto.name}" calls itself: ${cycle.join(' → ')}`, 'ONNX functions cannot recur');
    }
    if (within.length >= DEPTH_LIMIT) throw tooDeep(this.file);
    for (const kind of ['input', 'output'] as const) {
      const [given, taken] = [call[`${kind}s`].length, proto[kind].length];
      if (given > taken) {
        throw refuse(`the call has ${given} ${kind}s, the function "${proto.name}" has ${taken}`, 'export it again');
      }
    }
  }

  private fresh(base: string): string {
    let name = base;
    for (let k = 1; this.names.has(name); k++) name = `${base}_${k}`;
    this.names.add(name);
    return name;
  }
}

function tooDeep(file: string): ReaderError {
  return new ReaderError(`its functions call each other more than ${DEPTH_LIMIT} deep`, {
    code: 'onnx-function',
    where: file,
    hint: simpler,
  });
}

/** A function's node with references to the function's attributes replaced by their values; absent ones are left out. */
function fillReferences(node: NodeProto, values: ReadonlyMap<string, AttributeProto>): NodeProto {
  const filled = copyMessage(NodeProtoSchema, node);
  filled.attribute = node.attribute.flatMap((attribute) => {
    if (attribute.refAttrName === '') return [fillSubgraphs(attribute, values)];
    const value = values.get(attribute.refAttrName);
    if (value === undefined) return [];
    const named = copyMessage(AttributeProtoSchema, value);
    named.name = attribute.name;
    return [named];
  });
  return filled;
}

function fillSubgraphs(attribute: AttributeProto, values: ReadonlyMap<string, AttributeProto>): AttributeProto {
  if (attribute.g === undefined && attribute.graphs.length === 0) return attribute;
  const fill = (graph: NonNullable<AttributeProto['g']>) => {
    const filled = copyMessage(GraphProtoSchema, graph);
    filled.node = graph.node.map((node) => fillReferences(node, values));
    return filled;
  };
  const filled = copyMessage(AttributeProtoSchema, attribute);
  if (attribute.g !== undefined) filled.g = fill(attribute.g);
  filled.graphs = attribute.graphs.map(fill);
  return filled;
}

function keyOf({ domain, name, overload }: { domain: string; name: string; overload: string }): string {
  return [domain, name, overload].join('\u0000');
}

function callKey(node: Node): string {
  const overload = sourceMessage(NodeProtoSchema, node.source)?.overload ?? '';
  return keyOf({ domain: node.domain, name: node.op, overload });
}

function isStandard(domain: string): boolean {
  return domain === '' || domain === 'ai.onnx';
}

function collectNodeNames(graph: Graph, names: Set<string>): void {
  for (const node of graph.nodes) {
    names.add(node.name);
    for (const subgraph of subgraphsOf(node)) collectNodeNames(subgraph, names);
  }
}

function collectDomains(graph: Graph, domains: Set<string>): void {
  for (const node of graph.nodes) {
    domains.add(node.domain);
    for (const subgraph of subgraphsOf(node)) collectDomains(subgraph, domains);
  }
}
