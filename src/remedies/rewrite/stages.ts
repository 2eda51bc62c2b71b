import { type Composite, findComposites } from '../../flow/composites.ts';
import { kindOf } from '../../flow/kinds.ts';
import { mapLayers } from '../../flow/layers.ts';
import { consumers, type Model, type Node, producers } from '../../graph/graph.ts';
import { findParameters } from '../../graph/parameters.ts';
import { findResidualBranches, findWeightNodes } from '../../graph/residual-branches.ts';
import { dependentOn } from '../../graph/subgraphs.ts';
import { type ActivationSite, findActivationSites } from './activation-sites.ts';

/** A dense or convolutional layer with what stands behind it. */
export interface Stage {
  readonly layer: string;
  /** The product with the weights. */
  readonly node: Node;
  readonly weight: string;
  /** Where channels are: the axis after the batch, or the last one. */
  readonly channels: 'second' | 'last';
  /** What the product reads. */
  readonly input: string;
  /** The layer's output, its bias added. */
  readonly result: string;
  /** Whether a normalization stands before its activation, or right before the layer. */
  readonly normalized: boolean;
  /** Where its result goes: into an activation function, into the sum of a skip connection, elsewhere. */
  readonly leadsTo: 'activation' | 'sum' | 'elsewhere';
  readonly site?: ActivationSite;
  /** Whether it stands in a branch beside a skip connection, or on the skip connection. */
  readonly inBranch: boolean;
}

const channelsOf: Readonly<Record<string, Stage['channels']>> = { Gemm: 'last', MatMul: 'last', Conv: 'second' };
/** Between a layer and its activation function these change neither. */
const passing = new Set(['MaxPool', 'AveragePool', 'Dropout', 'Identity']);

/** The layers of a network whose weights are used once, from input to output; those of recurrences are none. */
export function findStages(model: Model): Stage[] {
  const { graph } = model;
  const parameters = findParameters(model);
  const composites = findComposites(graph);
  const { layerOf } = mapLayers(graph, new Set(parameters), composites);
  const weights = findWeightNodes(graph, parameters);
  const uses = new Map<string, number>();
  for (const name of weights.flatMap((one) => one.parameters)) uses.set(name, (uses.get(name) ?? 0) + 1);
  const fed = graph.inputs.map(({ name }) => name).filter((name) => !graph.initializers.has(name));
  const data = new Set([...fed, ...dependentOn(graph, fed)]);
  const walk = new Walk(model, composites, data);
  const branched = new Set(
    findResidualBranches(graph, parameters).flatMap(({ branch, shortcut }) => [...branch, ...shortcut]),
  );
  return weights.flatMap(({ node, parameters: own }): Stage[] => {
    const channels = Object.hasOwn(channelsOf, node.op) ? channelsOf[node.op] : undefined;
    const input = node.inputs.find((name) => data.has(name));
    const [weight] = own;
    if (!channels || input === undefined || weight === undefined || own.length > 1 || uses.get(weight)! > 1) return [];
    const result = walk.behindBias(node);
    const { normalized, ...end } = walk.onwards(result);
    return [
      {
        layer: layerOf.get(node.name) || node.name,
        node,
        weight,
        channels,
        input,
        result,
        normalized: normalized || walk.isNormalized(input),
        inBranch: branched.has(node),
        ...end,
      },
    ];
  });
}

class Walk {
  private readonly readers: ReturnType<typeof consumers>;
  private readonly made: ReadonlyMap<string, Node>;
  private readonly data: ReadonlySet<string>;
  private readonly outputs: ReadonlySet<string>;
  private readonly blocks: ReadonlyMap<string, Composite>;
  private readonly sites: ReadonlyMap<string, ActivationSite>;

  constructor(model: Model, composites: readonly Composite[], data: ReadonlySet<string>) {
    const { graph } = model;
    this.readers = consumers(graph);
    this.made = producers(graph);
    this.data = data;
    this.outputs = new Set(graph.outputs.map(({ name }) => name));
    this.blocks = new Map(
      composites
        .filter(({ kind }) => kind === 'normalization')
        .flatMap((block) => [
          [block.input, block],
          [block.output, block],
        ]),
    );
    this.sites = new Map(findActivationSites(model).map((site) => [site.input, site]));
  }

  /** What a layer gives once its bias is added, which exporters write as an Add of its own behind MatMul. */
  behindBias(node: Node): string {
    const value = node.outputs[0]!;
    const reader = this.onlyReader(value);
    const isBias = reader?.op === 'Add' && reader.inputs.filter((name) => this.data.has(name)).length === 1;
    return isBias ? reader.outputs[0]! : value;
  }

  /** What a value is made by: a normalization, of one node or several. */
  isNormalized(value: string): boolean {
    const node = this.made.get(value);
    return (node && kindOf(node.op, true) === 'normalization') || this.blocks.get(value)?.output === value;
  }

  /** Where a layer's result leads, by normalizations, pooling and dropout. */
  onwards(result: string): Pick<Stage, 'normalized' | 'leadsTo' | 'site'> {
    let normalized = false;
    for (let value = result, steps = 0; steps < 16; steps++) {
      const reading = (this.readers.get(value) ?? []).map(({ node }) => node);
      const site = this.sites.get(value);
      if (site && reading.every(({ name }) => site.nodes.includes(name))) {
        return { normalized, leadsTo: 'activation', site };
      }
      const block = this.blocks.get(value);
      if (block?.input === value && reading.every(({ name }) => block.nodes.includes(name))) {
        normalized = true;
        value = block.output;
        continue;
      }
      const next = this.onlyReader(value);
      if (!next) break;
      if (/^(Add|Sum)$/.test(next.op) && next.inputs.every((name) => this.data.has(name))) {
        return { normalized, leadsTo: 'sum' };
      }
      const isNorm = kindOf(next.op, true) === 'normalization';
      if (!isNorm && !passing.has(next.op)) break;
      normalized ||= isNorm;
      value = next.outputs[0]!;
    }
    return { normalized, leadsTo: 'elsewhere' };
  }

  private onlyReader(value: string): Node | undefined {
    const list = this.readers.get(value) ?? [];
    return list.length === 1 && !this.outputs.has(value) ? list[0]!.node : undefined;
  }
}
