import { GraphBuilder } from '../graph/builder.ts';
import { isFloat } from '../graph/data-type.ts';
import { type Binding, cloneGraph, type Value } from '../graph/graph.ts';
import { type LossGraph, type LossPlan, lossInput } from './losses.ts';

/** A loss graph with the metric that goes with its loss. */
export interface MetricGraph {
  readonly lossGraph: LossGraph;
  /** Value that holds the fraction of right answers; undefined where the loss compares numbers. */
  readonly accuracy: string | undefined;
}

/**
 * Appends the fraction of right answers: the largest output is the target's class; for binary targets, output and target
 * lie on the same side of one half. Losses that compare numbers have their root instead (`metricsOf`).
 */
export function attachMetrics(given: LossGraph, plan: LossPlan): MetricGraph {
  const kind = plan.target?.kind;
  if (given.target === undefined || (kind !== 'classes' && kind !== 'one-hot' && kind !== 'binary')) {
    return { lossGraph: given, accuracy: undefined };
  }
  const g = new GraphBuilder(cloneGraph(given.graph), given.binding.values());
  g.scope = 'metric/';
  const X = lossInput(g, plan);
  const target = g.value(given.target);
  const isRight = kind === 'binary' ? sameSide(g, plan, X, target) : sameClass(g, plan, X, target);
  const hits = g.cast(isRight, isFloat(X.type) ? X.type : 'float32');
  const axes = hits.shape.map((_, i) => i);
  const accuracy = axes.length === 0 ? hits : g.reduce('ReduceMean', hits, axes, false);
  const binding: Binding = new Map(given.binding);
  for (const [name, value] of g.values) if (!binding.has(name)) binding.set(name, value);
  return { lossGraph: { ...given, graph: g.graph, binding }, accuracy: accuracy.name };
}

function sameClass(g: GraphBuilder, { axis, target: form }: LossPlan, X: Value, target: Value): Value {
  const answer = largest(g, X, axis);
  return g.equal(answer, form!.kind === 'one-hot' ? largest(g, target, axis) : target);
}

function largest(g: GraphBuilder, X: Value, axis: number): Value {
  const shape = X.shape.filter((_, i) => i !== axis);
  return g.add('ArgMax', [X], [['int64', shape]], { axis, keepdims: 0 })[0]!;
}

function sameSide(g: GraphBuilder, { from, reads, output }: LossPlan, X: Value, target: Value): Value {
  // A logit's half is 0; the loss reads logits also where the model's output is their sigmoid.
  const half = from === 'logits' || reads !== output ? 0 : 0.5;
  return g.equal(g.greater(X, g.scalar(half, X.type)), g.greater(target, g.scalar(0.5, target.type)));
}

/** The metrics of a mean loss and accuracy: `accuracy` for classes, `rmse` for the mean squared error. */
export function metricsOf(plan: LossPlan, loss: number, accuracy: number | undefined): Record<string, number> {
  if (accuracy !== undefined) return { accuracy };
  return plan.kind === 'mse' ? { rmse: Math.sqrt(loss) } : {};
}

/** The loss of the best constant answer: ln C of C classes, ln 2, the variance of the target; 0 where unknown. */
export function constantLoss(plan: LossPlan, target: ArrayLike<number> | undefined): number {
  switch (plan.kind) {
    case 'cross-entropy':
      return Math.log(plan.target!.classes);
    case 'binary-cross-entropy':
      return Math.LN2;
    case 'mse': {
      const values = Array.from(target ?? []);
      const mean = values.reduce((sum, x) => sum + x, 0) / Math.max(1, values.length);
      const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, values.length);
      return Number.isFinite(variance) ? variance : 0;
    }
    default:
      return 0;
  }
}
