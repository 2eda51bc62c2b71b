/** From a range of numbers to pixels. */
export interface Scale {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
  /** Pixel of a finite number. */
  at(x: number): number;
}

/** A scale over given ends. */
export function linear(low: number, high: number, from: number, to: number, ticks: readonly number[] = []): Scale {
  const span = high - low || 1;
  return { low, high, ticks, at: (x) => from + ((x - low) / span) * (to - from) };
}

/** A scale for log₁₀ figures whose ends and ticks are whole decades, about `count` of them. */
export function decadeScale(low: number, high: number, from: number, to: number, count: number): Scale {
  const step = Math.max(1, niceStep((high - low) / count));
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  return linear(ticks[0]!, ticks.at(-1)!, from, to, ticks);
}

/** A scale with round ends, about `count` ticks. */
export function roundScale(low: number, high: number, from: number, to: number, count: number): Scale {
  const step = niceStep((high - low || Math.abs(high) || 1) / count);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  return linear(ticks[0]!, ticks.at(-1)!, from, to, ticks);
}

/** 1, 2 or 5 times a power of ten, not below `rough`. */
export function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= rough * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/** The least and the greatest of the finite numbers; undefined of none. */
export function extent(numbers: Iterable<number>): [number, number] | undefined {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const x of numbers) {
    if (!Number.isFinite(x)) continue;
    if (x < low) low = x;
    if (x > high) high = x;
  }
  return low <= high ? [low, high] : undefined;
}

/** Indices to label where `pitch` pixels lie between neighbours and a label needs `room`: evenly, both ends among them. */
export function thin(count: number, pitch: number, room: number): number[] {
  const step = Math.max(1, Math.ceil(room / pitch));
  const shown: number[] = [];
  for (let i = 0; i < count; i += step) shown.push(i);
  const last = count - 1;
  if (count > 1 && shown.at(-1) !== last) {
    if (last - shown.at(-1)! < step && shown.length > 1) shown.pop();
    shown.push(last);
  }
  return shown;
}
