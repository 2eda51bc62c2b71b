import {
  type Initialization,
  initializationNamed,
  initializationNames,
  schemeAliases,
} from '../../random/initializers.ts';
import { type Path, quote, type SpecDocument, specError } from './document.ts';
import { number, oneOf, positive } from './schema.ts';
import { type OptionSet, readTagged } from './tagged.ts';

const scaled: OptionSet = {
  main: 'gain',
  options: { gain: number.optional(), mode: oneOf('fan-in', 'fan-out', 'fan-avg').optional() },
};
const gaussian: OptionSet = { main: 'std', options: { mean: number.optional(), std: positive.optional() } };
const gainOnly: OptionSet = { main: 'gain', options: { gain: number.optional() } };

const kinds: Record<string, OptionSet> = {
  zeros: { options: {} },
  ones: { options: {} },
  'pytorch-default': { options: {} },
  constant: { main: 'value', options: { value: number } },
  normal: gaussian,
  'truncated-normal': gaussian,
  uniform: { main: 'limit', options: { limit: positive.optional(), low: number.optional(), high: number.optional() } },
  orthogonal: gainOnly,
  'delta-orthogonal': gainOnly,
  identity: gainOnly,
  ...Object.fromEntries(
    initializationNames.filter((name) => /^(glorot|he|lecun)-/.test(name)).map((name) => [name, scaled]),
  ),
};

/** Schemes that need no fans: what a bias may be drawn with. */
const forBias = ['zeros', 'ones', 'constant', 'normal', 'truncated-normal', 'uniform', 'pytorch-default'];

/**
 * Reads a scheme: a name (`he`), a name with options (`{normal: 0.01}`, `{he: {gain: 2, mode: fan-out}}`), or a number
 * for a constant. Throws ReaderError.
 */
export function readInitialization(
  document: SpecDocument,
  raw: unknown,
  path: Path,
  purpose: 'weights' | 'bias',
): Initialization {
  if (typeof raw === 'number' && Number.isFinite(raw)) return { scheme: 'constant', value: raw };
  const {
    kind,
    options,
    path: place,
    at,
  } = readTagged(document, raw, path, {
    noun: 'initialization',
    kinds,
    aliases: schemeAliases,
  });
  if (purpose === 'bias' && !forBias.includes(kind)) {
    throw specError(document, place, `expected a scheme for a bias, found ${quote(kind)}`, {
      hint: `known: ${forBias.join(', ')}, or a number`,
      at,
    });
  }
  if (kind === 'constant' && options.value === undefined) {
    throw specError(document, place, 'expected {constant: number}', { at });
  }
  if (kind !== 'uniform') return { ...initializationNamed(kind), ...options, scheme: kind } as Initialization;
  const { limit, low, high } = options as Record<'limit' | 'low' | 'high', number | undefined>;
  if (limit !== undefined) return { scheme: 'uniform', low: -limit, high: limit };
  const range = { low: low ?? -0.05, high: high ?? 0.05 };
  if (range.low > range.high) {
    const message = `expected "low" to be below "high", found ${range.low} and ${range.high}`;
    throw specError(document, place, message, { at });
  }
  return { scheme: 'uniform', ...range };
}

/** Values written out: nested lists of numbers, and where they stand. */
export interface Values {
  readonly raw: unknown;
  readonly path: Path;
}

/** Flattens nested lists to row-major numbers. Throws ReaderError at the first list or number that does not fit. */
export function valuesOf(document: SpecDocument, values: Values, dims: readonly number[], owner: string): Float64Array {
  const flat: number[] = [];
  const shape = `[${dims.join(', ')}]`;
  const walk = (raw: unknown, path: Path, axis: number): void => {
    if (axis === dims.length) {
      if (typeof raw !== 'number')
        throw specError(document, path, `expected a number in ${owner}, found ${quote(raw)}`);
      flat.push(raw);
      return;
    }
    if (!Array.isArray(raw) || raw.length !== dims[axis]) {
      const found = Array.isArray(raw) ? `${raw.length}` : quote(raw);
      const message = `expected a list of ${dims[axis]} for ${owner} of shape ${shape}, found ${found}`;
      throw specError(document, path, message, { code: 'spec-shape' });
    }
    raw.forEach((entry, i) => {
      walk(entry, [...path, i], axis + 1);
    });
  };
  walk(values.raw, values.path, 0);
  return Float64Array.from(flat);
}
