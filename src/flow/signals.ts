import type { Graph } from '../graph/graph.ts';
import { consumers } from '../graph/graph.ts';
import { sizeOf } from '../graph/tensor.ts';
import type { WeightSignals } from './profile.ts';
import type { TensorStatistics } from './statistics.ts';

/** Operators through which a weight passes unchanged in norm on its way to its product. */
const carriers = new Set(['Transpose', 'Reshape', 'Identity', 'Squeeze', 'Unsqueeze', 'Flatten', 'Cast']);
const products = new Set(['Gemm', 'MatMul', 'Conv', 'ConvTranspose']);

interface Measured {
  readonly gradient: TensorStatistics;
}

/**
 * The two signals behind a weight's gradient: dW = dYᵀ X, so log ‖dW‖ = log ‖X‖ + log ‖dY‖ + log alignment. A bias sees
 * X = 1, repeated for every element its gradient is summed over. Undefined for parameters that are read more than once
 * or not by a product or a sum.
 */
export function weightSignals(
  graph: Graph,
  parameter: string,
  measured: Measured,
  gradients: ReadonlyMap<string, Measured>,
  statisticsOf: (value: string) => TensorStatistics | undefined,
): WeightSignals | undefined {
  const readers = consumers(graph);
  let name = parameter;
  for (;;) {
    const list = readers.get(name);
    if (list?.length !== 1) return undefined;
    const { node, input } = list[0]!;
    if (carriers.has(node.op) && input === 0) {
      name = node.outputs[0]!;
      continue;
    }
    const dY = gradients.get(node.outputs[0]!)?.gradient;
    if (!dY) return undefined;
    const forward = forwardNorm(node.op, input, graph, parameter, dY, () =>
      statisticsOf(node.inputs[input === 0 ? 1 : 0]!),
    );
    if (forward === undefined) return undefined;
    return { forward, backward: dY.log10L2, alignment: measured.gradient.log10L2 - forward - dY.log10L2 };
  }
}

function forwardNorm(
  op: string,
  input: number,
  graph: Graph,
  parameter: string,
  dY: TensorStatistics,
  operand: () => TensorStatistics | undefined,
): number | undefined {
  const isBias = op === 'Add' || (products.has(op) && input === 2);
  if (isBias) return 0.5 * Math.log10(dY.count / sizeOf(graph.initializers.get(parameter)!.dims));
  return products.has(op) ? operand()?.log10L2 : undefined;
}
