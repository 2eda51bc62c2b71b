import type { GraphBuilder } from '../../../graph/builder.ts';
import type { Value } from '../../../graph/graph.ts';
import { type Context, type Rule, rule } from '../../rule.ts';
import { scan } from './scan.ts';
import {
  affine,
  type CellGradient,
  type Direction,
  directionsOf,
  exposeSteps,
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

interface LstmGradient extends CellGradient {
  readonly initialC: () => Value;
  readonly P: () => Value;
}

/** What the forward pass computed in every step, [T, N, H] each. */
interface Cell {
  readonly i: Value;
  readonly o: Value;
  readonly f: Value;
  readonly candidate: Value;
  /** c_{t−1}, c_t and h(c_t). */
  readonly before: Value;
  readonly after: Value;
  readonly output: Value;
  /** Derivatives at i, o, f, candidate and h. */
  readonly slopes: readonly [Value, Value, Value, Value, Value];
}

function backward(context: LstmContext, direction: Direction): LstmGradient {
  const { g, initial_c, dY_c, P, expose } = context;
  const { W, R, X, before, valid, dY, dYh, sizes } = direction;
  const { N, H } = sizes;
  const initialC = initial_c ? takeDirection(g, initial_c, direction.index) : g.full([N, H], 0, X.type);
  const dYc = dY_c ? takeDirection(g, dY_c, direction.index) : g.full([N, H], 0, X.type);
  const peepholes = P && g.split(takeDirection(g, P, direction.index), [H, H, H], 0);
  const cell = once(() => recompute(context, direction, initialC, peepholes));
  const swept = once(() => {
    const { i, o, f, candidate, before: cBefore, output, slopes } = cell();
    const [iSlope, oSlope, fSlope, gSlope, hSlope] = slopes;
    const factors = [
      g.mul(candidate, iSlope),
      g.mul(output, oSlope),
      g.mul(cBefore, fSlope),
      g.mul(i, gSlope),
    ] as const;
    let intoCell = g.mul(o, hSlope);
    let forget = f;
    if (peepholes) {
      const [pi, po, pf] = peepholes as [Value, Value, Value];
      intoCell = g.plus(intoCell, g.mul(factors[1], po));
      forget = g.plus(f, g.plus(g.mul(factors[0], pi), g.mul(factors[2], pf)));
    }
    const inputs = [
      maskSteps(g, valid, g.concat(factors, 2)),
      maskSteps(g, valid, intoCell),
      maskSteps(g, valid, forget, 1),
      ...(dY ? [dY] : []),
      ...(valid ? [valid] : []),
    ];
    const { states, outputs } = scan(
      g,
      { states: [dYh, dYc], inputs, backwards: !direction.reverse },
      (s, [hCarry, cCarry], parts) => {
        const [factor, toCell, keep] = parts as [Value, Value, Value];
        const delta = dY ? s.plus(hCarry!, parts[3]!) : hCarry!;
        const epsilon = s.plus(cCarry!, s.mul(delta, toCell));
        const da = s.mul(s.concat([epsilon, delta, epsilon, epsilon], 1), factor);
        const earlier = s.matmul(da, R);
        const next = valid ? s.where(parts.at(-1)!, earlier, delta) : earlier;
        return { states: [next, s.mul(epsilon, keep)], outputs: expose ? [da, delta, hCarry!, epsilon] : [da] };
      },
    );
    if (expose) exposeSteps(context, direction, { hidden: outputs[1]!, carried: outputs[2]!, cell: outputs[3]! });
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
      const { before: cBefore, after } = cell();
      const [earlier, own] = [rows(g, cBefore), rows(g, after)];
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
  peepholes: readonly Value[] | undefined,
): Cell {
  const { W, R, X, before, valid, functions, sizes, reverse } = direction;
  const { T, N, H } = sizes;
  const [gate, input, output] = functions as [(typeof functions)[0], (typeof functions)[0], (typeof functions)[0]];
  const bias = plusOptional(g, direction.Wb, direction.Rb);
  const product = affine(g, g.concat([X, before], 1), g.concat([W, R], 1), bias);
  const parts = g.split(g.reshape(product, [T, N, 4 * H]), [H, H, H, H], 2);
  let [ai, ao, af] = parts as [Value, Value, Value];
  const ag = parts[3]!;
  const candidate = input.apply(g, ag);

  let cBefore: Value;
  let after: Value;
  if (peepholes) {
    const [pi, po, pf] = peepholes as [Value, Value, Value];
    const inputs = [ai, af, candidate, ...(valid ? [valid] : [])];
    after = scan(g, { states: [initialC], inputs, backwards: reverse }, (s, [c], [a, b, u, present]) => {
      const i = gate.apply(s, s.plus(a!, s.mul(c!, pi)));
      const f = gate.apply(s, s.plus(b!, s.mul(c!, pf)));
      const next = s.plus(s.mul(f, c!), s.mul(i, u!));
      const kept = present ? s.where(present, next, c!) : next;
      return { states: [kept], outputs: [kept] };
    }).outputs[0]!;
    cBefore = stateBefore(g, after, initialC, { reverse, lengths: undefined });
    ai = g.plus(ai, g.mul(cBefore, pi));
    af = g.plus(af, g.mul(cBefore, pf));
    ao = g.plus(ao, g.mul(after, po));
  }
  const i = gate.apply(g, ai);
  const f = gate.apply(g, af);
  if (!peepholes) {
    [cBefore, after] = cellStates(g, maskSteps(g, valid, f, 1), maskSteps(g, valid, g.mul(i, candidate)), {
      initialC,
      reverse,
    });
  }
  const o = gate.apply(g, ao);
  const hc = output.apply(g, after!);
  const slope = (fn: typeof gate, A: Value, Y: Value) => fn.derivative(g, () => A, Y, exactTails);
  return {
    i,
    o,
    f,
    candidate,
    before: cBefore!,
    after: after!,
    output: hc,
    slopes: [
      slope(gate, ai, i),
      slope(gate, ao, o),
      slope(gate, af, f),
      slope(input, ag, candidate),
      slope(output, after!, hc),
    ],
  };
}

/** c_{t−1} and c_t of c_t = f c_{t−1} + u: the two nodes a step cannot do without. */
function cellStates(
  g: GraphBuilder,
  f: Value,
  u: Value,
  { initialC, reverse }: { initialC: Value; reverse: boolean },
): [Value, Value] {
  const { outputs } = scan(g, { states: [initialC], inputs: [f, u], backwards: reverse }, (s, [c], [keep, add]) => {
    const kept = s.mul(keep!, c!);
    return { states: [s.plus(kept, add!)], outputs: [c!] };
  });
  return [outputs[0]!, g.plus(g.mul(f, outputs[0]!), u)];
}
