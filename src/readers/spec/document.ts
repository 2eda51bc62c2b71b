import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml';
import { ReaderError } from '../../graph/errors.ts';

/** Keys and positions from the top of a spec down to one of its values. */
export type Path = readonly (string | number)[];

/** A spec as plain data, with the place of each of its values. */
export interface SpecDocument {
  readonly value: unknown;
  /** Where a value stands: `file.yaml:7:12`, or `layers[2].dense.units` when there is no text. */
  where(path: Path, at?: 'key' | 'value'): string;
}

/** Longest text read: specs are typed by hand, but may carry explicit weights. */
const LONGEST_TEXT = 16 * 2 ** 20;
/** How often aliases may expand before the text counts as an attack. */
const MOST_ALIASES = 1000;

/** Parses YAML (hence JSON). Throws ReaderError with line and column. */
export function parseText(text: string, file: string): SpecDocument {
  if (text.length > LONGEST_TEXT) {
    throw new ReaderError(`expected a spec of at most ${LONGEST_TEXT} characters, found ${text.length}`, {
      code: 'spec-too-large',
      where: file,
    });
  }
  const lineCounter = new LineCounter();
  const placeOf = (offset: number) => {
    const { line, col } = lineCounter.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const syntaxError = (message: string, where: string, cause: unknown) =>
    new ReaderError(`expected YAML or JSON: ${message}`, { code: 'spec-syntax', where, cause });

  let parsed: ReturnType<typeof parseDocument>;
  let value: unknown;
  try {
    parsed = parseDocument(text, { lineCounter, prettyErrors: false });
    const fault = parsed.errors[0];
    if (fault) throw syntaxError(fault.message, placeOf(fault.pos[0]), fault);
    value = parsed.toJS({ maxAliasCount: MOST_ALIASES });
  } catch (cause) {
    if (cause instanceof ReaderError) throw cause;
    // Excessive aliases, an alias without an anchor, or nesting too deep for the parser's stack.
    throw syntaxError(cause instanceof Error ? cause.message : String(cause), file, cause);
  }
  return {
    value,
    where(path, at = 'value') {
      const offset = offsetOf(parsed, path, at);
      return offset === undefined ? file : placeOf(offset);
    },
  };
}

/** Plain data as a document; places are paths. */
export function plainDocument(value: unknown): SpecDocument {
  return {
    value,
    where: (path) =>
      path.reduce<string>(
        (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text === '' ? step : `${text}.${step}`),
        '',
      ) || 'spec',
  };
}

/** Offset of the value at a path, or of its key; of the innermost container that exists when the path ends early. */
function offsetOf(parsed: ReturnType<typeof parseDocument>, path: Path, at: 'key' | 'value'): number | undefined {
  let node: unknown = parsed.contents;
  let key: unknown;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(parsed);
    let next: unknown;
    if (isMap(node)) {
      const pair = (node.items as Pair[]).find((item) => isScalar(item.key) && String(item.key.value) === String(step));
      if (!pair) break;
      key = pair.key;
      next = pair.value ?? pair.key;
    } else if (isSeq(node)) {
      key = undefined;
      next = node.items[Number(step)];
    }
    if (next === undefined) break;
    node = next;
  }
  const target = at === 'key' ? (key ?? node) : node;
  return (target as Node | null)?.range?.[0];
}

/** A value as it would be typed, shortened. */
export function quote(value: unknown): string {
  if (value === undefined) return 'nothing';
  let text: string | undefined;
  try {
    text = JSON.stringify(value, (_, item) =>
      typeof item === 'bigint' || (typeof item === 'number' && !Number.isFinite(item)) ? String(item) : item,
    );
  } catch {
    // A cycle, in an object that is no parsed text.
  }
  text ??= String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** An error about the value at a path. */
export function specError(
  document: SpecDocument,
  path: Path,
  message: string,
  { hint, at, code = 'spec-value' }: { hint?: string; at?: 'key' | 'value'; code?: string } = {},
): ReaderError {
  return new ReaderError(message, { code, where: document.where(path, at), hint });
}
