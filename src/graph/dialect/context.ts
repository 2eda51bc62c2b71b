import { type DataType, typeOfCode } from '../data-type.ts';
import { ReaderError } from '../errors.ts';
import type { Attribute, Graph, Node, ValueInfo } from '../graph.ts';
import { readNames } from '../subgraphs.ts';
import { type Tensor, tensorOf } from '../tensor.ts';

/** What the contexts of one model have in common. */
export interface Shared {
  readonly file: string;
  readonly names: Set<string>;
  readonly constants: Set<string>;
}

/** Operators whose result has another element type than their first input. */
const integerResults = new Set(['Shape', 'Size', 'NonZero', 'ArgMax', 'ArgMin', 'NonMaxSuppression']);
const booleanResults = new Set([
  'Equal',
  'Less',
  'Greater',
  'LessOrEqual',
  'GreaterOrEqual',
  'Not',
  'And',
  'Or',
  'IsNaN',
]);
/** Operators whose result has the rank of their first input. */
const rankKeepers = new Set(
  (
    'Abs BatchNormalization Cast Celu Clip Conv ConvTranspose AveragePool MaxPool LpPool GlobalAveragePool ' +
    'GlobalMaxPool Dropout Elu Exp HardSigmoid HardSwish Hardmax Identity InstanceNormalization LRN LeakyRelu Log ' +
    'LogSoftmax LayerNormalization LpNormalization Mish Neg PRelu Pad Relu Resize Selu Sigmoid Sign Slice Softmax ' +
    'Softplus Softsign Split Sqrt Tanh ThresholdedRelu Tile Transpose Upsample Reciprocal Concat CumSum Trilu'
  ).split(' '),
);
const broadcasting = new Set(['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Max', 'Min', 'Sum', 'Mean', 'Where', 'Mod']);

/** What an upgrade may ask of the graph it works in, and the ways it may add to it. */
export class UpgradeContext {
  private readonly graph: Graph;
  private readonly shared: Shared;
  private readonly outer: UpgradeContext | undefined;
  private readonly makers = new Map<string, Node>();
  private readonly declared = new Map<string, ValueInfo>();
  private readonly read = new Set<string>();

  constructor(graph: Graph, shared: Shared, outer?: UpgradeContext) {
    this.graph = graph;
    this.shared = shared;
    this.outer = outer;
    for (const info of [...graph.values.values(), ...graph.outputs, ...graph.inputs])
      this.declared.set(info.name, info);
    for (const { name } of graph.outputs) this.read.add(name);
    for (const node of graph.nodes) {
      for (const output of node.outputs) this.makers.set(output, { ...node, inputs: [...node.inputs] });
      for (const name of readNames(node)) this.read.add(name);
    }
  }

  /** A name no value has yet: `<node or output>/<suffix>`. */
  fresh(node: Node, suffix: string): string {
    const base = `${node.outputs.find((output) => output !== '') ?? node.op}/${suffix}`;
    let name = base;
    for (let k = 1; this.shared.names.has(name); k++) name = `${base}_${k}`;
    this.shared.names.add(name);
    return name;
  }

  /** Adds a constant for `node` and returns its name. */
  constant(node: Node, suffix: string, tensor: Tensor): string {
    const name = this.fresh(node, suffix);
    this.graph.initializers.set(name, tensor);
    this.shared.constants.add(name);
    return name;
  }

  /** An int64 vector; INT64_MAX, which float64 rounds up to 2^63, is clamped. */
  ints(node: Node, suffix: string, values: readonly number[]): string {
    const limit = 2n ** 63n - 1n;
    const data = BigInt64Array.from(values, (value) => {
      const integer = BigInt(Math.trunc(value));
      return integer > limit ? limit : integer < -limit ? -limit : integer;
    });
    return this.constant(node, suffix, { type: 'int64', dims: [data.length], data });
  }

  /** A scalar of the type of the value `like`. */
  scalar(node: Node, suffix: string, value: number, like: string): string {
    return this.constant(node, suffix, tensorOf(this.typeOf(like) ?? 'float32', [], [value]));
  }

  /** A node that an upgrade puts beside `node`, named after it. */
  node(of: Node, op: string, inputs: string[], outputs: string[], attributes: Record<string, Attribute> = {}): Node {
    const name = of.name === '' ? '' : `${of.name}/${op}`;
    return { name, op, domain: '', inputs, outputs, attributes };
  }

  /** The content of a value that is an initializer. */
  tensor(name: string): Tensor | undefined {
    return this.graph.initializers.get(name) ?? (this.makers.has(name) ? undefined : this.outer?.tensor(name));
  }

  /** Whether any node, subgraph or output reads a value. */
  isRead(name: string): boolean {
    return this.read.has(name);
  }

  /** A value's element type: declared, or that of the value it was computed from. Undefined when nothing tells. */
  typeOf(name: string): DataType | undefined {
    for (let value = name, steps = 0; steps < 10_000; steps++) {
      const known = this.tensor(value)?.type ?? this.declared.get(value)?.type;
      if (known !== undefined) return known;
      const node = this.makers.get(value);
      if (node === undefined) return this.outer?.typeOf(value);
      if (node.op === 'Cast') return typeOfCode(Number(node.attributes.to));
      if (integerResults.has(node.op)) return 'int64';
      if (booleanResults.has(node.op)) return 'bool';
      value = node.inputs[node.op === 'Where' ? 1 : node.op === 'OneHot' ? 2 : 0] ?? '';
    }
    return undefined;
  }

  /** A value's rank: declared, or derived from its producers where that is plain. Undefined when it is not. */
  rankOf(name: string, budget = 200): number | undefined {
    const known = this.tensor(name)?.dims ?? this.declared.get(name)?.shape;
    if (known !== undefined) return known.length;
    const node = this.makers.get(name);
    if (node === undefined) return this.outer?.rankOf(name, budget);
    if (budget === 0) return undefined;
    const rank = (i: number): number | undefined => this.rankOf(node.inputs[i] ?? '', budget - 1);
    if (rankKeepers.has(node.op)) return rank(0);
    if (broadcasting.has(node.op)) return maximum(node.inputs.map((_, i) => rank(i)));
    if (node.op === 'Gemm' || node.op === 'Flatten') return 2;
    if (node.op === 'Reshape') return this.tensor(node.inputs[1] ?? '')?.dims[0];
    return undefined;
  }

  /** Whether all sizes after `axis` are 1, as far as the file says. */
  endsInOnes(name: string, axis: number): boolean {
    const shape = this.declared.get(name)?.shape;
    if (shape !== undefined) return shape.slice(axis + 1).every((dim) => dim === 1);
    const maker = this.makers.get(name)?.op;
    return axis >= 1 && (maker === 'GlobalAveragePool' || maker === 'GlobalMaxPool');
  }

  /** The error for a form that has no counterpart in the dialect. */
  refuse(node: Node, message: string, hint: string): ReaderError {
    const name = node.name || node.outputs[0];
    return new ReaderError(message, {
      code: 'onnx-old-form',
      where: `${this.shared.file}, ${node.op} "${name}"`,
      hint,
    });
  }
}

function maximum(ranks: (number | undefined)[]): number | undefined {
  return ranks.every((rank) => rank !== undefined) ? Math.max(...ranks) : undefined;
}
