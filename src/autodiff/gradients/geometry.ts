import { range } from '../../graph/shapes.ts';
import { sizeOf, tensorOf } from '../../graph/tensor.ts';
import { type Context, type Rule, rule } from '../rule.ts';

/** Images from columns, and the grids of affine maps. */
export const geometry: Record<string, Rule> = {
  // Blocks are added up where they overlap: dX = the blocks of dY.
  Col2Im: rule('input image_shape block_shape -> output', (context) => ({ input: () => blocksOf(context) })),
  // grid = (base coordinates, 1)·thetaᵀ: dtheta = dgridᵀ·(base coordinates, 1)
  AffineGrid: rule('theta size -> grid', ({ theta, grid, dgrid, g, attributes }) => ({
    theta: () => {
      const [batch, ...rest] = grid.shape as [number, ...number[]];
      const space = rest.slice(0, -1);
      const aligned = attributes.number('align_corners', 0) !== 0;
      const places = sizeOf(space);
      const points = g.constant(tensorOf(theta.type, [places, space.length + 1], basePoints(space, aligned)));
      return g.matmul(g.transposeMatrix(g.reshape(dgrid, [batch, places, space.length])), points);
    },
  })),
};

/** Normalized coordinates (last axis first) and 1 of each pixel: −1 to 1 between corners, or between the pixels' edges. */
function basePoints(space: readonly number[], aligned: boolean): number[] {
  const at = (i: number, n: number) => (aligned ? (n === 1 ? 0 : (2 * i) / (n - 1) - 1) : (2 * i + 1) / n - 1);
  return range(sizeOf(space)).flatMap((place) => {
    const point: number[] = [];
    let rest = place;
    for (const n of [...space].reverse()) {
      point.push(at(rest % n, n));
      rest = Math.floor(rest / n);
    }
    return [...point, 1];
  });
}

/** dY padded, and each block's elements gathered: [batch, channels · block, blocks]. */
function blocksOf(context: Context<'input image_shape block_shape -> output'>) {
  const { input: X, image_shape, block_shape, doutput: dY, g, attributes, integers } = context;
  const image = integers(image_shape);
  const block = integers(block_shape);
  const rank = image.length;
  const dilations = attributes.numbers('dilations') ?? block.map(() => 1);
  const strides = attributes.numbers('strides') ?? block.map(() => 1);
  const pads = attributes.numbers('pads') ?? block.flatMap(() => [0, 0]);
  const [batch, channels] = dY.shape as [number, number];
  const padded = g.pad(dY, [0, 0, ...pads.slice(0, rank)], [0, 0, ...pads.slice(rank)]);
  const sizes = padded.shape.slice(2);
  const counts = sizes.map((n, i) => Math.floor((n - dilations[i]! * (block[i]! - 1) - 1) / strides[i]!) + 1);
  // Both the place in a block and the block's own place count through all axes, the last one fastest.
  const offsets = (grid: readonly number[], steps: readonly number[]) =>
    grid.reduce<number[]>(
      (list, n, i) => list.flatMap((base) => range(n).map((k) => base * sizes[i]! + k * steps[i]!)),
      [0],
    );
  const [inside, starts] = [offsets(block, dilations), offsets(counts, strides)];
  const places = inside.flatMap((a) => starts.map((b) => a + b));
  const flat = g.reshape(padded, [batch, channels, sizeOf(sizes)]);
  const gathered = g.gather(flat, g.constant(tensorOf('int64', [inside.length, starts.length], places)), 2);
  return g.reshape(gathered, X.shape);
}
