/** A Python literal of the kinds a .npy header holds; tuples and lists become arrays, dicts become maps. */
export type Literal = string | number | boolean | null | Literal[] | Map<string, Literal>;

const DEEPEST = 16;

/**
 * Reads one Python literal: dict with string keys, tuple, list, string without escapes, integer, True, False, None.
 * Throws Error saying what was expected and where; nothing is evaluated.
 */
export function parseLiteral(text: string): Literal {
  let at = 0;
  const fail = (expected: string): never => {
    const found = at >= text.length ? 'the end' : `'${text.slice(at, at + 12)}'`;
    throw new Error(`expected ${expected} at character ${at + 1}, found ${found}`);
  };
  const skip = () => {
    while (at < text.length && ' \t\r\n\0'.includes(text[at]!)) at++;
  };
  const take = (token: string): boolean => {
    skip();
    if (!text.startsWith(token, at)) return false;
    at += token.length;
    return true;
  };
  const expect = (token: string) => take(token) || fail(`'${token}'`);

  const readString = (): string => {
    skip();
    const quote = text[at];
    if (quote !== "'" && quote !== '"') fail('a string');
    const end = text.indexOf(quote!, at + 1);
    if (end < 0) fail('a closed string');
    const content = text.slice(at + 1, end);
    if (content.includes('\\')) fail('a string without escapes');
    at = end + 1;
    return content;
  };

  const readValue = (depth: number): Literal => {
    if (depth > DEEPEST) fail('less nesting');
    if (take('{')) {
      const map = new Map<string, Literal>();
      while (!take('}')) {
        const key = readString();
        if (map.has(key)) fail(`the key '${key}' only once`);
        expect(':');
        map.set(key, readValue(depth + 1));
        if (!take(',')) {
          expect('}');
          break;
        }
      }
      return map;
    }
    if (take('(')) {
      const items = readItems(')', depth);
      // (3) is the number three, (3,) the tuple.
      return items.length === 1 && !/,\s*\)$/.test(text.slice(0, at)) ? items[0]! : items;
    }
    if (take('[')) return readItems(']', depth);
    if (take('True')) return true;
    if (take('False')) return false;
    if (take('None')) return null;
    // Python 2 wrote long integers with an L.
    const digits = /^-?\d+/.exec(text.slice(at, at + 24))?.[0];
    if (digits !== undefined) {
      at += digits.length;
      take('L');
      return Number(digits);
    }
    return readString();
  };

  const readItems = (close: string, depth: number): Literal[] => {
    const items: Literal[] = [];
    while (!take(close)) {
      items.push(readValue(depth + 1));
      if (!take(',')) {
        expect(close);
        break;
      }
    }
    return items;
  };

  const value = readValue(0);
  skip();
  if (at < text.length) fail('nothing more');
  return value;
}
