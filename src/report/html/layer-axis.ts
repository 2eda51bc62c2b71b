import { html, type Markup } from './escape.ts';
import { thin } from './scale.ts';
import { px, shortNames, textWidth } from './svg.ts';

/** Layers from input (left) to output (right), each in the middle of a band. */
export interface LayerAxis {
  readonly pitch: number;
  /** Pixels that the names take below the picture. */
  readonly height: number;
  /** The middle of a layer's band. */
  at(i: number): number;
  /** The names below `y`, thinned until none touches another. */
  draw(y: number): Markup;
}

const SIZE = 11;
/** Slope of the names where they do not fit side by side. */
const ANGLE = 50;

/** The axis of `names` between two pixels. */
export function layerAxis(names: readonly string[], from: number, to: number, narrow: boolean): LayerAxis {
  const pitch = (to - from) / Math.max(1, names.length);
  const at = (i: number) => from + (i + 0.5) * pitch;
  const short = shortNames(names, narrow ? 10 : 15);
  const widest = Math.max(0, ...short.map((text) => textWidth(text, SIZE)));
  const level = widest + 10 <= pitch;
  const sine = Math.sin((ANGLE * Math.PI) / 180);
  const shown = thin(names.length, pitch, level ? widest + 10 : pitch < 1.5 * SIZE ? 2.2 * SIZE : 1.5 * SIZE);
  const height = (level ? SIZE + 8 : widest * sine + 14) + 18;
  const label = (i: number, y: number) =>
    level
      ? html`<text class="tick name" x="${px(at(i))}" y="${px(y + SIZE + 5)}" text-anchor="middle">${short[i]}</text>`
      : html`<text class="tick name" transform="translate(${px(at(i) + 4)} ${px(y + 10)}) rotate(-${ANGLE})" text-anchor="end">${short[i]}</text>`;
  return {
    pitch,
    height,
    at,
    draw: (y) => {
      const end = y + height - 3;
      return html`${shown.map((i) => html`<path class="axis" d="M${px(at(i))} ${px(y)}v4"/>${label(i, y)}`)}<text class="axis-name" x="${px(from)}" y="${px(end)}">← input</text><text class="axis-name" x="${px(to)}" y="${px(end)}" text-anchor="end">output →</text>`;
    },
  };
}

/** Invisible columns that tell a layer's numbers to whoever points at them: neighbours share one where they are thin. */
export function hoverColumns(
  count: number,
  axis: LayerAxis,
  { top, height, tell }: { top: number; height: number; tell: (i: number) => string },
): Markup[] {
  const each = Math.max(1, Math.ceil(count / 400));
  const columns: Markup[] = [];
  for (let i = 0; i < count; i += each) {
    const left = axis.at(i) - axis.pitch / 2;
    const wide = Math.min(each, count - i) * axis.pitch;
    columns.push(
      html`<rect class="hover" x="${px(left)}" y="${px(top)}" width="${px(wide)}" height="${px(height)}"><title>${tell(i)}</title></rect>`,
    );
  }
  return columns;
}
