import { type Content, html, type Markup } from './escape.ts';

/** Pixels of a picture on a wide page, and on a phone: 390 less the margins. */
export const WIDE = 900;
export const NARROW = 340;

/** A picture drawn twice, for wide pages and for narrow ones: text keeps its size, and each page shows one of them. */
export function bothWidths(draw: (width: number, narrow: boolean) => Markup): Markup {
  return html`<div class="wide">${draw(WIDE, false)}</div><div class="narrow">${draw(NARROW, true)}</div>`;
}

export interface Section {
  readonly id: string;
  readonly title: string;
  /** How to read it, in plain words. */
  readonly lead?: Content;
  readonly body: Content;
}

/** A part of the page under its heading. */
export function section({ id, title, lead, body }: Section): Markup {
  return html`<section id="${id}" aria-labelledby="${id}-h"><h2 id="${id}-h">${title}</h2>${lead !== undefined && lead !== '' && html`<p class="lead">${lead}</p>`}${body}</section>
`;
}

export interface TableColumn {
  readonly title: Content;
  /** Numbers stand right-aligned; a name does not. */
  readonly numeric?: boolean;
}

export interface TableOptions {
  readonly columns: readonly TableColumn[];
  readonly rows: readonly (readonly Content[])[];
}

/** A table in a box that scrolls by itself when it is wider than the page. */
export function table({ columns, rows }: TableOptions): Markup {
  const kind = (i: number) => (columns[i]?.numeric ? html` class="n"` : undefined);
  const head = columns.map(({ title }, i) => html`<th scope="col"${kind(i)}>${title}</th>`);
  const body = rows.map((row) => {
    const [first, ...rest] = row;
    return html`<tr><th scope="row"${kind(0)}>${first}</th>${rest.map((cell, i) => html`<td${kind(i + 1)}>${cell}</td>`)}</tr>`;
  });
  return html`<div class="scroll" tabindex="0"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

/** The numbers behind a picture, folded away. */
export function numbers(title: string, options: TableOptions, open = false): Markup {
  if (options.rows.length === 0) return html``;
  return html`<details${open && html` open=""`}><summary>${title}</summary>${table(options)}</details>`;
}

/** A stranger's name: whatever its direction, it leaves the text around it alone. */
export function name(text: string): Markup {
  return html`<bdi class="name">${text}</bdi>`;
}

export interface KeyEntry {
  readonly mark: 'line' | 'dash' | 'dot' | 'ring' | 'box';
  /** Class that gives the colour. */
  readonly paint: string;
  readonly text: Content;
}

/** The key of a picture. */
export function key(entries: readonly KeyEntry[]): Markup {
  const marks = {
    line: (paint: string) => html`<path class="${paint}" d="M0 6H18"/>`,
    dash: (paint: string) => html`<path class="${paint}" d="M0 6H18"/>`,
    dot: (paint: string) => html`<circle class="${paint}" cx="9" cy="6" r="3.5"/>`,
    ring: (paint: string) => html`<circle class="${paint}" cx="9" cy="6" r="3.5"/>`,
    box: (paint: string) => html`<rect class="${paint}" x="1" y="1" width="16" height="10" rx="2"/>`,
  };
  const shown = entries.map(
    ({ mark, paint, text }) =>
      html`<span><svg class="swatch" viewBox="0 0 18 12" width="18" height="12">${marks[mark](paint)}</svg><span>${text}</span></span>`,
  );
  return html`<p class="key">${shown}</p>`;
}
