import type { Missing } from '../data/index.ts';
import { suggest } from '../graph/did-you-mean.ts';
import { UsageError } from '../graph/errors.ts';
import { parseInitialWeights } from '../random/parse-initialization.ts';

/** A parser of whole numbers from `low` to `high` for the option of this name. Throws UsageError. */
export function wholeNumber(option: string, low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
    if (value >= low && value <= high) return value;
    throw unfit(option, text, `a whole number from ${low} to ${high}`);
  };
}

/** A parser of finite numbers above zero, in any notation JavaScript reads (0.01, 1e-2). Throws UsageError. */
export function positiveNumber(option: string): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value > 0 && Number.isFinite(value)) return value;
    throw unfit(option, text, 'a number above 0, such as 0.01 or 1e-2');
  };
}

/** A parser of finite numbers of zero or more. Throws UsageError. */
export function nonNegativeNumber(option: string): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= 0 && Number.isFinite(value)) return value;
    throw unfit(option, text, 'a number of 0 or more, such as 0.01');
  };
}

/** A parser of parts of a whole: 0 up to, not including, 1. Throws UsageError. */
export function fractionNumber(option: string): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= 0 && value < 1) return value;
    throw unfit(option, text, 'a part of the whole: 0 or more, below 1, such as 0.2');
  };
}

/** A parser of one of some words. Throws UsageError with the nearest. */
export function oneOf<T extends string>(option: string, words: readonly T[]): (text: string) => T {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    throw unfit(option, text, suggest(text, words, 'accepted'));
  };
}

/** What `--init` takes, for help. */
export const initHelp = 'weights: keep, lsuv, fixup, or drawn anew: he, glorot, orthogonal, … (default: keep)';

/** Checks the name of a scheme before anything is read. Throws UsageError. */
export function initialWeights(text: string): string {
  parseInitialWeights(text);
  return text;
}

/** What `--missing` takes. */
export const missingRows = oneOf<Missing>('--missing', ['error', 'leave-out']);

/** Collects the values of a repeated option. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

function unfit(option: string, text: string, hint: string): UsageError {
  const expected = hint.startsWith('a ') ? `expected ${hint}` : hint;
  return new UsageError(`"${text}" is not possible`, { code: 'option-value', where: option, hint: expected });
}
