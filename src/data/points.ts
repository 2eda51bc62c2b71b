import { createRandom, type Random } from '../random/random.ts';

/** Labelled points: `points` is row-major [size, features]. */
export interface Points {
  points: Float32Array;
  labels: number[];
  /** How they were drawn, in words. */
  detail: string;
}

const NOISE = 0.1;

/**
 * Two concentric rings: scikit-learn's make_circles(n, factor=0.5, noise=0.1). Outer ring radius 1, label 0;
 * inner ring, label 1; angles evenly spaced, rows shuffled.
 */
export function drawCircles(size: number, seed: number): Points {
  const random = createRandom(seed).fork('circles');
  const outer = Math.floor(size / 2);
  const factor = 0.5;
  return collect(size, 2, random, `rings of radius 1 and ${factor}, noise ${NOISE}`, (i) => {
    const label = i < outer ? 0 : 1;
    const [radius, angle] =
      label === 0 ? [1, (2 * Math.PI * i) / outer] : [factor, (2 * Math.PI * (i - outer)) / (size - outer)];
    const x = radius * Math.cos(angle) + NOISE * random.normal();
    return { label, point: [x, radius * Math.sin(angle) + NOISE * random.normal()] };
  });
}

/**
 * One spiral arm per class, as in Stanford's CS231n notes: radius r from 0 to 1 along the arm, angle
 * 2πk/classes + 4r + 0.2·normal.
 */
export function drawSpirals(size: number, classes: number, seed: number): Points {
  const random = createRandom(seed).fork('spirals');
  return collect(size, 2, random, `${classes} arms of 4 radians, angular noise 0.2`, (i) => {
    const label = i % classes;
    const onArm = Math.ceil((size - label) / classes);
    const radius = onArm > 1 ? Math.floor(i / classes) / (onArm - 1) : 0.5;
    const angle = (2 * Math.PI * label) / classes + 4 * radius + 0.2 * random.normal();
    return { label, point: [radius * Math.sin(angle), radius * Math.cos(angle)] };
  });
}

/**
 * One Gaussian per class: centres standard normal in every feature, points around them with deviation 0.5. Centres
 * are the same for every seed, so that another seed draws another batch of the same problem.
 */
export function drawBlobs(size: number, features: number, classes: number, seed: number): Points {
  const random = createRandom(seed).fork('blobs');
  const spread = 0.5;
  const order = random.fork('classes').shuffle(Int32Array.from({ length: classes }, (_, k) => k));
  const centres = Array.from({ length: Math.min(size, classes) }, (_, i) => {
    const place = createRandom(0).fork(`centre of blob ${order[i]}`);
    return Float64Array.from({ length: features }, place.normal);
  });
  return collect(size, features, random, `${classes} Gaussians, deviation ${spread}`, (i) => {
    const centre = centres[i % classes]!;
    return { label: order[i % classes]!, point: centre.map((c) => c + spread * random.normal()) };
  });
}

// Sines and cosines may differ in the last bit between engines: rounding to float32 hides it.
function collect(
  size: number,
  features: number,
  random: Random,
  detail: string,
  draw: (i: number) => { label: number; point: ArrayLike<number> },
): Points {
  const rows = random.fork('order').shuffle(Int32Array.from({ length: size }, (_, i) => i));
  const points = new Float32Array(size * features);
  const labels = new Array<number>(size);
  for (let i = 0; i < size; i++) {
    const { label, point } = draw(i);
    points.set(point, rows[i]! * features);
    labels[rows[i]!] = label;
  }
  return { points, labels, detail };
}
