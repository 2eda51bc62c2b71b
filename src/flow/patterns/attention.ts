import type { Node } from '../../graph/graph.ts';
import { type GraphView, isCarrier, isPassing } from './graph-view.ts';

/** How many nodes lie at most between the softmax and either product, or between a product and its scale. */
const REACH = 12;
const products = new Set(['MatMul', 'Einsum']);
/** What exporters put between softmax and scores: scale, mask, bias, soft cap, window reshapes. */
const between = new Set(['Mul', 'Div', 'Add', 'Sub', 'Where', 'Max', 'Min', 'Clip', 'Tanh']);

/**
 * Scaled dot-product attention around a Softmax: softmax(Q Kᵀ · scale + mask) V, with the scale behind the product or
 * on Q, on K or on both. Returns the nodes between Q, K, V, mask and the result, the last one first.
 */
export function findAttention(view: GraphView, softmax: Node): Node[] | undefined {
  const after = findValueProduct(view, softmax.outputs[0]!, REACH);
  const before = after && findScoreProduct(view, softmax.inputs[0]!, REACH);
  if (!before) return undefined;
  const scores = before.at(-1)!;
  const scales = scores.inputs.slice(0, 2).flatMap((name) => findScale(view, name));
  return [...after, softmax, ...before, ...scales];
}

/** From the softmax to the product with V: dropout, casts, a guard against rows without a key. Product first. */
function findValueProduct(view: GraphView, value: string, reach: number): Node[] | undefined {
  if (reach === 0) return undefined;
  for (const node of view.readers(value)) {
    if (products.has(node.op)) {
      const other = node.inputs[node.inputs[0] === value ? 1 : 0];
      if (other !== undefined && other !== value && !view.isStored(other)) return [node];
    } else if (isPassing(node) || node.op === 'Reshape' || node.op === 'Where' || isScaling(view, node, value)) {
      const rest = findValueProduct(view, node.outputs[0]!, reach - 1);
      if (rest) return [...rest, node];
    }
  }
  return undefined;
}

/** From the softmax back to Q Kᵀ: a product of two values neither of which is a weight. Product last. */
function findScoreProduct(view: GraphView, value: string, reach: number): Node[] | undefined {
  const node = view.producer(value);
  if (!node || reach === 0 || !view.isData(value)) return undefined;
  if (products.has(node.op)) {
    return node.inputs.length === 2 && !node.inputs.some((name) => view.isStored(name)) ? [node] : undefined;
  }
  const shapes = isCarrier(node) && node.op !== 'Transpose';
  if (!isPassing(node) && !shapes && !between.has(node.op)) return undefined;
  for (const name of isPassing(node) || shapes ? node.inputs.slice(0, 1) : node.inputs) {
    const rest = findScoreProduct(view, name, reach - 1);
    if (rest) return [node, ...rest];
  }
  return undefined;
}

/** The scale on Q or K, behind the reshapes that make heads; none if anything else reads what lies between. */
function findScale(view: GraphView, value: string): Node[] {
  const path: Node[] = [];
  for (let name = value; path.length < REACH; ) {
    const node = view.producer(name);
    if (!node || !view.isData(name) || view.readers(name).length !== 1) return [];
    path.push(node);
    if (node.op === 'Mul' || node.op === 'Div') {
      const data = node.inputs.find((input) => view.isData(input))!;
      return isScaling(view, node, data) ? path : [];
    }
    if (!isCarrier(node)) return [];
    name = node.inputs[0]!;
  }
  return [];
}

/** Whether a node multiplies a value by a number that the data do not change. */
function isScaling(view: GraphView, node: Node, value: string): boolean {
  if (node.op !== 'Mul' && !(node.op === 'Div' && node.inputs[0] === value)) return false;
  return node.inputs.every((name) => name === value || (!view.isData(name) && view.isScalar(name)));
}
