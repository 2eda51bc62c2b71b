import type { Model } from '../graph/graph.ts';
import { pruneGraph } from '../graph/prune.ts';
import type { Tensor } from '../graph/tensor.ts';
import { bindShapes } from '../runtime/bind.ts';
import type { Runtime, Session } from '../runtime/runtime.ts';
import { inferenceForm } from './inference-form.ts';
import { attachLoss, type LossPlan, planLoss } from './losses.ts';
import { attachMetrics, metricsOf } from './metrics.ts';
import { fitTarget } from './targets.ts';
import type { TrainingBatch } from './trainer.ts';

/** What a network scores on data it is not trained on. */
export interface Scores {
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly samples: number;
  /** Mean loss of each batch, in order. */
  readonly losses: readonly number[];
}

/** A graph that scores batches of one size. */
interface Scorer {
  readonly session: Session;
  readonly loss: string;
  readonly accuracy: string | undefined;
  score(batch: TrainingBatch, state: ReadonlyMap<string, Tensor>): Promise<{ loss: number; accuracy?: number }>;
}

/** Scores a model in the form in which it is used: running statistics, no dropout. Weights come from a training state. */
export class Evaluator {
  private readonly scorers = new Map<string, Promise<Scorer>>();
  private readonly runtime: Runtime;
  private readonly model: Model;
  private readonly plan: LossPlan;

  constructor(runtime: Runtime, model: Model, plan: LossPlan) {
    this.runtime = runtime;
    this.model = inferenceForm(model);
    this.plan = plan;
  }

  /** The mean over samples; batches may differ in size. NaN where there is none. */
  async evaluate(batches: AsyncIterable<TrainingBatch>, state: ReadonlyMap<string, Tensor>): Promise<Scores> {
    let [loss, accuracy, samples] = [0, 0, 0];
    const losses: number[] = [];
    let counts = false;
    for await (const batch of batches) {
      const scorer = await this.scorerFor(batch, state);
      const size = batch.target?.dims[0] ?? [...batch.inputs.values()][0]?.dims[0] ?? 1;
      const scores = await scorer.score(batch, state);
      losses.push(scores.loss);
      loss += scores.loss * size;
      accuracy += (scores.accuracy ?? 0) * size;
      counts ||= scores.accuracy !== undefined;
      samples += size;
    }
    const mean = samples > 0 ? loss / samples : Number.NaN;
    const metrics = metricsOf(this.plan, mean, counts ? accuracy / samples : undefined);
    return { loss: mean, metrics, samples, losses };
  }

  async release(): Promise<void> {
    for (const scorer of this.scorers.values()) await (await scorer).session.release();
    this.scorers.clear();
  }

  private scorerFor(batch: TrainingBatch, state: ReadonlyMap<string, Tensor>): Promise<Scorer> {
    const key = [...batch.inputs].map(([name, { dims }]) => `${name}[${dims}]`).join();
    let scorer = this.scorers.get(key);
    if (!scorer) {
      scorer = this.load(batch, state);
      this.scorers.set(key, scorer);
    }
    return scorer;
  }

  private async load({ inputs, target }: TrainingBatch, first: ReadonlyMap<string, Tensor>): Promise<Scorer> {
    const { runtime, model } = this;
    const bound = await bindShapes(runtime, model, inputs);
    const kind = this.plan.kind === 'model-output' ? 'auto' : this.plan.kind;
    const plan = planLoss(bound.graph, bound.binding, { kind, output: this.plan.output, target });
    const { lossGraph, accuracy } = attachMetrics(attachLoss(bound.graph, bound.binding, plan), plan);
    const graph = pruneGraph(lossGraph.graph, [lossGraph.loss, ...(accuracy === undefined ? [] : [accuracy])]);
    graph.initializers = new Map(graph.initializers);
    graph.inputs = [...graph.inputs];
    const fed: string[] = [];
    for (const [name, tensor] of graph.initializers) {
      if (!first.has(name)) continue;
      fed.push(name);
      graph.initializers.delete(name);
      graph.inputs.push({ name, type: tensor.type, shape: [...tensor.dims] });
    }
    const session = await runtime.load({ ...model, graph }, { optimization: 'full' });
    return {
      session,
      loss: lossGraph.loss,
      accuracy,
      score: async (batch, state) => {
        const feeds = new Map(batch.inputs);
        for (const name of fed) feeds.set(name, state.get(name)!);
        if (lossGraph.target !== undefined && batch.target) {
          const wanted = lossGraph.binding.get(lossGraph.target)!;
          feeds.set(lossGraph.target, fitTarget(batch.target, wanted.type, wanted.shape, plan));
        }
        const names = [lossGraph.loss, ...(accuracy === undefined ? [] : [accuracy])];
        const results = await session.run(feeds, names);
        const number = (name: string) => Number(results.get(name)!.data[0]);
        return { loss: number(lossGraph.loss), ...(accuracy !== undefined && { accuracy: number(accuracy) }) };
      },
    };
  }
}
