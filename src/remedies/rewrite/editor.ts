import { isFloat } from '../../graph/data-type.ts';
import { type Attribute, cloneGraph, type Graph, type Model, type Node } from '../../graph/graph.ts';
import { findParameters } from '../../graph/parameters.ts';
import { sortGraph } from '../../graph/sort.ts';
import { subgraphsOf } from '../../graph/subgraphs.ts';
import { scalarOf, type Tensor } from '../../graph/tensor.ts';
import { RemedyError } from '../remedy.ts';

/**
 * Changes a copy of a model's graph: nodes are added, replaced and taken out while every name that stays keeps its
 * meaning. What it adds is named after the place it stands at, so that reports and patches can say where.
 */
export class GraphEditor {
  readonly graph: Graph;
  private readonly model: Model;
  private readonly taken: Set<string>;
  private readonly constants: Set<string>;

  constructor(model: Model) {
    this.model = model;
    this.graph = cloneGraph(model.graph);
    this.constants = new Set(model.constants);
    // Constants are trained only in a file that has nothing else: what is added to one must not freeze them.
    for (const name of findParameters(model)) this.constants.delete(name);
    this.taken = namesOf(this.graph);
  }

  /** The name itself, or with the first number that makes it free. */
  fresh(base: string): string {
    let name = base;
    for (let i = 2; this.taken.has(name); i++) name = `${base}_${i}`;
    this.taken.add(name);
    return name;
  }

  /** A node named `name` with one output of the same name, at the end of the list: `done` puts it in order. */
  add(
    op: string,
    inputs: readonly string[],
    name: string,
    attributes: Record<string, Attribute> = {},
    outputs = 1,
  ): string[] {
    const own = this.fresh(name);
    const names = Array.from({ length: outputs }, (_, i) => (i === 0 ? own : this.fresh(`${own}.${i}`)));
    this.graph.nodes.push({ name: own, op, domain: '', inputs: [...inputs], outputs: names, attributes });
    return names;
  }

  /** A trained tensor. */
  parameter(name: string, tensor: Tensor): string {
    const own = this.fresh(name);
    this.graph.initializers.set(own, tensor);
    return own;
  }

  /** A tensor that is never trained. */
  constant(name: string, tensor: Tensor): string {
    const own = this.parameter(name, tensor);
    this.constants.add(own);
    return own;
  }

  /** A number in the type of the values it meets. */
  scalar(name: string, value: number, type: Tensor['type'] = 'float32'): string {
    return this.constant(name, scalarOf(isFloat(type) ? type : 'float32', value));
  }

  node(name: string): Node {
    const node = this.graph.nodes.find((candidate) => candidate.name === name);
    if (!node) throw new RemedyError(`the network has no node "${name}"`, { code: 'remedy-place' });
    return node;
  }

  /** Takes nodes out; what they gave must be given by others, or be read no more. */
  remove(names: Iterable<string>): void {
    const gone = new Set(names);
    this.graph.nodes = this.graph.nodes.filter(({ name }) => !gone.has(name));
  }

  /** Every reader of `value`, the graph's outputs included, reads `by` in its place; readers in `except` do not. */
  redirect(value: string, by: string, except: ReadonlySet<string> = new Set()): void {
    for (const node of this.graph.nodes) {
      if (except.has(node.name)) continue;
      node.inputs = node.inputs.map((input) => (input === value ? by : input));
      for (const body of subgraphsOf(node)) redirectIn(body, value, by);
    }
    this.graph.outputs = this.graph.outputs.map((output) => (output.name === value ? { ...output, name: by } : output));
  }

  /**
   * Puts something behind a value: its readers read the result. Where the value is an output of the graph, that output
   * keeps its name and what computed it gets another. `write` receives the name to read and gives that of the result.
   */
  insertAfter(value: string, write: (X: string) => string): void {
    const isOutput = this.graph.outputs.some(({ name }) => name === value);
    const source = isOutput ? this.rename(value) : value;
    const before = new Set(this.graph.nodes.map(({ name }) => name));
    const result = write(source);
    const added = new Set(this.graph.nodes.map(({ name }) => name).filter((name) => !before.has(name)));
    if (isOutput) this.renameTo(result, value);
    else this.redirect(value, result, added);
  }

  /** Gives what computes a value another name for it, and returns that; readers still ask for the old one. */
  private rename(value: string): string {
    const name = this.fresh(`${value}.before`);
    for (const node of this.graph.nodes) {
      node.outputs = node.outputs.map((output) => (output === value ? name : output));
    }
    return name;
  }

  private renameTo(value: string, name: string): void {
    for (const node of this.graph.nodes) {
      node.inputs = node.inputs.map((input) => (input === value ? name : input));
      node.outputs = node.outputs.map((output) => (output === value ? name : output));
    }
  }

  /** The changed model: nodes in order, and without tensors that nothing reads any more. */
  done(): Model {
    sortGraph(this.graph, this.model.name);
    const read = new Set(this.graph.outputs.map(({ name }) => name));
    const collect = (graph: Graph) => {
      for (const node of graph.nodes) {
        for (const input of node.inputs) read.add(input);
        for (const body of subgraphsOf(node)) {
          collect(body);
          for (const { name } of body.outputs) read.add(name);
        }
      }
    };
    collect(this.graph);
    const before = new Set(readNamesOf(this.model.graph));
    for (const name of [...this.graph.initializers.keys()]) {
      // Unread from the beginning: the user's own, and left alone.
      if (!read.has(name) && before.has(name)) this.graph.initializers.delete(name);
    }
    this.graph.inputs = this.graph.inputs.filter(
      ({ name }) => read.has(name) || !before.has(name) || !this.model.graph.initializers.has(name),
    );
    return { ...this.model, graph: this.graph, constants: this.constants };
  }
}

function redirectIn(graph: Graph, value: string, by: string): void {
  for (const node of graph.nodes) {
    node.inputs = node.inputs.map((input) => (input === value ? by : input));
    for (const body of subgraphsOf(node)) redirectIn(body, value, by);
  }
}

function readNamesOf(graph: Graph): string[] {
  return graph.nodes.flatMap((node) => [...node.inputs, ...subgraphsOf(node).flatMap(readNamesOf)]);
}

function namesOf(graph: Graph): Set<string> {
  const names = new Set<string>(graph.initializers.keys());
  for (const { name } of [...graph.inputs, ...graph.outputs]) names.add(name);
  for (const node of graph.nodes) {
    names.add(node.name);
    for (const name of [...node.inputs, ...node.outputs]) names.add(name);
    for (const body of subgraphsOf(node)) for (const name of namesOf(body)) names.add(name);
  }
  return names;
}
