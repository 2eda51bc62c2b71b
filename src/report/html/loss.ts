import { counted, showNumber } from '../numbers.ts';
import type { ReportSubject } from '../subject.ts';
import { html, type Markup } from './escape.ts';
import { bothWidths, key, section } from './figure.ts';
import { extent } from './scale.ts';
import { stepAxes } from './step-axes.ts';
import { polyline, px, svg } from './svg.ts';

/** More points than this are thinned to the lowest and highest of each group. */
const MOST_POINTS = 600;

/** The loss: its curve where steps were trained. */
export function lossSection({ profile, probe, steps }: ReportSubject): Markup {
  if (!steps || steps.history.steps.length === 0) return html``;
  const { history, lossBefore, lossAfter, count, optimizer, learningRate } = steps;
  const constant = history.constantLoss;
  const label = `Line chart of the loss over ${counted(history.steps.length, 'step')}: ${showNumber(history.loss[0]!)} at the first, ${showNumber(history.loss.at(-1)!)} at the last`;
  const picture = bothWidths((width, narrow) =>
    drawCurve(history.steps, history.loss, { constant, label, kind: probe.lossKind }, width, narrow),
  );
  const body = html`<figure>${picture}${key([
    { mark: 'line', paint: 'measured', text: 'loss of each step on its own batch' },
    ...(constant === undefined
      ? []
      : [{ mark: 'dash', paint: 'mark', text: `the best constant answer: ${showNumber(constant)}` } as const]),
  ])}</figure><p class="small">On the batch of this report: ${showNumber(lossBefore)} before, ${showNumber(lossAfter)} after ${counted(count, 'step')} of ${optimizer} at learning rate ${showNumber(learningRate)}.${profile.loss !== lossBefore && html` Measured at the start: ${showNumber(profile.loss)}.`}</p>`;
  return section({
    id: 'loss',
    title: 'The loss while training',
    lead:
      constant === undefined
        ? undefined
        : 'A network that has learnt anything at all lies below the dashed line: a constant answer reaches that line without looking at its input.',
    body,
  });
}

function drawCurve(
  steps: readonly number[],
  loss: readonly number[],
  { constant, label, kind }: { constant: number | undefined; label: string; kind: string },
  width: number,
  narrow: boolean,
): Markup {
  const frame = stepAxes({
    width,
    narrow,
    steps: [steps[0]!, steps.at(-1)!],
    values: extent(constant === undefined ? loss : [...loss, constant]) ?? [0, 1],
    tall: 230,
    name: kind === 'model-output' ? 'loss' : kind,
  });
  const { at, y, left, right, top } = frame;
  const points = thinned(steps, loss).map(([step, value]): [number, number] => [at(step), y.at(value)]);
  const broken = steps.filter((_, i) => !Number.isFinite(loss[i]!)).slice(0, 200);
  return svg(width, frame.height, label, [
    ...frame.marks,
    constant === undefined ? html`` : html`<path class="mark" d="M${left} ${px(y.at(constant))}H${px(right)}"/>`,
    html`<path class="measured" d="${polyline(points)}"/>`,
    points.length <= 60
      ? html`<g class="measured dot">${points.filter(([, py]) => Number.isFinite(py)).map(([cx, cy]) => html`<circle cx="${px(cx)}" cy="${px(cy)}" r="2.4"/>`)}</g>`
      : html``,
    ...broken.map(
      (step) =>
        html`<path class="broken" d="M${px(at(step) - 4)} ${top - 4}l8 8m0 -8l-8 8"><title>step ${step}: the loss is not finite</title></path>`,
    ),
  ]);
}

function thinned(steps: readonly number[], loss: readonly number[]): [number, number][] {
  const points = steps.map((step, i): [number, number] => [step, loss[i]!]);
  if (points.length <= MOST_POINTS) return points;
  const each = Math.ceil((2 * points.length) / MOST_POINTS);
  const kept: [number, number][] = [];
  for (let i = 0; i < points.length; i += each) {
    const group = points.slice(i, i + each);
    const low = group.reduce((a, b) => (b[1] < a[1] ? b : a));
    const high = group.reduce((a, b) => (b[1] > a[1] ? b : a));
    kept.push(...(low === high ? [low] : low[0] < high[0] ? [low, high] : [high, low]));
  }
  return kept;
}
