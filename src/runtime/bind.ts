import { RuntimeFailure } from '../graph/errors.ts';
import { type Binding, cloneGraph, type Graph, type Model } from '../graph/graph.ts';
import { findParameters } from '../graph/parameters.ts';
import type { Tensor } from '../graph/tensor.ts';
import { bindBodies } from './bind-bodies.ts';
import { measureGraph, varyingNames } from './measure-graph.ts';
import type { Runtime } from './runtime.ts';

/**
 * Gives every value of a graph its concrete type and shape for one batch. The runtime infers what it can from the
 * inputs' shapes; what it cannot is read off one forward run through appended Shape nodes. The returned graph is made
 * for this batch's shapes: If nodes whose condition follows from shapes and constants are replaced by the branch they
 * take, and the bodies of the other control flow are bound as `bindBodies` says.
 * Throws RuntimeFailure when the batch does not fit the graph.
 */
export async function bindShapes(
  runtime: Runtime,
  model: Model,
  feeds: ReadonlyMap<string, Tensor>,
): Promise<{ graph: Graph; binding: Binding }> {
  const graph = withConcreteInputs(model.graph, feeds);
  const changing = [...feeds.keys(), ...findParameters(model)];
  const binding = await measureGraph(runtime, { ...model, graph }, feeds, changing);
  await bindBodies(runtime, model, graph, binding, varyingNames(graph, changing));
  return { graph, binding };
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
