import { isFloat } from '../graph/data-type.ts';
import { sizeOf, type Tensor, toFloat64 } from '../graph/tensor.ts';
import { type Signal, standardInput } from '../theory/network.ts';

/**
 * What theory wants to know of a batch: mean square, mean, and the mean product of two different samples (of images: of
 * two different pixels of a channel). Standardized inputs where nothing of float type is fed.
 */
export function inputSignal(inputs: ReadonlyMap<string, Tensor>): Signal {
  const first = [...inputs.values()].find(({ type, dims }) => isFloat(type) && dims.length > 0 && sizeOf(dims) > 0);
  if (!first) return standardInput;
  const { dims } = first;
  const x = toFloat64(first);
  // A unit is a feature, of images a channel; the others on the way are its samples.
  const image = dims.length >= 4;
  const units = image ? dims[1]! : sizeOf(dims.slice(1));
  const inner = image ? sizeOf(dims.slice(2)) : 1;
  const sums = new Float64Array(units);
  let square = 0;
  for (let i = 0; i < x.length; i++) {
    sums[Math.floor(i / inner) % units]! += x[i]!;
    square += x[i]! ** 2;
  }
  const samples = x.length / units;
  const mean = sums.reduce((sum, s) => sum + s, 0) / x.length;
  // Σ_{a≠b} x_a x_b = (Σ x)² − Σ x².
  const pairs = sums.reduce((sum, s) => sum + s * s, 0) - square;
  const cross = samples > 1 ? pairs / (units * samples * (samples - 1)) : mean * mean;
  return Number.isFinite(square) ? { square: square / x.length, mean, cross } : standardInput;
}
