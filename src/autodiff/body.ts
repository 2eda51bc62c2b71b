import type { OutputSpec } from '../graph/assembler.ts';
import { GraphBuilder } from '../graph/builder.ts';
import { GradientError } from '../graph/errors.ts';
import type { Binding, BoundValue, Graph, Node, Value } from '../graph/graph.ts';
import { pruneGraph } from '../graph/prune.ts';
import { copyGraph } from '../graph/rename.ts';
import { freeNames } from '../graph/subgraphs.ts';
import type { Tensor } from '../graph/tensor.ts';
import { dependents, findPath } from './path.ts';
import type { GradientTables } from './tables.ts';

/** What a body needs of the sweep around it. */
export interface BodySurroundings {
  readonly g: GraphBuilder;
  readonly node: Node;
  readonly tables: GradientTables;
  readonly opset: number;
  /** The content of a value around the body that is the same whatever is differentiated. */
  content(value: Value): Tensor | undefined;
  /** Appends a vector–Jacobian product to a builder: the gradients of `wrt` that something reaches. */
  pullBack(
    g: GraphBuilder,
    binding: Binding,
    upstream: readonly (readonly [Value, Value])[],
    wrt: readonly Value[],
  ): (Value | undefined)[];
}

/**
 * A subgraph of a node, copied under new names into a graph of its own that may read what is around the node. The copy
 * computes the subgraph's outputs again; behind it stands what is written with `g`.
 */
export class Body {
  readonly g: GraphBuilder;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  private readonly around: BodySurroundings;
  private readonly prefix: string;
  private readonly binding: Binding = new Map();

  constructor(around: BodySurroundings, subgraph: Graph, inputs: readonly OutputSpec[]) {
    this.around = around;
    const values = boundValues(subgraph, around.node);
    const names = new Map<string, string>();
    const copy = copyGraph(subgraph, {
      fresh: (name) => {
        const fresh = around.g.uniqueName(name);
        names.set(name, fresh);
        return fresh;
      },
    });
    copy.inputs.forEach(({ name }, i) => {
      const [type, shape] = inputs[i]!;
      this.binding.set(name, { name, type, shape });
    });
    for (const [name, value] of values) {
      const renamed = names.get(name)!;
      this.binding.set(renamed, { ...value, name: renamed });
    }
    for (const name of freeNames(subgraph)) {
      const value = around.g.find(name);
      if (value) this.binding.set(name, { ...value, content: around.content(value) });
    }
    const graph: Graph = { ...copy, inputs: [], outputs: [], values: new Map() };
    this.g = new GraphBuilder(graph, this.binding.values(), around.g);
    this.prefix = around.g.scope;
    this.g.scope = this.prefix;
    this.inputs = copy.inputs.map(({ name }, i) => this.g.input(name, ...inputs[i]!));
    this.outputs = copy.outputs.map(({ name }) => this.valueOf(name));
  }

  /** Of each output, whether its gradient depends on one of `wrt`. */
  dependsOn(wrt: readonly Value[]): boolean[] {
    const found = dependents(this.g.graph, this.binding, namesOf(wrt), this.around.tables);
    return this.outputs.map((output) => found.has(output.name));
  }

  /** Of each of `wrt`, whether one of these outputs depends on it. Throws GradientError as `findPath` does. */
  leadsTo(outputs: readonly Value[], wrt: readonly Value[]): boolean[] {
    const { tables, opset } = this.around;
    const path = this.explained(() =>
      findPath(this.g.graph, this.binding, namesOf(outputs), namesOf(wrt), tables, opset),
    );
    return wrt.map((value) => path.values.has(value.name));
  }

  /** The gradients of `wrt`, given those of outputs; undefined where none arrives. */
  pullBack(upstream: readonly (readonly [Value, Value])[], wrt: readonly Value[]): (Value | undefined)[] {
    return this.explained(() => this.around.pullBack(this.g, this.binding, upstream, wrt));
  }

  /** The graph of what `outputs` need; its inputs are those of the body's inputs that are still read. */
  close(outputs: readonly Value[]): Graph {
    const { g } = this;
    const made = new Set(g.graph.nodes.flatMap((node) => node.outputs));
    for (const value of outputs) {
      // An output of a body is its own value: no input, constant or value from around it, and no other output.
      const own = made.delete(value.name) ? value : this.named(value);
      g.output(own);
    }
    const declared = g.graph.outputs.map(({ name }) => name);
    return pruneGraph(g.graph, declared);
  }

  private named(value: Value): Value {
    const names = { node: this.g.uniqueName('Identity'), outputs: [this.g.uniqueName('Identity_out')] };
    return this.g.add('Identity', [value], [[value.type, value.shape]], {}, names)[0]!;
  }

  private valueOf(name: string): Value {
    const value = this.g.find(name);
    if (value) return value;
    throw unbound(this.around.node);
  }

  /** Runs `action`; errors in it speak of the names that the body has in the model. */
  private explained<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof GradientError)) throw error;
      const { prefix, around } = this;
      const { node } = around;
      throw new GradientError(error.message.replaceAll(`"${prefix}`, '"'), {
        code: error.code,
        where: `${(error.where ?? 'a node').replaceAll(`"${prefix}`, '"')} in the body of ${node.op} "${node.name}"`,
        hint: error.hint,
        cause: error,
      });
    }
  }
}

/** The values that a bound subgraph computes or stores. Throws GradientError when binding left it as it was. */
function boundValues(subgraph: Graph, node: Node): Map<string, BoundValue> {
  const values = new Map<string, BoundValue>();
  for (const [name, tensor] of subgraph.initializers) {
    values.set(name, { name, type: tensor.type, shape: tensor.dims, content: tensor });
  }
  for (const name of subgraph.nodes.flatMap(({ outputs }) => outputs)) {
    if (name === '') continue;
    const { type, shape } = subgraph.values.get(name) ?? {};
    if (!type || !shape?.every((dim) => typeof dim === 'number')) throw unbound(node, name);
    values.set(name, { name, type, shape });
  }
  return values;
}

function unbound(node: Node, name?: string): GradientError {
  const what = name === undefined ? 'a value' : `"${name}"`;
  return new GradientError(
    `the shape of ${what} in the body of ${node.op} changes from step to step, depends on the data or is no tensor's`,
    {
      code: 'unbound-body',
      where: `node "${node.name}"`,
      hint: 'keep the shapes in the body the same in every step, or export the model with the loop unrolled',
    },
  );
}

function namesOf(values: readonly Value[]): string[] {
  return values.map(({ name }) => name);
}
