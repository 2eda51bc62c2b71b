import { suggest } from '../graph/did-you-mean.ts';
import { UsageError } from '../graph/errors.ts';
import { type FanMode, type Initialization, initializationNamed, initializationNames } from './initializers.ts';

const modes: readonly string[] = ['fan-in', 'fan-out', 'fan-avg'];

/** Schemes for whole models, beside those for one tensor: keep its weights, scale by data, scale residual branches. */
export const modelSchemes = ['keep', 'lsuv', 'fixup'] as const;
export type ModelScheme = (typeof modelSchemes)[number];

/** `keep`, `lsuv`, `fixup`, or a scheme with its options. Throws UsageError. */
export function parseInitialWeights(text: string, where = '--init'): ModelScheme | Initialization {
  return modelSchemes.find((known) => known === text) ?? parseInitialization(text, where, modelSchemes);
}

/**
 * A scheme as one word, its options after a colon: `he`, `he:fan-out`, `glorot:1.67,fan-in` (a gain and which fan),
 * `normal:0.02` (the deviation), `uniform:0.1` (the limit), `constant:0.5`. Throws UsageError; `others` are names that
 * the caller knows beside these.
 */
export function parseInitialization(text: string, where = '--init', others: readonly string[] = []): Initialization {
  const [name = '', rest] = splitOnce(text, ':');
  const words = rest === undefined ? [] : rest.split(',');
  const mode = words.filter((word) => modes.includes(word));
  const numbers = words.filter((word) => !modes.includes(word));
  const wrong = (message: string, hint: string) => new UsageError(message, { code: 'initialization', where, hint });
  const value = numbers.length === 0 ? undefined : Number(numbers[0] || Number.NaN);
  if (numbers.length > 1 || mode.length > 1 || (value !== undefined && !Number.isFinite(value))) {
    throw wrong(
      `"${rest}" are no options of a scheme`,
      'a number, one of fan-in, fan-out, fan-avg, or both: he:1.4,fan-out',
    );
  }
  if (name === 'constant') {
    if (value === undefined) throw wrong('"constant" needs its value', 'constant:0.1');
    return { scheme: 'constant', value };
  }
  const scheme = initializationNamed(name);
  if (!scheme) {
    const known = [...others, 'constant', ...initializationNames];
    throw wrong(`unknown initialization "${name}"`, suggest(name, known, 'schemes'));
  }
  const scaled = /^(glorot|he|lecun)-/.test(scheme.scheme);
  if (mode.length > 0 && !scaled) throw wrong(`"${name}" counts no fans`, 'fans go with glorot, he and lecun');
  const fan = mode.length > 0 ? { mode: mode[0] as FanMode } : {};
  if (value === undefined) return { ...scheme, ...fan } as Initialization;
  switch (scheme.scheme) {
    case 'zeros':
    case 'ones':
    case 'pytorch-default':
      throw wrong(`"${name}" takes no number`, name);
    case 'uniform':
      return { scheme: 'uniform', low: -Math.abs(value), high: Math.abs(value) };
    case 'normal':
    case 'truncated-normal':
      if (value < 0) throw wrong(`a deviation of ${value} is not possible`, `${name}:0.02`);
      return { scheme: scheme.scheme, mean: 0, std: value };
    default:
      return { ...scheme, gain: value, ...fan } as Initialization;
  }
}

function splitOnce(text: string, at: string): [string, string | undefined] {
  const place = text.indexOf(at);
  return place < 0 ? [text, undefined] : [text.slice(0, place), text.slice(place + 1)];
}
