import { clean, shorten, shortenPath, widthOf } from '../text.ts';
import { html, Markup } from './escape.ts';

/** Width of one character of the pictures' monospaced font at size 1. */
const CELL = 0.602;

/** A picture of `width` × `height` pixels that shrinks with its place. `label` is what someone who cannot see it hears. */
export function svg(width: number, height: number, label: string, content: Markup | readonly Markup[]): Markup {
  return html`<svg viewBox="0 0 ${px(width)} ${px(height)}" width="${px(width)}" height="${px(height)}" role="img" aria-label="${label}">${content}</svg>`;
}

/** A coordinate to a tenth of a pixel. What is not finite has no place and must be sorted out before. */
export function px(x: number): string {
  return Number.isFinite(x) ? String(Math.round(x * 10) / 10) : '0';
}

/** Pixels that a text takes at a font size. */
export function textWidth(text: string, size: number): number {
  return widthOf(text) * size * CELL;
}

/** Lines through the points; a gap where a point has no finite place. */
export function polyline(points: readonly (readonly [number, number])[]): string {
  let path = '';
  let open = false;
  for (const [x, y] of points) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      open = false;
      continue;
    }
    path += `${open ? 'L' : 'M'}${px(x)} ${px(y)}`;
    open = true;
  }
  return path;
}

/** 10ⁿ with a raised exponent. */
export function power(exponent: number | string): Markup {
  return html`10<tspan dy="-.42em" font-size=".74em">${minus(String(exponent))}</tspan>`;
}

/** 10ⁿ in running text. */
export function powerText(exponent: string): Markup {
  return html`10<sup>${minus(exponent)}</sup>`;
}

/** A hyphen before digits as a minus sign. */
export function minus(text: string): string {
  return text.replace('-', '−');
}

/** Names in at most `cells` characters each; those that would read alike show the part in which they differ. */
export function shortNames(names: readonly string[], cells: number): string[] {
  // An escape is longer than the character it stands for.
  const harmless = names.map((name) => clean(name));
  const short = harmless.map((name) => shortenPath(name, cells));
  const uses = new Map<string, Set<string>>();
  short.forEach((text, i) => {
    uses.set(text, (uses.get(text) ?? new Set()).add(harmless[i]!));
  });
  const distinct = new Map<string, string>();
  for (const alike of uses.values())
    if (alike.size > 1) for (const [name, part] of differences([...alike])) distinct.set(name, part);
  return harmless.map((name, i) => shorten(distinct.get(name) ?? short[i]!, cells));
}

/** Each name without what all of them begin and end with. */
function differences(names: readonly string[]): [name: string, part: string][] {
  const chars = names.map((name) => [...name]);
  const least = Math.min(...chars.map((name) => name.length));
  const same = (at: (name: string[], i: number) => string | undefined, most: number) => {
    let count = 0;
    while (count < most && chars.every((name) => at(name, count) === at(chars[0]!, count))) count++;
    return count;
  };
  const head = same((name, i) => name[i], least);
  const tail = same((name, i) => name[name.length - 1 - i], least - head);
  const part = (name: string[]) =>
    `${head > 0 ? '…' : ''}${name.slice(head, name.length - tail).join('')}${tail > 0 ? '…' : ''}`;
  return names.map((name, i) => [name, part(chars[i]!)]);
}

/** Several pieces of markup with something between them. */
export function joined(parts: readonly Markup[], between: string): Markup {
  return new Markup(parts.map((part) => part.text).join(between));
}
