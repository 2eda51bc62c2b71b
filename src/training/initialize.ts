import { isFloat } from '../graph/data-type.ts';
import { UsageError } from '../graph/errors.ts';
import { cloneGraph, consumers, type Graph, type Model, type Node, producers } from '../graph/graph.ts';
import { findParameters } from '../graph/parameters.ts';
import { subgraphsOf } from '../graph/subgraphs.ts';
import { filledTensor, sizeOf, type Tensor, tensorOf } from '../graph/tensor.ts';
import { planFixup } from '../random/fixup.ts';
import { type Initialization, initialize } from '../random/initializers.ts';
import { createRandom, type Random } from '../random/random.ts';
import { layoutFans, type Role, roleOf, type WeightLayout } from './weight-layout.ts';

/** A model with first values of its own, and what became of each parameter. */
export interface Reinitialized {
  readonly model: Model;
  /** Parameter → what it is to the operator that reads it. */
  readonly roles: ReadonlyMap<string, Role['kind']>;
  /** Parameters that keep their values, for what they are to their readers cannot be told. */
  readonly kept: readonly string[];
}

/** PReLU's first slope (He et al. 2015, section 2.1) and the deviation of learnt positions (Devlin et al. 2019). */
const SLOPE = 0.25;
const POSITION_STD = 0.02;

/**
 * Draws a model's parameters anew by what reads them: weights by the scheme with the fans of their operator, biases and
 * peepholes zero, normalizations scale 1 and bias 0 with running statistics 0 and 1. An embedding is a product with a
 * one-hot row, fan-in 1: N(0, 1). `scheme` may differ by parameter. The given model is not changed.
 */
export function reinitialize(
  model: Model,
  scheme: Initialization | ((parameter: string) => Initialization),
  seed: number,
): Reinitialized {
  const schemeOf = typeof scheme === 'function' ? scheme : () => scheme;
  const graph = cloneGraph(model.graph);
  const random = createRandom(seed).fork('initialization');
  const roles = new Map<string, Role['kind']>();
  const kept: string[] = [];
  for (const [name, role] of rolesOf(model)) {
    const tensor = graph.initializers.get(name)!;
    roles.set(name, role.kind);
    const next = draw(role, tensor, schemeOf(name), random.fork(name));
    if (next) graph.initializers.set(name, next);
    else kept.push(name);
  }
  return { model: { ...model, graph }, roles, kept };
}

/**
 * Fixup (Zhang, Dauphin & Ma 2019): the weights of `planFixup`, biases zero. The paper's scalar biases and multipliers
 * would be new parameters: none are added. Throws UsageError for a model without residual branches.
 */
export function initializeFixup(model: Model, seed: number): Reinitialized & { readonly branches: number } {
  const { gains, branches } = planFixup(model.graph, findParameters(model));
  if (branches === 0) {
    throw new UsageError(`fixup is for residual networks, and no residual branch is found in ${model.name}`, {
      code: 'initialization',
      where: '--init',
      hint: 'he, glorot, orthogonal and lsuv draw the weights of any network',
    });
  }
  const schemeOf = (name: string): Initialization => {
    const gain = gains.get(name) ?? 1;
    return gain === 0 ? { scheme: 'zeros' } : { scheme: 'he-normal', gain };
  };
  return { ...reinitialize(model, schemeOf, seed), branches };
}

/** What each parameter and running statistic of a model is to its readers. */
export function rolesOf(model: Model): Map<string, Role> {
  const { graph } = model;
  const named = new Set(findParameters(model));
  const readers = readersOf(graph);
  const made = producers(graph);
  const roles = new Map<string, Role>();
  for (const [name, tensor] of graph.initializers) {
    if (!isFloat(tensor.type)) continue;
    const role = bestOf(rolesFor(name, tensor.dims, readers, made));
    const statistic = readers.get(name)?.some(({ node, input }) => node.op === 'BatchNormalization' && input >= 3);
    if (named.has(name) || statistic) roles.set(name, role);
  }
  return roles;
}

function draw(role: Role, { type, dims }: Tensor, scheme: Initialization, random: Random): Tensor | undefined {
  switch (role.kind) {
    case 'weight':
      return tensorOf(type, dims, drawLayout(role.layout, scheme, random));
    case 'embedding':
      return tensorOf(type, dims, initialize(own(scheme) ?? { scheme: 'normal', mean: 0, std: 1 }, dims, random));
    case 'position':
      return tensorOf(type, dims, initialize({ scheme: 'normal', mean: 0, std: POSITION_STD }, dims, random));
    case 'bias':
      return filledTensor(type, dims, 0);
    case 'scale':
    case 'variance':
      return filledTensor(type, dims, 1);
    case 'slope':
      return filledTensor(type, dims, SLOPE);
    default:
      return undefined;
  }
}

/** A scheme that names its own distribution holds for embeddings too. */
function own(scheme: Initialization): Initialization | undefined {
  return ['normal', 'truncated-normal', 'uniform', 'constant', 'zeros', 'ones'].includes(scheme.scheme)
    ? scheme
    : undefined;
}

/** Draws every copy as [out, in, …kernel] and puts the numbers where the layout has them. */
export function drawLayout(layout: WeightLayout, scheme: Initialization, random: Random): Float64Array {
  const { view } = layout;
  const axes = [...layout.blocks, ...layout.out, ...layout.in, ...layout.kernel];
  const count = (list: readonly number[]) => sizeOf(list.map((axis) => view[axis]!));
  const canonical = [count(layout.out), count(layout.in), ...layout.kernel.map((axis) => view[axis]!)];
  const size = sizeOf(canonical);
  const fans = layoutFans(layout);
  const values = new Float64Array(sizeOf(view));
  const strides = view.map((_, axis) => sizeOf(view.slice(axis + 1)));
  const dims = axes.map((axis) => view[axis]!);
  const steps = axes.map((axis) => strides[axis]!);
  const index = dims.map(() => 0);
  let to = 0;
  for (let block = 0; block < count(layout.blocks); block++) {
    const drawn = initialize(scheme, canonical, random, { fans });
    for (let i = 0; i < size; i++) {
      values[to] = drawn[i]!;
      for (let axis = dims.length - 1; axis >= 0; axis--) {
        to += steps[axis]!;
        if (++index[axis]! < dims[axis]!) break;
        to -= steps[axis]! * dims[axis]!;
        index[axis] = 0;
      }
    }
  }
  return values;
}

type Readers = ReadonlyMap<string, readonly { node: Node; input: number }[]>;

/** Who reads a name, in the graph and in the bodies of its nodes. */
function readersOf(graph: Graph): Map<string, { node: Node; input: number }[]> {
  const readers = consumers(graph);
  for (const [name, list] of readers) {
    readers.set(
      name,
      list.filter(({ node, input }) => input < node.inputs.length),
    );
  }
  for (const node of graph.nodes) {
    for (const body of subgraphsOf(node)) {
      for (const [name, list] of readersOf(body)) readers.set(name, [...(readers.get(name) ?? []), ...list]);
    }
  }
  return readers;
}

/** Roles by every reader; through transpositions and copies. */
function rolesFor(
  name: string,
  dims: readonly number[],
  readers: Readers,
  made: ReadonlyMap<string, Node>,
  depth = 0,
): Role[] {
  return (readers.get(name) ?? []).flatMap(({ node, input }): Role[] => {
    const [output] = node.outputs;
    if (output !== undefined && depth < 4 && (node.op === 'Identity' || node.op === 'Cast')) {
      return rolesFor(output, dims, readers, made, depth + 1);
    }
    if (output !== undefined && depth < 4 && node.op === 'Transpose') {
      const perm = (node.attributes.perm as number[] | undefined) ?? dims.map((_, i) => dims.length - 1 - i);
      const turned = perm.map((axis) => dims[axis]!);
      return rolesFor(output, turned, readers, made, depth + 1).map((role) => turnBack(role, turned, perm));
    }
    const other = node.inputs.length === 2 ? node.inputs[1 - input] : undefined;
    return [roleOf(node, input, dims, other === undefined ? undefined : made.get(other)?.op)];
  });
}

/** The layout of a tensor from the layout of its transpose: axis i of the transpose is axis perm[i] of the tensor. */
function turnBack(role: Role, turned: readonly number[], perm: readonly number[]): Role {
  if (role.kind !== 'weight') return role;
  const { layout } = role;
  if (layout.view.length !== turned.length) return { kind: 'unknown' };
  const view: number[] = [];
  for (const [i, axis] of perm.entries()) view[axis] = layout.view[i]!;
  const back = (axes: readonly number[]) => axes.map((axis) => perm[axis]!);
  const { blocks, out, kernel } = layout;
  return {
    kind: 'weight',
    layout: { view, blocks: back(blocks), out: back(out), in: back(layout.in), kernel: back(kernel) },
  };
}

const order: readonly Role['kind'][] = [
  'weight',
  'scale',
  'variance',
  'slope',
  'embedding',
  'bias',
  'position',
  'unknown',
];

/** A tensor that is read twice is what its heaviest reader makes of it: an embedding tied to the output is a weight. */
function bestOf(roles: readonly Role[]): Role {
  let best: Role = { kind: 'unknown' };
  for (const role of roles) if (order.indexOf(role.kind) < order.indexOf(best.kind)) best = role;
  return best;
}
