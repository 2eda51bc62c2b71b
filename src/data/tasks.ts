import { createRandom } from '../random/random.ts';

/** How many symbols the copy task is to remember. */
export const COPY_SYMBOLS = 10;
/** Symbols to remember are 0 … 7; 8 is the blank, 9 says "now". */
const BLANK = 8;
const GO = 9;
export const COPY_ALPHABET = 10;

/**
 * One example of the adding problem (Hochreiter & Schmidhuber 1997, in the form of Le et al. 2015): writes
 * `length` steps of [uniform in [0, 1), 1 where marked]; returns the sum of the two marked numbers. One mark lies in each
 * half (Arjovsky et al. 2016). Always answering 1 has a mean squared error of 1/6.
 */
export function writeAdding(out: Float32Array, at: number, length: number, seed: number, row: number): number {
  const random = createRandom(seed).fork(`adding ${row}`);
  const half = Math.floor(length / 2);
  const marks = [random.below(half), half + random.below(length - half)];
  let sum = 0;
  for (let t = 0; t < length; t++) {
    const value = Math.fround(random.uniform());
    const marked = marks.includes(t);
    out[at + 2 * t] = value;
    out[at + 2 * t + 1] = marked ? 1 : 0;
    if (marked) sum += value;
  }
  return sum;
}

/**
 * One example of the copy task (Arjovsky et al. 2016): ten symbols of 0 … 7, T − 1 blanks, a 9, ten blanks; wanted are
 * T + 10 blanks and then the ten symbols. Length is T + 20. Answering without memory costs 10 ln 8 / (T + 20).
 */
export function copyExample(blanks: number, seed: number, row: number): { input: Uint8Array; target: Uint8Array } {
  const random = createRandom(seed).fork(`copy ${row}`);
  const length = blanks + 2 * COPY_SYMBOLS;
  const input = new Uint8Array(length).fill(BLANK);
  const target = new Uint8Array(length).fill(BLANK);
  for (let i = 0; i < COPY_SYMBOLS; i++) {
    const symbol = random.below(8);
    input[i] = symbol;
    target[length - COPY_SYMBOLS + i] = symbol;
  }
  input[COPY_SYMBOLS + blanks - 1] = GO;
  return { input, target };
}

/** The one order of pixels in which permuted MNIST is read (Le et al. 2015): fixed, whatever the seed. */
export function pixelOrder(count: number): Uint32Array {
  return createRandom(0)
    .fork('pixel order')
    .shuffle(Uint32Array.from({ length: count }, (_, i) => i));
}
