import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/** Seeded random numbers: the same seed gives the same numbers on every machine and engine. */
export interface Random {
  /** Uniform on [0, 1), a multiple of 2^-53. */
  uniform(): number;
  /** Standard normal. */
  normal(): number;
  /** Standard normal conditioned on |x| <= bound (default 2, as Keras and TensorFlow truncate); bound > 0. */
  truncatedNormal(bound?: number): number;
  /** Uniform integer in [0, n); n from 1 to 2^53 - 1. */
  below(n: number): number;
  /** Shuffles in place, every order equally likely, and returns the array. */
  shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T;
  /** A stream that depends on this one's seed and the label only, never on what has been drawn. */
  fork(label: string): Random;
}

/** A generator for a seed: xoroshiro128+ (Blackman & Vigna 2018), its state hashed from the seed. */
export function createRandom(seed: number): Random {
  return fromPath(String(seed));
}

function fromPath(path: string): Random {
  const generator = xoroshiro128plusFromState(hash128(path));
  let spare: number | undefined;

  const uniform = () => uniformFloat64(generator);

  // Marsaglia's polar method: x·√(−2 ln s / s), s = x² + y² < 1. Needs no sine, whose last bit differs by engine.
  const normal = (): number => {
    if (spare !== undefined) {
      const kept = spare;
      spare = undefined;
      return kept;
    }
    let x: number;
    let y: number;
    let s: number;
    do {
      x = 2 * uniform() - 1;
      y = 2 * uniform() - 1;
      s = x * x + y * y;
    } while (s >= 1 || s === 0);
    const scale = Math.sqrt((-2 * naturalLog(s)) / s);
    spare = y * scale;
    return x * scale;
  };

  const below = (n: number): number => {
    if (!Number.isSafeInteger(n) || n < 1) throw new RangeError(`expected an integer of at least 1, got ${n}`);
    return uniformInt(generator, 0, n - 1);
  };

  return {
    uniform,
    normal,
    below,
    truncatedNormal(bound = 2) {
      if (!(bound > 0)) throw new RangeError(`expected a bound above 0, got ${bound}`);
      // Rejection from the uniform below 1, from the normal above: at least 68 % of draws are kept.
      for (;;) {
        if (bound >= 1) {
          const x = normal();
          if (Math.abs(x) <= bound) return x;
        } else {
          const x = bound * (2 * uniform() - 1);
          const u = uniform();
          if (u === 0 || 2 * naturalLog(u) <= -x * x) return x;
        }
      }
    },
    shuffle(items) {
      for (let i = items.length - 1; i > 0; i--) {
        const j = below(i + 1);
        const held = items[i];
        items[i] = items[j];
        items[j] = held;
      }
      return items;
    },
    fork: (label) => fromPath(`${path}\0${label}`),
  };
}

/** Four 32-bit lanes over UTF-16 units, each step finished as in MurmurHash3's fmix32; never all zero. */
function hash128(text: string): [number, number, number, number] {
  // The first lane constants of xxHash32: any distinct odd numbers serve.
  const lanes: [number, number, number, number] = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f];
  const absorb = (unit: number) => {
    for (let i = 0; i < 4; i++) lanes[i] = mix32((lanes[i]! ^ unit) + 0x9e3779b9 * (i + 1));
  };
  for (let i = 0; i < text.length; i++) absorb(text.charCodeAt(i));
  absorb(text.length);
  if ((lanes[0] | lanes[1] | lanes[2] | lanes[3]) === 0) lanes[0] = 1;
  return lanes;
}

function mix32(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}

const bits = new DataView(new ArrayBuffer(8));

/**
 * ln x for a normal x > 0 by FreeBSD msun's e_log.c, error below 1 ulp. Only + − × ÷, which IEEE 754 fixes to the
 * bit; Math.log may differ between engines in the last one.
 */
export function naturalLog(x: number): number {
  bits.setFloat64(0, x);
  const high = bits.getUint32(0);
  let exponent = (high >>> 20) - 1023;
  // m in [√2/2, √2)
  bits.setUint32(0, (high & 0xfffff) | 0x3ff00000);
  let m = bits.getFloat64(0);
  if (m >= Math.SQRT2) {
    m /= 2;
    exponent += 1;
  }
  const f = m - 1;
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const even = w * (0.3999999999940942 + w * (0.22222198432149784 + w * 0.15313837699209373));
  const odd = z * (0.6666666666666735 + w * (0.2857142874366239 + w * (0.1818357216161805 + w * 0.14798198605116586)));
  const halfSquare = 0.5 * f * f;
  const low = s * (halfSquare + even + odd) + exponent * 1.9082149292705877e-10;
  return exponent * 0.6931471803691238 - (halfSquare - low - f);
}
