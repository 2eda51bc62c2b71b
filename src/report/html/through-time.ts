import type { RecurrentFlow } from '../../flow/recurrent.ts';
import { counted, showDecades, showPower } from '../numbers.ts';
import type { ReportSubject } from '../subject.ts';
import { html, type Markup } from './escape.ts';
import { bothWidths, key, name, numbers, section } from './figure.ts';
import { decadeScale, extent, thin } from './scale.ts';
import { polyline, power, px, svg } from './svg.ts';

/** At most this many layers and directions are drawn. */
const MOST_FLOWS = 6;

/** Backpropagation through time: the gradient at every step of each recurrent layer. */
export function throughTimeSection({ profile }: ReportSubject): Markup {
  const flows = profile.recurrent ?? [];
  if (flows.length === 0) return html``;
  const figures = flows.slice(0, MOST_FLOWS).map((flow) => {
    const title = flow.layer || flow.node;
    const label = `Gradient at each of ${counted(flow.hidden.length, 'step')} of ${title}: ${showDecades(flow.totalDecades)} decades from the last to the first`;
    const told =
      flow.from === undefined
        ? 'no gradient reaches any step'
        : html`${showDecades(flow.totalDecades)} decades over ${counted(flow.gains.length, 'step')}, ${showDecades(flow.recurrence)} of them by the recurrence alone${Math.abs(flow.direct) >= 0.05 && html`, ${showDecades(flow.direct)} arriving directly from the layer's output`}`;
    return html`<figure><figcaption>${name(title)} (${flow.op}${flow.direction === 'reverse' && ', reverse'}): ${told}</figcaption>${bothWidths((width, narrow) => drawFlow(flow, label, width, narrow))}${key(
      [
        { mark: 'line', paint: 'measured', text: 'hidden state, ‖∂C/∂h‖' },
        ...(flow.cell ? [{ mark: 'line', paint: 'third', text: 'cell state, ‖∂C/∂c‖' } as const] : []),
      ],
    )}${numbers('Every step', tableOf(flow))}</figure>`;
  });
  const more = flows.length - MOST_FLOWS;
  return section({
    id: 'time',
    title: 'Backwards through time',
    lead: html`A recurrent layer passes the gradient from each time step to the one before. Where the line sinks to the left, what happened early teaches the network nothing.`,
    body: html`${figures}${more > 0 && html`<p class="small">And ${counted(more, 'more recurrent layer')}: the JSON report has all.</p>`}`,
  });
}

function drawFlow(flow: RecurrentFlow, label: string, width: number, narrow: boolean): Markup {
  const { hidden, cell = [] } = flow;
  const left = narrow ? 42 : 56;
  const [top, bottom, right] = [14, narrow ? 160 : 190, width - 10];
  const [low, high] = extent([...hidden, ...cell]) ?? [-4, 0];
  const y = decadeScale(Math.min(low, high - 4), high, bottom, top, 5);
  const pitch = (right - left) / Math.max(1, hidden.length - 1);
  const at = (step: number) => (hidden.length === 1 ? (left + right) / 2 : left + step * pitch);
  const path = (line: readonly number[]) => polyline(line.map((value, t): [number, number] => [at(t), y.at(value)]));
  const odd = hidden.flatMap((value, t) => {
    if (Number.isFinite(value)) return [];
    if (value === Number.NEGATIVE_INFINITY)
      return [html`<circle class="zero" cx="${px(at(t))}" cy="${bottom}" r="2.5"/>`];
    return [html`<path class="broken" d="M${px(at(t) - 3)} ${top - 3}l6 6m0 -6l-6 6"/>`];
  });
  const dots =
    pitch < 7
      ? []
      : hidden.flatMap((value, t) =>
          Number.isFinite(value) ? [html`<circle cx="${px(at(t))}" cy="${px(y.at(value))}" r="2.4"/>`] : [],
        );
  return svg(width, bottom + 36, label, [
    ...y.ticks.map(
      (tick) =>
        html`<path class="grid" d="M${left} ${px(y.at(tick))}H${px(right)}"/><text class="tick" x="${left - 7}" y="${px(y.at(tick) + 4)}" text-anchor="end">${power(tick)}</text>`,
    ),
    html`<path class="axis" d="M${left} ${bottom}H${px(right)}"/>`,
    ...thin(hidden.length, pitch, 40).map(
      (t) => html`<text class="tick" x="${px(at(t))}" y="${bottom + 17}" text-anchor="middle">${t}</text>`,
    ),
    html`<text class="axis-name" x="${left}" y="${bottom + 32}">← first time step</text><text class="axis-name" x="${px(right)}" y="${bottom + 32}" text-anchor="end">last →</text>`,
    cell.length > 0 ? html`<path class="third" d="${path(cell)}"/>` : html``,
    html`<path class="measured" d="${path(hidden)}"/>`,
    html`<g class="measured dot">${dots}</g>`,
    ...odd,
  ]);
}

function tableOf({ hidden, cell }: RecurrentFlow) {
  const columns = [
    { title: 'time step' },
    { title: '‖∂C/∂h‖', numeric: true },
    ...(cell ? [{ title: '‖∂C/∂c‖', numeric: true }] : []),
  ];
  const rows = hidden.map((value, t) => [String(t), showPower(value), ...(cell ? [showPower(cell[t]!)] : [])]);
  return { columns, rows };
}
