import { html, type Markup } from './escape.ts';
import { minus } from './svg.ts';

/** Decades from the output at which the colour changes; the fourth is where the rules raise an error. */
const edges = [0.5, 1, 2, 3, 4, 6, 10] as const;

/** The class of a gradient's size: `f0` as large as the output's, `d1`…`d7` smaller, `g1`…`g7` larger, `fz` zero, `fn` no number. */
export function decadeClass(decades: number): string {
  if (decades === Number.NEGATIVE_INFINITY) return 'fz';
  if (!Number.isFinite(decades)) return 'fn';
  // Shown figures have one digit: a colour must not differ where they do not.
  const size = Math.round(Math.abs(decades) * 10) / 10;
  const level = edges.filter((edge) => size >= edge).length;
  return level === 0 ? 'f0' : `${decades < 0 ? 'd' : 'g'}${level}`;
}

/** The key to the colours: only those in use, and their neighbours towards the middle. */
export function decadeLegend(used: ReadonlySet<string>): Markup {
  const down = edges.length - edges.findLastIndex((_, i) => used.has(`d${i + 1}`)) - 1;
  const up = edges.findLastIndex((_, i) => used.has(`g${i + 1}`)) + 1;
  const lower = edges.map((edge, i) => swatch(`d${i + 1}`, `≤ ${minus(String(-edge))}`)).reverse();
  const upper = edges.map((edge, i) => swatch(`g${i + 1}`, `≥ +${edge}`));
  return html`<p class="key" aria-hidden="true">${used.has('fz') && swatch('fz', 'exactly 0')}${lower.slice(down)}${swatch('f0', 'as the output')}${upper.slice(0, up)}${used.has('fn') && swatch('fn', 'NaN or ∞')}</p>`;
}

function swatch(name: string, text: string): Markup {
  return html`<span><svg class="swatch" viewBox="0 0 16 12" width="16" height="12"><rect class="${name}" x=".5" y=".5" width="15" height="11" rx="2"/></svg>${text}</span>`;
}

interface Ramps {
  /** Colour of the box and of the text in it. */
  readonly neutral: readonly [string, string];
  readonly decay: readonly string[];
  readonly growth: readonly string[];
  readonly ink: (level: number) => string;
}

/** Blues and Oranges of ColorBrewer (Brewer 2003), whose pair every kind of colour vision can tell apart. */
const light: Ramps = {
  neutral: ['#eceff2', '#16202c'],
  decay: ['#deebf7', '#c6dbef', '#9ecae1', '#6baed6', '#4292c6', '#2171b5', '#08306b'],
  growth: ['#fee6ce', '#fdd0a2', '#fdae6b', '#fd8d3c', '#f16913', '#c84200', '#7f2704'],
  ink: (level: number) => (level < 6 ? '#0b1622' : '#ffffff'),
};
/** The same order on a dark page: what is farther from the middle stands out more, so it is brighter. */
const dark: Ramps = {
  neutral: ['#2b343f', '#e6ebf1'],
  decay: ['#18324d', '#194269', '#1c548a', '#2468ab', '#4b96d6', '#86bfec', '#d3e8fb'],
  growth: ['#3b2614', '#573313', '#774312', '#985411', '#d97a1f', '#f5a65b', '#ffdcb8'],
  ink: (level: number) => (level < 5 ? '#f2f6fa' : '#0b1622'),
};

/** Viridis (Smith and van der Walt 2015) in nine steps: even in lightness on any page. */
export const sequential = [
  '#440154',
  '#472d7b',
  '#3b528b',
  '#2c728e',
  '#21918c',
  '#28ae80',
  '#5ec962',
  '#addc30',
  '#fde725',
] as const;

/** Colours of the kinds of factors: Okabe and Ito 2008, in the order of what is found most. */
const categories = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#d55e00', '#56b4e9', '#b8ac00', '#8c8c8c'] as const;

/** The class of the nth category; the last stands for all that follow. */
export function categoryClass(n: number): string {
  return `k${Math.min(n, categories.length - 1)}`;
}

function decadeRules({ neutral, decay, growth, ink }: Ramps): string {
  const rule = (name: string, fill: string, text: string) =>
    `.${name}{fill:${fill}}.${name}+text,.on.${name}{fill:${text}}`;
  const ramp = (letter: string, fills: readonly string[]) =>
    fills.map((fill, i) => rule(`${letter}${i + 1}`, fill, ink(i + 1))).join('');
  return rule('f0', neutral[0]!, neutral[1]!) + ramp('d', decay) + ramp('g', growth);
}

/** Style rules for everything that is coloured by a number. */
export const colourRules = [
  decadeRules(light),
  `@media screen and (prefers-color-scheme:dark){${decadeRules(dark)}}`,
  '.fz{fill:var(--card);stroke:var(--bad);stroke-dasharray:3 2}.fz+text,.on.fz{fill:var(--ink);stroke:none}',
  '.fn{fill:#b3125f}.fn+text,.on.fn{fill:#fff}',
  sequential.map((fill, i) => `.h${i}{fill:${fill}}`).join(''),
  categories.map((fill, i) => `.k${i}{fill:${fill};background:${fill}}`).join(''),
].join('\n');
