import type { DataType } from './data-type.ts';
import { capturedNames } from './subgraphs.ts';
import type { Tensor } from './tensor.ts';

/**
 * The one dialect every rule sees: the forms of ONNX opset 21 (axes as inputs, GroupNormalization per channel, …).
 * Opsets 22 to 26 add operators and element types to it but change no form, so a newer model keeps its number.
 */
export const DIALECT_OPSET = 21;
/** The newest opset that onnxruntime 1.30 takes (measured: 27 is refused). */
export const NEWEST_OPSET = 26;

/** A network in memory: nodes in topological order, values named by strings. */
export interface Graph {
  name: string;
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  nodes: Node[];
  /** Tensors known before running: parameters and constants. Constant nodes are folded into it on reading. */
  initializers: Map<string, Tensor>;
  /** What the file says of intermediate values. */
  values: Map<string, ValueInfo>;
  /** Where the graph was read from, so that writing keeps what this project does not understand. */
  source?: unknown;
}

/** A value's declared type: dims are numbers, names (symbolic) or null (unknown); shape undefined means unknown rank. */
export interface ValueInfo {
  name: string;
  type?: DataType;
  shape?: Dim[];
  source?: unknown;
}
export type Dim = number | string | null;

/** One operation. An omitted optional input or output is the empty string. */
export interface Node {
  name: string;
  op: string;
  /** '' is the ONNX standard. */
  domain: string;
  inputs: string[];
  outputs: string[];
  attributes: Record<string, Attribute>;
  /** For nodes this project adds: the forward node (and which of its inputs) they differentiate. */
  origin?: Origin;
  source?: unknown;
}

export interface Origin {
  readonly node: string;
  /** Position among the forward node's inputs; undefined for the loss and for sums of several consumers. */
  readonly input?: number;
}

export type Attribute = number | string | number[] | string[] | Tensor | Graph | Graph[] | OpaqueAttribute;

/** An attribute kind this project carries but does not read (sparse tensors, types, references). */
export interface OpaqueAttribute {
  readonly opaque: unknown;
}

/** A graph with what its file says around it. */
export interface Model {
  graph: Graph;
  /** Opset of the standard domain: at least DIALECT_OPSET once read. */
  opset: number;
  /** Opset the file had. */
  sourceOpset: number;
  /** Other domains and their versions. */
  domains: Map<string, number>;
  /** Initializer names that are constants by origin (Constant nodes), hence never parameters. */
  constants: Set<string>;
  format: string;
  name: string;
  /** How its file says the model is to be trained. */
  training?: TrainingHints;
  source?: unknown;
}

/** What a file says of training; a command's options override it. */
export interface TrainingHints {
  loss?: string;
  optimizer?: { name: string; options: Record<string, number> };
  batch?: number;
  seed?: number;
}

/** A value with its concrete type and shape: what gradient rules and the builder work with. */
export interface Value {
  readonly name: string;
  readonly type: DataType;
  readonly shape: readonly number[];
}

/** Every value of a graph once a batch is bound: concrete shape, and the content of small integer tensors. */
export type Binding = Map<string, BoundValue>;
export interface BoundValue extends Value {
  /** Content, where it is known before training: initializers, shape arithmetic. */
  readonly content?: Tensor;
}

/** Value name → the node that computes it. */
export function producers(graph: Graph): Map<string, Node> {
  const map = new Map<string, Node>();
  for (const node of graph.nodes) for (const output of node.outputs) if (output !== '') map.set(output, node);
  return map;
}

/**
 * Value name → the nodes that read it, with the input position, in graph order. What a node's subgraphs capture is
 * counted after its inputs.
 */
export function consumers(graph: Graph): Map<string, { node: Node; input: number }[]> {
  const map = new Map<string, { node: Node; input: number }[]>();
  for (const node of graph.nodes) {
    [...node.inputs, ...capturedNames(node)].forEach((name, input) => {
      if (name === '') return;
      const list = map.get(name);
      if (list) list.push({ node, input });
      else map.set(name, [{ node, input }]);
    });
  }
  return map;
}

/** How often each operator stands in a graph, the most frequent first; foreign ones with their domain. */
export function countOperators({ nodes }: Graph): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { op, domain } of nodes) {
    const name = domain === '' ? op : `${domain}.${op}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return Object.fromEntries(Object.entries(counts).sort(([, a], [, b]) => b - a));
}

/** A model around a graph made here. */
export function modelOf(graph: Graph, name = graph.name): Model {
  return {
    graph,
    opset: DIALECT_OPSET,
    sourceOpset: DIALECT_OPSET,
    domains: new Map(),
    constants: new Set(),
    format: 'graph',
    name,
  };
}

/** A copy that may be changed without touching the original; tensors are shared, they are never written. */
export function cloneGraph(graph: Graph): Graph {
  return {
    ...graph,
    inputs: [...graph.inputs],
    outputs: [...graph.outputs],
    nodes: graph.nodes.map((node) => ({ ...node, inputs: [...node.inputs], outputs: [...node.outputs] })),
    initializers: new Map(graph.initializers),
    values: new Map(graph.values),
  };
}
