import type { Graph } from '../graph/graph.ts';
import { consumers } from '../graph/graph.ts';
import { sizeOf, type Tensor, toFloat64 } from '../graph/tensor.ts';

/** Where the units of a weight stand: unit u holds the elements start + u · step + (i · stride + j), j < run. */
export interface UnitLayout {
  readonly units: number;
  readonly step: number;
  readonly run: number;
  readonly stride: number;
  readonly repeats: number;
}

/** Gates of ONNX's recurrent operators, whose rows stand one after another in W and R. */
const gates: Readonly<Record<string, number>> = { RNN: 1, LSTM: 4, GRU: 3 };

/**
 * Rows or columns of a weight that make one unit each: what a matrix product or convolution sums into one output. Of a
 * recurrent layer the first gate's rows of the first direction. Undefined for parameters that are none.
 */
export function unitLayout(graph: Graph, parameter: string): UnitLayout | undefined {
  const dims = graph.initializers.get(parameter)?.dims ?? [];
  const readers = consumers(graph);
  let name = parameter;
  let axis: number | undefined;
  let turned = false;
  for (;;) {
    const list = readers.get(name);
    if (list?.length !== 1) return undefined;
    const { node, input } = list[0]!;
    if (node.domain !== '') return undefined;
    if (node.op === 'Transpose' && dims.length === 2) turned = !turned;
    else if (node.op === 'MatMul' && dims.length === 2) axis = input === 1 ? 1 : 0;
    else if (node.op === 'Gemm') {
      const isTransposed = (input === 1 ? node.attributes.transB : node.attributes.transA) === 1;
      axis = (input === 1) === isTransposed ? 0 : 1;
    } else if (node.op === 'Conv' && input === 1 && dims.length > 2) axis = 0;
    else if (node.op === 'ConvTranspose' && input === 1 && (node.attributes.group ?? 1) === 1) axis = 1;
    else if (gates[node.op] && (input === 1 || input === 2)) {
      const size = dims[2]!;
      return { units: dims[1]! / gates[node.op]!, step: size, run: size, stride: 0, repeats: 1 };
    } else if (node.op !== 'Identity') return undefined;
    if (axis !== undefined) return alongAxis(dims, turned ? 1 - axis : axis);
    name = node.outputs[0]!;
  }
}

function alongAxis(dims: readonly number[], axis: number): UnitLayout | undefined {
  const units = dims[axis];
  if (units === undefined || dims.length < 2) return undefined;
  const run = sizeOf(dims.slice(axis + 1));
  return { units, step: run, run, stride: units * run, repeats: sizeOf(dims.slice(0, axis)) };
}

/** Gradients of equal units differ by the order of their sums: measured up to 1e-5 of their largest element. */
const ROUNDING = 1e-4;

/**
 * How many units of a weight differ: two are the same when their weights are equal to the bit and their gradients up to
 * rounding. Weights drawn at random differ in their first element: then nothing else is read.
 */
export function distinctUnits(weight: Tensor, gradient: Tensor, layout: UnitLayout): number {
  const w = weight.data as ArrayLike<number>;
  const { units, step, run, stride, repeats } = layout;
  let g: ArrayLike<number> | undefined;
  const at = (unit: number, i: number) => unit * step + Math.floor(i / run) * stride + (i % run);
  const size = run * repeats;
  const sameWeights = (a: number, b: number) => {
    for (let i = 0; i < size; i++) if (!Object.is(w[at(a, i)], w[at(b, i)])) return false;
    return true;
  };
  const largest = new Map<number, number>();
  const largestOf = (unit: number) => {
    let found = largest.get(unit);
    if (found === undefined) {
      found = 0;
      for (let i = 0; i < size; i++) found = Math.max(found, Math.abs(g![at(unit, i)]!));
      largest.set(unit, found);
    }
    return found;
  };
  const sameGradients = (a: number, b: number) => {
    g ??= gradient.type === 'float32' ? (gradient.data as Float32Array) : toFloat64(gradient);
    const limit = ROUNDING * Math.max(largestOf(a), largestOf(b));
    for (let i = 0; i < size; i++) if (Math.abs(g[at(a, i)]! - g[at(b, i)]!) > limit) return false;
    return true;
  };
  // First elements sort the units into groups; only within a group are they compared.
  const groups = new Map<number, number[]>();
  let distinct = 0;
  for (let unit = 0; unit < units; unit++) {
    const key = w[at(unit, 0)]!;
    const known = groups.get(key);
    if (!known) groups.set(key, [unit]);
    else if (known.length < MOST_COMPARED) {
      if (known.some((other) => sameGradients(unit, other) && sameWeights(unit, other))) continue;
      known.push(unit);
    }
    distinct++;
  }
  return distinct;
}

/** Units that share their first element and differ otherwise: beyond so many the rest is taken to differ too. */
const MOST_COMPARED = 64;
