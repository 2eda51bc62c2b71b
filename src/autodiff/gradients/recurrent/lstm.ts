import type { GraphBuilder } from '../../../graph/builder.ts';
import type { Value } from '../../../graph/graph.ts';
import { type Context, type Rule, rule } from '../../rule.ts';
import { sweepBack } from './backward.ts';
import { type CellFunction, slopeTimes } from './functions.ts';
import { scan } from './scan.ts';
import {
  affine,
  type CellGradient,
  type Direction,
  directionsOf,
  gradientAtEnd,
  joinDirections,
  maskSteps,
  once,
  plusOptional,
  rows,
  stackDirections,
  stateBefore,
  takeDirection,
} from './sequence.ts';

type LstmContext = Context<'X W R B? sequence_lens? initial_h? initial_c? P? -> Y? Y_h? Y_c?'>;

/**
 * c_t = f ⊙ c_{t−1} + i ⊙ g, h_t = o ⊙ h(c_t); gates i, o, f and the candidate g see W x_t + R h_{t−1} + b, with peepholes
 * also c_{t−1} (i, f) or c_t (o). Backwards, with δ = ∂L/∂h_t and ε = ∂L/∂c_t:
 *
 *     ε = ε′ + δ ⊙ o h′(c_t),   da_o = δ ⊙ h(c_t) o′,   da_i = ε ⊙ g i′,   da_f = ε ⊙ c_{t−1} f′,   da_g = ε ⊙ i g′,
 *     δ_{t−1} = dY_{t−1} + Rᵀ da,   ε′_{t−1} = ε ⊙ f.
 *
 * A peephole adds p_o da_o to ε and p_i da_i + p_f da_f to ε′: all linear in δ and ε, so it goes into their factors.
 */
export const LSTM: Rule = rule('X W R B? sequence_lens? initial_h? initial_c? P? -> Y? Y_h? Y_c?', (context) => {
  if (context.attributes.number('input_forget', 0) !== 0) context.refuse('it couples input and forget gates');
  const { g } = context;
  const cells = directionsOf(context, ['Sigmoid', 'Tanh', 'Tanh']).map((direction) => backward(context, direction));
  const joined = (part: (cell: LstmGradient) => Value) => () => stackDirections(g, cells.map(part));
  return {
    ...joinDirections(context, cells),
    initial_c: joined((cell) => cell.initialC()),
    P: joined((cell) => cell.P()),
  };
});

/** Diagonal weights from the cell state to i, o and f, [H] each. */
type Peepholes = readonly [Value, Value, Value];

interface LstmGradient extends CellGradient {
  readonly initialC: () => Value;
  readonly P: () => Value;
}

/** What a step's gradients are multiples of, [T, N, H] each, and the cell states. */
interface Cell {
  /** da_i / ε, da_o / δ, da_f / ε, da_g / ε. */
  readonly factors: readonly [Value, Value, Value, Value];
  /** What δ adds to ε, without a peephole: o h′(c_t). */
  readonly intoCell: Value;
  readonly forget: Value;
  /** c_{t−1} and c_t. */
  readonly before: Value;
  readonly after: Value;
}

function backward(context: LstmContext, direction: Direction): LstmGradient {
  const { g, initial_c, dY_c, P } = context;
  const { W, R, X, before, valid, sizes } = direction;
  const { N, H } = sizes;
  const initialC = initial_c ? takeDirection(g, initial_c, direction.index) : g.full([N, H], 0, X.type);
  const dYc = gradientAtEnd(context, dY_c, direction.index);
  const peepholes = P && (g.split(takeDirection(g, P, direction.index), [H, H, H], 0) as [Value, Value, Value]);
  const cell = once(() => recompute(context, direction, initialC, peepholes));
  const swept = once(() => {
    const { factors } = cell();
    let { intoCell, forget } = cell();
    if (peepholes) {
      const [pi, po, pf] = peepholes;
      intoCell = g.plus(intoCell, g.mul(factors[1], po));
      forget = g.plus(forget, g.plus(g.mul(factors[0], pi), g.mul(factors[2], pf)));
    }
    const parts = [
      maskSteps(g, valid, g.concat(factors, 2)),
      maskSteps(g, valid, intoCell),
      maskSteps(g, valid, forget, 1),
    ];
    const { states, outputs } = sweepBack(context, direction, { others: [dYc], parts }, (s, delta, [carry], given) => {
      const [factor, toCell, keep] = given as [Value, Value, Value];
      const epsilon = s.plus(carry!, s.mul(delta, toCell));
      const da = s.mul(s.concat([epsilon, delta, epsilon, epsilon], 1), factor);
      return { states: [s.matmul(da, R), s.mul(epsilon, keep)], outputs: [da], inner: { cell: epsilon } };
    });
    return { initialH: states[0]!, initialC: states[1]!, da: rows(g, outputs[0]!) };
  });
  return {
    X: () => g.gemm(swept().da, W),
    W: () => g.gemm(swept().da, X, { transA: true }),
    R: () => g.gemm(swept().da, before, { transA: true }),
    B: () => {
      const db = g.reduceSum(swept().da, [0], false);
      return g.concat([db, db], 0);
    },
    initialH: () => swept().initialH,
    initialC: () => swept().initialC,
    P: () => {
      const [di, doutput, df] = g.split(swept().da, [H, H, H, H], 1) as [Value, Value, Value, Value];
      const [earlier, own] = [rows(g, cell().before), rows(g, cell().after)];
      const terms = [g.mul(di, earlier), g.mul(doutput, own), g.mul(df, earlier)];
      return g.concat(
        terms.map((term) => g.reduceSum(term, [0], false)),
        0,
      );
    },
  };
}

/** The gates of all steps by one product; the cell states by the only recurrence that is left. */
function recompute(
  { g, exactTails }: LstmContext,
  direction: Direction,
  initialC: Value,
  peepholes: Peepholes | undefined,
): Cell {
  const { W, R, X, before: hBefore, after: hidden, functions, sizes } = direction;
  const { T, N, H } = sizes;
  const [gate, input, output] = functions as [CellFunction, CellFunction, CellFunction];
  const bias = plusOptional(g, direction.Wb, direction.Rb);
  const product = affine(g, g.concat([X, hBefore], 1), g.concat([W, R], 1), bias);
  const parts = g.split(g.reshape(product, [T, N, 4 * H]), [H, H, H, H], 2);
  let [ai, ao, af] = parts as [Value, Value, Value];
  const ag = parts[3]!;
  const candidate = input.apply(g, ag);
  let states = peepholes && peepholeStates(g, direction, { ai, af, candidate, initialC, peepholes });
  if (states && peepholes) {
    const [pi, po, pf] = peepholes;
    ai = g.plus(ai, g.mul(states.before, pi));
    af = g.plus(af, g.mul(states.before, pf));
    ao = g.plus(ao, g.mul(states.after, po));
  }
  const [i, o, f] = [gate.apply(g, ai), gate.apply(g, ao), gate.apply(g, af)];
  const added = g.mul(i, candidate);
  states ??= cellStates(g, direction, { f, added, initialC });
  const { before, kept, after } = states;
  const hc = output.apply(g, after);
  const slope = (fn: CellFunction, X: Value, Y: Value, k: Value, kY: Value) =>
    slopeTimes(g, fn, { X, Y, k, kY }, exactTails);
  return {
    factors: [
      slope(gate, ai, i, candidate, added),
      slope(gate, ao, o, hc, hidden),
      slope(gate, af, f, before, kept),
      slope(input, ag, candidate, i, added),
    ],
    intoCell: slope(output, after, hc, o, hidden),
    forget: f,
    before,
    after,
  };
}

interface CellStates {
  /** c_{t−1}, f c_{t−1} and c_t. */
  readonly before: Value;
  readonly kept: Value;
  readonly after: Value;
}

/** c_t = f c_{t−1} + i g, where f and i g are known: two nodes per step. */
function cellStates(
  g: GraphBuilder,
  { valid, reverse }: Direction,
  { f, added, initialC }: { f: Value; added: Value; initialC: Value },
): CellStates {
  const keep = maskSteps(g, valid, f, 1);
  const add = maskSteps(g, valid, added);
  const { outputs } = scan(g, { states: [initialC], inputs: [keep, add], backwards: reverse }, (s, [c], parts) => {
    const kept = s.mul(parts[0]!, c!);
    return { states: [s.plus(kept, parts[1]!)], outputs: [kept] };
  });
  const kept = outputs[0]!;
  const after = g.plus(kept, add);
  return { before: stateBefore(g, after, initialC, { reverse, lengths: undefined }), kept, after };
}

/** With peepholes the gates i and f see c_{t−1}, so they are part of the recurrence. */
function peepholeStates(
  g: GraphBuilder,
  { valid, reverse, functions }: Direction,
  given: Record<'ai' | 'af' | 'candidate' | 'initialC', Value> & { peepholes: Peepholes },
): CellStates {
  const { ai, af, candidate, initialC, peepholes } = given;
  const gate = functions[0]!;
  const [pi, , pf] = peepholes;
  const inputs = [ai, af, candidate, ...(valid ? [valid] : [])];
  const { outputs } = scan(g, { states: [initialC], inputs, backwards: reverse }, (s, [c], [a, b, u, present]) => {
    const i = gate.apply(s, s.plus(a!, s.mul(c!, pi)));
    const kept = s.mul(gate.apply(s, s.plus(b!, s.mul(c!, pf))), c!);
    const next = s.plus(kept, s.mul(i, u!));
    const after = present ? s.where(present, next, c!) : next;
    return { states: [after], outputs: [kept, after] };
  });
  const [kept, after] = outputs as [Value, Value];
  return { before: stateBefore(g, after, initialC, { reverse, lengths: undefined }), kept, after };
}
