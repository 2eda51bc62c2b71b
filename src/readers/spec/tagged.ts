import { z } from 'zod';
import { suggest } from '../../graph/did-you-mean.ts';
import { type Path, quote, type SpecDocument, specError } from './document.ts';

/** A kind of thing a spec can name (a layer, an activation, a scheme, an optimizer) and what may be said of it. */
export interface OptionSet {
  /** The option meant when only a value is given: `dense: 100` is `dense: {units: 100}`. */
  readonly main?: string;
  readonly options: z.ZodRawShape;
}

/** A named thing with its options, checked. */
export interface Tagged {
  readonly kind: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly path: Path;
  /** Whether its name is the key at that path, or the value. */
  readonly at: 'key' | 'value';
  /** Where an option was given; the thing's own place when it was not. */
  pathOf(option: string): Path;
}

/** What may be named at a place. */
export interface Vocabulary {
  /** "layer", "activation": for messages. */
  readonly noun: string;
  readonly kinds: Readonly<Record<string, OptionSet>>;
  readonly aliases?: Readonly<Record<string, string>>;
  /** Options of every kind. */
  readonly common?: z.ZodRawShape;
}

interface Given {
  readonly value: unknown;
  readonly path: Path;
}

/**
 * Reads `name`, `{name: value}`, `{name: {option: value}}` or `{name: value, option: value}`.
 * Throws ReaderError for unknown names and options and for values that do not fit.
 */
export function readTagged(document: SpecDocument, value: unknown, path: Path, vocabulary: Vocabulary): Tagged {
  const { noun, kinds, aliases = {}, common = {} } = vocabulary;
  const names = [...Object.keys(kinds), ...Object.keys(aliases)];
  const isKnown = (name: string) => Object.hasOwn(kinds, name) || Object.hasOwn(aliases, name);
  const unknown = (name: string, place: Path, at: 'key' | 'value') =>
    specError(document, place, `unknown ${noun} ${quote(name)}`, {
      hint: suggest(name, names),
      at,
      code: `spec-unknown-${noun}`,
    });

  if (typeof value === 'string') {
    if (!isKnown(value)) throw unknown(value, path, 'value');
    return finish(value, new Map());
  }
  if (!isRecord(value) || Object.keys(value).length === 0) {
    const article = /^[aeiou]/.test(noun) ? 'an' : 'a';
    throw specError(document, path, `expected ${article} ${noun}, found ${quote(value)}`, { hint: suggest('', names) });
  }

  const keys = Object.keys(value);
  const known = keys.filter(isKnown);
  // `repeat` and `dropout` are layers, and options of others: beside those they give way.
  const isOption = (key: string) =>
    known.some(
      (other) => other !== key && Object.hasOwn({ ...kinds[aliases[other] ?? other]!.options, ...common }, key),
    );
  const named = known.length > 1 ? known.filter((key) => !isOption(key)) : known;
  if (named.length > 1) {
    throw specError(document, [...path, named[1]!], `expected one ${noun}, found ${named.map(quote).join(' and ')}`, {
      hint: `give each ${noun} its own item, starting with "- "`,
      at: 'key',
    });
  }
  const tag = named[0];
  if (tag === undefined) throw unknown(keys[0]!, [...path, keys[0]!], 'key');

  const given = new Map<string, Given>();
  const set = kinds[aliases[tag] ?? tag]!;
  const content = value[tag];
  if (isRecord(content)) {
    for (const key of Object.keys(content)) given.set(key, { value: content[key], path: [...path, tag, key] });
  } else if (content !== null && content !== undefined) {
    if (set.main === undefined) {
      const options = Object.keys({ ...set.options, ...common });
      throw specError(document, [...path, tag], `expected no value for ${quote(tag)}, found ${quote(content)}`, {
        hint: `options, as {option: value}: ${options.join(', ')}`,
      });
    }
    given.set(set.main, { value: content, path: [...path, tag] });
  }
  for (const key of keys) {
    if (key === tag) continue;
    if (given.has(key)) {
      throw specError(document, [...path, key], `expected "${key}" once, found it twice`, { at: 'key' });
    }
    given.set(key, { value: value[key], path: [...path, key] });
  }
  return finish(tag, given);

  function finish(name: string, given: Map<string, Given>): Tagged {
    const kind = aliases[name] ?? name;
    const { options } = kinds[kind]!;
    const at = typeof value === 'string' ? 'value' : 'key';
    const place = at === 'value' ? path : [...path, name];
    return {
      kind,
      options: readOptions(document, { ...options, ...common }, given, name, place, at),
      path: place,
      at,
      pathOf: (option) => given.get(option)?.path ?? place,
    };
  }
}

/** Checks given options against their schemas. Throws ReaderError for the first that is unknown, missing or unfit. */
export function readOptions(
  document: SpecDocument,
  shape: z.ZodRawShape,
  given: ReadonlyMap<string, Given>,
  owner: string,
  place: Path,
  at: 'key' | 'value' = 'key',
): Record<string, unknown> {
  const known = Object.keys(shape);
  for (const [key, { path }] of given) {
    if (Object.hasOwn(shape, key)) continue;
    throw specError(document, path, `unknown option ${quote(key)} of ${quote(owner)}`, {
      hint: known.length > 0 ? suggest(key, known) : `${quote(owner)} has no options`,
      at: 'key',
      code: 'spec-unknown-option',
    });
  }
  const values = Object.fromEntries(Array.from(given, ([key, { value }]) => [key, value]));
  const result = z.object(shape).safeParse(values);
  if (result.success) return result.data as Record<string, unknown>;
  const issue = result.error.issues[0]!;
  const [option, ...rest] = issue.path as (string | number)[];
  const source = given.get(String(option));
  if (!source) {
    throw specError(document, place, `${quote(owner)} needs "${String(option)}": ${issue.message}`, { at });
  }
  const found = rest.reduce<unknown>((value, step) => (value as Record<string, unknown>)?.[step], source.value);
  const choices = 'values' in issue && Array.isArray(issue.values) ? issue.values.map(String) : undefined;
  const label = ['', ...rest].reduce<string>((text, step) => `${text}[${step}]`.replace('[]', ''), String(option));
  throw specError(document, [...source.path, ...rest], `${label}: ${issue.message}, found ${quote(found)}`, {
    hint: choices && typeof found === 'string' ? suggest(found, choices) : undefined,
  });
}

/** Whether a value is a mapping. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
