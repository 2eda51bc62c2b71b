import { clean } from '../text.ts';

/** Text that is markup already; only `html` makes it. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** What can stand in a template: markup as it is, everything else as text. Nothing for undefined and false. */
export type Content = Markup | string | number | undefined | false | readonly Content[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Markup from a template literal. Whatever is put in is a stranger's text: it becomes one harmless line (see `clean`) and
 * is escaped for elements and for quoted attributes, unless `html` made it.
 */
export function html(strings: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  let text = strings[0]!;
  contents.forEach((content, i) => {
    text += textOf(content) + strings[i + 1]!;
  });
  return new Markup(text);
}

function textOf(content: Content): string {
  if (content instanceof Markup) return content.text;
  if (content === undefined || content === false) return '';
  if (typeof content === 'number') return String(content);
  if (typeof content === 'string') return escaped(content);
  return content.map(textOf).join('');
}

function escaped(text: string): string {
  return clean(text).replace(/[&<>"']/g, (char) => entities[char]!);
}
