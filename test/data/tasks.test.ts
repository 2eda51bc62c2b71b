import { describe, expect, it } from 'vitest';
import { makeBatch } from '../../src/data/batch.ts';
import { openNamed } from '../../src/data/data-sets.ts';
import { DataError } from '../../src/graph/errors.ts';
import type { Dim, ValueInfo } from '../../src/graph/graph.ts';
import { toNumbers } from '../../src/graph/tensor.ts';
import { loadDigit } from '../../src/runtime/node/mnist-files.ts';

const input = (shape?: Dim[], type: ValueInfo['type'] = 'float32'): ValueInfo => ({ name: 'x', type, shape });
const batchOf = (name: string, info: ValueInfo, size: number, output?: Dim[], seed = 0) =>
  makeBatch({ kind: 'named', name }, [info], {
    size,
    seed,
    output: output && { shape: output },
    loadDigits: loadDigit,
  });
const complain = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => new Error('nothing was thrown'),
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(DataError);
  return (error as DataError).describe();
};

describe('the adding problem', () => {
  it('wants the sum of the two marked numbers, one in each half', async () => {
    const { inputs, target, description } = await batchOf('adding:50', input(['N', null, 2]), 400, ['N', 1]);
    const x = inputs.get('x')!;
    expect(x.dims).toEqual([400, 50, 2]);
    expect(target).toMatchObject({ type: 'float32', dims: [400, 1] });
    expect(description.detail).toBe('400 synthetic sequences (adding:50, seed 0): sequences of 50 steps');
    const values = toNumbers(x);
    let sum = 0;
    let squares = 0;
    toNumbers(target!).forEach((wanted, n) => {
      const marked = Array.from({ length: 50 }, (_, t) => t).filter((t) => values[100 * n + 2 * t + 1] === 1);
      expect(marked).toHaveLength(2);
      expect(marked[0]! < 25 && marked[1]! >= 25).toBe(true);
      expect(wanted).toBeCloseTo(
        marked.reduce((total, t) => total + values[100 * n + 2 * t]!, 0),
        6,
      );
      sum += wanted;
      squares += (wanted - 1) ** 2;
    });
    // Two uniforms: mean 1, and always answering 1 costs 2/12; three deviations of 400 draws.
    expect(Math.abs(sum / 400 - 1)).toBeLessThan(3 * Math.sqrt(1 / 6 / 400));
    expect(Math.abs(squares / 400 - 1 / 6)).toBeLessThan(0.04);
  });

  it("takes its length from the model, and the model's time axis first", async () => {
    const own = await batchOf('adding', input(['N', 30, 2]), 3, ['N', 1]);
    expect(own.inputs.get('x')!.dims).toEqual([3, 30, 2]);
    const first = await batchOf('adding', input([30, 'batch', 2]), 3, ['batch', 1]);
    expect(first.inputs.get('x')!.dims).toEqual([30, 3, 2]);
    const [a, b] = [own, first].map(({ inputs }) => toNumbers(inputs.get('x')!)) as [number[], number[]];
    for (let n = 0; n < 3; n++) for (let t = 0; t < 30; t++) expect(b[2 * (3 * t + n)]).toBe(a[2 * (30 * n + t)]);
    expect(await complain(batchOf('adding:150', input(['N', 30, 2]), 3))).toMatch(
      /wants float32 \[N, 30, 2\], adding:150 comes/,
    );
    expect(await complain(batchOf('adding:x', input(['N', 30, 2]), 3))).toMatch(/"x" is not a whole number from 2/);
    expect(await complain(batchOf('adding', input(['N', 30, 2]), 3, ['N', 10]))).toMatch(/one number per sequence/);
    expect(await complain(batchOf('mnist:7', input(['N', 784]), 3))).toMatch(/mnist takes no parameter/);
    expect(await complain(batchOf('ading:7', input(['N', 784]), 3))).toMatch(/did you mean "adding"/);
  });

  it('streams the rows of its batch, and 100 000 more', async () => {
    const data = await openNamed('adding:20', [input(['N', null, 2])], { seed: 3 });
    expect(data.size).toBe(100_000);
    for await (const batch of data.batches({ batch: 64, shuffle: false })) {
      const drawn = await batchOf('adding:20', input(['N', null, 2]), 64, undefined, 3);
      expect(batch.inputs).toEqual(drawn.inputs);
      expect(batch.target).toEqual(drawn.target);
      break;
    }
  });
});

describe('the copy task', () => {
  it('wants the ten symbols again after the blanks (Arjovsky et al. 2016)', async () => {
    const { inputs, target } = await batchOf('copy:30', input(['N', null], 'int64'), 50, ['N', null, 10]);
    const x = toNumbers(inputs.get('x')!);
    const y = toNumbers(target!);
    expect(target).toMatchObject({ type: 'int64', dims: [50, 50] });
    const seen = new Set<number>();
    for (let n = 0; n < 50; n++) {
      const [given, wanted] = [x.slice(50 * n, 50 * n + 50), y.slice(50 * n, 50 * n + 50)];
      const symbols = given.slice(0, 10);
      for (const symbol of symbols) seen.add(symbol);
      expect(given).toEqual([...symbols, ...Array(29).fill(8), 9, ...Array(10).fill(8)]);
      expect(wanted).toEqual([...Array(40).fill(8), ...symbols]);
    }
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('comes one-hot where the model reads floats, and wants nine outputs at least', async () => {
    const floats = await batchOf('copy:5', input(['N', 25, 10]), 4, ['N', 25, 10]);
    const integers = await batchOf('copy:5', input(['N', 25], 'int32'), 4, ['N', 25, 10]);
    expect(floats.inputs.get('x')!.dims).toEqual([4, 25, 10]);
    const ids = toNumbers(integers.inputs.get('x')!);
    const x = toNumbers(floats.inputs.get('x')!);
    ids.forEach((id, i) => {
      expect(x.slice(10 * i, 10 * i + 10)).toEqual(Array.from({ length: 10 }, (_, k) => (k === id ? 1 : 0)));
    });
    expect(await complain(batchOf('copy', input(['N', 25, 10]), 4, ['N', 25, 4]))).toMatch(/copy has 9 classes/);
  });
});

describe('digits as sequences', () => {
  it('come by row and by pixel, the same digits', async () => {
    const flat = toNumbers((await batchOf('mnist', input(['N', 784]), 5)).inputs.get('x')!);
    const rows = (await batchOf('mnist-rows', input(['N', 28, 28]), 5)).inputs.get('x')!;
    expect(rows.dims).toEqual([5, 28, 28]);
    expect(toNumbers(rows)).toEqual(flat);
    const first = (await batchOf('mnist-rows', input([28, 'batch', 28]), 5)).inputs.get('x')!;
    expect(first.dims).toEqual([28, 5, 28]);
    expect(toNumbers(first).slice(28 * 5 * 14 + 28 * 2, 28 * 5 * 14 + 28 * 3)).toEqual(
      flat.slice(784 * 2 + 28 * 14, 784 * 2 + 28 * 15),
    );
    const pixels = (await batchOf('mnist-pixels', input(['N', 784, 1]), 5)).inputs.get('x')!;
    expect(toNumbers(pixels)).toEqual(flat);
  });

  it('come in one fixed order of pixels, whatever the seed', async () => {
    const orders = await Promise.all(
      [0, 1].map(async (seed) => {
        const plain = toNumbers(
          (await batchOf('mnist-pixels', input(['N', 784, 1]), 200, undefined, seed)).inputs.get('x')!,
        );
        const mixed = toNumbers(
          (await batchOf('mnist-pixels:permuted', input(['N', 784, 1]), 200, undefined, seed)).inputs.get('x')!,
        );
        expect(mixed).not.toEqual(plain);
        for (let n = 0; n < 200; n++) {
          expect(mixed.slice(784 * n, 784 * n + 784).sort()).toEqual(plain.slice(784 * n, 784 * n + 784).sort());
        }
        const key = (values: number[], p: number) => Array.from({ length: 200 }, (_, n) => values[784 * n + p]).join();
        const places = new Map(Array.from({ length: 784 }, (_, p) => [key(plain, p), p]));
        return Array.from({ length: 784 }, (_, p) => places.get(key(mixed, p)));
      }),
    );
    // Pixels that are always black cannot be told apart; the others are in the same order for both seeds.
    const same = orders[0]!.filter((p, i) => p === orders[1]![i]).length;
    expect(same).toBeGreaterThan(500);
  });
});

describe('points of any number', () => {
  it('stream', async () => {
    const data = await openNamed('spirals:300', [input(['N', 2])], {
      seed: 1,
      output: { shape: ['N', 3] },
      validation: 0.1,
    });
    expect([data.size, data.count('training'), data.count('validation')]).toEqual([300, 270, 30]);
    const labels = new Set<number>();
    for await (const { target } of data.batches({ batch: 27 }))
      for (const label of toNumbers(target!)) labels.add(label);
    expect(labels).toEqual(new Set([0, 1, 2]));
  });
});
