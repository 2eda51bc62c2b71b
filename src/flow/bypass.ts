import { consumers, type Graph, type Node, producers } from '../graph/graph.ts';
import { dependentOn, readNames } from '../graph/subgraphs.ts';
import { type Composite, findComposites } from './composites.ts';
import { kindOf } from './kinds.ts';
import { type LayerMap, mapLayers } from './layers.ts';

/** Where a layer can be left out: readers of `to` read `from` instead. Shapes are for the caller to compare. */
export interface Bypass {
  readonly layer: string;
  readonly from: string;
  readonly to: string;
  /** The layers of the residual branch that is left out as a whole. */
  readonly together?: readonly string[];
}

/** Layers that hold parameters, from input to output, and how those with a weight matrix can be left out. */
export interface LayerPlan {
  readonly layers: readonly { readonly layer: string; readonly parameters: readonly string[] }[];
  readonly bypasses: readonly Bypass[];
}

/**
 * Plans leaving out layers one at a time: a layer in a residual branch by dropping the branch, any other by passing its
 * input on in place of what its activation function, where it has one, makes of its output.
 */
export function planBypasses(graph: Graph, parameters: readonly string[]): LayerPlan {
  const composites = findComposites(graph);
  const map = mapLayers(graph, new Set(parameters), composites);
  const network = new Network(graph, map, composites, new Set(parameters));
  const branches = network.branches();
  const bypasses = map.layers
    .filter(({ mixes }) => mixes)
    .flatMap(({ name, node }): Bypass[] => {
      const branch = branches.get(name);
      if (branch) return [{ layer: name, ...branch }];
      const from = node.inputs.find((input) => network.carriesData(input));
      return from === undefined ? [] : [{ layer: name, from, to: network.endOf(name, node.outputs[0]!) }];
    });
  return { layers: map.layers.map(({ name, parameters: own }) => ({ layer: name, parameters: own })), bypasses };
}

class Network {
  private readonly made: Map<string, Node>;
  private readonly readers: ReturnType<typeof consumers>;
  private readonly data: ReadonlySet<string>;
  private readonly blocks: ReadonlyMap<string, Composite>;
  private readonly graph: Graph;
  private readonly map: LayerMap;

  constructor(graph: Graph, map: LayerMap, composites: readonly Composite[], parameters: ReadonlySet<string>) {
    this.graph = graph;
    this.map = map;
    this.made = producers(graph);
    this.readers = consumers(graph);
    const inputs = graph.inputs.map(({ name }) => name);
    this.data = dependentOn(
      graph,
      inputs.filter((name) => !graph.initializers.has(name) && !parameters.has(name)),
    );
    this.blocks = new Map(composites.filter(({ kind }) => kind === 'activation-derivative').map((b) => [b.input, b]));
  }

  carriesData(value: string): boolean {
    return this.data.has(value);
  }

  /** The value a layer passes on: behind its bias and its activation function, as far as only one reader takes it. */
  endOf(layer: string, value: string): string {
    const readers = this.readers.get(value) ?? [];
    const block = this.blocks.get(value);
    if (block && readers.every(({ node }) => block.nodes.includes(node.name))) return block.output;
    const node = readers.length === 1 ? readers[0]!.node : undefined;
    if (!node || this.map.layerOf.get(node.name) !== layer) return value;
    const isBias = node.op === 'Add' && node.inputs.filter((input) => this.carriesData(input)).length === 1;
    const isActivation = kindOf(node.op, false) === 'activation-derivative';
    if (isBias) return this.endOf(layer, node.outputs[0]!);
    return isActivation ? node.outputs[0]! : value;
  }

  /** Layers in branches of residual sums x + F(x): each with x, the sum, and all layers of F. */
  branches(): Map<string, Omit<Bypass, 'layer'>> {
    const found = new Map<string, Omit<Bypass, 'layer'>>();
    for (const node of this.graph.nodes) {
      const [a, b] = node.inputs;
      if (node.op !== 'Add' || node.domain !== '' || !a || !b || a === b) continue;
      if (!this.carriesData(a) || !this.carriesData(b)) continue;
      for (const [skip, branch] of [
        [a, b],
        [b, a],
      ] as const) {
        const nodes = this.between(skip, branch);
        const layers = new Set(nodes?.map(({ name }) => this.map.layerOf.get(name) ?? ''));
        const mixing = this.map.layers.filter(({ name, mixes }) => mixes && layers.has(name)).map(({ name }) => name);
        // Of branches within a branch the smaller one, which comes first, is the layer's own.
        for (const layer of mixing) {
          if (!found.has(layer)) found.set(layer, { from: skip, to: node.outputs[0]!, together: mixing });
        }
      }
    }
    return found;
  }

  /** The nodes that make `end` from `start` alone; undefined where anything else of the data enters. */
  private between(start: string, end: string): Node[] | undefined {
    const nodes = new Set<Node>();
    const queue = [end];
    let reached = false;
    for (let value = queue.pop(); value !== undefined; value = queue.pop()) {
      if (value === start) {
        reached = true;
        continue;
      }
      if (!this.carriesData(value)) continue;
      const node = this.made.get(value);
      if (!node) return undefined;
      if (nodes.has(node)) continue;
      nodes.add(node);
      queue.push(...readNames(node));
    }
    if (!reached) return undefined;
    // Nodes without parameters carry the name of the layer before the branch: only those that hold weights count.
    const holders = new Set(this.map.layers.map(({ node }) => node));
    const own = [...nodes].filter((node) => holders.has(node));
    return own.length > 0 ? own : undefined;
  }
}
