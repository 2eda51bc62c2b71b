import { clean, shorten } from './text.ts';

/** How much is told: where a comment would be too long, the next level is tried. */
export interface Detail {
  readonly rows: number;
  readonly nodes: number;
  readonly findings: number;
  /** Characters of a sentence. */
  readonly text: number;
  readonly notes: number;
}

/** What the report cannot know of itself. */
export interface MarkdownOptions {
  /** Version of this program, for who wants to reproduce the report. */
  readonly version?: string;
}

/** Characters that begin markup in GitHub's Markdown or in HTML, as references that are text everywhere but in code spans. */
const references = /[&<>|\\`*~[\]]/g;
/** What GitHub turns into links, mentions and pictures after rendering: a comment in between is seen by no reader. */
const triggers = /@|#(?=\w)|:(?=[\w+-]+:|\/\/)|\bGH-(?=\d)|\bwww(?=\.)/gi;
/** A code span of these holds no backtick to end it, no `|` to end a table's cell, and nothing a reader would trip over. */
const plainName = /^[\p{L}\p{N}_.:/()+=,@#'′…-](?:[\p{L}\p{N} _.:/()+=,@#'′…-]*[\p{L}\p{N}_.:/()+=,@#'′…-])?$/u;
const LONGEST_NAME = 80;

/**
 * A stranger's text as one line of Markdown that reads as it is written: no markup, no HTML, no links, no mentions, no
 * issue numbers, also within a table. It must not stand at the start of a line. At most `most` cells.
 */
export function escapeMarkdown(text: string, most = 2000): string {
  return shorten(clean(text), most)
    .trim()
    .replace(triggers, '$&\0')
    .replace(references, (char) => `&#${char.charCodeAt(0)};`)
    .replace(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, '&#95;')
    .replaceAll('$', '<span>$</span>')
    .replaceAll('\0', '<!-- -->');
}

/** A name as code, also within a table. */
export function codeName(name: string, most = LONGEST_NAME): string {
  const shown = shorten(clean(name), most).trim();
  if (shown === '') return '(no name)';
  return plainName.test(shown) ? `\`${shown}\`` : `<code>${escapeMarkdown(shown, most)}</code>`;
}

/** A block of code on its own lines, fenced by more backticks than it holds. */
export function codeBlock(text: string, language: string): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(Math.max(3, longest + 1));
  return `${fence}${language}\n${text.trimEnd()}\n${fence}`;
}

/** A table. Cells must be escaped; columns after the first are numbers where `numeric` says so. */
export function markdownTable(
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  numeric: readonly number[] = [],
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = columns.map((_, i) => (numeric.includes(i) ? '--:' : '---'));
  return [line(columns), line(rule), ...rows.map(line)].join('\n');
}

/** What opens by a click. The summary is HTML: no stranger's text may stand in it. */
export function folded(summary: string, body: string): string {
  return `<details><summary>${summary}</summary>\n\n${body}\n\n</details>`;
}
