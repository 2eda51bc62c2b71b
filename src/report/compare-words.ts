import { factorKinds } from '../flow/kinds.ts';
import { nearer } from './compare.ts';
import type { LayerPair } from './compare-layers.ts';
import { showDecades } from './numbers.ts';

/** A pair of layers, or how many are not shown. */
export type PickedPair = LayerPair | { readonly hidden: number };

const MOST_PAIRS = 30;

/** `5.8 better`, `0.3 worse`: decades by which the second number is nearer to the output's size; empty where alike. */
export function sayChange(a: number, b: number): string {
  const by = nearer(a, b);
  if (Number.isNaN(by)) return '';
  const shown = showDecades(Math.abs(by)).replace('+', '');
  if (shown === '0.0') return '';
  return `${shown} ${by > 0 ? 'better' : 'worse'}`;
}

/** A kind of factor in words; of kinds this version does not know, their id. */
export function factorName(kind: string): string {
  return Object.hasOwn(factorKinds, kind) ? factorKinds[kind as keyof typeof factorKinds] : kind;
}

/** About `limit` pairs in their order: the ends, and those that changed most. */
export function pickPairs(pairs: readonly LayerPair[], limit = MOST_PAIRS): PickedPair[] {
  if (pairs.length <= limit) return [...pairs];
  const change = ({ a, b }: LayerPair) => {
    const by = a && b ? Math.abs(nearer(a.decades, b.decades)) : 0;
    return Number.isNaN(by) ? 0 : by;
  };
  const ends = Math.ceil(limit / 6);
  const shown = new Set<LayerPair>([...pairs.slice(0, ends), ...pairs.slice(-ends)]);
  for (const pair of [...pairs].sort((x, y) => change(y) - change(x))) {
    if (shown.size >= limit) break;
    shown.add(pair);
  }
  const picked: PickedPair[] = [];
  let hidden: LayerPair[] = [];
  const close = () => {
    if (hidden.length === 1) picked.push(hidden[0]!);
    else if (hidden.length > 1) picked.push({ hidden: hidden.length });
    hidden = [];
  };
  for (const pair of pairs) {
    if (!shown.has(pair)) hidden.push(pair);
    else {
      close();
      picked.push(pair);
    }
  }
  close();
  return picked;
}
