import type { OutputSpec } from '../../../graph/assembler.ts';
import type { Graph, Value } from '../../../graph/graph.ts';
import { normalizeAxis } from '../../../graph/shapes.ts';
import { type Context, rule } from '../../rule.ts';
import { backwardStep, emitInputs } from './steps.ts';

type Signature = 'initial_state_and_scan_inputs* -> final_state_and_scan_outputs*?';

/**
 * Backpropagation through time, as a Scan over the steps in reverse. A backward step computes the forward step again
 * from the state it started from, which the forward Scan emits too, and pulls the gradient back through it.
 */
export const Scan = rule<Signature>(
  'initial_state_and_scan_inputs* -> final_state_and_scan_outputs*?',
  (context: Context<Signature>) => {
    const { g, node, isWanted } = context;
    const upstream = context.dfinal_state_and_scan_outputs;
    const forward = layoutOf(context);
    const { body, states, sequences, steps } = forward;
    const count = states.length;
    const wanted = [...sequences.keys()].filter((i) => isWanted(sequences[i]!.value));

    const inner = body.g;
    const read: { outer: Value; axis: number; direction: number; inner: Value }[] = [];
    const emitted = forward.outputs.flatMap(({ slice, axis, direction }, j) => {
      const outer = upstream[count + j];
      if (!outer) return [];
      const gradient = inner.input(inner.uniqueName('d_output'), slice.type, slice.shape);
      read.push({ outer, axis, direction, inner: gradient });
      return [[slice, gradient] as const];
    });
    const step = backwardStep(
      context,
      {
        body,
        before: body.inputs.slice(0, count),
        after: body.outputs.slice(0, count),
        slices: wanted.map((i) => sequences[i]!.slice),
        emitted,
      },
      { initial: states, upstream },
    );
    const reached = wanted.filter((_, k) => step.slices[k]);
    const graph = body.close([...step.next, ...step.slices.filter((slice) => slice !== undefined)]);

    const needed = new Set(graph.inputs.map(({ name }) => name));
    for (const { value, slice, axis, direction } of sequences) {
      if (needed.has(slice.name)) read.push({ outer: value, axis, direction, inner: slice });
    }
    const positions = [...states.keys()].filter((k) => needed.has(body.inputs[k]!.name));
    const outputsBefore = (node.attributes.body as Graph).outputs.length;
    const before = positions.map((k): [number, Value] => [k, body.inputs[k]!]);
    emitInputs(context, { inputs: before, outputsBefore, steps }).forEach((outer, i) => {
      read.push({ outer, axis: 0, direction: 0, inner: before[i]![1] });
    });
    const scanned = read.filter((entry) => needed.has(entry.inner.name));
    if (step.initial.length + reached.length === 0) return {};
    // A Scan makes as many steps as its scan inputs have, so it needs one even if it reads none.
    const [first] = sequences;
    if (scanned.length === 0) scanned.push({ ...first!, outer: first!.value, inner: first!.slice });
    graph.inputs = [...step.given, ...scanned.map((entry) => entry.inner)].map(({ name, type, shape }) => {
      return { name, type, shape: [...shape] };
    });
    // The steps run backwards: what forward read or wrote from the first index on is met from the last.
    const results = g.add(
      'Scan',
      [...step.initial, ...scanned.map((entry) => entry.outer)],
      [...step.initial.map(specOf), ...reached.map((i) => specOf(sequences[i]!.value))],
      {
        body: graph,
        num_scan_inputs: scanned.length,
        scan_input_axes: scanned.map((entry) => entry.axis),
        scan_input_directions: scanned.map((entry) => 1 - entry.direction),
        scan_output_axes: reached.map((i) => sequences[i]!.axis),
        scan_output_directions: reached.map((i) => 1 - sequences[i]!.direction),
      },
    );
    const at = (position: number | undefined) => () => (position === undefined ? null : results[position]!);
    const positionOf = (list: readonly number[], item: number, from = 0) => {
      const found = list.indexOf(item);
      return found < 0 ? undefined : from + found;
    };
    return {
      initial_state_and_scan_inputs: [
        ...states.map((_, k) => at(positionOf(step.carried, k))),
        ...sequences.map((_, i) => at(positionOf(reached, i, step.initial.length))),
      ],
      captured: step.captured.map(at),
    };
  },
);

/** A scan input or output: the whole, and one step's slice of it. */
interface Sequence {
  readonly value: Value;
  readonly slice: Value;
  readonly axis: number;
  /** 1 for from the last index to the first. */
  readonly direction: number;
}

/** What the Scan's inputs and outputs are, with its body opened. */
function layoutOf({ attributes, open, refuse, initial_state_and_scan_inputs: inputs }: Context<Signature>) {
  const graph = attributes.graph('body') ?? refuse('it has no body');
  const numbers = (name: string) => attributes.numbers(name) ?? [];
  const count = inputs.length - attributes.number('num_scan_inputs', 1);
  const states = inputs.slice(0, count);
  const axes = numbers('scan_input_axes');
  const directions = numbers('scan_input_directions');
  const places = inputs.slice(count).map((value, i) => {
    return { value, axis: normalizeAxis(axes[i] ?? 0, value.shape.length), direction: directions[i] ?? 0 };
  });
  const slices = places.map(({ value, axis }): OutputSpec => [value.type, value.shape.toSpliced(axis, 1)]);
  const body = open(graph, [...states.map(specOf), ...slices]);
  const sequences = places.map((place, i): Sequence => ({ ...place, slice: body.inputs[count + i]! }));
  const outputAxes = numbers('scan_output_axes');
  const outputDirections = numbers('scan_output_directions');
  return {
    body,
    states,
    sequences,
    steps: places[0]!.value.shape[places[0]!.axis]!,
    outputs: body.outputs.slice(count).map((slice, j) => {
      const axis = normalizeAxis(outputAxes[j] ?? 0, slice.shape.length + 1);
      return { slice, axis, direction: outputDirections[j] ?? 0 };
    }),
  };
}

function specOf({ type, shape }: Value): OutputSpec {
  return [type, shape];
}
