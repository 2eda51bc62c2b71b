import { findComposites } from '../../flow/composites.ts';
import { isActivation } from '../../flow/kinds.ts';
import { mapLayers } from '../../flow/layers.ts';
import { consumers, type Graph, type Model } from '../../graph/graph.ts';
import { findParameters } from '../../graph/parameters.ts';
import type { GraphEditor } from './editor.ts';

/** An activation function between layers: one node, or the several an exporter wrote it out as. */
export interface ActivationSite {
  /** The ONNX operator, of a block the one that computes the same. */
  readonly op: string;
  readonly nodes: readonly string[];
  readonly input: string;
  readonly output: string;
  /** The layer whose result it acts on. */
  readonly layer: string;
}

/** Functions of a bounded range, which also serve as gates and as the network's last step. */
const gating: ReadonlySet<string> = new Set(['Sigmoid', 'HardSigmoid']);

/**
 * The activation functions between layers, from input to output. What is none of them: a function that computes an
 * output of the network, and a sigmoid that is multiplied with something else, which is a gate.
 */
export function findActivationSites(model: Model): ActivationSite[] {
  const { graph } = model;
  const composites = findComposites(graph);
  const inside = new Map(composites.flatMap((block) => block.nodes.map((name) => [name, block] as const)));
  const { layerOf } = mapLayers(graph, new Set(findParameters(model)), composites);
  const readers = consumers(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const sites: ActivationSite[] = [];
  for (const node of graph.nodes) {
    const block = inside.get(node.name);
    const [output] = node.outputs;
    if (block) {
      if (block.kind !== 'activation-derivative' || block.nodes.at(-1) !== node.name) continue;
      if (outputs.has(block.output)) continue;
      const { op, nodes, input } = block;
      sites.push({ op, nodes, input, output: block.output, layer: layerOf.get(node.name) ?? '' });
    } else if (isActivation(node.op) && node.domain === '' && output !== undefined && !outputs.has(output)) {
      const isGate = gating.has(node.op) && readers.get(output)?.some(({ node: reader }) => reader.op === 'Mul');
      if (isGate || leadsNowhereElse(output, graph, readers)) continue;
      sites.push({
        op: node.op,
        nodes: [node.name],
        input: node.inputs[0]!,
        output,
        layer: layerOf.get(node.name) ?? '',
      });
    }
  }
  return sites;
}

/** Whether only shape changes stand between a value and the network's outputs. */
function leadsNowhereElse(value: string, graph: Graph, readers: ReturnType<typeof consumers>): boolean {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const list = readers.get(value) ?? [];
  return (
    list.length > 0 &&
    list.every(
      ({ node }) =>
        ['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Identity', 'Cast'].includes(node.op) &&
        node.outputs.every((output) => outputs.has(output)),
    )
  );
}

/** Replaces an activation: `write` receives the name to read and the name to base its own on, and gives the result's. */
export function replaceActivation(
  editor: GraphEditor,
  site: ActivationSite,
  write: (X: string, name: string) => string,
): void {
  const last = site.nodes.at(-1)!;
  editor.remove(site.nodes);
  const result = write(site.input, `${last}.new`);
  editor.redirect(site.output, result);
}
