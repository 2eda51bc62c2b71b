import type { GraphBuilder } from '../graph/builder.ts';
import { UsageError } from '../graph/errors.ts';
import { consumers, type Graph, type Value } from '../graph/graph.ts';
import { range } from '../graph/shapes.ts';
import { scaledNorm } from './norms.ts';

/** How gradients are clipped before the optimizer sees them. */
export type Clipping =
  /** All gradients times maximum / (‖all‖ + 1e-6), at most 1: torch.nn.utils.clip_grad_norm_. */
  | { readonly kind: 'norm'; readonly maximum: number; readonly order?: 2 | 'infinity' }
  /** Each element into [−maximum, maximum]. */
  | { readonly kind: 'value'; readonly maximum: number }
  /**
   * Each unit's gradient to at most `factor` · max(‖its weights‖, epsilon) (Brock et al. 2021, equation 3). `exclude`:
   * parameters left alone; the paper leaves the last linear layer.
   */
  | {
      readonly kind: 'adaptive';
      readonly factor: number;
      readonly epsilon?: number;
      readonly exclude?: readonly string[];
    };

/** clip_grad_norm_'s summand under the fraction. */
const NORM_EPSILON = 1e-6;
/** Brock et al. 2021: the least weight norm that counts, for parameters that start at zero. */
const ADAPTIVE_EPSILON = 1e-3;

export interface ClippingContext {
  readonly g: GraphBuilder;
  readonly parameters: readonly Value[];
  readonly gradients: readonly Value[];
  /** One L2 norm per gradient, as a vector. */
  readonly norms: () => Value;
  /** The forward graph: it says along which axes of a parameter a unit's weights lie. */
  readonly forward: Graph;
}

/** The clipped gradients, and the norm of all of them before where clipping takes it. */
export interface Clipped {
  readonly gradients: readonly Value[];
  readonly globalNorm?: Value;
}

/** Appends clipping. Throws UsageError for a limit that makes no sense or an excluded parameter that is not trained. */
export function clipGradients(context: ClippingContext, clipping: Clipping | undefined): Clipped {
  const { g, gradients } = context;
  if (!clipping) return { gradients };
  switch (clipping.kind) {
    case 'norm': {
      checkLimit(clipping.maximum, 'the largest norm');
      const globalNorm = clipping.order === 'infinity' ? largest(g, gradients) : total(g, context.norms());
      const quotient = g.div(g.scalar(clipping.maximum, globalNorm.type), g.shift(globalNorm, NORM_EPSILON));
      const coefficient = g.min(quotient, g.scalar(1, globalNorm.type));
      return { gradients: gradients.map((G) => g.mul(G, g.cast(coefficient, G.type))), globalNorm };
    }
    case 'value': {
      checkLimit(clipping.maximum, 'the largest value');
      const limit = (G: Value, sign: number) => g.scalar(sign * clipping.maximum, G.type);
      const clip = (G: Value) => g.add('Clip', [G, limit(G, -1), limit(G, 1)], [[G.type, G.shape]])[0]!;
      return { gradients: gradients.map(clip) };
    }
    case 'adaptive':
      return { gradients: adaptive(context, clipping) };
  }
}

/** √Σ n² of norms: of the largest times the root of a sum of ratios, which neither under- nor overflows. */
function total(g: GraphBuilder, norms: Value): Value {
  return g.reshape(scaledNorm(g, norms, [0]), []);
}

function largest(g: GraphBuilder, gradients: readonly Value[]): Value {
  const maxima = gradients.map((G) => g.reshape(g.reduceMax(g.abs(G), range(G.shape.length)), [1]));
  return g.reduceMax(g.concat(maxima, 0), [0], false);
}

function adaptive(context: ClippingContext, clipping: Extract<Clipping, { kind: 'adaptive' }>): Value[] {
  const { g, parameters, gradients, forward } = context;
  const { factor, epsilon = ADAPTIVE_EPSILON, exclude = [] } = clipping;
  checkLimit(factor, 'the clipping factor');
  checkLimit(epsilon, 'the clipping epsilon');
  const unknown = exclude.find((name) => !parameters.some((P) => P.name === name));
  if (unknown !== undefined) {
    throw new UsageError(`"${unknown}" is to be left unclipped, but is not trained`, { code: 'unknown-parameter' });
  }
  const readers = consumers(forward);
  return gradients.map((G, i) => {
    const P = parameters[i]!;
    if (exclude.includes(P.name)) return G;
    const axes = unitAxes(P, readers.get(P.name) ?? []);
    const limit = g.scale(g.max(scaledNorm(g, P, axes), g.scalar(epsilon, P.type)), factor);
    const norm = scaledNorm(g, G, axes);
    // The smaller of 1 and limit / ‖G‖: where ‖G‖ is zero there is nothing to divide.
    const coefficient = g.where(g.greater(norm, limit), g.div(limit, norm), g.scalar(1, G.type));
    return g.mul(G, coefficient);
  });
}

/** Operators whose weight has its units along these axes; the others sum over. Vectors are one unit, as in the paper. */
function unitAxes(P: Value, readers: readonly { node: { op: string; attributes: object }; input: number }[]): number[] {
  const rank = P.shape.length;
  const all = range(rank);
  if (rank < 2) return all;
  const first = readers[0];
  const { transB = 0, transA = 0 } = (first?.node.attributes ?? {}) as { transA?: number; transB?: number };
  const units = (): number[] => {
    switch (first?.node.op) {
      case 'Gemm':
        return first.input === 1 ? [transB ? 0 : 1] : [transA ? 1 : 0];
      case 'MatMul':
        return first.input === 1 ? [...range(rank - 2), rank - 1] : range(rank - 1);
      case 'ConvTranspose':
        return [1];
      case 'LSTM':
      case 'GRU':
      case 'RNN':
        return [0, 1];
      default:
        return [0];
    }
  };
  const kept = new Set(units());
  return all.filter((axis) => !kept.has(axis));
}

function checkLimit(value: number, what: string): void {
  if (Number.isFinite(value) && value > 0) return;
  throw new UsageError(`${what} is ${value}`, { code: 'clip-threshold', hint: 'expected a number above 0' });
}
