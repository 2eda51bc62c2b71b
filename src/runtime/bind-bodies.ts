import { RuntimeFailure } from '../graph/errors.ts';
import { type Binding, cloneGraph, type Graph, type Model, type Node, type ValueInfo } from '../graph/graph.ts';
import { pruneGraph } from '../graph/prune.ts';
import { normalizeAxis, sameShape } from '../graph/shapes.ts';
import { freeNames } from '../graph/subgraphs.ts';
import { filledTensor, sizeOf, type Tensor } from '../graph/tensor.ts';
import { measureGraph, varyingNames } from './measure-graph.ts';
import type { Runtime } from './runtime.ts';

/** The graph around a body: what the body may read, and which of it changes from run to run. */
interface Surroundings {
  readonly runtime: Runtime;
  readonly model: Model;
  readonly binding: Binding;
  readonly varying: ReadonlySet<string>;
}

/**
 * Binds the subgraphs of If, Loop and Scan, recursively and in place. A body is run by itself, on zeros of the shapes it
 * will meet, twice when it has a state. If every shape is the same in both steps, a copy takes its place that declares
 * type and shape of each of its values (in its inputs and `values`), with integers that follow from shapes and constants
 * as initializers: such a body can be differentiated, wherever it is moved. Other bodies stay as they are.
 */
export async function bindBodies(
  runtime: Runtime,
  model: Model,
  graph: Graph,
  binding: Binding,
  varying: ReadonlySet<string>,
): Promise<void> {
  const around = { runtime, model, binding, varying };
  for (const node of graph.nodes) {
    if (node.domain !== '') continue;
    for (const [attribute, formals] of formalsOf(node, around)) {
      const body = node.attributes[attribute] as Graph;
      const bound = formals && (await bindBody(around, node, body, formals));
      if (bound) node.attributes = { ...node.attributes, [attribute]: bound };
    }
  }
}

/** What a body is given for one of its inputs. */
interface Formal {
  readonly tensor: Tensor;
  /** What the second step is given: an output of the first, by position, or this; undefined for the same again. */
  readonly next?: number | Tensor;
  /** The same in every step. */
  readonly constant?: boolean;
}

/** Each body of a node with what it is given at the first step; undefined where that is no tensor of known shape. */
function formalsOf(node: Node, { binding, varying }: Surroundings): [string, Formal[] | undefined][] {
  const given = (name: string | undefined): Tensor | undefined => {
    const value = name ? binding.get(name) : undefined;
    return value && (value.content ?? zeros(value.type, value.shape));
  };
  const all = (formals: (Formal | undefined)[]): Formal[] | undefined =>
    formals.every((formal) => formal !== undefined) ? formals : undefined;
  switch (node.op) {
    case 'If':
      return [
        ['then_branch', []],
        ['else_branch', []],
      ];
    case 'Loop': {
      const [, condition = '', ...states] = node.inputs;
      const body = node.attributes.body as Graph;
      const start = condition === '' || (!varying.has(condition) && binding.get(condition)?.content?.data[0] === 1);
      const dims = (i: number) => (body.inputs[i]?.shape?.length === 1 ? [1] : []);
      const formals = states.map((name, k): Formal | undefined => {
        const tensor = given(name);
        return tensor && { tensor, next: k + 1 };
      });
      return [
        [
          'body',
          all([
            { tensor: filledTensor('int64', dims(0), 0), next: filledTensor('int64', dims(0), 1) },
            // While the loop runs its condition is true; only a loop that starts by itself is known to go on.
            { tensor: filledTensor('bool', dims(1), 1), constant: start },
            ...formals,
          ]),
        ],
      ];
    }
    case 'Scan': {
      const slices = Number(node.attributes.num_scan_inputs);
      const states = node.inputs.length - slices;
      const axes = (node.attributes.scan_input_axes as number[] | undefined) ?? [];
      const formals = node.inputs.map((name, k): Formal | undefined => {
        const tensor = given(name);
        if (!tensor || k < states) return tensor && { tensor, next: k };
        const axis = normalizeAxis(axes[k - states] ?? 0, tensor.dims.length);
        return { tensor: zeros(tensor.type, tensor.dims.toSpliced(axis, 1)) };
      });
      return [['body', all(formals)]];
    }
    default:
      return [];
  }
}

async function bindBody(
  around: Surroundings,
  node: Node,
  original: Graph,
  formals: readonly Formal[],
): Promise<Graph | undefined> {
  const { runtime, model } = around;
  if (formals.length !== original.inputs.length) return undefined;
  const body = cloneGraph(original);
  const feeds = new Map<string, Tensor>();
  const varying: string[] = [];
  const give = (name: string, tensor: Tensor, varies: boolean): void => {
    if (varies) {
      varying.push(name);
      feeds.set(name, tensor);
    } else body.initializers.set(name, tensor);
  };
  body.inputs.forEach(({ name }, i) => {
    give(name, formals[i]!.tensor, !formals[i]!.constant);
  });
  for (const name of freeNames(body)) {
    const value = around.binding.get(name);
    if (value === undefined) return undefined;
    const known = around.varying.has(name) ? undefined : value.content;
    give(name, known ?? value.content ?? zeros(value.type, value.shape), known === undefined);
  }
  body.inputs = Array.from(feeds, ([name, { type, dims }]) => ({ name, type, shape: [...dims] }));
  body.values = new Map();
  try {
    const results = new Map(original.outputs.map(({ name }) => [name, zeros('bool', [])]));
    const alone = { ...model, graph: body };
    const binding = await measureGraph(runtime, alone, feeds, varying, results);
    const stepped = nextFeeds(original, formals, feeds, results);
    if (stepped === undefined) return undefined;
    if (node.op !== 'If' && !sameShapes(binding, await measureGraph(runtime, alone, stepped, varying)))
      return undefined;
    const changing = varyingNames(body, varying);
    await bindBodies(runtime, model, body, binding, changing);
    return declared(original, body, binding, changing);
  } catch (error) {
    // Zeros need not be valid data for a body: what could not be bound is refused where a gradient needs it.
    if (error instanceof RuntimeFailure) return undefined;
    throw error;
  }
}

/** What the second step is given; undefined when a state does not keep type and shape. */
function nextFeeds(
  body: Graph,
  formals: readonly Formal[],
  feeds: ReadonlyMap<string, Tensor>,
  results: ReadonlyMap<string, Tensor>,
): Map<string, Tensor> | undefined {
  const next = new Map(feeds);
  for (const [i, formal] of formals.entries()) {
    const { name } = body.inputs[i]!;
    if (formal.next === undefined) continue;
    if (typeof formal.next !== 'number') {
      next.set(name, formal.next);
      continue;
    }
    const output = body.outputs[formal.next]!.name;
    const tensor = feeds.get(output) ?? body.initializers.get(output) ?? results.get(output)!;
    if (tensor.type !== formal.tensor.type || !sameShape(tensor.dims, formal.tensor.dims)) return undefined;
    next.set(name, tensor);
  }
  return next;
}

function sameShapes(a: Binding, b: Binding): boolean {
  for (const [name, { shape }] of a) if (!sameShape(shape, b.get(name)?.shape ?? [-1])) return false;
  return a.size === b.size;
}

/** The bound body as it goes back into its node. */
function declared(original: Graph, body: Graph, binding: Binding, changing: ReadonlySet<string>): Graph {
  const info = (name: string): ValueInfo => {
    const value = binding.get(name);
    return value ? { name, type: value.type, shape: [...value.shape] } : { name };
  };
  const outputs = original.outputs.map(({ name }) => name);
  const formals = new Set(original.inputs.map(({ name }) => name));
  const captured = freeNames(original);
  const folded: Graph = { ...body, initializers: new Map(body.initializers) };
  folded.nodes = body.nodes.filter((node) => {
    const results = node.outputs.filter((name) => name !== '');
    const known = results.map((name) => (changing.has(name) ? undefined : binding.get(name)?.content));
    if (known.length === 0 || known.includes(undefined)) return true;
    for (const [i, name] of results.entries()) folded.initializers.set(name, known[i]!);
    return false;
  });
  const pruned = pruneGraph(folded, outputs);
  for (const name of [...formals, ...captured]) pruned.initializers.delete(name);
  const computed = pruned.nodes.flatMap((node) => node.outputs).filter((name) => binding.has(name));
  return {
    ...pruned,
    inputs: original.inputs.map(({ name }) => info(name)),
    outputs: outputs.map(info),
    values: new Map(computed.map((name) => [name, info(name)])),
  };
}

function zeros(type: Tensor['type'], dims: readonly number[]): Tensor {
  if (type === 'string') return { type, dims, data: Array.from({ length: sizeOf(dims) }, () => '') };
  return filledTensor(type, dims, 0);
}
