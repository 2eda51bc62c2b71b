import { findComposites } from '../flow/composites.ts';
import { mapLayers } from '../flow/layers.ts';
import type { Graph } from '../graph/graph.ts';

/** A layer that is trained. */
export interface TrainedLayer {
  readonly name: string;
  readonly parameters: readonly string[];
  /** The value that the layer passes on: its activation function's output where it has one, else its own. */
  readonly activation?: string;
}

/** L2 norms over the parameters of one layer. */
export interface LayerNorms {
  readonly layer: string;
  /** ‖∂L/∂w‖ before clipping. */
  readonly gradientNorm?: number;
  /** ‖w‖ before the update. */
  readonly weightNorm?: number;
  /** ‖Δw‖. */
  readonly updateNorm?: number;
}

/** The layers of a graph that hold any of `parameters`, from input to output. */
export function layersOf(graph: Graph, parameters: readonly string[]): TrainedLayer[] {
  const composites = findComposites(graph);
  const map = mapLayers(graph, new Set(parameters), composites);
  const inside = new Set(composites.flatMap((block) => block.nodes));
  const blocks = new Map(composites.map((block) => [block.nodes.at(-1)!, block]));
  const activations = new Map<string, string>();
  for (const node of graph.nodes) {
    if (inside.has(node.name) && !blocks.has(node.name)) continue;
    const layer = map.layerOf.get(node.name);
    if (layer && map.kindOf.get(node.name) === 'activation-derivative') activations.set(layer, node.outputs[0]!);
  }
  const wanted = new Set(parameters);
  const layers: TrainedLayer[] = map.layers.map(({ name, node, parameters: own }) => ({
    name,
    parameters: own.filter((parameter) => wanted.has(parameter)),
    activation: activations.get(name) ?? node.outputs[0]!,
  }));
  const found = new Set(layers.flatMap((layer) => layer.parameters));
  const others = parameters.filter((name) => !found.has(name));
  return [
    ...layers.filter((layer) => layer.parameters.length > 0),
    ...others.map((name) => ({ name, parameters: [name] })),
  ];
}

/** Norms of parameters, gathered by layer: √Σ‖·‖². */
export function normsByLayer(
  layers: readonly TrainedLayer[],
  parameters: readonly string[],
  norms: { gradientNorms?: Float64Array; weightNorms?: Float64Array; updateNorms?: Float64Array },
): LayerNorms[] {
  if (!norms.gradientNorms && !norms.weightNorms && !norms.updateNorms) return [];
  const position = new Map(parameters.map((name, i) => [name, i]));
  return layers.map(({ name, parameters: own }) => {
    const at = own.flatMap((parameter) => position.get(parameter) ?? []);
    const norm = (values: Float64Array | undefined) => values && Math.hypot(...at.map((i) => values[i]!));
    return {
      layer: name,
      gradientNorm: norm(norms.gradientNorms),
      weightNorm: norm(norms.weightNorms),
      updateNorm: norm(norms.updateNorms),
    };
  });
}
