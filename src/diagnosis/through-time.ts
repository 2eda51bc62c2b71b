import type { FactorKind } from '../flow/kinds.ts';
import type { RecurrentFlow } from '../flow/recurrent.ts';
import type { Cause } from './finding.ts';

/** Steps after which the recurrence alone has changed a gradient by this many decades, or undefined when it never does. */
export function lagOf(flow: RecurrentFlow, decades: number): number | undefined {
  let sum = 0;
  for (const [i, gain] of flow.gains.entries()) {
    sum += gain.recurrence;
    if (decades < 0 ? sum <= decades : sum >= decades) return i + 1;
  }
  return undefined;
}

/** What the recurrence is made of where the chain rule has only two factors, else the recurrence as a whole. */
export function causesThroughTime(flow: RecurrentFlow): Cause[] {
  const { factors, recurrence } = flow;
  const sign = Math.sign(recurrence);
  const parts: [FactorKind, number][] = factors
    ? [
        ['activation-derivative', factors.activationDerivative],
        ['weight-matrix', factors.recurrentWeights],
      ]
    : [['recurrence', recurrence]];
  const pushing = parts.filter(([, decades]) => Math.sign(decades) === sign);
  const total = pushing.reduce((sum, [, decades]) => sum + decades, 0);
  return pushing
    .map(([kind, decades]) => ({ kind, decades, share: decades / total }))
    .sort((a, b) => b.share - a.share);
}
