import type { ExposedGradient } from '../autodiff/differentiate.ts';
import type { LayerMap } from '../flow/layers.ts';
import { type RecurrentFlow, recurrentFlow } from '../flow/recurrent.ts';
import type { TensorStatistics } from '../flow/statistics.ts';
import type { Graph } from '../graph/graph.ts';

/** The recurrent layers of a graph step by step, from what their nodes exposed. */
export function recurrentFlows(
  graph: Graph,
  layers: LayerMap,
  measured: ReadonlyMap<ExposedGradient, readonly TensorStatistics[]>,
): RecurrentFlow[] {
  const flows: RecurrentFlow[] = [];
  for (const node of graph.nodes) {
    for (const index of [0, 1]) {
      const norms = new Map<string, number[]>();
      for (const [gradient, steps] of measured) {
        if (gradient.node === node.name && gradient.index === index) norms.set(gradient.label, steps.map(normOf));
      }
      const hidden = norms.get('hidden');
      const carried = norms.get('carried');
      if (!hidden || !carried) continue;
      const direction = index === 1 || node.attributes.direction === 'reverse' ? 'reverse' : 'forward';
      const place = { layer: layers.layerOf.get(node.name) ?? '', node: node.name, op: node.op, direction } as const;
      const preactivation = norms.get('preactivation');
      const cell = norms.get('cell');
      flows.push(
        recurrentFlow(place, { hidden, carried, ...(preactivation && { preactivation }), ...(cell && { cell }) }),
      );
    }
  }
  return flows;
}

/** log₁₀ of the norm over all elements, as IEEE arithmetic would give it. */
function normOf({ log10L2, nonFinite }: TensorStatistics): number {
  if (nonFinite.nan > 0) return Number.NaN;
  return nonFinite.positiveInfinity + nonFinite.negativeInfinity > 0 ? Number.POSITIVE_INFINITY : log10L2;
}
