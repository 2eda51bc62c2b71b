import type { GraphBuilder } from '../../../graph/builder.ts';
import type { Value } from '../../../graph/graph.ts';
import { range } from '../../../graph/shapes.ts';
import { scan } from './scan.ts';
import { type Direction, maskSteps, type Recurrent, validSteps } from './sequence.ts';

/** One step back: given δ = ∂L/∂h_t, what goes on to the step read before, and what is kept. */
export interface StepBack {
  /** ∂L/∂h_{t−1} as far as it comes through this step, then the gradients of other states. */
  readonly states: readonly Value[];
  /** Gradients kept of every step, for the products outside. */
  readonly outputs: readonly Value[];
  /** Gradients worth measuring, by name. */
  readonly inner?: Readonly<Record<string, Value>>;
}

export interface BackwardPass {
  /** Gradients of the states at the beginning: ∂L/∂h_0, then the gradients given beside it. */
  readonly states: Value[];
  /** [T, N, …] each. */
  readonly outputs: Value[];
}

type Step = (g: GraphBuilder, delta: Value, others: readonly Value[], parts: readonly Value[]) => StepBack;

/**
 * Goes back through the steps of one direction, against the order in which it reads. `others` are gradients of the
 * last states besides h, `parts` what each step needs, [T, N, …]. With sequences of several lengths, the step must let
 * the other gradients pass where it does not exist; δ itself passes here, if `passes` is not set.
 */
export function sweepBack(
  node: Recurrent,
  direction: Direction,
  { others = [], parts, passes = false }: { others?: readonly Value[]; parts: readonly Value[]; passes?: boolean },
  step: Step,
): BackwardPass {
  const { g, expose } = node;
  const { dY, dYh, valid, reverse } = direction;
  const present = passes ? undefined : valid;
  const inputs = [...parts, ...(dY ? [dY] : []), ...(present ? [present] : [])];
  const taken = (s: GraphBuilder, delta: Value, rest: readonly Value[], slices: readonly Value[]): StepBack => {
    const back = step(s, delta, rest, slices);
    if (!present) return back;
    const [h, ...beside] = back.states;
    return { ...back, states: [s.where(slices.at(-1)!, h!, delta), ...beside] };
  };
  const pass = scan(g, { states: [dYh, ...others], inputs, backwards: !reverse }, (s, [carry, ...rest], slices) =>
    taken(s, dY ? s.plus(carry!, slices[parts.length]!) : carry!, rest, slices),
  );
  if (expose) measureSteps(node, direction, { others, inputs, direct: dY && parts.length }, taken);
  return pass;
}

/** Exponents of float32 stay within these: 2^±126 are its smallest and largest powers that are safe to multiply by. */
const EXPONENT = 120;

/**
 * The same pass once more, for measurement: what it carries is divided by a power of two in every step, whose exponent
 * goes along, so that after any number of steps nothing has left float32. Backpropagation is linear, so the figures are
 * those of the plain pass.
 */
function measureSteps(
  node: Recurrent,
  direction: Direction,
  { others, inputs, direct }: { others: readonly Value[]; inputs: readonly Value[]; direct: number | undefined },
  step: Step,
): void {
  const { g, expose, sequence_lens } = node;
  const { dYh, reverse, valid, sizes, index } = direction;
  const labels: string[] = [];
  const states = [dYh, ...others, g.scalar(0, dYh.type)];
  const { outputs } = scan(g, { states, inputs, backwards: !reverse }, (s, given, slices) => {
    const carried = given.slice(0, -1);
    const before = given.at(-1)!;
    let exponent = before;
    let [delta, ...rest] = carried as [Value, ...Value[]];
    if (direct !== undefined) {
      // What arrives directly may be larger than what was carried: the larger sets the scale.
      const arrived = slices[direct]!;
      exponent = s.max(before, exponentOf(s, [arrived], -EXPONENT));
      const shift = powerOfTwo(s, s.sub(before, exponent));
      [delta, ...rest] = carried.map((state) => s.mul(state, shift)) as [Value, ...Value[]];
      delta = s.plus(delta, s.mul(arrived, powerOfTwo(s, s.min(s.neg(exponent), s.scalar(EXPONENT, delta.type)))));
    }
    const back = step(s, delta, rest, slices);
    const own = exponentOf(s, back.states, 0);
    const shrink = powerOfTwo(s, s.neg(own));
    const inner = { hidden: delta, ...back.inner };
    labels.push(...Object.keys(inner), 'carried');
    return {
      states: [...back.states.map((state) => s.mul(state, shrink)), s.plus(exponent, own)],
      outputs: [...Object.values(inner), carried[0]!, exponent, before],
    };
  });
  const [exponent, before] = outputs.slice(-2);
  labels.forEach((label, i) => {
    // What a step receives came through the one read after it, which a sequence's last step has not.
    const carried = label === 'carried';
    const present = carried && sequence_lens && !reverse ? validSteps(g, sequence_lens, sizes.T, sizes.N, 1) : valid;
    expose?.(label, index, maskSteps(g, present, outputs[i]!), carried ? before! : exponent!);
  });
}

/** ⌊log₂ max|x|⌋ over some values, within ±120; `fallback` where all are zero. */
function exponentOf(s: GraphBuilder, values: readonly Value[], fallback: number): Value {
  const { type } = values[0]!;
  const largest = values
    .map((value) => s.reduceMax(s.abs(value), range(value.shape.length), false))
    .reduce((a, b) => s.max(a, b));
  const exponent = s.unary('Floor', s.scale(s.log(largest), Math.LOG2E));
  const bounded = s.min(s.max(exponent, s.scalar(-EXPONENT, type)), s.scalar(EXPONENT, type));
  return s.where(s.greater(largest, s.scalar(0, type)), bounded, s.scalar(fallback, type));
}

function powerOfTwo(s: GraphBuilder, exponent: Value): Value {
  return s.pow(s.scalar(2, exponent.type), exponent);
}
