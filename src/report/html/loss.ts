import { counted, showNumber } from '../numbers.ts';
import type { ReportSubject } from '../subject.ts';
import { html, type Markup } from './escape.ts';
import { bothWidths, key, section } from './figure.ts';
import { extent, roundScale } from './scale.ts';
import { minus, polyline, px, svg } from './svg.ts';

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
  const left = narrow ? 46 : 60;
  const [top, bottom, right] = [24, narrow ? 180 : 230, width - 10];
  const [low, high] = extent(constant === undefined ? loss : [...loss, constant]) ?? [0, 1];
  const y = roundScale(low > 0 && low < 0.4 * high ? 0 : low, high, bottom, top, 5);
  const x = roundScale(steps[0]!, Math.max(steps.at(-1)!, steps[0]! + 1), left, right, narrow ? 4 : 8);
  const at = (step: number) => left + ((step - steps[0]!) / Math.max(1, steps.at(-1)! - steps[0]!)) * (right - left);
  const points = thinned(steps, loss).map(([step, value]): [number, number] => [at(step), y.at(value)]);
  const broken = steps.filter((_, i) => !Number.isFinite(loss[i]!)).slice(0, 200);
  const ticks = x.ticks.filter((tick) => Number.isInteger(tick) && tick >= steps[0]! && tick <= steps.at(-1)!);
  return svg(width, bottom + 36, label, [
    html`<text class="axis-name" x="2" y="12">${kind === 'model-output' ? 'loss' : kind}</text>`,
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
