import { consumers, type Graph, type Node, producers } from '../../graph/graph.ts';
import { readNames } from '../../graph/subgraphs.ts';
import { sizeOf, toFloat64 } from '../../graph/tensor.ts';
import { elementwise } from './elementwise.ts';

/** Operators whose outputs tell an input's shape, not its content: no gradient passes them. */
const shapeReaders = new Set(['Shape', 'Size']);
/** Operators that change a tensor's layout or type at most. */
const carriers = new Set(['Identity', 'Cast', 'Reshape', 'Transpose', 'Unsqueeze', 'Squeeze', 'Flatten', 'Expand']);
/** Operators that are the identity here: dropout is off, or scales by a mask that attribution does not count. */
const passing = new Set(['Identity', 'Cast', 'Dropout']);

/** A graph as the patterns ask of it: who makes and who reads a value, and what is constant. */
export class GraphView {
  readonly graph: Graph;
  private readonly made: ReadonlyMap<string, Node>;
  private readonly position: ReadonlyMap<string, number>;
  private readonly readersOf = new Map<string, Node[]>();
  private readonly data = new Set<string>();
  private readonly outputs: ReadonlySet<string>;
  private readonly numbers = new Map<string, number | undefined>();
  private readonly scalars = new Map<string, boolean>();

  constructor(graph: Graph) {
    this.graph = graph;
    this.made = producers(graph);
    this.position = new Map(graph.nodes.map((node, i) => [node.name, i]));
    this.outputs = new Set(graph.outputs.map((output) => output.name));
    for (const [name, list] of consumers(graph)) {
      const nodes = list.map(({ node }) => node).filter(({ op }) => !shapeReaders.has(op));
      this.readersOf.set(name, [...new Set(nodes)]);
    }
    for (const { name } of graph.inputs) if (!graph.initializers.has(name)) this.data.add(name);
    for (const node of graph.nodes) {
      if (shapeReaders.has(node.op) || !readNames(node).some((name) => this.data.has(name))) continue;
      for (const name of node.outputs) if (name !== '') this.data.add(name);
    }
  }

  producer(value: string): Node | undefined {
    return this.made.get(value);
  }

  /** Place of a node in the graph's order. */
  positionOf(node: Node): number {
    return this.position.get(node.name) ?? -1;
  }

  /** The nodes that read a value's content. */
  readers(value: string): readonly Node[] {
    return this.readersOf.get(value) ?? [];
  }

  /** Whether a value's content depends on what is fed, not on stored tensors alone. */
  isData(value: string): boolean {
    return this.data.has(value);
  }

  isGraphOutput(value: string): boolean {
    return this.outputs.has(value);
  }

  /** Whether a value is a stored tensor, at most in another layout: a weight. */
  isStored(value: string): boolean {
    const node = this.made.get(value);
    if (!node) return this.graph.initializers.has(value);
    return carriers.has(node.op) && this.isStored(node.inputs[0]!);
  }

  /** The number a value is, where it has one element and follows from constants. */
  numberOf(value: string): number | undefined {
    if (!this.numbers.has(value)) {
      this.numbers.set(value, undefined);
      this.numbers.set(value, this.computeNumber(value));
    }
    return this.numbers.get(value);
  }

  /** Whether a value is one number for the whole tensor, known (√d) or computed from shapes alone. */
  isScalar(value: string): boolean {
    const known = this.scalars.get(value);
    if (known !== undefined) return known;
    this.scalars.set(value, false);
    const tensor = this.graph.initializers.get(value);
    const node = this.made.get(value);
    const scalar = tensor
      ? sizeOf(tensor.dims) === 1
      : node !== undefined &&
        !this.data.has(value) &&
        (shapeReaders.has(node.op) || node.inputs.every((name) => name === '' || this.isScalar(name)));
    this.scalars.set(value, scalar);
    return scalar;
  }

  private computeNumber(value: string): number | undefined {
    const tensor = this.graph.initializers.get(value);
    if (tensor) return tensor.data.length === 1 && tensor.type !== 'string' ? toFloat64(tensor)[0] : undefined;
    const node = this.made.get(value);
    if (!node || this.data.has(value)) return undefined;
    if (carriers.has(node.op)) return this.numberOf(node.inputs[0]!);
    const apply = elementwise[node.op];
    const inputs = node.inputs.map((name) => (name === '' ? Number.NaN : this.numberOf(name)));
    if (!apply || node.domain !== '' || inputs.includes(undefined)) return undefined;
    return apply(inputs as number[], node);
  }
}

/** Whether a node passes its first input on as it is. */
export function isPassing(node: Node): boolean {
  return passing.has(node.op);
}

/** Whether a node hands its first input on in another layout. */
export function isCarrier(node: Node): boolean {
  return carriers.has(node.op);
}
