import { GraphBuilder } from '../graph/builder.ts';
import { GradientError } from '../graph/errors.ts';
import { type Binding, cloneGraph, type Graph, type Node, type Value } from '../graph/graph.ts';
import { toNumbers } from '../graph/tensor.ts';
import { AttributeReader } from './attributes.ts';
import { gradientTables } from './gradients/index.ts';
import { findPath } from './path.ts';
import { RescalePlan } from './rescale.ts';
import type { Formal, Rule, Thunk, Thunks, Tools } from './rule.ts';
import type { GradientTables } from './tables.ts';

/** One edge of the backward pass: what a node contributes to the gradient of one of its inputs. */
export interface BackwardEdge {
  readonly node: string;
  readonly op: string;
  /** Position among the node's inputs. */
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
  readonly value: string;
  /** The rescaled values between it and the loss. */
  readonly rescaledBy: readonly string[];
}

/** A graph with its backward pass. */
export interface BackwardGraph {
  /** Forward, loss and backward nodes in topological order. */
  readonly graph: Graph;
  /** Every value of it, with type and shape. */
  readonly values: ReadonlyMap<string, Value>;
  readonly loss: string;
  /** Graph input that seeds the backward pass, dL/dL: backpropagation is linear in it. */
  readonly seed: string;
  /** Graph inputs (scalars, 1 when nothing is to be rescaled) that multiply the gradient at a value. */
  readonly rescale: ReadonlyMap<string, string>;
  /** Of each value on the path, the rescaled values between it and the loss (itself included). */
  readonly rescaledBy: ReadonlyMap<string, readonly string[]>;
  /** Value → the value that holds its gradient. */
  readonly gradients: ReadonlyMap<string, string>;
  readonly edges: readonly BackwardEdge[];
  /** Gradients within recurrent nodes, when asked for. */
  readonly exposed: readonly ExposedGradient[];
}

export interface DifferentiateOptions {
  /** The scalar to differentiate. */
  readonly loss: string;
  /** The values whose gradients are wanted; gradients of the values between come with them. */
  readonly wrt: Iterable<string>;
  /** Opset of the model, for messages. */
  readonly opset: number;
  /** Values at which the gradient is multiplied by a graph input; every path to the loss must pass through each. */
  readonly rescaleAt?: readonly string[];
  readonly tables?: GradientTables;
  /** Keep the size of derivatives far in a saturating function's tails, at the price of a few more nodes. */
  readonly exactTails?: boolean;
  /** Keep gradients within recurrent nodes for measurement. */
  readonly expose?: boolean;
}

/**
 * Appends the backward pass to a graph: reverse-mode differentiation written in standard ONNX operators.
 * `binding` gives every value's type and concrete shape. The input graph is not changed.
 * Throws GradientError when an operator on the path has no gradient or the loss is not a scalar.
 */
export function differentiate(graph: Graph, binding: Binding, options: DifferentiateOptions): BackwardGraph {
  const tables = options.tables ?? gradientTables;
  const builder = new GraphBuilder(cloneGraph(graph), binding.values());
  const loss = builder.value(options.loss);
  if (loss.shape.some((dim) => dim !== 1)) {
    throw new GradientError(`the loss must be one number, "${loss.name}" has shape [${loss.shape.join(', ')}]`, {
      code: 'loss-not-scalar',
    });
  }
  const path = findPath(builder.graph, binding, options.loss, options.wrt, tables, options.opset);
  const rescale = new RescalePlan(builder, path, options.rescaleAt ?? []);
  const sweep = new ReverseSweep(builder, binding, rescale, options);

  const seed = builder.input(builder.uniqueName('gradient_seed'), loss.type, []);
  if (path.values.has(loss.name)) sweep.start(loss, seed);
  for (const node of [...path.nodes].reverse()) sweep.visit(node, tables.find(node)!, path.values);
  const gradients = sweep.finish(path.values);

  return {
    graph: builder.graph,
    values: builder.values,
    loss: loss.name,
    seed: seed.name,
    rescale: rescale.inputs,
    rescaledBy: rescale.passedBy,
    gradients,
    edges: sweep.edges,
    exposed: sweep.exposed,
  };
}

/** The reverse sweep: contributions meet at each value, are summed there, and go on to the node that made it. */
class ReverseSweep {
  readonly edges: BackwardEdge[] = [];
  readonly exposed: ExposedGradient[] = [];
  private readonly contributions = new Map<string, Value[]>();
  private readonly gradients = new Map<string, Value>();
  private readonly builder: GraphBuilder;
  private readonly binding: Binding;
  private readonly rescale: RescalePlan;
  private readonly options: DifferentiateOptions;

  constructor(builder: GraphBuilder, binding: Binding, rescale: RescalePlan, options: DifferentiateOptions) {
    this.builder = builder;
    this.binding = binding;
    this.rescale = rescale;
    this.options = options;
  }

  start(loss: Value, seed: Value): void {
    this.builder.scope = 'loss/grad/';
    this.gradients.set(loss.name, this.builder.reshape(seed, loss.shape));
  }

  /** Writes the gradients of one node's inputs. */
  visit(node: Node, rule: Rule, onPath: ReadonlySet<string>): void {
    const upstream = node.outputs.map((output) => (output === '' ? undefined : this.gradientOf(output)));
    if (upstream.every((gradient) => gradient === undefined)) return;
    this.builder.scope = `${node.name}/grad/`;
    this.builder.origin = { node: node.name };
    const thunks = rule.gradient(this.contextOf(node, rule, upstream, onPath) as never);
    const outputs = node.outputs.filter((_, i) => upstream[i] !== undefined);
    node.inputs.forEach((name, input) => {
      if (name === '' || !onPath.has(name)) return;
      const thunk = thunkOf(rule.inputs, thunks, input);
      if (!thunk) return;
      this.builder.scope = `${node.name}/grad/`;
      this.builder.origin = { node: node.name, input };
      const contribution = thunk();
      if (contribution) this.contribute(node, input, name, outputs, contribution);
    });
    this.builder.origin = undefined;
  }

  /** The gradient of every value on the path; zeros where nothing arrived. */
  finish(onPath: ReadonlySet<string>): Map<string, string> {
    const result = new Map<string, string>();
    for (const name of onPath) {
      this.builder.scope = `${name}/grad/`;
      const gradient = this.gradientOf(name) ?? this.builder.zerosLike(this.builder.value(name));
      result.set(name, gradient.name);
    }
    this.builder.scope = '';
    return result;
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
    const list = this.contributions.get(name);
    if (list) list.push(contribution);
    else this.contributions.set(name, [contribution]);
    this.edges.push({ node: node.name, op: node.op, input, value: name, outputs, contribution: contribution.name });
  }

  /** Sums what has arrived at a value. Called once all its consumers have been visited. */
  private gradientOf(name: string): Value | undefined {
    const known = this.gradients.get(name);
    if (known) return known;
    const terms = this.contributions.get(name);
    if (!terms) return undefined;
    this.builder.scope = `${name}/grad/`;
    const total = this.rescale.apply(name, this.builder.sum(terms));
    this.gradients.set(name, total);
    return total;
  }

  private contextOf(
    node: Node,
    rule: Rule,
    upstream: (Value | undefined)[],
    onPath: ReadonlySet<string>,
  ): Record<string, unknown> {
    const { builder, binding } = this;
    // What has a gradient is a variable, even if it is an initializer now.
    const content = (value: Value) =>
      onPath.has(value.name)
        ? undefined
        : (binding.get(value.name)?.content ?? builder.graph.initializers.get(value.name));
    const tools: Tools = {
      g: builder,
      node,
      attributes: new AttributeReader(node),
      exactTails: this.options.exactTails ?? false,
      content,
      integers: (value) => {
        const tensor = content(value);
        if (tensor) return toNumbers(tensor);
        throw new GradientError(
          `input "${value.name}" of ${node.op} changes with the data, so its gradient has no fixed shape`,
          {
            code: 'data-dependent-shape',
            where: `node "${node.name}"`,
          },
        );
      },
      extraOutput: (index, type, shape) => builder.extraOutput(node, index, type, shape),
      expose: this.options.expose
        ? (label, index, value) => {
            const rescaledBy = this.rescale.after(node);
            this.exposed.push({ node: node.name, label, index, value: value.name, rescaledBy });
          }
        : undefined,
      refuse: (reason, hint) => {
        throw new GradientError(`the gradient of ${node.op} is not available here: ${reason}`, {
          code: 'unsupported-operator',
          where: `node "${node.name}"`,
          hint,
        });
      },
    };
    const context: Record<string, unknown> = { ...tools };
    const valueAt = (names: string[], i: number) => (names[i] ? builder.value(names[i]!) : undefined);
    fill(context, rule.inputs, node.inputs.length, (i) => valueAt(node.inputs, i));
    fill(context, rule.outputs, node.outputs.length, (i) => valueAt(node.outputs, i));
    const gradients = rule.outputs.map((formal) => ({ ...formal, name: `d${formal.name}` }));
    fill(context, gradients, node.outputs.length, (i, formal) => {
      const gradient = upstream[i];
      if (gradient || formal.optional || !node.outputs[i]) return gradient;
      return builder.zerosLike(builder.value(node.outputs[i]!));
    });
    return context;
  }
}

function fill(
  context: Record<string, unknown>,
  formals: readonly Formal[],
  count: number,
  at: (index: number, formal: Formal) => Value | undefined,
): void {
  formals.forEach((formal, i) => {
    context[formal.name] = formal.variadic
      ? Array.from({ length: Math.max(0, count - i) }, (_, k) => at(i + k, formal))
      : at(i, formal);
  });
}

function thunkOf(formals: readonly Formal[], thunks: Thunks, input: number): Thunk | undefined {
  const last = formals.length - 1;
  const formal = formals[Math.min(input, last)]!;
  const thunk = thunks[formal.name];
  return Array.isArray(thunk) ? thunk[input - last] : thunk;
}
