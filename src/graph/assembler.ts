import type { DataType } from './data-type.ts';
import type { Attribute, Graph, Node, Origin, Value } from './graph.ts';
import { collectNames } from './subgraphs.ts';
import { type Tensor, tensorOf } from './tensor.ts';

/** Operators whose result is not a function of their inputs: two of them are never the same node. */
const notPure = new Set(
  ['Dropout', 'Bernoulli', 'Multinomial', 'RandomNormal', 'RandomNormalLike'].concat([
    'RandomUniform',
    'RandomUniformLike',
    'BatchNormalization',
  ]),
);

/** Whether a node's result is a function of its inputs alone. */
export function isPure(node: Node): boolean {
  return !notPure.has(node.op);
}

/** An output of a node that is being added. */
export type OutputSpec = readonly [type: DataType, shape: readonly number[]];

/**
 * Appends nodes to a graph. A node that computes what an existing one computes (same operator, inputs, attributes)
 * is not added again: the existing values are returned. Continuing a forward graph therefore reuses what it has.
 */
export class Assembler {
  readonly graph: Graph;
  /** Values with known type and shape, by name. */
  readonly values: Map<string, Value>;
  /** Stamped on every node added while it is set. */
  origin: Origin | undefined;
  /** Prefix of the names of nodes and values added. */
  scope = '';
  private readonly known = new Map<string, string[]>();
  private readonly constants = new Map<string, Value>();
  private readonly names: Set<string>;
  private readonly counters: Map<string, number>;
  private readonly outer: Assembler | undefined;

  /**
   * Starts an empty graph, or continues `graph` whose values are given with concrete shapes. A subgraph of the graph that
   * `outer` builds may read what is there, and its names differ from all names there.
   */
  constructor(graph?: Graph, values: Iterable<Value> = [], outer?: Assembler) {
    this.outer = outer;
    this.names = outer?.names ?? new Set();
    this.counters = outer?.counters ?? new Map();
    this.graph = graph ?? {
      name: 'graph',
      inputs: [],
      outputs: [],
      nodes: [],
      initializers: new Map(),
      values: new Map(),
    };
    this.values = new Map(Array.from(values, (value) => [value.name, value]));
    collectNames(this.graph, this.names);
    for (const node of this.graph.nodes) {
      this.names.add(node.name);
      const key = keyOf(node);
      if (key !== undefined && !this.known.has(key)) this.known.set(key, node.outputs);
    }
  }

  /** Adds a graph input. */
  input(name: string, type: DataType, shape: readonly number[]): Value {
    this.graph.inputs.push({ name, type, shape: [...shape] });
    return this.define(name, type, shape);
  }

  /** Adds a named initializer: a parameter or a named constant. */
  initializer(name: string, tensor: Tensor): Value {
    this.graph.initializers.set(name, tensor);
    return this.define(name, tensor.type, tensor.dims);
  }

  /** A constant; equal small constants share one initializer. */
  constant(tensor: Tensor): Value {
    const key =
      tensor.data.length <= 64
        ? `${tensor.type}[${tensor.dims}]${Array.from(tensor.data as ArrayLike<unknown>, text)}`
        : undefined;
    const existing = key !== undefined ? this.constants.get(key) : undefined;
    if (existing) return existing;
    const value = this.initializer(this.uniqueName('constant'), tensor);
    if (key !== undefined) this.constants.set(key, value);
    return value;
  }

  /** A scalar constant of a type. */
  scalar(value: number, type: DataType): Value {
    return this.constant(tensorOf(type, [], [value]));
  }

  /** A one-dimensional int64 constant: shapes, axes, starts. */
  ints(values: readonly number[]): Value {
    return this.constant(tensorOf('int64', [values.length], values));
  }

  /** Declares a value as an output of the graph. */
  output(value: Value): void {
    this.graph.outputs.push({ name: value.name, type: value.type, shape: [...value.shape] });
  }

  /** The value of a name. Throws when its type and shape are not known. */
  value(name: string): Value {
    const value = this.find(name);
    if (!value) throw new Error(`the type and shape of value "${name}" are not known`);
    return value;
  }

  /** The value of a name, here or around here, if its type and shape are known. */
  find(name: string): Value | undefined {
    return this.values.get(name) ?? this.outer?.find(name);
  }

  /**
   * Adds a node (or finds its twin) and returns its outputs.
   * `names` fixes the names of the node and its outputs; a named node is always added.
   */
  add(
    op: string,
    inputs: readonly (Value | null | undefined)[],
    outputs: readonly OutputSpec[],
    attributes: Record<string, Attribute> = {},
    names?: { node?: string; outputs?: readonly string[] },
  ): Value[] {
    const inputNames = inputs.map((input) => input?.name ?? '');
    while (inputNames.length > 0 && inputNames.at(-1) === '') inputNames.pop();
    const draft: Node = { name: '', op, domain: '', inputs: inputNames, outputs: [], attributes };
    const key = names ? undefined : keyOf(draft);
    const twin = key !== undefined ? this.known.get(key) : undefined;
    if (twin && outputs.every((_, i) => twin[i] !== undefined && twin[i] !== '' && this.values.has(twin[i]))) {
      return outputs.map((_, i) => this.value(twin[i]!));
    }
    draft.name = names?.node ?? this.uniqueName(op);
    draft.outputs = outputs.map(
      (_, i) => names?.outputs?.[i] ?? this.uniqueName(outputs.length > 1 ? `${op}_out${i}` : `${op}_out`),
    );
    if (this.origin) draft.origin = this.origin;
    this.graph.nodes.push(draft);
    this.names.add(draft.name);
    const ownKey = keyOf(draft);
    if (ownKey !== undefined && !this.known.has(ownKey)) this.known.set(ownKey, draft.outputs);
    return outputs.map(([type, shape], i) => this.define(draft.outputs[i]!, type, shape));
  }

  /** An optional output of a node already in this graph, named if the node does not give it yet. */
  extraOutput(node: Node, index: number, type: DataType, shape: readonly number[]): Value {
    while (node.outputs.length <= index) node.outputs.push('');
    const name = node.outputs[index]!;
    if (name !== '') return this.values.get(name) ?? this.define(name, type, shape);
    node.outputs[index] = this.uniqueName(`${node.op}_out${index}`);
    return this.define(node.outputs[index], type, shape);
  }

  /** A name not yet taken, within the current scope. */
  uniqueName(base: string): string {
    const scoped = this.scope + base;
    let name = scoped;
    let count = this.counters.get(scoped) ?? 0;
    while (this.names.has(name)) name = `${scoped}_${++count}`;
    this.counters.set(scoped, count);
    this.names.add(name);
    return name;
  }

  private define(name: string, type: DataType, shape: readonly number[]): Value {
    const value = { name, type, shape: [...shape] };
    this.names.add(name);
    this.values.set(name, value);
    return value;
  }
}

function keyOf(node: Node): string | undefined {
  if (!isPure(node)) return undefined;
  const attributes: string[] = [];
  for (const name of Object.keys(node.attributes).sort()) {
    const attribute = node.attributes[name]!;
    if (typeof attribute === 'object' && !Array.isArray(attribute)) return undefined;
    attributes.push(`${name}=${JSON.stringify(attribute)}`);
  }
  return [node.domain, node.op, node.inputs.join('\u0001'), attributes.join('\u0001')].join('\u0002');
}

const text = (element: unknown): string => (Object.is(element, -0) ? '-0' : String(element));
