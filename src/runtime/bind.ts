import type { DataType } from '../graph/data-type.ts';
import { RuntimeFailure } from '../graph/errors.ts';
import { type Binding, type BoundValue, cloneGraph, type Graph, type Model, type Node } from '../graph/graph.ts';
import { sizeOf, type Tensor, toNumbers } from '../graph/tensor.ts';
import { settleCeilMode } from './ceil-mode.ts';
import type { Runtime } from './runtime.ts';

/** Integer tensors up to this size keep their content: shapes, axes, indices. */
const CONTENT_LIMIT = 4096;

/**
 * Gives every value of a graph its concrete type and shape for one batch. The runtime infers what it can from the
 * inputs' shapes; what it cannot is read off one forward run through appended Shape nodes.
 * Throws RuntimeFailure when the batch does not fit the graph.
 */
export async function bindShapes(
  runtime: Runtime,
  model: Model,
  feeds: ReadonlyMap<string, Tensor>,
): Promise<{ graph: Graph; binding: Binding }> {
  const graph = withConcreteInputs(model.graph, feeds);
  const computed = graph.nodes.flatMap((node) => node.outputs.filter((name) => name !== ''));
  const shapeNodes: Node[] = computed.map((name, i) => ({
    name: `shape_probe_${i}`,
    op: 'Shape',
    domain: '',
    inputs: [name],
    outputs: [`shape_probe:${name}`],
    attributes: {},
  }));
  const probed: Graph = {
    ...graph,
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
      if (isIndexType(info.type) && (!isConcrete(info.shape) || sizeOf(info.shape) <= CONTENT_LIMIT))
        fetches.push(name);
    }
    const fetched = fetches.length > 0 ? await session.run(feeds, fetches) : new Map<string, Tensor>();
    for (const name of computed) {
      const info = inferred.get(name);
      if (info?.type === undefined) continue;
      const measured = fetched.get(`shape_probe:${name}`);
      const shape = measured ? toNumbers(measured) : (info.shape as readonly number[]);
      const content = fetched.get(name);
      binding.set(name, {
        name,
        type: info.type,
        shape,
        content: sizeOf(shape) <= CONTENT_LIMIT ? content : undefined,
      });
    }
    settleCeilMode(graph, binding);
    return { graph, binding };
  } finally {
    await session.release();
  }
}

function withConcreteInputs(source: Graph, feeds: ReadonlyMap<string, Tensor>): Graph {
  const graph = cloneGraph(source);
  graph.inputs = graph.inputs
    .filter((input) => !graph.initializers.has(input.name) || feeds.has(input.name))
    .map((input) => {
      const tensor = feeds.get(input.name);
      if (!tensor) {
        throw new RuntimeFailure(`no data for the model's input "${input.name}"`, { code: 'missing-input' });
      }
      return { name: input.name, type: tensor.type, shape: [...tensor.dims] };
    });
  // Declared shapes of inner values may name dimensions that the batch now fixes.
  graph.values = new Map();
  return graph;
}

function boundTensor(name: string, tensor: Tensor): BoundValue {
  const small = sizeOf(tensor.dims) <= CONTENT_LIMIT;
  return { name, type: tensor.type, shape: tensor.dims, content: small ? tensor : undefined };
}

function isConcrete(shape: readonly (number | string)[] | undefined): shape is readonly number[] {
  return shape?.every((dim) => typeof dim === 'number' && dim >= 0) ?? false;
}

function isIndexType(type: DataType): boolean {
  return type === 'int64' || type === 'int32' || type === 'bool';
}
