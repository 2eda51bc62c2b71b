import type { Random } from './random.ts';

/**
 * A rows × columns matrix with orthonormal rows (columns when there are more rows), uniform over all of them:
 * Gram–Schmidt on Gaussian vectors is the QR whose R has a positive diagonal (Mezzadri 2007). Row-major.
 */
export function orthogonalMatrix(rows: number, columns: number, random: Random): Float64Array {
  const count = Math.min(rows, columns);
  const length = Math.max(rows, columns);
  const vectors = Array.from({ length: count }, () => Float64Array.from({ length }, () => random.normal()));
  vectors.forEach((vector, i) => {
    // Subtracting loses digits when little is left: a second pass restores them (Parlett 1980, "twice is enough").
    for (let before = Infinity, after = norm(vector); after < 0.5 * before; ) {
      before = after;
      for (let j = 0; j < i; j++) subtractProjection(vector, vectors[j]!);
      after = norm(vector);
    }
    const scale = 1 / norm(vector);
    for (let k = 0; k < length; k++) vector[k]! *= scale;
  });
  const matrix = new Float64Array(rows * columns);
  vectors.forEach((vector, i) => {
    if (rows <= columns) matrix.set(vector, i * columns);
    else for (let k = 0; k < length; k++) matrix[k * columns + i] = vector[k]!;
  });
  return matrix;
}

function subtractProjection(vector: Float64Array, unit: Float64Array): void {
  let dot = 0;
  for (let k = 0; k < unit.length; k++) dot += vector[k]! * unit[k]!;
  for (let k = 0; k < unit.length; k++) vector[k]! -= dot * unit[k]!;
}

function norm(vector: Float64Array): number {
  let sum = 0;
  for (const x of vector) sum += x * x;
  return Math.sqrt(sum);
}
