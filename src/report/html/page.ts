import { html, Markup } from './escape.ts';
import { style } from './style.ts';

/** Nothing is loaded and nothing runs: the page is read, on any machine, without a network. */
const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

export interface PageContent {
  readonly title: string;
  readonly header: Markup;
  readonly main: readonly Markup[];
  readonly footer: Markup;
}

/** One self-contained document. It is well-formed XML too, but for the doctype. */
export function document({ title, header, main, footer }: PageContent): string {
  return html`${new Markup('<!DOCTYPE html>\n')}<html lang="en"><head><meta charset="utf-8"/><meta http-equiv="Content-Security-Policy" content="${policy}"/><meta name="viewport" content="width=device-width, initial-scale=1"/><meta name="color-scheme" content="light dark"/><meta name="generator" content="gradient-doctor"/><title>${title}</title><style>${new Markup(style)}</style></head>
<body><header>${header}</header><main>${main}</main><footer>${footer}</footer></body></html>
`.text;
}
