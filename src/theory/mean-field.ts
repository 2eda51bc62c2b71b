import { suggest } from '../graph/did-you-mean.ts';
import { UsageError } from '../graph/errors.ts';
import { activationOf, activationOps } from './activations.ts';
import { type Critical, criticalInitialization } from './critical.ts';
import { type FixedPoint, fixedPointOf, TRAINABLE_SCALES, type Variances } from './recursion.ts';

/** Where layers of one activation function and these variances tend to, and how deep they train. */
export interface MeanField extends FixedPoint {
  /** 6ξ. */
  readonly trainableDepth: number;
  /** The initialization with χ = 1 at this bias variance, or without biases where there is none at it. */
  readonly critical: Critical | undefined;
}

/**
 * The mean-field theory of one repeated layer: `meanField('Tanh', { sigmaW2: 1.5, sigmaB2: 0.05 })`. The activation is
 * an ONNX operator; `attributes` are its own (alpha). Throws UsageError for one that is not known.
 */
export function meanField(
  op: string,
  variances: Variances,
  attributes: Readonly<Record<string, number>> = {},
): MeanField {
  const activation = activationOf(op, attributes);
  if (!activation) {
    throw new UsageError(`theory knows no activation "${op}"`, {
      code: 'unknown-activation',
      hint: suggest(op, activationOps),
    });
  }
  const point = fixedPointOf(activation, variances);
  const critical = criticalInitialization(activation, variances.sigmaB2);
  return { ...point, trainableDepth: TRAINABLE_SCALES * point.depthScale, critical };
}
