import { isPure } from '../graph/assembler.ts';
import { type DataType, isFloat } from '../graph/data-type.ts';
import type { Binding, BoundValue, Graph, Model, Node } from '../graph/graph.ts';
import { takeKnownBranches } from '../graph/inline.ts';
import { dependentOn } from '../graph/subgraphs.ts';
import { sizeOf, type Tensor, toNumbers } from '../graph/tensor.ts';
import { settleCeilMode } from './ceil-mode.ts';
import type { Runtime } from './runtime.ts';

/** Integer tensors up to this size keep their content: shapes, axes, indices. */
const CONTENT_LIMIT = 4096;
/** Float settings that exporters compute (the scales of a Resize) keep theirs up to this size, where no run changes it. */
const SETTING_LIMIT = 64;

/**
 * The binding of a graph with concrete inputs; `changing` are values given anew for every run. Takes known branches,
 * in place. What of `also` the graph computes is put into the map.
 */
export async function measureGraph(
  runtime: Runtime,
  model: Model,
  feeds: ReadonlyMap<string, Tensor>,
  changing: readonly string[],
  also: Map<string, Tensor> = new Map(),
): Promise<Binding> {
  const { graph } = model;
  for (;;) {
    const varying = varyingNames(graph, changing);
    const binding = await measureOnce(runtime, model, feeds, also, varying);
    const conditionOf = (name: string): boolean | undefined => {
      const content = varying.has(name) ? undefined : binding.get(name)?.content;
      return content?.data.length === 1 ? Boolean(content.data[0]) : undefined;
    };
    if (!takeKnownBranches(graph, conditionOf)) return binding;
  }
}

/** The values whose numbers differ between runs: what depends on `changing` or on a random draw. */
export function varyingNames(graph: Graph, changing: readonly string[]): Set<string> {
  const drawn = graph.nodes
    .filter((node) => !isPure(node))
    .flatMap((node) => node.outputs.filter((name) => name !== ''));
  return dependentOn(graph, [...changing, ...drawn]);
}

async function measureOnce(
  runtime: Runtime,
  model: Model,
  feeds: ReadonlyMap<string, Tensor>,
  also: Map<string, Tensor>,
  varying: ReadonlySet<string>,
): Promise<Binding> {
  const { graph } = model;
  const limitOf = (name: string, type: DataType) => {
    if (isIndexType(type)) return CONTENT_LIMIT;
    return isFloat(type) && !varying.has(name) ? SETTING_LIMIT : -1;
  };
  const computed = graph.nodes.flatMap((node) => node.outputs.filter((name) => name !== ''));
  const shapeNodes: Node[] = computed.map((name, i) => ({
    name: `shape_probe_${i}`,
    op: 'Shape',
    domain: '',
    inputs: [name],
    outputs: [`shape_probe:${name}`],
    attributes: {},
  }));
  // The runtime infers shapes in both branches of an If: one that does not fit these shapes, and is never taken, would
  // have it refuse the graph. It tolerates what it cannot infer.
  const open = graph.nodes.some(({ op }) => op === 'If');
  const inputs = graph.inputs.map((info) => (open ? { ...info, shape: info.shape?.map(() => null) } : info));
  const probed: Graph = {
    ...graph,
    inputs,
    nodes: [...graph.nodes, ...shapeNodes],
    outputs: [...computed, ...shapeNodes.map((node) => node.outputs[0]!)].map((name) => ({ name })),
  };
  const session = await runtime.load({ ...model, graph: probed }, { optimization: 'none' });
  try {
    const inferred = new Map(session.outputs.map((output) => [output.name, output]));
    const binding: Binding = new Map();
    for (const [name, tensor] of graph.initializers) binding.set(name, boundTensor(name, tensor));
    for (const [name, tensor] of feeds) binding.set(name, { name, type: tensor.type, shape: tensor.dims });

    // Under ceil_mode inferred shapes may be wrong: see settleCeilMode.
    const trusted = !graph.nodes.some((node) => node.attributes.ceil_mode === 1);
    const fetches: string[] = [];
    for (const name of computed) {
      const info = inferred.get(name);
      if (info?.type === undefined) continue; // sequences, maps and optionals never carry a gradient here
      if (!trusted || !isConcrete(info.shape)) fetches.push(`shape_probe:${name}`);
      const limit = limitOf(name, info.type);
      const isSmall = isConcrete(info.shape) ? sizeOf(info.shape) <= limit : limit >= 0;
      if (isSmall || also.has(name)) fetches.push(name);
    }
    const fetched = fetches.length > 0 ? await session.run(feeds, fetches) : new Map<string, Tensor>();
    for (const name of computed) {
      const info = inferred.get(name);
      if (info?.type === undefined) continue;
      const measured = fetched.get(`shape_probe:${name}`);
      const shape = measured ? toNumbers(measured) : (info.shape as readonly number[]);
      const content = sizeOf(shape) <= limitOf(name, info.type) ? fetched.get(name) : undefined;
      binding.set(name, { name, type: info.type, shape, content });
      if (also.has(name)) also.set(name, fetched.get(name)!);
    }
    settleCeilMode(graph, binding);
    return binding;
  } finally {
    await session.release();
  }
}

function boundTensor(name: string, tensor: Tensor): BoundValue {
  const small = sizeOf(tensor.dims) <= CONTENT_LIMIT;
  return { name, type: tensor.type, shape: tensor.dims, content: small ? tensor : undefined };
}

/** An unknown rank arrives here as no dimensions at all, as a scalar's shape does: that counts as unknown. */
function isConcrete(shape: readonly (number | string)[] | undefined): shape is readonly number[] {
  return shape !== undefined && shape.length > 0 && shape.every((dim) => typeof dim === 'number' && dim >= 0);
}

function isIndexType(type: DataType): boolean {
  return type === 'int64' || type === 'int32' || type === 'bool';
}
