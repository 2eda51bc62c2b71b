import { GraphBuilder } from '../../../graph/builder.ts';
import type { Value } from '../../../graph/graph.ts';

/** What the body of a scan computes for one step. */
export interface Step {
  /** The states for the next step, in the order given. */
  readonly states: readonly Value[];
  /** What is kept of every step. */
  readonly outputs: readonly Value[];
}

export interface Scanned {
  /** The states after the last step. */
  readonly states: Value[];
  /** Per output of the body: one slice per step, stacked along axis 0 in the order of the inputs. */
  readonly outputs: Value[];
}

/**
 * A Scan over axis 0 of `inputs`, from the last index to the first where `backwards`. The body may read any value of
 * the graph around it. onnxruntime 1.30 spends about 7 µs on a step and 1 to 2 µs on each of its nodes (measured).
 */
export function scan(
  g: GraphBuilder,
  { states, inputs, backwards }: { states: readonly Value[]; inputs: readonly Value[]; backwards: boolean },
  body: (g: GraphBuilder, states: Value[], slices: Value[]) => Step,
): Scanned {
  const steps = inputs[0]!.shape[0]!;
  const inner = new GraphBuilder();
  // Names of a body must differ from all around it.
  inner.scope = `${g.uniqueName('Scan_body')}/`;
  inner.graph.name = inner.scope.slice(0, -1);
  const carried = states.map((state, i) => inner.input(`${inner.scope}state_${i}`, state.type, state.shape));
  const slices = inputs.map((input, i) => inner.input(`${inner.scope}slice_${i}`, input.type, input.shape.slice(1)));
  const made = body(inner, carried, slices);
  // An output of a body is its own value: neither one of its inputs nor another output.
  const taken = new Set(inner.graph.inputs.map((input) => input.name));
  const declare = (value: Value): Value => {
    const own = taken.has(value.name) || !inner.values.has(value.name) ? fresh(inner, value) : value;
    taken.add(own.name);
    inner.output(own);
    return own;
  };
  const stepStates = made.states.map(declare);
  const stepOutputs = made.outputs.map(declare);
  const directions = (count: number) => Array<number>(count).fill(backwards ? 1 : 0);
  const results = g.add(
    'Scan',
    [...states, ...inputs],
    [
      ...stepStates.map((state) => [state.type, state.shape] as const),
      ...stepOutputs.map((output) => [output.type, [steps, ...output.shape]] as const),
    ],
    {
      body: inner.graph,
      num_scan_inputs: inputs.length,
      scan_input_directions: directions(inputs.length),
      scan_output_directions: directions(stepOutputs.length),
    },
  );
  return { states: results.slice(0, states.length), outputs: results.slice(states.length) };
}

/** A second name for a value: a named node, since the builder would find the twin of an Identity it wrote before. */
function fresh(inner: GraphBuilder, value: Value): Value {
  const names = { node: inner.uniqueName('Identity'), outputs: [inner.uniqueName('Identity_out')] };
  return inner.add('Identity', [value], [[value.type, value.shape]], {}, names)[0]!;
}
