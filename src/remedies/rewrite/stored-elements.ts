import { type Graph, type Node, producers } from '../../graph/graph.ts';
import { sizeOf, type Tensor, tensorOf, toFloat64, toNumbers } from '../../graph/tensor.ts';

/**
 * Where each element of a value is stored. Exporters put gates into another order with slices and concatenations: what an
 * operator reads is then no stored tensor, but its elements are.
 */
export interface StoredElements {
  readonly dims: readonly number[];
  /** Stored tensors. */
  readonly names: readonly string[];
  /** For each element, row-major: position among `names`, and place in that tensor. */
  readonly source: Int32Array;
  readonly place: Int32Array;
}

/** Where a value's elements are stored; undefined where it is computed by more than moving elements about. */
export function traceElements(graph: Graph, value: string): StoredElements | undefined {
  return new Tracer(graph).trace(value, 0);
}

/** A value's elements, row-major. */
export function valuesOf({ initializers }: Graph, { names, source, place }: StoredElements): Float64Array {
  const tensors = names.map((name) => toFloat64(initializers.get(name)!));
  return Float64Array.from(source, (which, i) => tensors[which]![place[i]!]!);
}

/** The graph's tensors with the elements of a value changed; `next` receives the element's place in the value. */
export function writeElements(
  initializers: Map<string, Tensor>,
  { names, source, place }: StoredElements,
  next: (index: number) => number | undefined,
): void {
  const changed = names.map((name) => Float64Array.from(toFloat64(initializers.get(name)!)));
  source.forEach((which, index) => {
    const x = next(index);
    if (x !== undefined) changed[which]![place[index]!] = x;
  });
  names.forEach((name, which) => {
    const { type, dims } = initializers.get(name)!;
    initializers.set(name, tensorOf(type, dims, changed[which]!));
  });
}

/** Longer ways than this are none that exporters write. */
const DEEPEST = 64;

class Tracer {
  private readonly graph: Graph;
  private readonly made: ReadonlyMap<string, Node>;
  private readonly names: string[] = [];

  constructor(graph: Graph) {
    this.graph = graph;
    this.made = producers(graph);
  }

  trace(value: string, depth: number): StoredElements | undefined {
    const tensor = this.graph.initializers.get(value);
    if (tensor) return this.stored(value, tensor);
    const node = this.made.get(value);
    if (node?.domain !== '' || depth > DEEPEST) return undefined;
    const input = (i: number) => this.trace(node.inputs[i] ?? '', depth + 1);
    switch (node.op) {
      case 'Identity':
      case 'Cast':
        return input(0);
      case 'Unsqueeze':
      case 'Squeeze':
      case 'Reshape':
      case 'Flatten':
        return this.reshaped(node, input(0));
      case 'Transpose':
        return transposed(node, input(0));
      case 'Slice':
        return this.sliced(node, input(0));
      case 'Concat':
        return concatenated(
          node,
          node.inputs.map((_, i) => input(i)),
        );
      default:
        return undefined;
    }
  }

  private stored(name: string, { dims }: Tensor): StoredElements {
    if (!this.names.includes(name)) this.names.push(name);
    const size = sizeOf(dims);
    return {
      dims,
      names: this.names,
      source: new Int32Array(size).fill(this.names.indexOf(name)),
      place: Int32Array.from({ length: size }, (_, i) => i),
    };
  }

  private integers(name: string | undefined): number[] | undefined {
    const tensor = name ? this.graph.initializers.get(name) : undefined;
    return tensor && toNumbers(tensor);
  }

  /** The same elements in the same order. */
  private reshaped(node: Node, from: StoredElements | undefined): StoredElements | undefined {
    if (!from) return undefined;
    const list = this.integers(node.inputs[1]);
    const dims = newShape(node, from.dims, list);
    return dims && sizeOf(dims) === from.source.length ? { ...from, dims } : undefined;
  }

  private sliced(node: Node, from: StoredElements | undefined): StoredElements | undefined {
    const [starts, ends] = [this.integers(node.inputs[1]), this.integers(node.inputs[2])];
    if (!from || !starts || !ends) return undefined;
    const rank = from.dims.length;
    const axes = node.inputs[3] ? this.integers(node.inputs[3]) : starts.map((_, i) => i);
    const steps = node.inputs[4] ? this.integers(node.inputs[4]) : starts.map(() => 1);
    if (!axes || !steps || steps.some((step) => step !== 1)) return undefined;
    const low = from.dims.map(() => 0);
    const high = [...from.dims];
    axes.forEach((given, i) => {
      const axis = given < 0 ? given + rank : given;
      const size = from.dims[axis] ?? 0;
      const clip = (x: number) => Math.min(size, Math.max(0, x < 0 ? x + size : x));
      low[axis] = clip(starts[i]!);
      high[axis] = Math.max(low[axis]!, clip(ends[i]!));
    });
    const dims = high.map((end, axis) => end - low[axis]!);
    return picked(from, dims, (index) => index.map((at, axis) => at + low[axis]!));
  }
}

function newShape({ op, attributes }: Node, dims: readonly number[], list: number[] | undefined): number[] | undefined {
  if (op === 'Flatten') {
    const axis = typeof attributes.axis === 'number' ? attributes.axis : 1;
    return [sizeOf(dims.slice(0, axis)), sizeOf(dims.slice(axis))];
  }
  if (op === 'Squeeze') {
    const gone = list?.map((axis) => (axis < 0 ? axis + dims.length : axis));
    return dims.filter((dim, axis) => (gone ? !gone.includes(axis) : dim !== 1));
  }
  if (!list) return undefined;
  if (op === 'Unsqueeze') {
    const rank = dims.length + list.length;
    const added = new Set(list.map((axis) => (axis < 0 ? axis + rank : axis)));
    const rest = [...dims];
    return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (rest.shift() ?? 1)));
  }
  const shape = list.map((dim, axis) => (dim === 0 && attributes.allowzero !== 1 ? (dims[axis] ?? 0) : dim));
  const known = sizeOf(shape.filter((dim) => dim !== -1));
  return shape.map((dim) => (dim === -1 ? sizeOf(dims) / known : dim));
}

function transposed({ attributes }: Node, from: StoredElements | undefined): StoredElements | undefined {
  if (!from) return undefined;
  const rank = from.dims.length;
  const perm = (attributes.perm as number[] | undefined) ?? from.dims.map((_, i) => rank - 1 - i);
  return picked(
    from,
    perm.map((axis) => from.dims[axis]!),
    (index) => {
      const at = new Array<number>(rank).fill(0);
      for (const [i, axis] of perm.entries()) at[axis] = index[i]!;
      return at;
    },
  );
}

function concatenated(
  { attributes }: Node,
  parts: readonly (StoredElements | undefined)[],
): StoredElements | undefined {
  const known = parts.filter((part) => part !== undefined);
  const [first] = known;
  if (!first || known.length < parts.length) return undefined;
  const rank = first.dims.length;
  const given = Number(attributes.axis);
  const axis = given < 0 ? given + rank : given;
  const dims = first.dims.map((dim, i) => (i === axis ? known.reduce((sum, part) => sum + part.dims[axis]!, 0) : dim));
  const outer = sizeOf(dims.slice(0, axis));
  const source = new Int32Array(sizeOf(dims));
  const place = new Int32Array(sizeOf(dims));
  let to = 0;
  for (let o = 0; o < outer; o++) {
    for (const part of known) {
      const length = part.source.length / outer;
      source.set(part.source.subarray(o * length, (o + 1) * length), to);
      place.set(part.place.subarray(o * length, (o + 1) * length), to);
      to += length;
    }
  }
  return { dims, names: first.names, source, place };
}

/** The elements that stand elsewhere: `where` gives the old index of a new one. */
function picked(
  from: StoredElements,
  dims: readonly number[],
  where: (index: readonly number[]) => readonly number[],
): StoredElements {
  const size = sizeOf(dims);
  const source = new Int32Array(size);
  const place = new Int32Array(size);
  const index = dims.map(() => 0);
  for (let i = 0; i < size; i++) {
    const at = where(index).reduce((offset, x, axis) => offset * from.dims[axis]! + x, 0);
    source[i] = from.source[at]!;
    place[i] = from.place[at]!;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      if (++index[axis]! < dims[axis]!) break;
      index[axis] = 0;
    }
  }
  return { dims, names: from.names, source, place };
}
