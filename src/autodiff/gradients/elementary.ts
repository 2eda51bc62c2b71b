import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import { elementwise, type Rule, rule } from '../rule.ts';

/** Functions of one variable. Each derivative is written in the forward output where the formula allows. */
export const elementary: Record<string, Rule> = {
  // dX = dY · sign X; at 0 the derivative is 0, as in PyTorch
  Abs: elementwise(({ X, g }) => g.sign(X)),
  // dX = −dY · Y²
  Reciprocal: elementwise(({ Y, g }) => g.neg(g.mul(Y, Y))),
  // dX = dY / 2Y; infinite at 0, as the derivative is
  Sqrt: rule('X -> Y', ({ Y, dY, g }) => ({ X: () => g.div(dY, g.scale(Y, 2)) })),
  // dX = dY · Y
  Exp: elementwise(({ Y }) => Y),
  // dX = dY / X
  Log: rule('X -> Y', ({ X, dY, g }) => ({ X: () => g.div(dY, X) })),
  // dX = dY · 2/√π · exp(−X²)
  Erf: elementwise(({ X, g }) => g.scale(g.exp(g.neg(g.mul(X, X))), 2 / Math.sqrt(Math.PI))),

  // dX = dY · cos X
  Sin: elementwise(({ X, g }) => g.unary('Cos', X)),
  // dX = −dY · sin X
  Cos: elementwise(({ X, g }) => g.neg(g.unary('Sin', X))),
  // dX = dY · (1 + Y²)
  Tan: elementwise(({ Y, g }) => g.shift(g.mul(Y, Y), 1)),
  // dX = dY / √((1 − X)(1 + X)); 1 − X² would cancel near ±1
  Asin: rule('X -> Y', ({ X, dY, g }) => ({ X: () => g.div(dY, g.sqrt(oneMinusSquare(g, X))) })),
  // dX = −dY / √((1 − X)(1 + X))
  Acos: rule('X -> Y', ({ X, dY, g }) => ({ X: () => g.neg(g.div(dY, g.sqrt(oneMinusSquare(g, X)))) })),
  // dX = dY / (1 + X²)
  Atan: rule('X -> Y', ({ X, dY, g }) => ({ X: () => g.div(dY, g.shift(g.mul(X, X), 1)) })),
  // dX = dY · cosh X
  Sinh: elementwise(({ X, g }) => g.unary('Cosh', X)),
  // dX = dY · sinh X
  Cosh: elementwise(({ X, g }) => g.unary('Sinh', X)),
  // dX = dY / √(X² + 1)
  Asinh: rule('X -> Y', ({ X, dY, g }) => ({ X: () => g.div(dY, g.sqrt(g.shift(g.mul(X, X), 1))) })),
  // dX = dY / √((X − 1)(X + 1)); X² − 1 would cancel near 1
  Acosh: rule('X -> Y', ({ X, dY, g }) => ({
    X: () => g.div(dY, g.sqrt(g.mul(g.shift(X, -1), g.shift(X, 1)))),
  })),
  // dX = dY / ((1 − X)(1 + X))
  Atanh: rule('X -> Y', ({ X, dY, g }) => ({ X: () => g.div(dY, oneMinusSquare(g, X)) })),
};

function oneMinusSquare(g: GraphBuilder, X: Value): Value {
  return g.mul(g.sub(g.scalar(1, X.type), X), g.shift(X, 1));
}
