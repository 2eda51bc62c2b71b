import { findComposites } from '../../flow/composites.ts';
import { type LayerNode, mapLayers } from '../../flow/layers.ts';
import type { Model } from '../../graph/graph.ts';
import { findParameters } from '../../graph/parameters.ts';
import type { Initialization } from '../../random/initializers.ts';
import { reinitialize, rolesOf } from '../../training/initialize.ts';

/** The layers of a model that mix units with a weight matrix or kernel, from input to output. */
export function mixingLayers(model: Model): LayerNode[] {
  const parameters = new Set(findParameters(model));
  const { layers } = mapLayers(model.graph, parameters, findComposites(model.graph));
  return layers.filter(({ mixes }) => mixes);
}

/**
 * The model with the weights of some layers drawn anew, and their biases zero; everything else stays as it is. `scheme`
 * may differ by layer. Of a layer only what is a weight or a bias to its operator is drawn: not scales, not positions.
 */
export function redrawLayers(
  model: Model,
  layers: readonly LayerNode[],
  scheme: Initialization | ((layer: LayerNode) => Initialization),
  seed: number,
): Model {
  const schemeOf = typeof scheme === 'function' ? scheme : () => scheme;
  const roles = rolesOf(model);
  const byParameter = new Map<string, Initialization>();
  for (const layer of layers) {
    for (const name of layer.parameters) {
      const kind = roles.get(name)?.kind;
      if (kind === 'weight' || kind === 'bias') byParameter.set(name, schemeOf(layer));
    }
  }
  const drawn = reinitialize(model, (name) => byParameter.get(name) ?? { scheme: 'zeros' }, seed).model;
  const initializers = new Map(model.graph.initializers);
  for (const name of byParameter.keys()) initializers.set(name, drawn.graph.initializers.get(name)!);
  return { ...model, graph: { ...model.graph, initializers } };
}
