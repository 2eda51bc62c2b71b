import type { Probe } from './measure.ts';

/** Gradients are kept this many powers of two around 1 at the rescaled values: far from both ends of float32. */
const TOP = 60;
/** Below 2^−80 at a value, elements a thousand times smaller than the largest begin to near the subnormals. */
const BOTTOM = -80;

/**
 * Finds powers of two to multiply the gradient by at the cuts (from output to input), so that it neither underflows
 * nor overflows on its way to the input. Each round sees about 40 decades further than the one before.
 * A gradient that stays zero after one that is not is zero, not underflown.
 */
export async function findExponents(probe: Probe, cuts: readonly string[]): Promise<Map<string, number>> {
  const exponents = new Map<string, number>();
  for (let round = 0; round < cuts.length + 1; round++) {
    probe.rescale(exponents);
    const measured = await probe.measureGradients(cuts);
    const next = new Map(exponents);
    let moved = 0;
    for (const cut of cuts) {
      const { gradient } = measured.get(cut)!;
      const overflown = gradient.nonFinite.positiveInfinity + gradient.nonFinite.negativeInfinity > 0;
      if (overflown || gradient.nonFinite.nan > 0 || gradient.log10L2 === Number.NEGATIVE_INFINITY) break;
      // What the new exponents above have changed is added to what was measured under the old ones.
      const level = Math.log2(10) * gradient.log10L2 + probe.scaleExponent(cut) + moved;
      if (level > BOTTOM && level < TOP + 20) continue;
      const own = clamp((next.get(cut) ?? 0) + Math.round((level > 0 ? 0 : TOP) - level));
      moved += own - (next.get(cut) ?? 0);
      next.set(cut, own);
    }
    if (same(exponents, next)) break;
    exponents.clear();
    for (const [cut, exponent] of next) exponents.set(cut, exponent);
  }
  probe.rescale(exponents);
  return exponents;
}

/** 2^±120 are the largest factors that are themselves safely within float32. */
function clamp(exponent: number): number {
  return Math.max(-120, Math.min(120, exponent));
}

function same(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}
