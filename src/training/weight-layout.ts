import type { Node } from '../graph/graph.ts';
import { sizeOf } from '../graph/tensor.ts';

/**
 * How an operator reads a weight: the tensor seen in the shape `view` (the same elements in the same order), whose axes
 * are independent copies (gates, directions, groups), outputs, inputs, and the kernel's taps.
 */
export interface WeightLayout {
  readonly view: readonly number[];
  readonly blocks: readonly number[];
  readonly out: readonly number[];
  readonly in: readonly number[];
  readonly kernel: readonly number[];
  /** Read by its own past: what the schemes for recurrent weights are for. */
  readonly recurrent?: boolean;
}

/** What a parameter is to the operator that reads it. */
export type Role =
  | { readonly kind: 'weight'; readonly layout: WeightLayout }
  | { readonly kind: 'embedding' | 'bias' | 'scale' | 'variance' | 'slope' | 'position' }
  /** Where what it is for cannot be told. */
  | { readonly kind: 'unknown' };

const bias: Role = { kind: 'bias' };
const scale: Role = { kind: 'scale' };
const unknown: Role = { kind: 'unknown' };

/** `producer`: operator of the other operand of an elementwise node. */
type RoleRule = (ask: { node: Node; input: number; dims: readonly number[]; producer: string | undefined }) => Role;

const rules: Record<string, RoleRule> = {
  Gemm({ node, input, dims: [a = 1, b = 1] }) {
    if (input === 2) return bias;
    const flipped = node.attributes[input === 0 ? 'transA' : 'transB'] === 1;
    // Y = A B: A is [out, in] where it is the weight, B is [in, out].
    return matrix([a, b], (input === 0) !== flipped ? 0 : 1);
  },
  MatMul({ input, dims }) {
    if (dims.length === 1) return matrix([dims[0]!, 1], 1);
    return matrix(dims, dims.length - (input === 0 ? 2 : 1));
  },
  Conv: ({ node, input, dims }) =>
    input === 1 ? convolution(dims, groupsOf(node), false) : input === 2 ? bias : unknown,
  ConvTranspose: ({ node, input, dims }) =>
    input === 1 ? convolution(dims, groupsOf(node), true) : input === 2 ? bias : unknown,
  RNN: recurrent(1),
  GRU: recurrent(3),
  LSTM: recurrent(4),
  Gather: ({ input, dims }) => (input === 0 && dims.length === 2 ? { kind: 'embedding' } : unknown),
  BatchNormalization: ({ input }) =>
    input === 1 ? scale : input === 2 || input === 3 ? bias : input === 4 ? { kind: 'variance' } : unknown,
  InstanceNormalization: normalization,
  LayerNormalization: normalization,
  GroupNormalization: normalization,
  RMSNormalization: normalization,
  SimplifiedLayerNormalization: normalization,
  PRelu: ({ input }) => (input === 1 ? { kind: 'slope' } : unknown),
  // A vector is a bias; a table added to every example is a learnt position.
  Add: ({ dims }) => (dims.filter((dim) => dim !== 1).length <= 1 ? bias : { kind: 'position' }),
  // The last step of a normalization written out: (x − μ) / σ · scale.
  Mul: ({ dims, producer }) =>
    dims.filter((dim) => dim !== 1).length <= 1 && (producer === 'Div' || producer === 'Reciprocal') ? scale : unknown,
  Einsum: einsum,
};

/** What a parameter of shape `dims` is to a node that reads it as its input number `input`. */
export function roleOf(node: Node, input: number, dims: readonly number[], producer?: string): Role {
  if (node.domain !== '' && node.domain !== 'ai.onnx' && !(node.op in { SimplifiedLayerNormalization: 1 }))
    return unknown;
  return Object.hasOwn(rules, node.op) ? rules[node.op]!({ node, input, dims, producer }) : unknown;
}

/** Connections of one unit: fan_in = inputs · taps, fan_out = outputs · taps, within a copy; strides are not counted. */
export function layoutFans(layout: WeightLayout): { fanIn: number; fanOut: number } {
  const size = (axes: readonly number[]) => sizeOf(axes.map((axis) => layout.view[axis]!));
  const taps = size(layout.kernel);
  return { fanIn: size(layout.in) * taps, fanOut: size(layout.out) * taps };
}

/** Of a matrix whose axis `out` (−2 or −1 from the end) counts outputs; leading axes are copies. */
function matrix(dims: readonly number[], out: number): Role {
  const rank = dims.length;
  const last = [rank - 2, rank - 1];
  const layout = {
    view: dims,
    blocks: dims.slice(0, -2).map((_, i) => i),
    out: [out],
    in: last.filter((axis) => axis !== out),
    kernel: [],
  };
  return { kind: 'weight', layout };
}

/** Conv: [groups · out, in, …kernel]; ConvTranspose: [groups · in, out, …kernel]. */
function convolution(dims: readonly number[], groups: number, transposed: boolean): Role {
  const [first = 1, second = 1, ...kernel] = dims;
  const layout = {
    view: [groups, first / groups, second, ...kernel],
    blocks: [0],
    out: [transposed ? 2 : 1],
    in: [transposed ? 1 : 2],
    kernel: kernel.map((_, i) => 3 + i),
  };
  return Number.isInteger(first / groups) ? { kind: 'weight', layout } : unknown;
}

function groupsOf(node: Node): number {
  const { group } = node.attributes;
  return typeof group === 'number' ? group : 1;
}

/** W [directions, gates · hidden, in], R [directions, gates · hidden, hidden], B, initial states, peepholes P. */
function recurrent(gates: number): RoleRule {
  return ({ input, dims: [directions = 1, rows = 1, columns = 1] }) => {
    if (input === 3 || input === 7) return bias;
    if (input !== 1 && input !== 2) return unknown;
    const layout = {
      view: [directions, gates, rows / gates, columns],
      blocks: [0, 1],
      out: [2],
      in: [3],
      kernel: [],
      recurrent: input === 2,
    };
    return { kind: 'weight', layout };
  };
}

function normalization({ input }: { input: number }): Role {
  return input === 1 ? scale : input === 2 ? bias : unknown;
}

/** A weight's letters: summed over are inputs, in the result alone outputs, in everything copies. */
function einsum({ node, input, dims }: Parameters<RoleRule>[0]): Role {
  const equation = String(node.attributes.equation ?? '').replace(/\s/g, '');
  const [left = '', result] = equation.split('->');
  const terms = left.split(',');
  const own = terms[input];
  const other = terms[1 - input];
  if (terms.length !== 2 || !own || other === undefined || result === undefined || /\./.test(own)) return unknown;
  if (own.length !== dims.length || new Set(own).size !== own.length) return unknown;
  const axes = (test: (letter: string) => boolean) => [...own].flatMap((letter, i) => (test(letter) ? [i] : []));
  const layout = {
    view: dims,
    blocks: axes((letter) => result.includes(letter) && other.includes(letter)),
    out: axes((letter) => result.includes(letter) && !other.includes(letter)),
    in: axes((letter) => !result.includes(letter)),
    kernel: [],
  };
  return layout.in.length === 0 || layout.out.length === 0 ? unknown : { kind: 'weight', layout };
}
