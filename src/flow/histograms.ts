import type { Log2Histogram } from './statistics.ts';

/** The histogram of several tensors' elements taken together. */
export function mergeHistograms(histograms: readonly Log2Histogram[]): Log2Histogram {
  const filled = histograms.filter(({ counts }) => counts.length > 0);
  const total = (part: (histogram: Log2Histogram) => number) =>
    histograms.reduce((sum, histogram) => sum + part(histogram), 0);
  const rest = { zeros: total(({ zeros }) => zeros), negatives: total(({ negatives }) => negatives) };
  if (filled.length === 0) return { from: 0, counts: [], ...rest };
  const from = Math.min(...filled.map((histogram) => histogram.from));
  const end = Math.max(...filled.map((histogram) => histogram.from + histogram.counts.length));
  const counts = new Array<number>(end - from).fill(0);
  for (const histogram of filled) {
    histogram.counts.forEach((count, i) => {
      counts[histogram.from - from + i]! += count;
    });
  }
  return { from, counts, ...rest };
}
