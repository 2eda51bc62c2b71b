/** What JSON holds, with NaN and infinities among its numbers. */
export type JsonValue =
  | number
  | string
  | boolean
  | null
  | undefined
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

const special = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
]);

/** JSON in which numbers that are not finite are the strings "NaN", "Infinity" and "-Infinity". */
export function encodeJson(value: JsonValue, space?: number): string {
  return JSON.stringify(
    value,
    (_, inner) => (typeof inner === 'number' && !Number.isFinite(inner) ? String(inner) : inner),
    space,
  );
}

/** Reads what `encodeJson` wrote: those three strings become numbers again. Throws SyntaxError. */
export function decodeJson(text: string): JsonValue {
  return JSON.parse(text, (_, inner) => (typeof inner === 'string' ? (special.get(inner) ?? inner) : inner));
}
