import type { Tensor } from '../graph/tensor.ts';
import type { GivenTensors } from './given.ts';

/** Places among the rows (axis 0) where an input or the target holds NaN, sorted. */
export function badRowsIn({ inputs, target }: GivenTensors): number[] {
  const bad = new Set<number>();
  for (const tensor of inputs.values()) collect(tensor, bad);
  if (target) collect(target, bad);
  return [...bad].sort((a, b) => a - b);
}

function collect({ type, dims, data }: Tensor, bad: Set<number>): void {
  const isMissing = tests[type];
  const rows = dims[0] ?? 1;
  if (!isMissing || rows === 0) return;
  const width = data.length / rows;
  for (let i = 0; i < data.length; i++) {
    if (!isMissing(data[i] as number)) continue;
    const row = Math.floor(i / width);
    bad.add(row);
    i = (row + 1) * width - 1;
  }
}

// IEEE 754: all exponent bits set and a fraction; half formats are kept as their bits.
const tests: Partial<Record<Tensor['type'], (x: number) => boolean>> = {
  float32: Number.isNaN,
  float64: Number.isNaN,
  float16: (bits) => (bits & 0x7fff) > 0x7c00,
  bfloat16: (bits) => (bits & 0x7fff) > 0x7f80,
};

/** `row 3`, `rows 3, 17`, `rows 1, 2, 3, 4, 5, 6, 7, 8 and 40 more`; rows count from 0 as arrays do. */
export function sayRows(rows: readonly number[]): string {
  const shown = rows.slice(0, 8).join(', ');
  const more = rows.length > 8 ? ` and ${rows.length - 8} more` : '';
  return `row${rows.length === 1 ? '' : 's'} ${shown}${more}`;
}
