import { type BatchOptions, type BatchRequest, makeBatch } from '../data/index.ts';
import { isFloat } from '../graph/data-type.ts';
import type { Model } from '../graph/graph.ts';
import { type Tensor, tensorOf, toFloat64 } from '../graph/tensor.ts';
import { parseInitialWeights } from '../random/parse-initialization.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { initializeFixup, reinitialize } from '../training/initialize.ts';
import { applyLsuv } from './lsuv.ts';
import { vocabularies } from './model-hints.ts';
import { prepareForMeasuring, withOwnTensors } from './prepare.ts';

export interface InitialWeightsOptions {
  readonly runtime: Runtime;
  readonly seed: number;
  /** What lsuv measures on; default as `makeBatch`. */
  readonly batch?: BatchRequest;
  readonly size?: number;
  readonly loadDigits?: BatchOptions['loadDigits'];
  readonly onProgress?: (message: string) => void;
}

/**
 * A model with the first weights that someone names, and what to say of it; nothing else of the model changes.
 * Throws UsageError for an unknown scheme, DataError for data that lsuv cannot measure on.
 */
export async function initializeWeights(
  given: Model,
  how: string | undefined,
  options: InitialWeightsOptions,
): Promise<{ model: Model; notes: readonly string[] }> {
  const weights = parseInitialWeights(how ?? 'keep');
  if (weights === 'keep') return { model: given, notes: [] };
  const own = withOwnTensors(given);
  const { seed } = options;
  const notes = [`the weights were drawn anew: ${how}, seed ${seed}`];
  const sayKept = (kept: readonly string[]) => {
    const shown = `${kept.slice(0, 5).join(', ')}${kept.length > 5 ? ', …' : ''}`;
    if (kept.length > 0) notes.push(`kept as stored, for what reads them is no operator with weights: ${shown}`);
  };
  if (weights === 'fixup') {
    const { model, kept, branches } = initializeFixup(own, seed);
    notes.push(
      `fixup: ${branches} residual branch${branches === 1 ? '' : 'es'}, the last layer of each and the classifier zero`,
    );
    const norms = own.graph.nodes.filter(({ op }) => op.endsWith('Normalization')).length;
    if (norms > 0) notes.push(`fixup is made for networks without normalization; this one has ${norms} nodes of it`);
    sayKept(kept);
    return { model, notes };
  }
  if (weights !== 'lsuv') {
    const { model, kept } = reinitialize(own, weights, seed);
    sayKept(kept);
    return { model, notes };
  }
  // Measured in float32 and without dropout, as a diagnosis is.
  const { model } = prepareForMeasuring(own);
  const inputs = model.graph.inputs.filter((input) => !model.graph.initializers.has(input.name));
  const batch = await makeBatch(options.batch ?? { kind: 'none' }, inputs, {
    size: options.size,
    seed,
    output: model.graph.outputs[0],
    vocabulary: vocabularies(model, inputs),
    loadDigits: options.loadDigits,
  });
  const { runtime, onProgress } = options;
  const result = await applyLsuv(model, { runtime, inputs: batch.inputs, seed, onProgress });
  sayKept(result.kept);
  const off = result.layers.filter(({ variance }) => !(Math.abs(variance - 1) < 0.1)).map(({ node }) => node);
  if (off.length > 0) notes.push(`lsuv did not reach unit variance at ${off.slice(0, 5).join(', ')}`);
  return { model: withTensors(own, result.model.graph.initializers), notes };
}

/** The model with other numbers in its float tensors, in the types they have. */
function withTensors(model: Model, tensors: ReadonlyMap<string, Tensor>): Model {
  const initializers = new Map(model.graph.initializers);
  for (const [name, { type, dims }] of initializers) {
    const next = tensors.get(name);
    if (next && isFloat(type)) initializers.set(name, tensorOf(type, dims, toFloat64(next)));
  }
  return { ...model, graph: { ...model.graph, initializers } };
}
