import { isFloat } from '../graph/data-type.ts';
import type { Graph, Model } from '../graph/graph.ts';
import { type Tensor, tensorOf, toFloat64 } from '../graph/tensor.ts';
import { bindShapes } from '../runtime/bind.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { reinitialize, rolesOf } from '../training/initialize.ts';

export interface LsuvOptions {
  readonly runtime: Runtime;
  /** The batch whose activations are measured. */
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly seed: number;
  /** |variance − 1| that is good enough, and tries for each layer; the paper's 0.1 and 10. */
  readonly tolerance?: number;
  readonly trials?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (message: string) => void;
}

/** One layer after scaling. */
export interface LsuvLayer {
  readonly node: string;
  readonly weight: string;
  readonly variance: number;
  readonly trials: number;
}

export interface LsuvResult {
  readonly model: Model;
  readonly layers: readonly LsuvLayer[];
  /** Parameters whose use cannot be told: they keep their values. */
  readonly kept: readonly string[];
}

/** Operators that are linear in their weight: dividing it by s divides their output by s, the bias being zero. */
const linear = new Set(['Gemm', 'MatMul', 'Conv', 'ConvTranspose', 'Einsum']);

/**
 * Layer-sequential unit variance (Mishkin & Matas 2016, algorithm 1): orthonormal weights, then layer by layer from the
 * input W ← W / √Var(output) on one batch until the variance is 1. Recurrent weights stay orthonormal. A layer whose
 * output does not vary, or is not finite, is left as it is. Throws RuntimeFailure when the model does not run, and the
 * signal's reason when aborted.
 */
export async function applyLsuv(given: Model, options: LsuvOptions): Promise<LsuvResult> {
  const { runtime, inputs, seed, tolerance = 0.1, trials = 10, signal, onProgress = () => {} } = options;
  onProgress('drawing orthogonal weights');
  const { model, kept } = reinitialize(given, { scheme: 'orthogonal' }, seed);
  const { graph, binding } = await bindShapes(runtime, model, inputs);
  const layers = linearLayers({ ...model, graph });
  const weights = new Map(layers.map(({ weight }) => [weight, graph.initializers.get(weight)!]));
  const measured: Graph = {
    ...graph,
    initializers: new Map([...graph.initializers].filter(([name]) => !weights.has(name))),
    inputs: [
      ...graph.inputs.filter(({ name }) => !weights.has(name)),
      ...[...weights].map(([name, { type, dims }]) => ({ name, type, shape: [...dims] })),
    ],
    outputs: layers.map(({ output }) => {
      const { type, shape } = binding.get(output)!;
      return { name: output, type, shape: [...shape] };
    }),
  };
  const done: LsuvLayer[] = [];
  if (layers.length === 0) return { model, layers: done, kept };
  const session = await runtime.load({ ...model, graph: measured });
  try {
    for (const [i, { node, weight, output }] of layers.entries()) {
      onProgress(`unit variance: layer ${i + 1} of ${layers.length}`);
      const measure = async () => {
        signal?.throwIfAborted();
        const results = await session.run(new Map([...inputs, ...weights]), [output]);
        return varianceOf(toFloat64(results.get(output)!));
      };
      let variance = await measure();
      let trial = 0;
      while (trial < trials && variance > 0 && Number.isFinite(variance) && Math.abs(variance - 1) >= tolerance) {
        weights.set(weight, scaled(weights.get(weight)!, 1 / Math.sqrt(variance)));
        variance = await measure();
        trial++;
      }
      done.push({ node, weight, variance, trials: trial });
    }
  } finally {
    await session.release();
  }
  const initializers = new Map(model.graph.initializers);
  for (const [name, tensor] of weights) initializers.set(name, tensor);
  return { model: { ...model, graph: { ...model.graph, initializers } }, layers: done, kept };
}

/** Nodes that are linear in a weight of their own, in order; a weight belongs to the first node that reads it. */
function linearLayers(model: Model): { node: string; weight: string; output: string }[] {
  const { graph } = model;
  const roles = rolesOf(model);
  /** What a transposed or cast weight was. */
  const stands = new Map<string, string>();
  const seen = new Set<string>();
  return graph.nodes.flatMap(({ op, name, inputs, outputs: [output = ''] }) => {
    const sources = inputs.map((input) => stands.get(input) ?? input);
    if (op === 'Transpose' || op === 'Identity' || op === 'Cast') {
      if (roles.has(sources[0]!)) stands.set(output, sources[0]!);
      return [];
    }
    if (!linear.has(op)) return [];
    const weight = sources.find((source) => roles.get(source)?.kind === 'weight' && !seen.has(source));
    const tensor = weight === undefined ? undefined : graph.initializers.get(weight);
    if (weight === undefined || !tensor || !isFloat(tensor.type)) return [];
    seen.add(weight);
    return [{ node: name || output, weight, output }];
  });
}

/** Mean of (x − μ)², in two passes. */
function varianceOf(values: Float64Array): number {
  let sum = 0;
  for (const x of values) sum += x;
  const mean = sum / values.length;
  let squares = 0;
  for (const x of values) squares += (x - mean) ** 2;
  return squares / values.length;
}

function scaled(tensor: Tensor, factor: number): Tensor {
  return tensorOf(
    tensor.type,
    tensor.dims,
    toFloat64(tensor).map((x) => x * factor),
  );
}
