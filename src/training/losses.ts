import { GraphBuilder } from '../graph/builder.ts';
import { isFloat } from '../graph/data-type.ts';
import { DataError, UsageError } from '../graph/errors.ts';
import { type Binding, cloneGraph, type Graph, type Node, producers, type Value } from '../graph/graph.ts';
import { range, sameShape } from '../graph/shapes.ts';
import { sizeOf, type Tensor, tensorOf, toFloat64 } from '../graph/tensor.ts';

export const lossKinds = ['cross-entropy', 'binary-cross-entropy', 'mse'] as const;
export type LossKind = (typeof lossKinds)[number];

/** What a loss reads and wants; decided before the loss is built, so that the report can say it. */
export interface LossPlan {
  readonly kind: LossKind | 'model-output';
  /** The model output that was chosen. */
  readonly output: string;
  /** The value the loss reads: the input of a final Softmax or Sigmoid (`lossInput` gives it the output's shape), else the output itself. */
  readonly reads: string;
  readonly from: 'logits' | 'probabilities' | 'log-probabilities' | 'values';
  /** Class axis of cross-entropy. */
  readonly axis: number;
  readonly target: TargetForm | undefined;
  /** One sentence: what was picked and why. */
  readonly reason: string;
}

export interface TargetForm {
  /** `classes`: integers without the class axis; the others have the output's shape. */
  readonly kind: 'classes' | 'one-hot' | 'binary' | 'values';
  readonly shape: readonly number[];
  readonly classes: number;
}

/** Probabilities are kept this far from 0 and 1 before their logarithm: the epsilon of Keras' losses. */
const PROBABILITY_FLOOR = 1e-7;

/**
 * Decides which loss fits an output and a target. `auto` looks at the operator that makes the output, then at the
 * target's type and shape, then at the output's shape. Throws DataError when the target cannot fit.
 */
export function planLoss(
  graph: Graph,
  binding: Binding,
  request: { kind: LossKind | 'auto'; output?: string; target?: Tensor },
): LossPlan {
  const made = producers(graph);
  const output = chooseOutput(graph, binding, request.output);
  const Y = binding.get(output)!;
  const last = finalOperator(made, binding, output);
  if (request.kind === 'auto' && Y.shape.length === 0 && !request.target) {
    const reason = `the model's output "${output}" is one number: it is taken as the loss itself`;
    return { kind: 'model-output', output, reads: output, from: 'values', axis: 0, target: undefined, reason };
  }
  const axis = last?.axis ?? classAxis(Y, request.target);
  const { kind, reason } =
    request.kind === 'auto'
      ? pickKind(graph, binding, Y, last, axis, request.target)
      : { kind: request.kind, reason: 'as asked' };
  const base = { kind, output, axis, reason };
  const shapes = { target: request.target, Y, expected: expectedTargets(request.kind, Y, axis) };
  switch (kind) {
    case 'cross-entropy': {
      const target = classTarget(shapes, axis);
      if (last?.op === 'LogSoftmax') return { ...base, reads: output, from: 'log-probabilities', target };
      if (last?.op === 'Softmax') return { ...base, reads: last.input, from: 'probabilities', target };
      return { ...base, reads: output, from: 'logits', target };
    }
    case 'binary-cross-entropy': {
      const target: TargetForm = { kind: 'binary', shape: Y.shape, classes: 2 };
      checkTargetShape(shapes);
      if (last?.op === 'Sigmoid') return { ...base, reads: last.input, from: 'probabilities', target };
      return { ...base, reads: output, from: inUnitInterval(last) ? 'probabilities' : 'logits', target };
    }
    case 'mse':
      checkTargetShape(shapes);
      return { ...base, reads: output, from: 'values', target: { kind: 'values', shape: Y.shape, classes: 0 } };
  }
}

/** A graph with its loss: a new input for the target and a scalar value for the loss. */
export interface LossGraph {
  readonly graph: Graph;
  readonly binding: Binding;
  readonly loss: string;
  /** Name of the target's graph input; undefined when the model's output is the loss. */
  readonly target: string | undefined;
}

/** Appends the planned loss, averaged over samples as PyTorch does, to a graph. The input graph is not changed. */
export function attachLoss(graph: Graph, binding: Binding, plan: LossPlan): LossGraph {
  if (plan.kind === 'model-output') return { graph, binding, loss: plan.output, target: undefined };
  const g = new GraphBuilder(cloneGraph(graph), binding.values());
  const X = lossInput(g, plan);
  const form = plan.target!;
  const target = g.input(g.uniqueName('target'), form.kind === 'classes' ? 'int64' : X.type, form.shape);
  g.scope = 'loss/';
  g.origin = { node: 'loss' };
  const loss = lossOf(g, plan, X, target);
  const bound: Binding = new Map(binding);
  for (const [name, value] of g.values) if (!bound.has(name)) bound.set(name, value);
  return { graph: g.graph, binding: bound, loss: loss.name, target: target.name };
}

/** The value that the loss reads, in the shape of the model's output. */
export function lossInput(g: GraphBuilder, { reads, output }: LossPlan): Value {
  return g.reshape(g.value(reads), g.value(output).shape);
}

function lossOf(g: GraphBuilder, plan: LossPlan, X: Value, target: Value): Value {
  switch (plan.kind) {
    // L = −(1/N) Σ log p[target]: a choice, not a product with a one-hot vector, because 0 · log 0 is NaN
    case 'cross-entropy': {
      const logp = plan.from === 'log-probabilities' ? X : g.logSoftmax(X, plan.axis);
      const samples = sizeOf(X.shape) / X.shape[plan.axis]!;
      const zero = g.scalar(0, X.type);
      const chosen =
        plan.target!.kind === 'classes'
          ? g.where(g.equal(g.unsqueeze(target, [plan.axis]), classIndices(g, X, plan.axis)), logp, zero)
          : g.where(g.equal(target, zero), zero, g.mul(target, logp));
      return g.scale(total(g, chosen), -1 / samples);
    }
    // L = mean(softplus(x) − x t): the stable form of −t log σ(x) − (1 − t) log(1 − σ(x))
    case 'binary-cross-entropy': {
      const n = sizeOf(X.shape);
      if (plan.from === 'logits' || plan.reads !== plan.output) {
        return g.scale(total(g, g.sub(g.softplus(X), g.mul(X, target))), 1 / n);
      }
      const one = g.scalar(1, X.type);
      const p = g.min(g.max(X, g.scalar(PROBABILITY_FLOOR, X.type)), g.scalar(1 - PROBABILITY_FLOOR, X.type));
      const positive = g.mul(target, g.log(p));
      const negative = g.mul(g.sub(one, target), g.log(g.sub(one, p)));
      return g.scale(total(g, g.plus(positive, negative)), -1 / n);
    }
    default: {
      const error = g.sub(X, target);
      return g.scale(total(g, g.mul(error, error)), 1 / sizeOf(X.shape));
    }
  }
}

function total(g: GraphBuilder, X: Value): Value {
  return X.shape.length === 0 ? X : g.reduceSum(X, range(X.shape.length), false);
}

function classIndices(g: GraphBuilder, X: Value, axis: number): Value {
  const classes = X.shape[axis]!;
  const shape = X.shape.map((_, i) => (i === axis ? classes : 1));
  return g.constant(tensorOf('int64', shape, range(classes)));
}

function chooseOutput(graph: Graph, binding: Binding, wanted: string | undefined): string {
  const floats = floatOutputs(graph, binding);
  if (wanted !== undefined) {
    if (floats.includes(wanted)) return wanted;
    throw new UsageError(`the model has no float output "${wanted}"`, {
      code: 'unknown-output',
      hint: `its outputs: ${floats.join(', ')}`,
    });
  }
  if (floats.length === 0) {
    const others = graph.outputs.map(({ name }) => `"${name}" (${binding.get(name)?.type ?? 'no tensor'})`);
    throw new DataError('the model has no float output to compute a loss from', {
      code: 'no-float-output',
      hint: others.length > 0 ? `its outputs: ${others.join(', ')}` : 'it has no outputs at all; export it again',
    });
  }
  return floats[0]!;
}

/** The outputs a loss can be computed from, in the model's order. */
export function floatOutputs(graph: Graph, binding: Binding): string[] {
  return graph.outputs
    .map((output) => output.name)
    .filter((name) => {
      const value = binding.get(name);
      return value !== undefined && isFloat(value.type);
    });
}

/** The operator that makes an output's numbers. */
interface FinalOperator {
  readonly op: string;
  readonly input: string;
  /** Softmax and LogSoftmax: the output's axis that they normalize. */
  readonly axis: number | undefined;
}

/** Operators that give the same numbers another shape. */
const reshaping: ReadonlySet<string> = new Set(['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);

function finalOperator(made: Map<string, Node>, binding: Binding, output: string): FinalOperator | undefined {
  let node = made.get(output);
  while (node && reshaping.has(node.op) && node.domain === '') node = made.get(node.inputs[0]!);
  if (!node) return undefined;
  const { op, inputs } = node;
  if (op !== 'Softmax' && op !== 'LogSoftmax') return { op, input: inputs[0]!, axis: undefined };
  const from = binding.get(inputs[0]!)!.shape;
  const own = typeof node.attributes.axis === 'number' ? node.attributes.axis : -1;
  const axis = sameAxis(from, own < 0 ? own + from.length : own, binding.get(output)!.shape);
  return axis === undefined ? undefined : { op, input: inputs[0]!, axis };
}

/** Where an axis stands after a reshape: equally many elements lie before it and behind it. */
function sameAxis(from: readonly number[], axis: number, to: readonly number[]): number | undefined {
  if (sameShape(from, to)) return axis;
  const before = sizeOf(from.slice(0, axis));
  const found = to.findIndex((size, i) => size === from[axis] && sizeOf(to.slice(0, i)) === before);
  return found < 0 ? undefined : found;
}

function inUnitInterval(last: FinalOperator | undefined): boolean {
  return last?.op === 'HardSigmoid' || last?.op === 'Softmax';
}

function classAxis(Y: Value, target: Tensor | undefined): number {
  const rank = Y.shape.length;
  if (rank <= 2) return rank - 1;
  const without = (axis: number) => Y.shape.filter((_, i) => i !== axis);
  if (target && sameShape(target.dims, without(1))) return 1;
  if (target && sameShape(target.dims, without(rank - 1))) return rank - 1;
  return rank === 3 ? 2 : 1;
}

function pickKind(
  graph: Graph,
  binding: Binding,
  Y: Value,
  last: FinalOperator | undefined,
  axis: number,
  target: Tensor | undefined,
): { kind: LossKind; reason: string } {
  const shape = `[${Y.shape.join(', ')}]`;
  const classes = Y.shape[axis] ?? 1;
  if (last?.op === 'Softmax' || last?.op === 'LogSoftmax') {
    return { kind: 'cross-entropy', reason: `cross-entropy, because the output ends in ${last.op}` };
  }
  if (last?.op === 'Sigmoid')
    return { kind: 'binary-cross-entropy', reason: 'binary cross-entropy, because the output ends in Sigmoid' };
  if (target) {
    const values = toFloat64(target);
    const samples = sizeOf(Y.shape) / classes;
    const binary = values.every((x) => x === 0 || x === 1);
    const labels = !isFloat(target.type) || values.every(Number.isInteger);
    if (classes >= 2 && labels && values.length === samples) {
      return {
        kind: 'cross-entropy',
        reason: `cross-entropy, because the output ${shape} has ${classes} logits per integer label`,
      };
    }
    if (classes >= 2 && sameShape(target.dims, Y.shape) && isDistribution(values, Y.shape, axis)) {
      return {
        kind: 'cross-entropy',
        reason: 'cross-entropy, because each target row is a distribution over the outputs',
      };
    }
    if (binary)
      return {
        kind: 'binary-cross-entropy',
        reason: 'binary cross-entropy from logits, because the targets are 0 and 1',
      };
    return { kind: 'mse', reason: 'mean squared error, because the targets are numbers' };
  }
  const reconstructs = graph.inputs.some((input) => sameShape(binding.get(input.name)?.shape ?? [], Y.shape));
  if (reconstructs && Y.shape.length > 1)
    return { kind: 'mse', reason: 'mean squared error, because the output has the shape of an input' };
  if (classes >= 2)
    return { kind: 'cross-entropy', reason: `cross-entropy, because the output ${shape} looks like ${classes} logits` };
  return { kind: 'mse', reason: `mean squared error, because the output ${shape} is one number per sample` };
}

function isDistribution(values: Float64Array, shape: readonly number[], axis: number): boolean {
  if (axis !== shape.length - 1) return false;
  const classes = shape[axis]!;
  for (let row = 0; row < values.length; row += classes) {
    let sum = 0;
    for (let i = 0; i < classes; i++) {
      if (!(values[row + i]! >= 0)) return false;
      sum += values[row + i]!;
    }
    if (Math.abs(sum - 1) > 1e-4) return false;
  }
  return true;
}

/** A target with what it is compared with, and what would fit, in words. */
interface TargetShapes {
  readonly target: Tensor | undefined;
  readonly Y: Value;
  readonly expected: string;
}

function expectedTargets(kind: LossKind | 'auto', Y: Value, axis: number): string {
  const labels = `integer labels [${Y.shape.filter((_, i) => i !== axis).join(', ')}]`;
  const same = `[${Y.shape.join(', ')}]`;
  if (kind === 'cross-entropy') return `cross-entropy takes ${labels} or one-hot rows ${same}`;
  if (kind === 'auto' && (Y.shape[axis] ?? 1) >= 2) return `accepted: ${labels}, or values or one-hot rows ${same}`;
  return `${kind === 'auto' ? 'accepted:' : `${kind} takes`} a target of the output's shape ${same}`;
}

function classTarget({ target, Y, expected }: TargetShapes, axis: number): TargetForm {
  const classes = Y.shape[axis] ?? 1;
  const shape = Y.shape.filter((_, i) => i !== axis);
  if (!target || fits(target, shape)) return { kind: 'classes', shape, classes };
  checkTargetShape({ target, Y, expected });
  return { kind: 'one-hot', shape: Y.shape, classes };
}

function checkTargetShape({ target, Y, expected }: TargetShapes): void {
  if (!target || fits(target, Y.shape)) return;
  const shapes = `[${target.dims.join(', ')}], the output "${Y.name}" [${Y.shape.join(', ')}]`;
  throw new DataError(`the target has shape ${shapes}`, { code: 'target-shape', hint: expected });
}

/** Axes of size 1 are nobody's concern: [N, 1] labels are [N]. */
function fits(target: Tensor, shape: readonly number[]): boolean {
  const several = (size: number) => size !== 1;
  return sameShape(target.dims.filter(several), shape.filter(several));
}
