import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { awayFrom, checkNode, type Domain, positive } from './gradient-check.ts';
import { pullBack } from './pull-back.ts';

const awayFromZero = awayFrom([0], 0.3);
const inf = Number.POSITIVE_INFINITY;
const nan = Number.NaN;

/** Two shapes that broadcast together, from one shape by dropping leading axes and setting axes to 1. */
const broadcastable = fc
  .array(fc.integer({ min: 1, max: 3 }), { minLength: 0, maxLength: 4 })
  .chain((full) => fc.tuple(fc.constant(full), narrowed(full), narrowed(full)));

function narrowed(full: number[]): fc.Arbitrary<number[]> {
  return fc
    .tuple(fc.integer({ min: 0, max: full.length }), fc.array(fc.boolean(), { minLength: full.length, maxLength: 4 }))
    .map(([drop, ones]) => full.map((dim, i) => (ones[i] ? 1 : dim)).slice(drop));
}

describe('binary operators with broadcasting, against differences', () => {
  it.each<{ op: string; a?: Domain; b?: Domain; tolerance?: number; attributes?: Record<string, number> }>([
    { op: 'Add' },
    { op: 'Sub' },
    { op: 'Mul' },
    { op: 'Div', b: awayFromZero, tolerance: 1e-5 },
    { op: 'Pow', a: positive },
    // Truncation jumps where A / B is whole: A stays within (0, 1) · B.
    { op: 'Mod', a: (random) => 0.1 + 0.3 * random(), b: positive, attributes: { fmod: 1 } },
    { op: 'Mod', a: (random) => 2.1 + 0.3 * random(), b: (random) => 0.91 + 0.08 * random(), attributes: { fmod: 1 } },
    { op: 'Max' },
    { op: 'Min' },
    { op: 'Sum' },
  ])('$op', async ({ op, a, b, tolerance, attributes }) => {
    await fc.assert(
      fc.asyncProperty(broadcastable, fc.integer({ min: 1, max: 1e6 }), async ([, left, right], seed) => {
        const inputs = [
          { name: 'A', shape: left, domain: a },
          { name: 'B', shape: right, domain: b },
        ];
        await checkNode({ op, inputs, tolerance, attributes, seed });
      }),
      { numRuns: 12 },
    );
  });

  it.each(['Max', 'Min', 'Sum', 'Mean'])('%s of three and of one', async (op) => {
    const type = op === 'Mean' ? 'float32' : 'float64';
    const inputs = [
      { name: 'A', shape: [2, 3] },
      { name: 'B', shape: [3] },
      { name: 'C', shape: [2, 1] },
    ];
    await checkNode({ op, type, inputs, seed: 5 });
    await checkNode({ op, type, inputs: inputs.slice(0, 1) });
  });
});

describe('Pow', () => {
  // Truth: torch 1.13. At 0⁰ and 0¹ the base's slope is 0 and 1; a negative base with a whole exponent is fine.
  it('has the base’s slope right at 0 and below', async () => {
    const { dX } = await pullBack('Pow', { X: [0, 0, -2, 0, 2, 0, 3], B: [2, 0, 3, 1, 0, -1, -2] }, undefined);
    expect(dX).toEqual([0, 0, 12, 1, 0, -inf, expect.closeTo(-0.07407407407407407, 14)]);
  });

  it('has an exponent’s slope of 0 where the base is not positive', async () => {
    const { dB } = await pullBack('Pow', { X: [0, 0, 2, 3, -2], B: [2, 0, 0, -2, 3] }, [1, inf, 1, 1, inf]);
    const log2 = Math.LN2;
    expect(dB).toEqual([0, 0, expect.closeTo(log2, 14), expect.closeTo(0.12206803207423442, 14), 0]);
  });

  it.each([0, 0.5, 1, 2, 3, -1, 1.7])('with the constant exponent %d', async (exponent) => {
    const B = {
      name: 'B',
      shape: [],
      constant: { type: 'float64', dims: [], data: Float64Array.of(exponent) } as const,
    };
    await checkNode({ op: 'Pow', inputs: [{ name: 'X', shape: [2, 3], domain: positive }, B] });
  });

  it('squares in two nodes: no Pow where the exponent is 2', async () => {
    const inputs = { X: [-3, 0, 2], B: { shape: [], data: [2], constant: true } };
    const { dX, backwardOps } = await pullBack('Pow', inputs, undefined);
    expect(dX).toEqual([-6, 0, 4]);
    expect(backwardOps).not.toContain('Pow');
  });

  it('takes an exponent of another type', async () => {
    const inputs = { X: [-2, 0, 3], B: { shape: [3], data: [3, 1, 2], type: 'int64' as const } };
    expect((await pullBack('Pow', inputs, undefined)).dX).toEqual([12, 1, 6]);
    const mixed = { X: [2, 4], B: { shape: [2], data: [2, 0.5], type: 'float32' as const } };
    const { dX, dB } = await pullBack('Pow', mixed, undefined);
    expect(dX).toEqual([4, 0.25]);
    expect(dB![0]).toBeCloseTo(4 * Math.log(2), 5);
  });
});

describe('ties, bounds and masks', () => {
  it('two equal maxima share the gradient; NaN passes it to both, as in PyTorch', async () => {
    const { dA, dB } = await pullBack('Max', { A: [1, 2, nan, 5], B: [1, 3, 1, 4] }, undefined);
    expect(dA).toEqual([0.5, 0, 1, 1]);
    expect(dB).toEqual([0.5, 1, 1, 0]);
  });

  it('three equal minima get a third each, two a half', async () => {
    const { dA, dB, dC } = await pullBack('Min', { A: [1, 1, 0], B: [1, 2, 0], C: [1, 0, 3] }, [3, 1, 1]);
    expect([dA, dB, dC]).toEqual([
      [expect.closeTo(1, 12), 0, 0.5],
      [expect.closeTo(1, 12), 0, 0.5],
      [expect.closeTo(1, 12), 1, 0],
    ]);
  });

  it('a losing input does not hear of an infinite gradient', async () => {
    for (const inputs of [
      { A: [1], B: [2] },
      { A: [1], B: [2], C: [0] },
    ]) {
      const { dA, dB } = await pullBack('Max', inputs as Record<string, number[]>, [inf]);
      expect([dA, dB]).toEqual([[0], [inf]]);
    }
  });

  it('Where splits an infinite gradient cleanly', async () => {
    const condition = { shape: [2], data: [1, 0], type: 'bool' as const };
    const { dX, dZ } = await pullBack('Where', { condition, X: [1, 2], Z: [3, 4] }, [inf, inf]);
    expect([dX, dZ]).toEqual([
      [inf, 0],
      [0, inf],
    ]);
  });

  it('Where broadcasts', async () => {
    const condition = {
      name: 'condition',
      shape: [3, 1],
      constant: { type: 'bool', dims: [3, 1], data: Uint8Array.of(1, 0, 1) } as const,
    };
    await checkNode({ op: 'Where', inputs: [condition, { name: 'X', shape: [2, 1, 4] }, { name: 'Z', shape: [4] }] });
  });

  // Truth: torch 1.13's clamp with tensor bounds; our bounds are scalars, so their gradients are summed.
  it('Clip passes the gradient at its bounds and gives the rest to them', async () => {
    const bounds = { min: { shape: [], data: [0] }, max: { shape: [], data: [1] } };
    const { dX, dmin, dmax } = await pullBack(
      'Clip',
      { X: [-1, -2, 0, 0.5, 1, 2, nan], ...bounds },
      [1, 1, 1, 1, 1, 7, 1],
    );
    expect(dX).toEqual([0, 0, 1, 1, 1, 0, 0]);
    expect([dmin, dmax]).toEqual([[2], [7]]);
  });

  it('Clip with crossed bounds gives all to max, which it then is', async () => {
    const bounds = { min: { shape: [], data: [1] }, max: { shape: [], data: [0] } };
    const { Y, dX, dmin, dmax } = await pullBack('Clip', { X: [-1, 0.5, 2], ...bounds }, undefined);
    expect(Y).toEqual([0, 0, 0]);
    expect([dX, dmin, dmax]).toEqual([[0, 0, 0], [0], [3]]);
  });

  it('Clip with one bound, or none', async () => {
    const { dX, dmax } = await pullBack('Clip', { X: [-5, 5], min: null, max: { shape: [], data: [1] } }, undefined);
    expect([dX, dmax]).toEqual([[1, 0], [1]]);
    expect((await pullBack('Clip', { X: [-5, 5], min: { shape: [], data: [0] } }, [inf, 1])).dX).toEqual([0, 1]);
    expect((await pullBack('Clip', { X: [-5, 1e300] }, undefined)).dX).toEqual([1, 1]);
  });

  it('Mod counts whole quotients', async () => {
    const attributes = { fmod: 1 };
    const { dA, dB } = await pullBack('Mod', { A: [5.3, -5.3], B: [2, 2] }, undefined, { attributes });
    expect([dA, dB]).toEqual([
      [1, 1],
      [-2, 2],
    ]);
  });
});

describe('copies', () => {
  it('Cast returns the gradient in the input’s type', async () => {
    const { dX } = await pullBack('Cast', { X: { shape: [2], data: [1, 2], type: 'float32' } }, [3, 4], {
      attributes: { to: 11 },
    });
    expect(dX).toEqual([3, 4]);
  });

  it('Identity and Neg', async () => {
    await checkNode({ op: 'Identity', inputs: [{ name: 'X', shape: [2, 3] }] });
    await checkNode({ op: 'Neg', inputs: [{ name: 'X', shape: [2, 3] }] });
  });

  it('CastLike gives its target nothing', async () => {
    const { dX, dT } = await pullBack('CastLike', { X: [1, 2], T: { shape: [1], data: [1], type: 'float32' } }, [3, 4]);
    expect([dX, dT]).toEqual([[3, 4], [0]]);
  });
});

describe('Dropout', () => {
  const X = Array.from({ length: 64 }, (_, i) => (i % 5 === 0 ? 0 : i - 20));
  const training = { shape: [], data: [1], type: 'bool' as const, constant: true };

  it.each([
    { kept: ['Y', 'mask'], ratio: 0.5, name: 'with its mask kept' },
    { kept: ['Y'], ratio: 0.25, name: 'whose mask the model does not keep' },
  ])('in training $name drops what the forward pass dropped', async ({ kept, ratio }) => {
    const inputs = { X, ratio: { shape: [], data: [ratio], constant: true }, training };
    const dY = X.map((_, i) => (i === 7 ? inf : i + 1));
    const { Y, dX, outputs } = await pullBack('Dropout', inputs, dY, { outputs: kept, attributes: { seed: 3 } });
    const mask = outputs[1]?.data;
    let dropped = 0;
    X.forEach((x, i) => {
      if (x === 0 && !mask) return;
      const isKept = mask ? mask[i] === 1 : Y[i] !== 0;
      if (!isKept) dropped++;
      expect(dX![i]).toBeCloseTo(isKept ? dY[i]! / (1 - ratio) : 0, 10);
    });
    expect(dropped).toBeGreaterThan(5);
    expect(dropped).toBeLessThan(50);
  });

  it('is the identity outside training and with ratio 0', async () => {
    const dY = X.map((_, i) => i);
    expect((await pullBack('Dropout', { X }, dY)).dX).toEqual(dY);
    const noRatio = { X, ratio: { shape: [], data: [0], constant: true }, training };
    expect((await pullBack('Dropout', noRatio, dY)).dX).toEqual(dY);
  });

  it('follows training_mode and ratio given as inputs of the model', async () => {
    for (const mode of [0, 1]) {
      const inputs = {
        X: X.map((x) => x + 0.5),
        ratio: { shape: [], data: [0.25], type: 'float32' as const },
        training: { shape: [], data: [mode], type: 'bool' as const },
      };
      const constantRatio = { ...inputs, ratio: { ...inputs.ratio, constant: true } };
      const { Y, dX } = await pullBack('Dropout', constantRatio, undefined, { attributes: { seed: 1 } });
      const expected = Y.map((y) => (y === 0 ? 0 : mode ? 4 / 3 : 1));
      expect(dX!.map((d) => d.toFixed(9))).toEqual(expected.map((d) => d.toFixed(9)));
    }
  });
});
