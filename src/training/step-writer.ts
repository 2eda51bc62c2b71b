import type { BackwardGraph } from '../autodiff/differentiate.ts';
import { GraphBuilder } from '../graph/builder.ts';
import { cloneGraph, type Graph, type Value } from '../graph/graph.ts';
import { pruneGraph } from '../graph/prune.ts';
import { renameNode } from '../graph/rename.ts';
import { scalarOf, type Tensor } from '../graph/tensor.ts';

/** What a tensor of the training state is. Accumulators hold the sum of micro-batch gradients. */
export type StateRole = 'parameter' | 'slot' | 'running-statistic' | 'counter' | 'accumulator';

/** A tensor that goes into every run as a graph input and comes back as an output: the next run's input. */
export interface StateTensor {
  /** Parameters and running statistics: the model's own initializer name. */
  readonly name: string;
  readonly role: StateRole;
  readonly input: string;
  readonly output: string;
  readonly initial: Tensor;
}

/** Continues a graph with its backward pass: keeps account of state that goes in and comes back, and of outputs. */
export class StepWriter {
  readonly g: GraphBuilder;
  private readonly state = new Map<string, { role: StateRole; input: Value; initial: Tensor; output?: string }>();
  private readonly forward: ReadonlySet<string>;
  /** Value → the name it is published under. */
  private readonly renamed = new Map<string, string>();
  private readonly published: { name: string; like: Value }[] = [];

  constructor(backward: BackwardGraph) {
    const graph = cloneGraph(backward.graph);
    this.g = new GraphBuilder(graph, backward.values.values());
    this.g.scope = 'step/';
    this.forward = new Set(graph.nodes.filter(({ origin }) => !origin).flatMap(({ outputs }) => outputs));
  }

  /** A new state input. */
  feed(name: string, role: StateRole, initial: Tensor): Value {
    const known = this.state.get(name);
    if (known) return known.input;
    const input = this.g.input(this.unique(name), initial.type, initial.dims);
    this.state.set(name, { role, input, initial });
    return input;
  }

  /** Takes a graph input that is there already as state. */
  adopt(name: string, role: StateRole, initial: Tensor): void {
    this.state.set(name, { role, input: this.g.value(name), initial });
  }

  /** Says what a state tensor becomes. */
  keep(name: string, next: Value): void {
    const entry = this.state.get(name)!;
    entry.output = this.publish(next, `${entry.input.name}:next`);
  }

  /** The number of this update, from 1, as float64; the count itself is an int64 state tensor. */
  counter(): Value {
    const { g } = this;
    const before = this.feed('optimizer:steps', 'counter', scalarOf('int64', 0));
    const now = g.plus(before, g.scalar(1, 'int64'));
    if (!this.state.get('optimizer:steps')!.output) this.keep('optimizer:steps', now);
    return g.cast(now, 'float64');
  }

  /** Makes a value an output under a name of its own; returns the name. */
  publish(value: Value, wanted: string): string {
    const name = this.unique(wanted);
    const isInner = this.g.graph.nodes.some(({ outputs }) => outputs.includes(value.name));
    if (isInner && !this.forward.has(value.name) && !this.renamed.has(value.name)) this.renamed.set(value.name, name);
    else this.g.add('Identity', [value], [[value.type, value.shape]], {}, { node: `${name}/copy`, outputs: [name] });
    this.published.push({ name, like: value });
    return name;
  }

  /** The graph reduced to what is published and `extra`, and its state. */
  finish(extra: readonly string[]): { graph: Graph; state: StateTensor[] } {
    const { g, renamed } = this;
    const rename = (name: string) => renamed.get(name) ?? name;
    const graph: Graph = {
      ...g.graph,
      nodes: g.graph.nodes.map((node) => renameNode(node, rename)),
      values: new Map(),
    };
    const outputs = [...new Set([...extra, ...this.published.map(({ name }) => name)])];
    const likes = new Map(this.published.map(({ name, like }) => [name, like]));
    const pruned = pruneGraph(graph, outputs);
    pruned.outputs = outputs.map((name) => {
      const { type, shape } = likes.get(name) ?? g.value(name);
      return { name, type, shape: [...shape] };
    });
    const state = [...this.state].flatMap(([name, { role, input, initial, output }]) =>
      output === undefined ? [] : [{ name, role, input: input.name, output, initial }],
    );
    return { graph: pruned, state };
  }

  /** A name not taken yet, outside of this writer's scope. */
  unique(base: string): string {
    const { g } = this;
    const scope = g.scope;
    g.scope = '';
    const name = g.uniqueName(base);
    g.scope = scope;
    return name;
  }
}
