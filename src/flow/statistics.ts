import type { TypedArray } from '../graph/data-type.ts';
import { type Tensor, toFloat64 } from '../graph/tensor.ts';

/** What is measured of one tensor. Everything is taken over its finite elements; non-finite ones are counted apart. */
export interface TensorStatistics {
  readonly count: number;
  /** ‖x‖₂; 0 when float64 cannot hold it, while `log10L2` still does. */
  readonly l2: number;
  /** log₁₀ ‖x‖₂, exact far below and above the range of float32; −Infinity only when every element is zero. */
  readonly log10L2: number;
  readonly maxAbs: number;
  readonly meanAbs: number;
  readonly mean: number;
  /** Fraction of elements that are exactly zero. */
  readonly zeroFraction: number;
  readonly nonFinite: NonFiniteCounts;
  readonly log2Histogram: Log2Histogram;
}

export interface NonFiniteCounts {
  readonly nan: number;
  readonly positiveInfinity: number;
  readonly negativeInfinity: number;
}

/** Elements by ⌊log₂|x|⌋. `counts[i]` holds those in [2^(from+i), 2^(from+i+1)). */
export interface Log2Histogram {
  readonly from: number;
  readonly counts: readonly number[];
  readonly zeros: number;
  readonly negatives: number;
}

const LOG10_2 = Math.log10(2);
/** The smallest float64 subnormal is 2^−1074, the largest exponent 1023. */
const LOWEST = -1074;
const bins = new Float64Array(1024 - LOWEST);
const float64Bits = new DataView(new ArrayBuffer(8));

/**
 * Measures a tensor. `scaleExponent` says that the elements were multiplied by 2^scaleExponent on their way here:
 * the statistics are those of the true values. Never throws on NaN or infinities.
 */
export function measureTensor(tensor: Tensor, scaleExponent = 0): TensorStatistics {
  const data = tensor.type === 'float32' ? (tensor.data as Float32Array) : toFloat64(tensor);
  const histogram = data instanceof Float32Array ? binFloat32(data) : binFloat64(data as Float64Array);
  const { nan, positiveInfinity, negativeInfinity, zeros, highest } = histogram;
  const finite = data.length - nan - positiveInfinity - negativeInfinity;
  // Elements are divided by a power of two near their maximum: squares then neither overflow nor vanish.
  const unit = highest === undefined || data instanceof Float32Array ? 0 : Math.max(highest, -1000);
  const sums = sumElements(data, 2 ** -unit, finite < data.length);
  const exponent = unit - scaleExponent;
  const l2 = Math.sqrt(sums.squares);
  return {
    count: data.length,
    l2: scale(l2, exponent),
    log10L2: Math.log10(l2) + exponent * LOG10_2,
    maxAbs: scale(sums.max, exponent),
    meanAbs: finite > 0 ? scale(sums.abs / finite, exponent) : 0,
    mean: finite > 0 ? scale(sums.signed / finite, exponent) : 0,
    zeroFraction: data.length > 0 ? zeros / data.length : 0,
    nonFinite: { nan, positiveInfinity, negativeInfinity },
    log2Histogram: {
      from: histogram.from - scaleExponent,
      counts: histogram.counts,
      zeros,
      negatives: histogram.negatives,
    },
  };
}

/** ⟨a, b⟩ in float64, over elements where both are finite. Throws RangeError when sizes differ. */
export function innerProduct(a: Tensor, b: Tensor): number {
  const x = a.type === 'float32' ? (a.data as Float32Array) : toFloat64(a);
  const y = b.type === 'float32' ? (b.data as Float32Array) : toFloat64(b);
  if (x.length !== y.length) throw new RangeError(`inner product of ${x.length} and ${y.length} elements`);
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    const product = x[i]! * y[i]!;
    if (Number.isFinite(product)) sum += product;
  }
  return sum;
}

/** The sum of float tensors of one shape; a single one is returned as it is. */
export function addTensors(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors;
  if (tensors.length === 1) return first!;
  const sum = Float64Array.from(toFloat64(first!));
  for (const tensor of tensors.slice(1)) {
    const terms = toFloat64(tensor);
    for (let i = 0; i < sum.length; i++) sum[i]! += terms[i]!;
  }
  return { type: 'float64', dims: first!.dims, data: sum };
}

/** Whether any element is NaN or infinite. */
export function hasNonFinite({ nonFinite }: TensorStatistics): boolean {
  return nonFinite.nan + nonFinite.positiveInfinity + nonFinite.negativeInfinity > 0;
}

interface Sums {
  squares: number;
  abs: number;
  signed: number;
  max: number;
}

function sumElements(data: Float32Array | Float64Array | TypedArray, factor: number, guarded: boolean): Sums {
  let squares = 0;
  let abs = 0;
  let signed = 0;
  let max = 0;
  for (let i = 0; i < data.length; i++) {
    const x = (data[i] as number) * factor;
    if (guarded && !Number.isFinite(x)) continue;
    const magnitude = x < 0 ? -x : x;
    squares += x * x;
    abs += magnitude;
    signed += x;
    if (magnitude > max) max = magnitude;
  }
  return { squares, abs, signed, max };
}

interface Bins extends NonFiniteCounts, Log2Histogram {
  highest: number | undefined;
}

/** The exponent bits of a float32 are its log₂ bin; below 2^−126 the leading bit of the fraction is. */
function binFloat32(data: Float32Array): Bins {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
  bins.fill(0);
  const counts = { nan: 0, positiveInfinity: 0, negativeInfinity: 0, zeros: 0, negatives: 0 };
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const exponent = (word >>> 23) & 255;
    if (exponent === 255) countNonFinite(counts, (word & 0x7fffff) !== 0, word >>> 31 === 1);
    else {
      const fraction = word & 0x7fffff;
      if (exponent === 0 && fraction === 0) counts.zeros++;
      else {
        bins[(exponent === 0 ? -118 - Math.clz32(fraction) : exponent - 127) - LOWEST]!++;
        if (word >>> 31 === 1) counts.negatives++;
      }
    }
  }
  return collect(counts);
}

function binFloat64(data: Float64Array): Bins {
  bins.fill(0);
  const counts = { nan: 0, positiveInfinity: 0, negativeInfinity: 0, zeros: 0, negatives: 0 };
  for (let i = 0; i < data.length; i++) {
    const x = data[i]!;
    if (!Number.isFinite(x)) countNonFinite(counts, Number.isNaN(x), x < 0);
    else if (x === 0) counts.zeros++;
    else {
      bins[exponentOf(x) - LOWEST]!++;
      if (x < 0) counts.negatives++;
    }
  }
  return collect(counts);
}

function countNonFinite(
  counts: { nan: number; positiveInfinity: number; negativeInfinity: number },
  undefinedValue: boolean,
  isNegative: boolean,
): void {
  if (undefinedValue) counts.nan++;
  else if (isNegative) counts.negativeInfinity++;
  else counts.positiveInfinity++;
}

/** ⌊log₂|x|⌋ of a finite non-zero float64, exactly. */
function exponentOf(x: number): number {
  float64Bits.setFloat64(0, x);
  const high = float64Bits.getUint32(0) & 0x7fffffff;
  const exponent = high >>> 20;
  if (exponent > 0) return exponent - 1023;
  float64Bits.setFloat64(0, x * 2 ** 54);
  return ((float64Bits.getUint32(0) & 0x7fffffff) >>> 20) - 1023 - 54;
}

function collect(counts: NonFiniteCounts & { zeros: number; negatives: number }): Bins {
  let first = 0;
  while (first < bins.length && bins[first] === 0) first++;
  if (first === bins.length) return { ...counts, from: 0, counts: [], highest: undefined };
  let last = bins.length - 1;
  while (bins[last] === 0) last--;
  return {
    ...counts,
    from: first + LOWEST,
    counts: Array.from(bins.subarray(first, last + 1)),
    highest: last + LOWEST,
  };
}

/** x · 2^exponent without the intermediate overflow of 2^exponent itself. */
function scale(x: number, exponent: number): number {
  const half = Math.trunc(exponent / 2);
  return x * 2 ** half * 2 ** (exponent - half);
}
