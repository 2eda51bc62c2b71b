import type { TensorStatistics } from '../../flow/statistics.ts';
import { type Tensor, toFloat64 } from '../../graph/tensor.ts';

/** How many finite values lie between two edges. */
export interface HistogramBucket {
  readonly left: number;
  readonly right: number;
  readonly count: number;
}

/** A distribution of finite values. Buckets ascend, do not overlap and reach from `min` to `max`; gaps are empty. */
export interface Histogram {
  readonly buckets: readonly HistogramBucket[];
  readonly count: number;
  /** 0 where there is no value, as in TensorBoard's own empty histogram. */
  readonly min: number;
  readonly max: number;
  /** Absent in the tensor form of a histogram. */
  readonly sum?: number;
  readonly sumSquares?: number;
}

/** A histogram of no values. */
export const emptyHistogram: Histogram = { buckets: [], count: 0, min: 0, max: 0, sum: 0, sumSquares: 0 };

/**
 * The distribution of a tensor's finite elements, four buckets per octave on both sides of zero. NaN and infinities
 * are left out: one of them would spoil TensorBoard's chart of all steps. Throws TypeError for strings.
 */
export function histogramOf(values: Tensor | Float32Array | Float64Array): Histogram {
  if (values instanceof Float32Array) return binFloat32(values);
  if (values instanceof Float64Array) return binFloat64(values);
  return values.data instanceof Float32Array ? binFloat32(values.data) : binFloat64(toFloat64(values));
}

/**
 * The distribution behind measured statistics, one bucket per octave. Signs are known in total only: where both occur
 * every octave is split in their proportion, and the extremes are taken to be ±maxAbs.
 */
export function histogramOfStatistics(statistics: TensorStatistics): Histogram {
  const { from, counts, zeros, negatives } = statistics.log2Histogram;
  const nonZero = counts.reduce((sum, count) => sum + count, 0);
  const positives = nonZero - negatives;
  const share = nonZero > 0 ? negatives / nonZero : 0;
  const negative: HistogramBucket[] = [];
  const positive: HistogramBucket[] = [];
  let split = 0;
  let seen = 0;
  counts.forEach((count, i) => {
    // Rounding the running total keeps the sum of the parts exact.
    seen += count;
    const below = Math.round(seen * share) - split;
    split += below;
    const [low, high] = [2 ** (from + i), 2 ** (from + i + 1)];
    if (below > 0) negative.unshift({ left: -high, right: -low, count: below });
    if (count > below) positive.push({ left: low, right: high, count: count - below });
  });
  const zero = zeros > 0 ? [{ left: 0, right: 0, count: zeros }] : [];
  const finite = nonZero + zeros;
  const max = positives > 0 ? statistics.maxAbs : zeros > 0 ? 0 : -(2 ** from);
  const min = negatives > 0 ? -statistics.maxAbs : zeros > 0 ? 0 : 2 ** from;
  return finish([...negative, ...zero, ...positive], {
    count: finite,
    min,
    max,
    sum: statistics.mean * finite,
    sumSquares: statistics.l2 ** 2,
  });
}

interface Totals {
  count: number;
  min: number;
  max: number;
  sum: number;
  sumSquares: number;
}

// The sign, the exponent and the first two bits of the fraction: bins in the order of the magnitudes, and the
// pattern with all lower bits zero is a bin's inner edge.
const FRACTION_BITS = 2;
const float32Bins = new Float64Array(2 ** (1 + 8 + FRACTION_BITS));
const float64Bins = new Float64Array(2 ** (1 + 11 + FRACTION_BITS));
const edge32 = new DataView(new ArrayBuffer(8));

function binFloat32(data: Float32Array): Histogram {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
  float32Bins.fill(0);
  const shift = 32 - (1 + 8 + FRACTION_BITS);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    // −0 counts as 0.
    float32Bins[word << 1 === 0 ? 0 : word >>> shift]!++;
  }
  return collect(data, float32Bins, 8, (bin) => {
    edge32.setUint32(0, bin << shift);
    return edge32.getFloat32(0);
  });
}

function binFloat64(data: Float64Array): Histogram {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const little = littleEndian;
  float64Bins.fill(0);
  const shift = 32 - (1 + 11 + FRACTION_BITS);
  for (let i = 0; i < data.length; i++) {
    const word = view.getUint32(8 * i + (little ? 4 : 0), little);
    float64Bins[data[i] === 0 ? 0 : word >>> shift]!++;
  }
  return collect(data, float64Bins, 11, (bin) => {
    edge32.setUint32(0, bin << shift);
    edge32.setUint32(4, 0);
    return edge32.getFloat64(0);
  });
}

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function collect(
  data: Float32Array | Float64Array,
  bins: Float64Array,
  exponentBits: number,
  edgeOf: (bin: number) => number,
): Histogram {
  const totals = total(data);
  if (totals.count === 0) return emptyHistogram;
  const half = bins.length / 2;
  const finite = (2 ** exponentBits - 1) << FRACTION_BITS;
  const buckets: HistogramBucket[] = [];
  for (let bin = finite - 1; bin >= 0; bin--) {
    const count = bins[half + bin]!;
    if (count > 0) buckets.push({ left: -edgeOf(bin + 1), right: -edgeOf(bin), count });
  }
  for (let bin = 0; bin < finite; bin++) {
    const count = bins[bin]!;
    if (count > 0) buckets.push({ left: edgeOf(bin), right: edgeOf(bin + 1), count });
  }
  return finish(buckets, totals);
}

/** Sums over the finite elements. */
function total(data: Float32Array | Float64Array): Totals {
  let count = 0;
  let min = Infinity;
  let max = -Infinity;
  let sum = 0;
  let sumSquares = 0;
  for (let i = 0; i < data.length; i++) {
    const x = data[i]!;
    if (x - x !== 0) continue;
    count++;
    sum += x;
    sumSquares += x * x;
    if (x < min) min = x;
    if (x > max) max = x;
  }
  return { count, min, max, sum, sumSquares };
}

/** Cuts the outer buckets to the extremes and keeps every number finite. */
function finish(buckets: HistogramBucket[], totals: Totals): Histogram {
  if (totals.count === 0) return emptyHistogram;
  const hold = (x: number) => Math.min(Math.max(x, -Number.MAX_VALUE), Number.MAX_VALUE) + 0;
  const [min, max] = [hold(totals.min), hold(totals.max)];
  const cut = (x: number) => Math.min(Math.max(x, min), max) + 0;
  return {
    buckets: buckets.map(({ left, right, count }) => ({ left: cut(left), right: cut(right), count })),
    count: totals.count,
    min,
    max,
    sum: hold(totals.sum),
    sumSquares: hold(totals.sumSquares),
  };
}
