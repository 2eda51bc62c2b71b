import { normalizeAxis, range } from '../../graph/shapes.ts';
import { type Context, type Rule, rule } from '../rule.ts';

/** Operators that move elements without choosing among them: every element of Y is one of X, or a sum over copies. */
export const shapes: Record<string, Rule> = {
  // dX = dY in X's shape
  Reshape: rule('X shape -> Y', ({ X, dY, g }) => ({ X: () => g.reshape(dY, X.shape) })),
  Flatten: rule('X -> Y', ({ X, dY, g }) => ({ X: () => g.reshape(dY, X.shape) })),
  Squeeze: rule('X axes? -> Y', ({ X, dY, g }) => ({ X: () => g.reshape(dY, X.shape) })),
  Unsqueeze: rule('X axes -> Y', ({ X, dY, g }) => ({ X: () => g.reshape(dY, X.shape) })),
  // dX = dY with the axes back in place
  Transpose: rule('X -> Y', ({ X, dY, g, attributes }) => ({
    X: () => {
      const permutation = attributes.numbers('perm') ?? range(X.shape.length).reverse();
      return g.transpose(
        dY,
        permutation.map((_, axis) => permutation.indexOf(axis)),
      );
    },
  })),
  // dXᵢ = the part of dY that came from Xᵢ
  Concat: rule('X* -> Y', ({ X, Y, dY, g, attributes }) => {
    const axis = normalizeAxis(attributes.number('axis', 0), Y.shape.length);
    let end = 0;
    return {
      X: X.map((Xi) => {
        const start = end;
        end += Xi.shape[axis]!;
        const stop = end;
        return () => g.slice(dY, [axis], [start], [stop]);
      }),
    };
  }),
  // dX = the parts' gradients joined
  Split: rule('X split? -> Y*', ({ X, dY, g, attributes }) => ({
    X: () => g.concat(dY, normalizeAxis(attributes.number('axis', 0), X.shape.length)),
  })),
  // dX = dY, which the engine sums over the axes that were repeated
  Expand: rule('X shape -> Y', ({ dY }) => ({ X: () => dY })),
  // dX = dY summed over the copies: each axis of Y is (copies, X's axis)
  Tile: rule('X repeats -> Y', (context) => ({ X: () => untile(context) })),
  // dX = SpaceToDepth(dY) for mode DCR; for CRD the same with channels before blocks
  DepthToSpace: rule('X -> Y', ({ X, dY, g, attributes }) => ({
    X: () => {
      const s = attributes.number('blocksize', 1);
      const [n, , h, w] = X.shape as [number, number, number, number];
      if (attributes.string('mode', 'DCR') === 'DCR') {
        return g.add('SpaceToDepth', [dY], [[X.type, X.shape]], { blocksize: s })[0]!;
      }
      const blocks = g.reshape(dY, [n, dY.shape[1]!, h, s, w, s]);
      return g.reshape(g.transpose(blocks, [0, 1, 3, 5, 2, 4]), X.shape);
    },
  })),
  // dX = DepthToSpace(dY)
  SpaceToDepth: rule('X -> Y', ({ X, dY, g, attributes }) => ({
    X: () => {
      const blocksize = attributes.number('blocksize', 1);
      return g.add('DepthToSpace', [dY], [[X.type, X.shape]], { blocksize, mode: 'DCR' })[0]!;
    },
  })),
  // dX = dY's same triangle
  Trilu: rule('X k? -> Y', ({ X, k, dY, g, attributes }) => ({
    X: () => g.add('Trilu', [dY, k], [[X.type, X.shape]], { upper: attributes.number('upper', 1) })[0]!,
  })),
  // dX = dY reversed over the same steps: the reversal undoes itself
  ReverseSequence: rule('X sequence_lens -> Y', ({ X, sequence_lens, dY, g, attributes }) => ({
    X: () => {
      const axes = { batch_axis: attributes.number('batch_axis', 1), time_axis: attributes.number('time_axis', 0) };
      return g.add('ReverseSequence', [dY, sequence_lens], [[X.type, X.shape]], axes)[0]!;
    },
  })),
  // Yᵢ = start + i · delta: dstart = Σ dY, ddelta = Σ i · dY
  Range: rule('start limit delta -> Y', ({ start, delta, Y, dY, g }) => ({
    start: () => dY,
    limit: () => null,
    delta: () => g.mul(dY, g.div(g.sub(Y, start), delta)),
  })),
};

function untile({ X, repeats, dY, g, integers }: Context<'X repeats -> Y'>) {
  const split: number[] = [];
  const copies: number[] = [];
  integers(repeats).forEach((count, axis) => {
    if (count !== 1) {
      copies.push(split.length);
      split.push(count);
    }
    split.push(X.shape[axis]!);
  });
  return g.reshape(g.reduceSum(g.reshape(dY, split), copies), X.shape);
}
