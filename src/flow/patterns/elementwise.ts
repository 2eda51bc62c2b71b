import type { Node } from '../../graph/graph.ts';

/**
 * What elementwise operators do to single numbers: enough to find out which function a few of them make up together,
 * on a handful of points. Networks are run by the runtime. An omitted input is NaN.
 */
export const elementwise: Record<string, (x: readonly number[], node: Node) => number> = {
  Add: ([a, b]) => a! + b!,
  Sub: ([a, b]) => a! - b!,
  Mul: ([a, b]) => a! * b!,
  Div: ([a, b]) => a! / b!,
  Pow: ([a, b]) => a! ** b!,
  Neg: ([x]) => -x!,
  Sum: (x) => x.reduce((sum, term) => sum + term, 0),
  Max: (x) => Math.max(...x),
  Min: (x) => Math.min(...x),
  Clip: ([x, low = Number.NaN, high = Number.NaN]) =>
    Math.min(Math.max(x!, Number.isNaN(low) ? -Infinity : low), Number.isNaN(high) ? Infinity : high),
  Sqrt: ([x]) => Math.sqrt(x!),
  Reciprocal: ([x]) => 1 / x!,
  Exp: ([x]) => Math.exp(x!),
  Log: ([x]) => Math.log(x!),
  Erf: ([x]) => erf(x!),
  Tanh: ([x]) => Math.tanh(x!),
  Sigmoid: ([x]) => sigmoid(x!),
  HardSigmoid: ([x], node) =>
    Math.min(1, Math.max(0, numberOr(node.attributes.alpha, 0.2) * x! + numberOr(node.attributes.beta, 0.5))),
  Softplus: ([x]) => softplus(x!),
  Relu: ([x]) => Math.max(0, x!),
  Identity: ([x]) => x!,
  Cast: ([x]) => x!,
  Dropout: ([x]) => x!,
};

function numberOr(attribute: unknown, standard: number): number {
  return typeof attribute === 'number' ? attribute : standard;
}

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** log(1 + eˣ) without overflow. */
export const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** The error function to 1.5e-7: Abramowitz and Stegun 7.1.26. */
export function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - tail * Math.exp(-x * x));
}
