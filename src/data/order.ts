import { DataError } from '../graph/errors.ts';
import { createRandom, type Random } from '../random/random.ts';

/** A list of row numbers that may be too long to hold. */
export interface Rows {
  readonly count: number;
  /** The row at place i, 0 ≤ i < count. */
  at(i: number): number;
}

/** Rows up to which a permutation is held in memory: 4 MB. */
const HELD = 2 ** 20;
/** Four rounds of a Feistel network make a pseudorandom permutation (Luby & Rackoff 1988); two more cost nothing here. */
const ROUNDS = 6;

/** All rows in their order. */
export function allRows(count: number): Rows {
  return { count, at: (i) => i };
}

/**
 * The numbers below `count` in an order drawn from a seed and a label: a shuffle up to 2^20, beyond it a Feistel network
 * that is walked until it lands below `count` again (Black & Rogaway 2002), in constant memory. `count` ≤ 2^52.
 */
export function permuted(count: number, seed: number, label: string): Rows {
  const random = createRandom(seed).fork(`order ${label}`);
  if (count > HELD) return feistel(count, random);
  const order = random.shuffle(Uint32Array.from({ length: count }, (_, i) => i));
  return { count, at: (i) => order[i]! };
}

/** Permutation of the numbers below `count` in constant memory; exported for tests. */
export function feistel(count: number, random: Random): Rows {
  const bits = Math.max(1, Math.ceil(Math.log2(Math.max(2, count)) / 2));
  const half = 2 ** bits;
  const keys = Uint32Array.from({ length: 2 * ROUNDS }, () => random.below(2 ** 32));
  const once = (x: number): number => {
    let left = Math.floor(x / half);
    let right = x % half;
    for (let round = 0; round < ROUNDS; round++) {
      const mixed = mix(right ^ keys[2 * round]!, keys[2 * round + 1]!);
      [left, right] = [right, (left ^ mixed) & (half - 1)];
    }
    return left * half + right;
  };
  return {
    count,
    at: (i) => {
      // The domain is at most four times count: the walk takes fewer than four steps on average.
      let x = once(i);
      while (x >= count) x = once(x);
      return x;
    },
  };
}

/** MurmurHash3's fmix32 with a key between its multiplications. */
function mix(x: number, key: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) + key;
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** All but some rows; `left` sorted upwards. */
export function without(count: number, left: readonly number[]): Rows {
  if (left.length === 0) return allRows(count);
  return {
    count: count - left.length,
    at: (i) => {
      // left[k] − k rows stand before left[k]: row = i + the number of k with left[k] − k ≤ i.
      let low = 0;
      let high = left.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (left[middle]! - middle <= i) low = middle + 1;
        else high = middle;
      }
      return i + low;
    },
  };
}

/** Rows apart for training and for validation. */
export interface Split {
  readonly training: Rows;
  readonly validation: Rows;
}

/**
 * Sets a fraction of the rows aside by seed, the nearest whole number of them; with labels, that fraction of each class.
 * Throws DataError where nothing is left to train on or to validate with.
 */
export function splitRows(rows: Rows, fraction: number, seed: number, labels?: ArrayLike<number>): Split {
  if (!(fraction >= 0 && fraction < 1)) {
    throw new DataError(`a validation split of ${fraction} is not possible`, {
      code: 'split',
      hint: 'a fraction from 0 up to, not including, 1',
    });
  }
  if (fraction === 0) return { training: rows, validation: { count: 0, at: (i) => i } };
  const order = permuted(rows.count, seed, 'split');
  const split = labels ? stratified(rows, order, fraction, labels) : plain(rows, order, fraction);
  if (split.training.count > 0 && split.validation.count > 0) return split;
  const empty = split.training.count === 0 ? 'to train on' : 'to validate with';
  throw new DataError(`a validation split of ${fraction} of ${rows.count} rows leaves none ${empty}`, {
    code: 'split',
  });
}

function plain(rows: Rows, order: Rows, fraction: number): Split {
  const held = Math.round(fraction * rows.count);
  const part = (from: number, count: number): Rows => ({ count, at: (i) => rows.at(order.at(from + i)) });
  return { validation: part(0, held), training: part(held, rows.count - held) };
}

function stratified(rows: Rows, order: Rows, fraction: number, labels: ArrayLike<number>): Split {
  const counts = new Map<number, number>();
  for (let i = 0; i < rows.count; i++) {
    const label = labels[rows.at(i)]!;
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const open = new Map([...counts].map(([label, count]) => [label, Math.round(fraction * count)]));
  const held = [...open.values()].reduce((sum, count) => sum + count, 0);
  const validation = new Uint32Array(held);
  const training = new Uint32Array(rows.count - held);
  let [v, t] = [0, 0];
  for (let i = 0; i < rows.count; i++) {
    const row = rows.at(order.at(i));
    const left = open.get(labels[row]!)!;
    if (left > 0) {
      validation[v++] = row;
      open.set(labels[row]!, left - 1);
    } else training[t++] = row;
  }
  const list = (held: Uint32Array): Rows => ({ count: held.length, at: (i) => held[i]! });
  return { training: list(training), validation: list(validation) };
}
