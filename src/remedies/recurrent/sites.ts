import { mapLayers } from '../../flow/layers.ts';
import { consumers, type Graph, type Model, type Node, producers } from '../../graph/graph.ts';
import { findParameters } from '../../graph/parameters.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { traceElements } from '../rewrite/stored-elements.ts';

/** How the tensors of a recurrent node are stored. */
export type Storage =
  /** As the operator reads them: one tensor each. */
  | { readonly kind: 'onnx'; readonly W: string; readonly R: string; readonly B: string | undefined }
  /** As PyTorch has them, a tensor for each direction, put together by nodes that do not count rows. */
  | { readonly kind: 'torch'; readonly leaves: readonly Leaf[]; readonly hasBias: boolean }
  /** In some other way: the new tensors take its place. */
  | { readonly kind: 'other' };

/** A stored tensor of one direction: rows of W or R, or a bias that stands beside them. */
export interface Leaf {
  readonly name: string;
  readonly part: 'W' | 'R' | 'Wb' | 'Rb';
  readonly direction: number;
}

/** A plain recurrent layer. */
export interface RecurrentSite {
  readonly node: Node;
  readonly layer: string;
  readonly directions: number;
  readonly hidden: number;
  readonly features: number;
  readonly type: Tensor['type'];
  readonly hasBias: boolean;
  readonly storage: Storage;
}

/** The RNN nodes of a model whose weights are stored tensors, from input to output. */
export function recurrentSites(model: Model): RecurrentSite[] {
  const { graph } = model;
  const nodes = graph.nodes.filter(({ op, domain }) => op === 'RNN' && domain === '');
  if (nodes.length === 0) return [];
  const { layerOf } = mapLayers(graph, new Set(findParameters(model)), []);
  return nodes.flatMap((node): RecurrentSite[] => {
    const [W, R, B] = node.inputs.slice(1, 4).map((name) => (name ? traceElements(graph, name) : undefined));
    const weights = W && graph.initializers.get(W.names[0]!);
    if (!W || !R || !weights || W.dims.length !== 3 || R.dims.length !== 3) return [];
    const [directions, hidden, features] = W.dims as [number, number, number];
    if (node.inputs[3] && !B) return [];
    return [
      {
        node,
        layer: layerOf.get(node.name) || node.name,
        directions,
        hidden,
        features,
        type: weights.type,
        hasBias: B !== undefined,
        storage: storageOf(graph, node, directions, hidden),
      },
    ];
  });
}

function storageOf(graph: Graph, node: Node, directions: number, hidden: number): Storage {
  const [W = '', R = '', B = ''] = node.inputs.slice(1, 4);
  const own = (name: string) =>
    graph.initializers.has(name) && readBy(graph, name).every(({ node: { op } }) => op === 'RNN');
  if (own(W) && own(R) && (B === '' || own(B))) return { kind: 'onnx', W, R, B: B || undefined };
  const parts = [
    leavesOf(graph, W, 'W', directions),
    leavesOf(graph, R, 'R', directions),
    leavesOf(graph, B, 'B', directions, hidden),
  ];
  if (parts.some((part) => part === undefined)) return { kind: 'other' };
  return { kind: 'torch', leaves: parts.flatMap((part) => part!), hasBias: B !== '' };
}

/** Nodes between a stored tensor and the operator that hold for any number of rows. */
const passing: ReadonlySet<string> = new Set(['Unsqueeze', 'Concat', 'Identity', 'Cast']);

/**
 * The stored tensors that make up W, R or B, whole and in order; undefined where they are put together otherwise, or
 * read by others.
 */
function leavesOf(
  graph: Graph,
  value: string,
  part: 'W' | 'R' | 'B',
  directions: number,
  hidden = 0,
): Leaf[] | undefined {
  if (value === '') return [];
  const traced = traceElements(graph, value);
  if (!traced || !isSimple(graph, value)) return undefined;
  const perDirection = part === 'B' ? 2 : 1;
  const length = traced.source.length / (directions * perDirection);
  const leaves: Leaf[] = [];
  for (let i = 0; i < directions * perDirection; i++) {
    const name = traced.names[traced.source[i * length]!]!;
    const tensor = graph.initializers.get(name)!;
    const whole = tensor.data.length === length && (part !== 'B' || (tensor.dims.length === 1 && length === hidden));
    const inOrder = traced.place.subarray(i * length, (i + 1) * length).every((place, k) => place === k);
    if (!whole || !inOrder || tensor.dims.length !== (part === 'B' ? 1 : 2)) return undefined;
    if (leaves.some((leaf) => leaf.name === name) || readBy(graph, name).length !== 1) return undefined;
    const role = part === 'B' ? (i % 2 === 0 ? 'Wb' : 'Rb') : part;
    leaves.push({ name, part: role, direction: Math.floor(i / perDirection) });
  }
  return leaves;
}

/** Whether only nodes that do not count rows stand before a value, each read once. */
function isSimple(graph: Graph, value: string): boolean {
  const made = producers(graph);
  const isPassing = (name: string): boolean => {
    const node = made.get(name);
    if (!node) return graph.initializers.has(name);
    if (!passing.has(node.op) || readBy(graph, name).length !== 1) return false;
    const data = node.op === 'Concat' ? node.inputs : node.inputs.slice(0, 1);
    return data.every(isPassing);
  };
  return isPassing(value);
}

function readBy(graph: Graph, name: string) {
  return consumers(graph).get(name) ?? [];
}
