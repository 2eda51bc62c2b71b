import { type Graph, type Node, producers } from './graph.ts';
import { dependentOn, readNames } from './subgraphs.ts';

/** A node that multiplies by stored weights, and the parameters it reads as such. */
export interface WeightNode {
  readonly node: Node;
  readonly parameters: readonly string[];
}

/** A branch that is added back onto what it reads: y = shortcut(x) + F(x), He et al. 2016, eq. 1 and 2. */
export interface ResidualBranch {
  /** The Add at which it rejoins. */
  readonly add: Node;
  /** The value that branch and shortcut both read: x. */
  readonly input: string;
  /** The nodes of F in graph order, nested blocks included. */
  readonly branch: readonly Node[];
  /** Those of them that hold weights, in graph order. */
  readonly weights: readonly WeightNode[];
  /** The nodes of the shortcut from the Add backwards: none where it is the identity. */
  readonly shortcut: readonly Node[];
}

/** Inputs at which an operator reads weights. */
const weightInputs: Readonly<Record<string, readonly number[]>> = {
  Gemm: [0, 1],
  MatMul: [0, 1],
  Einsum: [0, 1, 2],
  Conv: [1],
  ConvTranspose: [1],
  RNN: [1, 2],
  GRU: [1, 2],
  LSTM: [1, 2],
};
/** Operators through which a weight stays what it is. */
const passing = new Set(['Identity', 'Cast', 'Transpose', 'Reshape', 'DequantizeLinear']);
/** Operators of a shortcut besides one projection: layout, resolution, scale. */
const plain =
  /^(Identity|Dropout|Cast|Reshape|Flatten|Squeeze|Unsqueeze|Transpose|Pad|Concat|Resize|Upsample|Add|Sub|Mul|Div|(Average|Max)Pool|(Batch|Layer|Group|Instance)Normalization)$/;
const LONGEST_SHORTCUT = 16;

/** The nodes that read a parameter as weights, in graph order; `parameters` are the names that are trained. */
export function findWeightNodes(graph: Graph, parameters: readonly string[]): WeightNode[] {
  const stands = new Map(parameters.map((name) => [name, name]));
  return graph.nodes.flatMap((node) => {
    const [first = ''] = node.inputs;
    if (passing.has(node.op) && stands.has(first)) {
      stands.set(node.outputs[0]!, stands.get(first)!);
      return [];
    }
    const places = Object.hasOwn(weightInputs, node.op) && node.domain === '' ? weightInputs[node.op]! : [];
    const read = places.flatMap((place) => stands.get(node.inputs[place] ?? '') ?? []);
    return read.length > 0 ? [{ node, parameters: read }] : [];
  });
}

/**
 * The residual branches of a graph in its order: an Add of two values of which one is reached from an ancestor of the
 * other by the identity or by a projection (at most one layer of weights, no activation), and the other by way of
 * weights. Additions of biases, positions, masks and gates are none, nor is a recurrence that was unrolled.
 */
export function findResidualBranches(graph: Graph, parameters: readonly string[]): ResidualBranch[] {
  const finder = new Finder(graph, findWeightNodes(graph, parameters));
  return graph.nodes.flatMap((node) => finder.at(node) ?? []);
}

class Finder {
  private readonly graph: Graph;
  private readonly weights: ReadonlyMap<Node, WeightNode>;
  private readonly made: ReadonlyMap<string, Node>;
  private readonly place: ReadonlyMap<Node, number>;
  /** Values that depend on what the model is fed. */
  private readonly dynamic: ReadonlySet<string>;

  constructor(graph: Graph, weights: readonly WeightNode[]) {
    this.graph = graph;
    this.weights = new Map(weights.map((weight) => [weight.node, weight]));
    this.made = producers(graph);
    this.place = new Map(graph.nodes.map((node, i) => [node, i]));
    const fed = graph.inputs.map(({ name }) => name).filter((name) => !graph.initializers.has(name));
    this.dynamic = new Set([...fed, ...dependentOn(graph, fed)]);
  }

  at(add: Node): ResidualBranch | undefined {
    const isSum = (add.op === 'Add' || add.op === 'Sum') && add.domain === '' && add.inputs.length === 2;
    const [a = '', b = ''] = add.inputs;
    if (!isSum || a === b || !this.dynamic.has(a) || !this.dynamic.has(b)) return undefined;
    const found = [this.match(add, b, a), this.match(add, a, b)].filter((one) => one !== undefined);
    if (found.length < 2) return found[0];
    // Two projections of one value: the shortcut is the one of fewer numbers; of two alike neither is.
    const [one, other] = found.map(({ shortcut }) => this.numbersIn(shortcut)) as [number, number];
    return one === other ? undefined : found[one < other ? 0 : 1];
  }

  /** The block that ends in `add`, taking one operand for the shortcut's and the other for the branch's end. */
  private match(add: Node, shortcutEnd: string, branchEnd: string): ResidualBranch | undefined {
    const chain = this.shortcutFrom(shortcutEnd);
    const lowest = Math.min(...chain.map(({ value }) => this.placeOf(value)));
    const behind = this.ancestors(branchEnd, lowest);
    const start = chain.find(({ value }) => value !== branchEnd && behind.has(value));
    if (!start) return undefined;
    const branch = this.between(start.value, behind, this.place.get(add)!);
    const weights = branch.flatMap((node) => this.weights.get(node) ?? []);
    return weights.length === 0 ? undefined : { add, input: start.value, branch, weights, shortcut: start.nodes };
  }

  /** The values that lead to one by shortcut operators alone, nearest first, each with the nodes on the way. */
  private shortcutFrom(end: string): { value: string; nodes: readonly Node[] }[] {
    const chain: { value: string; nodes: readonly Node[] }[] = [{ value: end, nodes: [] }];
    let projected = false;
    while (chain.length <= LONGEST_SHORTCUT) {
      const { value, nodes } = chain.at(-1)!;
      const node = this.made.get(value);
      const fed = node ? readNames(node).filter((name) => this.dynamic.has(name)) : [];
      if (!node || fed.length !== 1) break;
      const isProjection = this.weights.has(node) && !/^(RNN|GRU|LSTM)$/.test(node.op);
      if (isProjection ? projected : !plain.test(node.op) && !this.isStride(node)) break;
      projected ||= isProjection;
      chain.push({ value: fed[0]!, nodes: [...nodes, node] });
    }
    return chain;
  }

  /** x[:, :, ::2, ::2]: every second pixel (He et al. 2016, option A). A slice without a stride is a step of a sequence. */
  private isStride({ op, inputs }: Node): boolean {
    const steps = op === 'Slice' ? this.graph.initializers.get(inputs[4] ?? '') : undefined;
    return steps !== undefined && Array.from(steps.data as ArrayLike<number>, Number).some((step) => step > 1);
  }

  private placeOf(value: string): number {
    const node = this.made.get(value);
    return node ? this.place.get(node)! : -1;
  }

  /** Values from which one is computed, itself included, as far back as place `lowest`. */
  private ancestors(value: string, lowest: number): Set<string> {
    const seen = new Set([value]);
    const pending = [value];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (this.placeOf(name) <= lowest) continue;
      for (const input of readNames(this.made.get(name)!)) {
        if (seen.has(input) || !this.dynamic.has(input)) continue;
        seen.add(input);
        pending.push(input);
      }
    }
    return seen;
  }

  /** The nodes before place `end` that read a value, directly or not, and lead to one of `behind`. */
  private between(start: string, behind: ReadonlySet<string>, end: number): Node[] {
    const reached = new Set([start]);
    return this.graph.nodes.slice(this.placeOf(start) + 1, end).filter((node) => {
      if (!node.outputs.some((output) => behind.has(output))) return false;
      if (!readNames(node).some((name) => reached.has(name))) return false;
      for (const output of node.outputs) reached.add(output);
      return true;
    });
  }

  private numbersIn(nodes: readonly Node[]): number {
    const names = nodes.flatMap((node) => this.weights.get(node)?.parameters ?? []);
    return names.reduce((sum, name) => sum + (this.graph.initializers.get(name)?.data.length ?? 0), 0);
  }
}
