import { findComposites } from '../../flow/composites.ts';
import { isActivation } from '../../flow/kinds.ts';
import type { LayerNode } from '../../flow/layers.ts';
import { type Model, type Node, producers } from '../../graph/graph.ts';
import { findParameters } from '../../graph/parameters.ts';
import { findWeightNodes } from '../../graph/residual-branches.ts';
import { readNames } from '../../graph/subgraphs.ts';
import { sizeOf, type Tensor, toFloat64 } from '../../graph/tensor.ts';
import type { Fans } from '../../random/initializers.ts';
import { rolesOf } from '../../training/initialize.ts';
import { layoutFans } from '../../training/weight-layout.ts';
import { type ActivationSite, findActivationSites } from './activation-sites.ts';
import { mixingLayers } from './redraw.ts';

/** A dense or convolutional layer with what its first weights have to fit. Recurrent layers and embeddings are none. */
export interface WeightLayer {
  readonly name: string;
  readonly layer: LayerNode;
  readonly weights: readonly string[];
  readonly biases: readonly string[];
  /** Of its largest weight; taps of the kernel, 1 of a matrix, are counted in both. */
  readonly fans: Fans;
  readonly taps: number;
  /** fan-in · E[w²], and E[b²]. */
  readonly sigmaW2: number;
  readonly biasSquare: number;
  /** Whether the weights look like independent draws: one number throughout does not. */
  readonly random: boolean;
  /** The activation function that its output goes into. */
  readonly activation?: SiteActivation;
}

export interface SiteActivation {
  readonly op: string;
  /** Numbers the function depends on; `slope` of a PReLU is the root mean square of its own. */
  readonly attributes: Readonly<Record<string, number>>;
  readonly site: ActivationSite;
}

const known = new WeakMap<Model, readonly WeightLayer[]>();

/** The dense and convolutional layers of a model, from input to output. */
export function weightLayersOf(model: Model): readonly WeightLayer[] {
  const found = known.get(model) ?? readLayers(model);
  known.set(model, found);
  return found;
}

function readLayers(model: Model): WeightLayer[] {
  const { initializers } = model.graph;
  const roles = rolesOf(model);
  const layers = mixingLayers(model).filter(({ node }) => !/^(RNN|GRU|LSTM|Scan|Loop)$/.test(node.op));
  const activations = activationsByLayer(model, layers);
  return layers.flatMap((layer): WeightLayer[] => {
    const weights: string[] = [];
    const biases: string[] = [];
    let fans: Fans = { fanIn: 1, fanOut: 1 };
    let taps = 1;
    let largest = 0;
    for (const name of layer.parameters) {
      const role = roles.get(name);
      if (role?.kind === 'bias') biases.push(name);
      if (role?.kind !== 'weight') continue;
      const { length } = initializers.get(name)!.data;
      if (length > largest) {
        weights.unshift(name);
        fans = layoutFans(role.layout);
        taps = sizeOf(role.layout.kernel.map((axis) => role.layout.view[axis]!));
        largest = length;
      } else weights.push(name);
    }
    if (weights.length === 0) return [];
    const moments = momentsOf(initializers.get(weights[0]!)!);
    const biasSquares = biases.map((name) => momentsOf(initializers.get(name)!).square);
    const activation = activations.get(layer.name);
    const { fanIn, fanOut } = fans;
    const spread = Math.sqrt(Math.max(0, moments.square - moments.mean ** 2));
    return [
      {
        name: layer.name,
        layer,
        weights,
        biases,
        fans,
        taps,
        sigmaW2: fanIn * moments.square,
        biasSquare: Math.max(0, ...biasSquares),
        // A common mean μ is a matrix of norm |μ| √(in · out); independent entries alone have norm σ (√in + √out).
        random:
          spread > 1e-6 * Math.abs(moments.mean) &&
          Math.abs(moments.mean) * Math.sqrt(fanIn * fanOut) <= spread * (Math.sqrt(fanIn) + Math.sqrt(fanOut)),
        ...(activation && { activation }),
      },
    ];
  });
}

function momentsOf(tensor: Tensor): { square: number; mean: number } {
  const values = toFloat64(tensor);
  let square = 0;
  let mean = 0;
  for (const x of values) {
    square += x * x;
    mean += x;
  }
  return { square: square / values.length, mean: mean / values.length };
}

/** Layer → the activation function it leads to, through biases, normalizations and sums. */
function activationsByLayer(model: Model, layers: readonly LayerNode[]): Map<string, SiteActivation> {
  const found = new Map<string, SiteActivation>();
  const trace = traceBack(model, layers);
  for (const site of findActivationSites(model)) {
    const activation = { op: site.op, attributes: attributesOf(model, site), site };
    for (const name of trace(site.input)) if (!found.has(name)) found.set(name, activation);
  }
  return found;
}

/** From a value to the layers it is computed by without an activation function in between. */
function traceBack(model: Model, layers: readonly LayerNode[]): (value: string) => string[] {
  const { graph } = model;
  const made = producers(graph);
  const layerOfParameter = new Map(layers.flatMap(({ name, parameters }) => parameters.map((p) => [p, name] as const)));
  const weightNodes = new Map(
    findWeightNodes(graph, findParameters(model)).map(({ node, parameters }) => [node, parameters] as const),
  );
  const functions = new Set(
    findComposites(graph).flatMap(({ kind, nodes }) =>
      kind === 'activation-derivative' || kind === 'attention' ? nodes : [],
    ),
  );
  const stops = (node: Node) =>
    functions.has(node.name) || isActivation(node.op) || /^(RNN|GRU|LSTM|Scan|Loop|If|Softmax|Gather)$/.test(node.op);
  return (start) => {
    const names = new Set<string>();
    const seen = new Set([start]);
    const pending = [start];
    for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
      const node = made.get(value);
      if (!node || stops(node)) continue;
      const weights = weightNodes.get(node);
      if (weights) {
        for (const name of weights) if (layerOfParameter.has(name)) names.add(layerOfParameter.get(name)!);
        continue;
      }
      for (const input of readNames(node)) {
        if (seen.has(input)) continue;
        seen.add(input);
        pending.push(input);
      }
    }
    return [...names];
  };
}

function attributesOf({ graph }: Model, { nodes }: ActivationSite): Record<string, number> {
  const node = nodes.length === 1 ? graph.nodes.find(({ name }) => name === nodes[0]) : undefined;
  if (!node) return {};
  if (node.op === 'PRelu') {
    const slope = graph.initializers.get(node.inputs[1] ?? '');
    return slope ? { slope: Math.sqrt(momentsOf(slope).square) } : {};
  }
  const numbers = Object.entries(node.attributes).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number',
  );
  return Object.fromEntries(numbers);
}
