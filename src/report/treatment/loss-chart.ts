import type { Series } from '../explanation.ts';
import { html, type Markup } from '../html/escape.ts';
import { extent } from '../html/scale.ts';
import { stepAxes } from '../html/step-axes.ts';
import { polyline, svg } from '../html/svg.ts';

/** Classes of the lines: what did best, then the baseline. */
export const curvePaints = ['measured', 'second'] as const;

/** Loss over steps, one line for each series. */
export function drawLossCurves(series: readonly Series[], label: string, width: number, narrow: boolean): Markup {
  const { at, y, height, marks } = stepAxes({
    width,
    narrow,
    steps: extent(series.flatMap(({ x }) => x)) ?? [0, 1],
    values: extent(series.flatMap((one) => one.y)) ?? [0, 1],
    tall: 240,
    name: 'training loss',
  });
  return svg(width, height, label, [
    ...marks,
    ...series
      .map(({ x: steps, y: losses }, i) => {
        const points = steps.map((step, k): [number, number] => [at(step), y.at(losses[k]!)]);
        return html`<path class="${curvePaints[i] ?? 'third'}" d="${polyline(points)}"/>`;
      })
      .reverse(),
  ]);
}
