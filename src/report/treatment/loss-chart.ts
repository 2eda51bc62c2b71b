import type { Series } from '../explanation.ts';
import { html, type Markup } from '../html/escape.ts';
import { extent, roundScale } from '../html/scale.ts';
import { minus, polyline, px, svg } from '../html/svg.ts';

/** Classes of the lines: what did best, then the baseline. */
export const curvePaints = ['measured', 'second'] as const;

/** Loss over steps, one line for each series. */
export function drawLossCurves(series: readonly Series[], label: string, width: number, narrow: boolean): Markup {
  const left = narrow ? 46 : 60;
  const [top, bottom, right] = [24, narrow ? 180 : 240, width - 10];
  const [low, high] = extent(series.flatMap(({ y }) => y)) ?? [0, 1];
  const [first, last] = extent(series.flatMap(({ x }) => x)) ?? [0, 1];
  const y = roundScale(low > 0 && low < 0.4 * high ? 0 : low, high, bottom, top, 5);
  const x = roundScale(first, Math.max(last, first + 1), left, right, narrow ? 4 : 8);
  const at = (step: number) => left + ((step - first) / Math.max(1, last - first)) * (right - left);
  const ticks = x.ticks.filter((tick) => Number.isInteger(tick) && tick >= first && tick <= last);
  return svg(width, bottom + 36, label, [
    html`<text class="axis-name" x="2" y="12">training loss</text>`,
    ...y.ticks.map(
      (tick) =>
        html`<path class="grid" d="M${left} ${px(y.at(tick))}H${px(right)}"/><text class="tick" x="${left - 7}" y="${px(y.at(tick) + 4)}" text-anchor="end">${minus(String(tick))}</text>`,
    ),
    html`<path class="axis" d="M${left} ${bottom}H${px(right)}"/>`,
    ...ticks.map(
      (tick) =>
        html`<path class="axis" d="M${px(at(tick))} ${bottom}v4"/><text class="tick" x="${px(at(tick))}" y="${bottom + 17}" text-anchor="middle">${tick}</text>`,
    ),
    html`<text class="axis-name" x="${px(right)}" y="${bottom + 32}" text-anchor="end">training step →</text>`,
    ...series
      .map(({ x: steps, y: losses }, i) => {
        const points = steps.map((step, k): [number, number] => [at(step), y.at(losses[k]!)]);
        return html`<path class="${curvePaints[i] ?? 'third'}" d="${polyline(points)}"/>`;
      })
      .reverse(),
  ]);
}
