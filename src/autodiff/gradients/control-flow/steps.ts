import { cloneGraph, type Graph, type Value } from '../../../graph/graph.ts';
import type { Body } from '../../body.ts';
import type { Tools } from '../../rule.ts';

/** A loop's body at one step: what it is given, what it makes. */
export interface Step {
  readonly body: Body;
  /** The states before and after the step. */
  readonly before: readonly Value[];
  readonly after: readonly Value[];
  /** The slices it reads of scan inputs, where the gradient of those is wanted. */
  readonly slices: readonly Value[];
  /** What it adds to scan outputs, with the part of the gradient that is for this step; absent where there is none. */
  readonly emitted: readonly (readonly [Value, Value])[];
}

/** A loop's node as its gradient sees it. */
export interface Ends {
  /** The states the loop starts from and, where the loss reads them, the gradients of those it ends with. */
  readonly initial: readonly Value[];
  readonly upstream: readonly (Value | undefined)[];
}

/** What a backward step is given and gives, in order. */
export interface BackwardStep {
  /** Positions among the states of those that carry a gradient from step to step. */
  readonly carried: readonly number[];
  /** What the backward loop starts from. */
  readonly initial: readonly Value[];
  /** The same within its body: gradients of carried states, then sums for captured values. */
  readonly given: readonly Value[];
  readonly next: readonly Value[];
  /** Position of each captured value's sum among `initial`; undefined for those that no gradient reaches. */
  readonly captured: readonly (number | undefined)[];
  /** The gradient of each slice; undefined where none arrives. */
  readonly slices: readonly (Value | undefined)[];
}

/**
 * Writes one step of backpropagation through time into the body, which has computed the step again:
 * ∂L/∂before = Jᵀ · (∂L/∂after, ∂L/∂emitted), and what it adds to the gradients of captured values.
 */
export function backwardStep({ g, captured, isWanted }: Tools, step: Step, ends: Ends): BackwardStep {
  const { body, before, after, slices, emitted } = step;
  const carried = carriedStates(step, ends, captured, isWanted);
  const inner = body.g;
  const like = (name: string, value: Value) => inner.input(inner.uniqueName(name), value.type, value.shape);
  const gradients = carried.map((k) => like('d_state', before[k]!));
  const pulled = body.pullBack(
    [...carried.map((k, i) => [after[k]!, gradients[i]!] as const), ...emitted],
    [...carried.map((k) => before[k]!), ...slices, ...captured],
  );
  const states = carried.map((k, i) => pulled[i] ?? inner.zerosLike(before[k]!));
  const additions = pulled.slice(carried.length + slices.length);
  const sums: Value[] = [];
  const next: Value[] = [];
  const positions = captured.map((value, i) => {
    const addition = additions[i];
    if (!addition) return undefined;
    const sum = like('sum', value);
    sums.push(sum);
    next.push(inner.plus(sum, addition));
    return carried.length + sums.length - 1;
  });
  return {
    carried,
    initial: [
      ...carried.map((k) => ends.upstream[k] ?? g.zerosLike(ends.initial[k]!)),
      ...captured.filter((_, i) => additions[i]).map((value) => g.zerosLike(value)),
    ],
    given: [...gradients, ...sums],
    next: [...states, ...next],
    captured: positions,
    slices: pulled.slice(carried.length, carried.length + slices.length),
  };
}

/** The states that depend on something wanted and on which the loss depends, through any number of steps. */
function carriedStates(
  { body, before, after, slices, emitted }: Step,
  { initial, upstream }: Ends,
  captured: readonly Value[],
  isWanted: Tools['isWanted'],
): number[] {
  const states = [...before.keys()];
  let moved = states.filter((k) => isWanted(initial[k]!));
  grow(() => {
    const found = body.dependsOn([...slices, ...captured, ...moved.map((k) => before[k]!)]);
    const depends = new Set(body.outputs.filter((_, i) => found[i]));
    const grown = states.filter((k) => moved.includes(k) || depends.has(after[k]!));
    const changed = grown.length > moved.length;
    moved = grown;
    return changed;
  });
  let read = states.filter((k) => upstream[k]);
  grow(() => {
    const targets = [...read.map((k) => after[k]!), ...emitted.map(([value]) => value)];
    const leads = body.leadsTo(
      targets,
      moved.map((k) => before[k]!),
    );
    const grown = states.filter((k) => read.includes(k) || leads[moved.indexOf(k)]);
    const changed = grown.length > read.length;
    read = grown;
    return changed;
  });
  return moved.filter((k) => read.includes(k));
}

function grow(step: () => boolean): void {
  while (step());
}

/**
 * Has the forward loop emit what its body is given at every step, for these inputs of the body: as further scan outputs,
 * in the order of the steps. Changes the node, which belongs to the graph being differentiated.
 */
export function emitInputs(
  { g, node, extraOutput }: Tools,
  { inputs, outputsBefore, steps }: { inputs: readonly [number, Value][]; outputsBefore: number; steps: number },
): Value[] {
  if (inputs.length === 0) return [];
  const body = cloneGraph(node.attributes.body as Graph);
  // onnxruntime 1.30 fails on a loop that leaves out an output before another one (measured).
  for (let i = 0; i < outputsBefore; i++) node.outputs[i] ||= g.uniqueName(`unread_${i}`);
  const emitted = inputs.map(([position, { type, shape }], i) => {
    const { name } = body.inputs[position]!;
    const copy = g.uniqueName(`${name}_at_start`);
    body.nodes.push({ name: copy, op: 'Identity', domain: '', inputs: [name], outputs: [copy], attributes: {} });
    body.outputs.push({ name: copy, type, shape: [...shape] });
    return extraOutput(outputsBefore + i, type, [steps, ...shape]);
  });
  node.attributes = { ...node.attributes, body };
  for (const name of ['scan_output_axes', 'scan_output_directions']) {
    const list = node.attributes[name];
    if (Array.isArray(list)) node.attributes[name] = [...(list as number[]), ...inputs.map(() => 0)];
  }
  return emitted;
}
