import { type Graph, type Node, producers } from '../graph/graph.ts';
import { type Tensor, toFloat64 } from '../graph/tensor.ts';
import type { Stored } from './network.ts';

/** A graph's stored tensors as its nodes read them. */
export class StoredTensors {
  private readonly graph: Graph;
  private readonly parameters: ReadonlySet<string>;
  private readonly made: ReadonlyMap<string, Node>;

  constructor(graph: Graph, parameters: ReadonlySet<string>) {
    this.graph = graph;
    this.parameters = parameters;
    this.made = producers(graph);
  }

  /** A parameter, perhaps transposed: its tensor, and its dims as the reader sees them. */
  parameter(name: string): { tensor: Tensor; dims: readonly number[] } | undefined {
    const tensor = this.graph.initializers.get(name);
    if (tensor) return this.parameters.has(name) ? { tensor, dims: tensor.dims } : undefined;
    const node = this.made.get(name);
    if (!node || !/^(Transpose|Identity|Cast)$/.test(node.op)) return undefined;
    const before = this.parameter(node.inputs[0]!);
    if (!before || node.op !== 'Transpose') return before;
    const perm =
      (node.attributes.perm as number[] | undefined) ?? before.dims.map((_, i) => before.dims.length - 1 - i);
    return { tensor: before.tensor, dims: perm.map((axis) => before.dims[axis]!) };
  }

  /** A tensor of numbers, stored or a parameter in another layout; undefined for what is computed, and for none. */
  tensor(name: string | undefined): Tensor | undefined {
    if (name === undefined || name === '') return undefined;
    const tensor = this.graph.initializers.get(name) ?? this.parameter(name)?.tensor;
    return tensor && tensor.type !== 'string' && tensor.data.length > 0 ? tensor : undefined;
  }

  moments(name: string | undefined): Stored | undefined {
    const tensor = this.tensor(name);
    return tensor && momentsOfTensor(tensor);
  }
}

/** Batch normalization by its stored statistics: an affine function of each channel. Undefined where one is computed. */
export function runningStatistics(
  tensors: StoredTensors,
  node: Node,
  epsilon: number,
): { scale: Stored; shift: Stored } | undefined {
  const [scale, bias, mean, variance] = node.inputs.slice(1, 5).map((name) => tensors.tensor(name));
  if (!scale || !bias || !mean || !variance) return undefined;
  const [b, m, v] = [toFloat64(bias), toFloat64(mean), toFloat64(variance)];
  const scales = toFloat64(scale).map((x, i) => x / Math.sqrt(v[i]! + epsilon));
  const shifts = b.map((x, i) => x - m[i]! * scales[i]!);
  return { scale: momentsOfNumbers(scales), shift: momentsOfNumbers(shifts) };
}

/** E[x²] and E[x] of a tensor's elements. */
export function momentsOfTensor(tensor: Tensor): Stored {
  return momentsOfNumbers(tensor.type === 'float32' ? (tensor.data as Float32Array) : toFloat64(tensor));
}

/** The same of plain numbers. */
export function momentsOfNumbers(numbers: Float32Array | Float64Array): Stored {
  let [square, mean] = [0, 0];
  for (let i = 0; i < numbers.length; i++) {
    const x = numbers[i]!;
    square += x * x;
    mean += x;
  }
  return { square: square / numbers.length, mean: mean / numbers.length };
}
