import { type Batch, type BatchRequest, type DigitLoader, makeBatch } from '../data/index.ts';
import type { Binding, Graph, Model } from '../graph/graph.ts';
import type { Tensor } from '../graph/tensor.ts';
import { bindShapes } from '../runtime/bind.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { attachLoss, type LossKind, type LossPlan, planLoss } from '../training/losses.ts';
import { targetFor } from '../training/targets.ts';
import { lossKindOf, vocabularies } from './model-hints.ts';

export interface BindBatchOptions {
  readonly runtime: Runtime;
  readonly batch?: BatchRequest;
  readonly size?: number;
  readonly loss?: LossKind | 'auto';
  readonly output?: string;
  readonly loadDigits?: DigitLoader;
  readonly onProgress?: (message: string) => void;
}

/** A model with its shapes worked out for one batch, and the loss that fits both. */
export interface BoundBatch {
  readonly batch: Batch;
  readonly graph: Graph;
  readonly binding: Binding;
  readonly plan: LossPlan;
}

/** Makes a batch for a model, binds the model to it and plans the loss. Throws UserError for data or options that do not fit. */
export async function bindBatch(model: Model, options: BindBatchOptions, seed: number): Promise<BoundBatch> {
  const inputs = model.graph.inputs.filter((input) => !model.graph.initializers.has(input.name));
  const batch = await makeBatch(options.batch ?? { kind: 'none' }, inputs, {
    size: options.size ?? model.training?.batch,
    seed,
    output: model.graph.outputs[0],
    vocabulary: vocabularies(model, inputs),
    loadDigits: options.loadDigits,
  });
  options.onProgress?.('working out shapes');
  const { graph, binding } = await bindShapes(options.runtime, model, batch.inputs);
  const kind = lossKindOf(model, options.loss);
  const plan = planLoss(graph, binding, { kind, output: options.output, target: batch.target });
  return { batch, graph, binding, plan };
}

/** The bound graph with its loss, and what it is fed: the batch, and the target that it brings or that is made up. */
export function withLoss(
  { batch, graph, binding, plan }: BoundBatch,
  seed: number,
): { readonly lossGraph: ReturnType<typeof attachLoss>; readonly feeds: Map<string, Tensor> } {
  const lossGraph = attachLoss(graph, binding, plan);
  const feeds = new Map(batch.inputs);
  if (lossGraph.target !== undefined) {
    feeds.set(lossGraph.target, targetFor(lossGraph, plan, batch.target, seed)!);
  }
  return { lossGraph, feeds };
}
