import type { GraphBuilder } from '../graph/builder.ts';
import type { Binding, Node, Value } from '../graph/graph.ts';
import { capturedNames } from '../graph/subgraphs.ts';
import { AttributeReader } from './attributes.ts';
import { Body } from './body.ts';
import { contextOf, refusals, thunkOf } from './context.ts';
import { findPath, type GradientPath } from './path.ts';
import { RescalePlan } from './rescale.ts';
import type { Thunk, Tools } from './rule.ts';
import type { GradientTables } from './tables.ts';

/** One edge of the backward pass: what a node contributes to the gradient of one of its inputs. */
export interface BackwardEdge {
  readonly node: string;
  readonly op: string;
  /** Position among the node's inputs; values that its subgraphs capture are counted after them. */
  readonly input: number;
  /** The value whose gradient receives the contribution. */
  readonly value: string;
  /** The node's outputs that have a gradient. */
  readonly outputs: readonly string[];
  /** The value that holds the contribution, in the shape of `value`. */
  readonly contribution: string;
}

/** A gradient within a node that its rule keeps for measurement. */
export interface ExposedGradient {
  readonly node: string;
  readonly label: string;
  /** Which of several: the direction of a recurrent node. */
  readonly index: number;
  /** Its true slices along the first axis are those of `value`, multiplied by 2^exponents[t]. */
  readonly value: string;
  readonly exponents: string;
  /** The rescaled values between it and the loss. */
  readonly rescaledBy: readonly string[];
}

export interface SweepOptions {
  readonly tables: GradientTables;
  /** Opset of the model, for messages. */
  readonly opset: number;
  readonly exactTails?: boolean;
  readonly expose?: boolean;
}

/** The reverse sweep: contributions meet at each value, are summed there, and go on to the node that made it. */
export class ReverseSweep {
  readonly edges: BackwardEdge[] = [];
  readonly exposed: ExposedGradient[] = [];
  private readonly contributions = new Map<string, Value[]>();
  private readonly gradients = new Map<string, Value>();
  private readonly builder: GraphBuilder;
  private readonly binding: Binding;
  private readonly path: GradientPath;
  private readonly rescale: RescalePlan;
  private readonly options: SweepOptions;

  constructor(
    builder: GraphBuilder,
    binding: Binding,
    path: GradientPath,
    rescale: RescalePlan,
    options: SweepOptions,
  ) {
    this.builder = builder;
    this.binding = binding;
    this.path = path;
    this.rescale = rescale;
    this.options = options;
  }

  /** Appends the backward pass to the builder, from values and their gradients. */
  run(upstream: readonly (readonly [Value, Value])[]): void {
    for (const [value, gradient] of upstream) if (this.path.values.has(value.name)) this.meet(value.name, gradient);
    for (const node of [...this.path.nodes].reverse()) this.visit(node);
  }

  /** The gradient of every value on the path; zeros where nothing arrived. */
  finish(): Map<string, string> {
    const result = new Map<string, string>();
    for (const name of this.path.values) {
      this.builder.scope = `${name}/grad/`;
      const gradient = this.gradientOf(name) ?? this.builder.zerosLike(this.builder.value(name));
      result.set(name, gradient.name);
    }
    this.builder.scope = '';
    return result;
  }

  /** Writes the gradients of what one node reads. */
  private visit(node: Node): void {
    const upstream = node.outputs.map((output) => (output === '' ? undefined : this.gradientOf(output)));
    if (upstream.every((gradient) => gradient === undefined)) return;
    const rule = this.options.tables.find(node)!;
    const enter = (input?: number): void => {
      this.builder.scope = `${node.name}/grad/`;
      this.builder.origin = input === undefined ? { node: node.name } : { node: node.name, input };
    };
    enter();
    const context = contextOf(rule, upstream, this.toolsOf(node));
    const thunks = rule.gradient(context as never);
    const outputs = node.outputs.filter((_, i) => upstream[i] !== undefined);
    const take = (name: string, input: number, thunk: Thunk | undefined): void => {
      if (!thunk) return;
      enter(input);
      const contribution = thunk();
      if (contribution) this.contribute(node, input, name, outputs, contribution);
    };
    node.inputs.forEach((name, input) => {
      if (this.path.values.has(name)) take(name, input, thunkOf(rule.inputs, thunks, input));
    });
    const captured = (thunks.captured ?? []) as Thunk[];
    context.captured.forEach(({ name }, i) => {
      take(name, node.inputs.length + i, captured[i]);
    });
    this.builder.origin = undefined;
  }

  private contribute(node: Node, input: number, name: string, outputs: string[], gradient: Value): void {
    const target = this.builder.value(name);
    if (gradient.type !== target.type) {
      throw new Error(
        `the rule of ${node.op} gives ${gradient.type} for input ${input} of node "${node.name}", which is ${target.type}`,
      );
    }
    const reduced = this.builder.sumToShape(gradient, target.shape);
    const contribution = this.rescale.alignForMeeting(node, name, reduced);
    this.meet(name, contribution);
    this.edges.push({ node: node.name, op: node.op, input, value: name, outputs, contribution: contribution.name });
  }

  private meet(name: string, contribution: Value): void {
    const list = this.contributions.get(name);
    if (list) list.push(contribution);
    else this.contributions.set(name, [contribution]);
  }

  /** Sums what has arrived at a value. Called once all its consumers have been visited. */
  gradientOf(name: string): Value | undefined {
    const known = this.gradients.get(name);
    if (known) return known;
    const terms = this.contributions.get(name);
    if (!terms) return undefined;
    this.builder.scope = `${name}/grad/`;
    const total = this.rescale.apply(name, this.builder.sum(terms));
    this.gradients.set(name, total);
    return total;
  }

  private toolsOf(node: Node): Tools {
    const { builder: g, binding, path, options } = this;
    // What has a gradient is a variable, even if it is an initializer now.
    const content = (value: Value) =>
      path.values.has(value.name)
        ? undefined
        : (binding.get(value.name)?.content ?? g.graph.initializers.get(value.name));
    const around = { ...options, g, node, content, pullBack: pullBackIn(options) };
    return {
      g,
      node,
      attributes: new AttributeReader(node),
      exactTails: options.exactTails ?? false,
      content,
      isWanted: (value) => path.values.has(value.name),
      captured: capturedNames(node)
        .filter((name) => path.values.has(name))
        .map((name) => g.value(name)),
      open: (subgraph, inputs) => new Body(around, subgraph, inputs),
      extraOutput: (index, type, shape) => g.extraOutput(node, index, type, shape),
      expose: options.expose
        ? (label, index, { name: value }, { name: exponents }) => {
            const rescaledBy = this.rescale.after(node);
            this.exposed.push({ node: node.name, label, index, value, exponents, rescaledBy });
          }
        : undefined,
      ...refusals(node, content),
    };
  }
}

/** The sweep within a body: its gradients leave it as outputs only, so that nothing in it is exposed or rescaled. */
function pullBackIn(options: SweepOptions) {
  return (
    g: GraphBuilder,
    binding: Binding,
    upstream: readonly (readonly [Value, Value])[],
    wrt: readonly Value[],
  ): (Value | undefined)[] => {
    const names = (values: readonly Value[]): string[] => values.map(({ name }) => name);
    const targets = names(upstream.map(([value]) => value));
    const path = findPath(g.graph, binding, targets, names(wrt), options.tables, options.opset);
    const sweep = new ReverseSweep(g, binding, path, new RescalePlan(g, path, []), { ...options, expose: false });
    const { scope } = g;
    sweep.run(upstream);
    const gradients = names(wrt).map((name) => (path.values.has(name) ? sweep.gradientOf(name) : undefined));
    g.scope = scope;
    return gradients;
  };
}
