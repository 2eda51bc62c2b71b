import { describe, expect, it } from 'vitest';
import { drawBlobs, drawCircles, drawSpirals } from '../../src/data/points.ts';

const counts = (labels: number[], classes: number) =>
  Array.from({ length: classes }, (_, k) => labels.filter((label) => label === k).length);
const mean = (x: number[]) => x.reduce((a, b) => a + b, 0) / x.length;
const row = (points: Float32Array, i: number, width = 2) => Array.from(points.subarray(i * width, (i + 1) * width));

describe('drawCircles', () => {
  it('puts half on a ring of radius 1, half on one of radius 0.5, with noise 0.1', () => {
    const n = 4000;
    const { points, labels } = drawCircles(n, 0);
    expect(counts(labels, 2)).toEqual([n / 2, n / 2]);
    [1, 0.5].forEach((radius, k) => {
      const squares = labels.flatMap((label, i) =>
        label === k ? [row(points, i).reduce((s, x) => s + x * x, 0)] : [],
      );
      // E[r²] = radius² + 2σ², Var[r²] = 4 radius² σ² + 4σ⁴
      const error = Math.sqrt((4 * radius ** 2 * 0.01 + 4e-4) / (n / 2));
      expect(Math.abs(mean(squares) - radius ** 2 - 0.02)).toBeLessThan(5 * error);
    });
    // Angles go all the way round: the centre of mass is the origin.
    for (const axis of [0, 1]) {
      expect(Math.abs(mean(labels.map((_, i) => points[2 * i + axis]!)))).toBeLessThan((5 * 0.1) / Math.sqrt(n));
    }
  });

  it('gives the odd point to the inner ring, as scikit-learn does, and shuffles', () => {
    expect(counts(drawCircles(5, 0).labels, 2)).toEqual([2, 3]);
    expect(drawCircles(1, 0).labels).toEqual([1]);
    expect(drawCircles(64, 0).labels).not.toEqual([...drawCircles(64, 0).labels].sort());
  });
});

describe('drawSpirals', () => {
  it('draws one arm per class, radius up to 1, turned by an even share of the circle', () => {
    const { points, labels } = drawSpirals(300, 3, 0);
    expect(counts(labels, 3)).toEqual([100, 100, 100]);
    const radii = labels.map((_, i) => Math.hypot(...row(points, i)));
    expect(Math.max(...radii)).toBeCloseTo(1, 6);
    // angle − 4 radius − 2πk/3 is 0.2·normal
    const errors = labels.map((label, i) => {
      const [x, y] = row(points, i);
      const angle = Math.atan2(x!, y!) - 4 * radii[i]! - (2 * Math.PI * label) / 3;
      return angle - 2 * Math.PI * Math.round(angle / (2 * Math.PI));
    });
    const around = errors.filter((_, i) => radii[i]! > 0);
    expect(Math.abs(mean(around))).toBeLessThan((5 * 0.2) / Math.sqrt(around.length));
    const variance = mean(around.map((error) => error ** 2));
    expect(Math.abs(variance - 0.04)).toBeLessThan(5 * 0.04 * Math.sqrt(2 / around.length));
  });
});

describe('drawBlobs', () => {
  it('spreads each class by 0.5 around its own centre, the same for every seed', () => {
    const [classes, features, n] = [3, 5, 3000];
    const centresOf = (seed: number) => {
      const { points, labels } = drawBlobs(n, features, classes, seed);
      expect(counts(labels, classes)).toEqual([1000, 1000, 1000]);
      let within = 0;
      const centres = Array.from({ length: classes * features }, (_, j) => {
        const values = labels.flatMap((label, i) =>
          label === Math.floor(j / features) ? [points[i * features + (j % features)]!] : [],
        );
        const centre = mean(values);
        within += mean(values.map((value) => (value - centre) ** 2)) / (classes * features);
        return centre;
      });
      expect(Math.abs(within - 0.25)).toBeLessThan(5 * 0.25 * Math.sqrt(2 / (n * features)));
      return centres;
    };
    const first = centresOf(0);
    centresOf(1).forEach((centre, j) => {
      expect(Math.abs(centre - first[j]!)).toBeLessThan(5 * 0.5 * Math.sqrt(2 / 1000));
    });
    expect(new Set(first.map((centre) => centre.toFixed(1))).size).toBeGreaterThan(5);
    expect(drawBlobs(8, 2, 2, 0).points).not.toEqual(drawBlobs(8, 2, 2, 1).points);
  });

  it('draws different classes where there are more than rows', () => {
    const { labels } = drawBlobs(10, 2, 1000, 0);
    expect(new Set(labels).size).toBe(10);
    expect(Math.max(...labels)).toBeGreaterThan(100);
  });
});
