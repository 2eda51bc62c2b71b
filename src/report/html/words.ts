import { html, type Markup } from './escape.ts';
import { powerText } from './svg.ts';

/** A sentence begins with a capital letter, unless it begins with a name. */
export function sentence(text: string, names: readonly string[]): string {
  const word = /^[a-z]+(?=[ ,;:])/.exec(text)?.[0];
  if (word === undefined || names.some((name) => text.startsWith(name))) return text;
  return word[0]!.toUpperCase() + text.slice(1);
}

/** `10^-6.1` in a sentence as people write it. */
export function raised(sentence: string): Markup {
  const parts = sentence.split(/10\^([+-]?\d+(?:\.\d+)?)/);
  return html`${parts.map((part, i) => (i % 2 === 1 ? powerText(part) : part))}`;
}
